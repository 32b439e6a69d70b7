"""A file behind HTTP, read by ranges: what the standard library wants of a zip, and no more."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from s2_superres.errors import ProductError
from s2_superres.products.remote import ask
from s2_superres.products.signing import UNSIGNED, Signer

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: Read at once, so that a small file of a zip is one request.
_AHEAD = 128 * 2**10


class RangeFile(io.RawIOBase):
    """A file that a server sends parts of.

    Parameters
    ----------
    url : str
    signer : Signer, optional
        Signs it, and again where a part is refused.

    Raises
    ------
    ProductError
        If it cannot be had, or the server sends no parts.
    """

    def __init__(self, url: str, signer: Signer = UNSIGNED) -> None:
        super().__init__()
        self.url = url
        self._signer = signer
        self.position = 0
        found = re.fullmatch(r"bytes 0-0/(\d+)", self._part(0, 1)[1])
        if found is None:
            raise ProductError(f"{url}: its size is not told by the server; download it")
        self.size = int(found[1])

    def _part(self, start: int, stop: int) -> tuple[bytes, str]:
        try:
            data, headers = self._asked(start, stop)
        except ProductError:
            if not self._signer.renew(self.url):
                raise
            data, headers = self._asked(start, stop)
        told = headers.get("Content-Range")
        if told is None:
            raise ProductError(
                f"{self.url}: the server sends no parts of files; download it and give the file"
            )
        return data, told

    def _asked(self, start: int, stop: int) -> tuple[bytes, Mapping[str, str]]:
        asked = {"Range": f"bytes={start}-{stop - 1}"}
        return ask(self._signer(self.url), asked, stop - start, name=self.url)

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether reading may begin anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        self.position = max(0, base + offset)
        return self.position

    def tell(self) -> int:
        """Return the place."""
        return self.position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Read into a buffer, and go on behind."""
        view = memoryview(buffer)
        stop = min(self.position + len(view), self.size)
        if stop <= self.position:
            return 0
        data, _ = self._part(self.position, stop)
        view[: len(data)] = data
        self.position += len(data)
        return len(data)


def open_ranges(url: str, signer: Signer = UNSIGNED) -> io.BufferedReader:
    """Open a file behind HTTP, see `RangeFile`."""
    return io.BufferedReader(RangeFile(url, signer), _AHEAD)
