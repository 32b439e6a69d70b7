"""Whether a product is as it was delivered: the manifest's checksums, and a zip's own.

A JPEG 2000 file that was damaged on its way may still decode, to something else.
"""

from __future__ import annotations

import hashlib
import posixpath
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from s2_superres.errors import ProductError
from s2_superres.products.containers import Container, Zip
from s2_superres.products.layout import locate
from s2_superres.products.metadata import Document
from s2_superres.products.openers import opener_of

if TYPE_CHECKING:
    from s2_superres.products.product import Product

_MANIFEST = "manifest.safe"
#: Names in manifests, and what computes them: MD5 to baseline 03.01 or so, SHA3-256 after it.
_METHODS = {"MD5": "md5", "SHA3-256": "sha3_256", "SHA256": "sha256"}
_CHUNK = 2**22

#: Called with the bytes done and the bytes there are.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Verified:
    """What was compared, and with what.

    Attributes
    ----------
    files, nbytes : int
        How many files were read, and their size.
    checksums : int
        How many of them the manifest has a checksum of.
    zipped : bool
        Whether each was compared with the zip's CRC too.
    """

    files: int
    nbytes: int
    checksums: int
    zipped: bool

    def summary(self) -> str:
        """Return it in a line."""
        by = [f"{self.checksums} by the manifest's checksums"] if self.checksums else []
        by += [f"{self.files} by the zip's CRCs"] if self.zipped else []
        return f"{self.files} files, {self.nbytes / 1e6:.4g} MB: {' and '.join(by)}"


def verify(product: Product, progress: Progress | None = None) -> Verified:
    """Read a product whole and compare its files with their checksums.

    Parameters
    ----------
    product : Product
        From a ``.SAFE`` folder or a zip.
    progress : callable, optional

    Returns
    -------
    Verified

    Raises
    ------
    ProductError
        Naming the first file that differs, or that the manifest lists and is not there; or if
        there is nothing to compare with.
    """
    if not opener_of(product).checksums:
        raise ProductError(
            f"{product.path}: cannot be verified, only products as .SAFE or .zip come with "
            "checksums; leave --verify out"
        )
    container, _ = locate(product.path, product.signer)
    told = dict(_manifest(container, product))
    zipped = isinstance(container, Zip)
    if not told and not zipped:
        raise ProductError(
            f"{container.label}: cannot be verified, there is no {_MANIFEST} with checksums; "
            "download the complete product, or leave --verify out"
        )
    for name in told:
        if name not in container.names:
            raise ProductError(
                f"{container.where(name)}: listed in {_MANIFEST}, but missing; download the "
                "product again"
            )
    names = sorted(container.names if zipped else told)
    total, done = sum(map(container.size, names)), 0
    for name in names:
        method, expected = told.get(name, ("MD5", ""))
        digest = hashlib.new(_METHODS[method], usedforsecurity=False)
        for chunk in _chunks(container, name):
            digest.update(chunk)
            done += len(chunk)
            if progress is not None:
                progress(done, total)
        if expected and digest.hexdigest() != expected:
            raise ProductError(
                f"{container.where(name)}: its {method} is not the one in {_MANIFEST}, the file "
                "was damaged or changed; download the product again"
            )
    return Verified(len(names), done, len(told), zipped)


def _manifest(container: Container, product: Product) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the files that the manifest has a checksum of, with its method and value."""
    base = product.granule.partition("GRANULE/")[0]
    name = posixpath.join(base, _MANIFEST)
    if name not in container.names:
        return
    document = Document(container, name)
    for stream in document.all("byteStream"):
        place, checksum = stream.find("{*}fileLocation"), stream.find("{*}checksum")
        if place is None or checksum is None or not checksum.text:
            continue
        method = checksum.get("checksumName", "").upper()
        if method not in _METHODS:
            raise ProductError(
                f"{document.where}: a checksum by {method or 'no method'}, which is not known; "
                "leave --verify out"
            )
        file = posixpath.normpath(posixpath.join(base, place.get("href", "")))
        yield file, (method, checksum.text.strip().lower())


def _chunks(container: Container, name: str) -> Iterator[bytes]:
    """Read a file by parts; at the end of a member, the zip's CRC is compared."""
    try:
        with container.open(name) as file:
            yield from _parts(file)
    except (zipfile.BadZipFile, EOFError, zlib.error) as error:
        raise ProductError(
            f"{container.where(name)}: is not as it was packed ({error}); download the product "
            "again"
        ) from None
    except OSError as error:
        raise ProductError(
            f"{container.where(name)}: cannot be read ({error.strerror or error}); check its "
            "permissions and the disk"
        ) from None


def _parts(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
