"""Files that lie elsewhere: links resolved and signed, what GDAL opens, small files fetched."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from s2_superres.errors import ProductError, S2SuperresError

Result = TypeVar("Result")
#: Makes the link that is read of one in a catalogue.
Sign = Callable[[str], str]

#: What GDAL reads each kind of link by.
_FILE_SYSTEMS = {
    "http": "/vsicurl/http://", "https": "/vsicurl/https://", "s3": "/vsis3/", "gs": "/vsigs/",
    "az": "/vsiaz/", "abfs": "/vsiaz/",
}  # fmt: skip
#: What GDAL keeps of remote files, in bytes: room for what it reads ahead in each of the bands,
#: which is asked for again if another band's has taken its place.
NETWORK_CACHE = 64 * 2**20
#: How GDAL reads over the network; what the environment says goes before it.
_NETWORK = {
    "CPL_VSIL_CURL_CACHE_SIZE": str(NETWORK_CACHE),
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",
    "GDAL_HTTP_TIMEOUT": "60",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "0.5",
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_INGESTED_BYTES_AT_OPEN": "32768",
    "VSI_CACHE": "FALSE",
}
_TRIES = 3
_PAUSE = 0.5
_TIMEOUT = 30.0
#: No item or metadata file comes near.
_LARGEST = 64 * 2**20


def is_url(text: object) -> bool:
    """Whether a text is a link of a kind that can be read."""
    return isinstance(text, str) and text.partition("://")[0].lower() in _FILE_SYSTEMS


def resolve(href: str, base: str | None) -> str:
    """Return a link that was relative to what it stands in, such as an item's own link."""
    href = href.removeprefix("file://")
    if is_url(href) or href.startswith("/vsi") or not base:
        return href
    if is_url(base):
        from urllib.parse import urljoin

        scheme, _, rest = base.partition("://")
        # The standard library joins the schemes that it knows.
        joined = urljoin(f"https://{rest}", href)
        return f"{scheme}://{joined.removeprefix('https://')}"
    return str(Path(base).parent.joinpath(href))


def gdal_path(href: str) -> str:
    """Return what GDAL opens for a link or path."""
    scheme, separator, rest = href.partition("://")
    if not separator:
        return href if href.startswith("/vsi") else str(Path(href).absolute())
    if scheme.lower() not in _FILE_SYSTEMS:
        raise ProductError(
            f"{href}: links of {scheme}:// are not read; give https://, s3://, gs:// or az://"
        )
    return _FILE_SYSTEMS[scheme.lower()] + rest


def link_of(path: str) -> str:
    """Return the link that GDAL reads a path of its own from, empty if there is none."""
    for scheme, prefix in _FILE_SYSTEMS.items():
        if path.startswith(prefix):
            return f"{scheme}://{path.removeprefix(prefix)}"
    return ""


def network_options(path: str) -> dict[str, str]:
    """Return GDAL's options for a path: none, unless it lies elsewhere."""
    # Of a file in a zip, the braces hold where that lies.
    if not path.removeprefix("/vsizip/{").startswith(tuple(_FILE_SYSTEMS.values())):
        return {}
    return {name: value for name, value in _NETWORK.items() if name not in os.environ}


def patiently(read: Callable[[], Result], path: str) -> Result:
    """Return what is read; of a path that lies elsewhere, tried again where that may help."""
    for attempt in range(_TRIES - 1 if is_url(path) else 0):
        try:
            return read()
        except (ImportError, S2SuperresError):
            raise
        except Exception:  # Libraries of file systems raise what they will.
            time.sleep(_PAUSE * 2**attempt)
    return read()


def client_options(url: str) -> dict[str, Any]:
    """Return what fsspec is to do of a link: not to wait for minutes."""
    if not url.startswith(("http://", "https://")):
        return {}
    from aiohttp import ClientTimeout

    return {"client_kwargs": {"timeout": ClientTimeout(total=2 * _TIMEOUT)}}


def fetch(href: str, sign: Sign | None = None) -> bytes:
    """Return a small file, from a path or by HTTP; tried again where that may help.

    Raises
    ------
    ProductError
        If it cannot be had, with the reason.
    """
    if not is_url(href):
        try:
            with Path(href).open("rb") as file:
                return file.read(_LARGEST)
        except OSError as error:
            raise ProductError(
                f"{href}: cannot be read ({error.strerror}); check the path"
            ) from None
    return ask(sign(href) if sign is not None else href, {}, _LARGEST, name=href)[0]


def ask(
    url: str, headers: Mapping[str, str], most: int, *, name: str = ""
) -> tuple[bytes, Mapping[str, str]]:
    """Return what a server answers, so many bytes of it at most, and its headers.

    Raises
    ------
    ProductError
        If it cannot be had, with the link by its name or as it is, and the reason.
    """
    name = name or url
    if not url.startswith(("http://", "https://")):
        raise ProductError(f"{name}: cannot be fetched; give a link of http:// or https://")
    # Not at the top: most runs are of products on disk.
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    for attempt in range(_TRIES):
        try:
            with urlopen(Request(url, headers=dict(headers)), timeout=_TIMEOUT) as answer:
                data = answer.read(most)
                if len(data) >= min(int(answer.headers.get("Content-Length", 0)), most):
                    return data, answer.headers
                reason = f"it was cut off after {len(data)} bytes"
        except HTTPError as error:
            reason = f"HTTP {error.code} {error.reason}"
            if error.code not in (408, 429) and error.code < 500:
                break
        except (OSError, ValueError, HTTPException) as error:
            # Without a message of its own, the kind of error tells the most.
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        if attempt + 1 < _TRIES:
            time.sleep(_PAUSE * 2**attempt)
    raise ProductError(f"{name}: cannot be fetched ({reason}); check the link and the connection")


def read_json(source: Any, sign: Sign | None = None) -> dict[str, Any]:
    """Return what a JSON file holds, from a path or by HTTP.

    Raises
    ------
    ProductError
        If it cannot be had, or holds no JSON object.
    """
    href = str(source)
    try:
        found = json.loads(fetch(href, sign))
    except (ValueError, RecursionError) as error:
        raise ProductError(f"{href}: not readable JSON ({error}); check the file") from None
    if not isinstance(found, dict):
        raise ProductError(f"{href}: holds no JSON object; give a STAC item")
    return found


def peek_json(source: object) -> Mapping[str, Any]:
    """Return what a source that may be JSON holds, empty if it is none: to recognise it."""
    if isinstance(source, Mapping):
        return source
    if not isinstance(source, str | Path) or is_url(source):
        return {}
    path = Path(source)
    try:
        if path.suffix.lower() not in (".json", ".geojson") or not path.is_file():
            return {}
        found = json.loads(path.read_bytes()[:_LARGEST])
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
