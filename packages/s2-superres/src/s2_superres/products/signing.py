"""Links that are signed before they are read, and once more where a signature is refused.

Signatures expire, often within the hour that a product takes. So products keep the links of their
catalogue, and what signs them.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from typing import Any

from s2_superres.products.remote import Sign, gdal_path, is_url, link_of

#: What follows a link's path: signatures, which are nobody's business.
_QUERY = re.compile(r"\?[^\s'\"),\]}]+")


class Signer:
    """Signs each link once, and again when that is refused; without a function, not at all.

    It goes to other processes. Where its function cannot, as one that is defined in another, the
    links that it has signed go, as they are.

    Parameters
    ----------
    sign : callable, optional
        ``(link) -> link``.
    made : mapping of str to str, optional
        What has been signed, by what it was.
    """

    def __init__(self, sign: Sign | None = None, made: Mapping[str, str] | None = None) -> None:
        self._sign = sign
        self._made = dict(made or {})

    def __call__(self, path: str) -> str:
        """Return what to read for a link, a path of GDAL's to one, or any other path."""
        if path not in self._made:
            self._made[path] = self._anew(path)
        return self._made[path]

    def renew(self, path: str) -> bool:
        """Sign anew what was refused, and return whether anything else came of it."""
        before = self(path)
        if self._sign is not None:
            self._made[path] = self._anew(path)
        return self._made[path] != before

    def hide(self, text: str) -> str:
        """Return a message without signatures."""
        return _QUERY.sub("", text) if self._made else text

    def _anew(self, path: str) -> str:
        if self._sign is None:
            return path
        if path.startswith("/vsizip/{"):
            archive, brace, member = path.removeprefix("/vsizip/{").partition("}")
            return f"/vsizip/{{{self._anew(archive)}{brace}{member}"
        if path.startswith("/vsi"):
            link = link_of(path)
            return gdal_path(self._sign(link)) if link else path
        return self._sign(path) if is_url(path) else path

    def __reduce__(self) -> tuple[Any, ...]:
        try:
            function = pickle.dumps(self._sign)
        except Exception:  # Whatever a function raises that is not to be had elsewhere.
            function = b""
        return _arrived, (function, self._made)


def _arrived(function: bytes, made: Mapping[str, str]) -> Signer:
    try:
        sign = pickle.loads(function)
    except Exception:  # Its module may be missing here.
        sign = None
    return Signer(sign, made)


#: Of what is read as it is.
UNSIGNED = Signer()
