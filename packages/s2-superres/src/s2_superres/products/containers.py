"""The files of a product, whether they lie in a folder or in a zip.

Names are relative, with ``/`` between their parts. A zip is read where it is:
its small files through the standard library, its rasters by GDAL.
"""

from __future__ import annotations

import os
import posixpath
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Protocol

from s2_superres.errors import ProductError
from s2_superres.products.ranges import open_ranges
from s2_superres.products.remote import gdal_path
from s2_superres.products.signing import UNSIGNED, Signer

#: No metadata file of a product comes near; a zip can make a gigabyte of a kilobyte.
MAX_TEXT = 64 * 2**20
#: Names of zip's methods beyond store and deflate (APPNOTE 6.3.10, section 4.4.5).
_METHODS = {
    6: "implode", 9: "deflate64", 12: "bzip2", 14: "lzma", 20: "zstd", 93: "zstd", 95: "xz",
    98: "ppmd", 99: "AES",
}  # fmt: skip
_DAMAGED = "it is damaged or cut off; download it again"


class Container(Protocol):
    """What a product's reader asks of the place where its files lie."""

    @property
    def label(self) -> str:
        """What to call it in messages."""

    @property
    def names(self) -> frozenset[str]:
        """Every file in it."""

    def size(self, name: str) -> int:
        """Size of a file in bytes."""

    def read(self, name: str) -> bytes:
        """Content of a small file."""

    def head(self, name: str, count: int) -> bytes:
        """First bytes of a file."""

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read its bytes; errors come as they are."""

    def gdal_path(self, name: str) -> str:
        """What GDAL opens."""

    def where(self, name: str) -> str:
        """How to tell the user of a file."""


@dataclass(frozen=True)
class Folder:
    """A folder with everything below it."""

    root: Path

    @property
    def label(self) -> str:
        """Path of the folder."""
        return str(self.root)

    @cached_property
    def names(self) -> frozenset[str]:
        """Every file below the folder."""
        return frozenset(filter(_is_own, self._walk()))

    def _walk(self) -> Iterator[str]:
        """Yield every file, also behind links to folders, which archives are made of."""

        def stop(error: OSError) -> None:
            raise ProductError(
                f"{error.filename}: cannot be listed ({error.strerror}); check its permissions"
            )

        for folder, below, files in os.walk(self.root, onerror=stop, followlinks=True):
            # A link that leads back to where we came from has no end.
            here = Path(folder).resolve()
            below[:] = [name for name in below if not here.is_relative_to((here / name).resolve())]
            for file in files:
                path = Path(folder, file)
                if path.is_file():
                    yield path.relative_to(self.root).as_posix()

    def size(self, name: str) -> int:
        """Size of a file in bytes."""
        return (self.root / name).stat().st_size

    def read(self, name: str) -> bytes:
        """Content of a small file."""
        return self._read(name, None)

    def head(self, name: str, count: int) -> bytes:
        """First bytes of a file."""
        return self._read(name, count)

    def open(self, name: str) -> IO[bytes]:
        """Open a file to read its bytes; errors come as they are."""
        return (self.root / name).open("rb")

    def gdal_path(self, name: str) -> str:
        """Path of the file."""
        return str((self.root / name).absolute())

    def where(self, name: str) -> str:
        """Path of the file."""
        return str(self.root / name)

    def _read(self, name: str, count: int | None) -> bytes:
        return _read(lambda: self.open(name), self.where(name), count)


@dataclass(frozen=True)
class Zip:
    """A zip file.

    Raises
    ------
    ProductError
        If it is damaged, or a member's name climbs out of it.
    """

    path: Path | str

    def __post_init__(self) -> None:
        for name, member in self._members.items():
            if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
                raise ProductError(
                    f"{self.path}: the member {name!r} points outside the zip; do not trust this "
                    "file, download the product again"
                )
            if _is_own(name):
                self._check_packing(member)

    def _check_packing(self, member: zipfile.ZipInfo) -> None:
        """Check that a member is packed as both Python and GDAL can read it."""
        what = None
        if member.flag_bits & 1:
            what = "encrypted"
        elif member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            method = _METHODS.get(member.compress_type, f"method {member.compress_type}")
            what = f"packed by {method}"
        if what:
            raise ProductError(
                f"{self.path}: its member {member.filename} is {what}, which cannot be read in "
                "place; unpack it and give the folder, or pack it again by deflate (zip -r)"
            )

    @property
    def label(self) -> str:
        """Path of the zip."""
        return str(self.path)

    def _archive(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(self.path)

    @cached_property
    def _members(self) -> dict[str, zipfile.ZipInfo]:
        try:
            with self._archive() as archive:
                return {item.filename: item for item in archive.infolist() if not item.is_dir()}
        except (zipfile.BadZipFile, EOFError, UnicodeDecodeError):
            raise ProductError(f"{self.path}: not a readable zip; {_DAMAGED}") from None
        except OSError as error:
            raise ProductError(
                f"{self.path}: cannot be read ({error.strerror}); check permissions and disk"
            ) from None

    @cached_property
    def names(self) -> frozenset[str]:
        """Every member, without what some systems add when they pack."""
        return frozenset(filter(_is_own, self._members))

    def size(self, name: str) -> int:
        """Unpacked size of a member in bytes."""
        return self._members[name].file_size

    def read(self, name: str) -> bytes:
        """Content of a small member."""
        return self._read(name, None)

    def head(self, name: str, count: int) -> bytes:
        """First bytes of a member."""
        return self._read(name, count)

    def open(self, name: str) -> IO[bytes]:
        """Open a member to read its bytes; errors come as they are."""
        # The member keeps the archive's file open until it is closed itself.
        with self._archive() as archive:
            return archive.open(name)

    def gdal_path(self, name: str) -> str:
        """Path in GDAL's virtual file system; the braces allow any name for the zip."""
        return f"/vsizip/{{{Path(self.path).absolute()}}}/{name}"

    def where(self, name: str) -> str:
        """Name of the member and of the zip."""
        return f"{name} in {self.path}"

    def _read(self, name: str, count: int | None) -> bytes:
        try:
            return _read(lambda: self.open(name), self.where(name), count)
        except (zipfile.BadZipFile, RuntimeError, NotImplementedError):
            raise ProductError(f"{self.where(name)}: cannot be unpacked; {_DAMAGED}") from None


@dataclass(frozen=True)
class RemoteZip(Zip):
    """A zip file behind HTTP: of it only what is asked for is fetched."""

    signer: Signer = field(default=UNSIGNED, compare=False)

    @cached_property
    def _shared(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(open_ranges(str(self.path), self.signer))

    @contextmanager
    def _archive(self) -> Iterator[zipfile.ZipFile]:  # type: ignore[override]
        # Its directory is fetched once.
        yield self._shared

    def gdal_path(self, name: str) -> str:
        """Path in GDAL's virtual file system."""
        return f"/vsizip/{{{gdal_path(str(self.path))}}}/{name}"


def _is_own(name: str) -> bool:
    """Whether a file is the product's, and not one that a system adds (macOS's ``._`` files)."""
    base = posixpath.basename(name)
    return not name.startswith("__MACOSX/") and not base.startswith("._") and base != ".DS_Store"


def _read(opened: Callable[[], IO[bytes]], where: str, count: int | None) -> bytes:
    """Read ``count`` bytes, or everything if it is no more than text should be."""
    import zlib

    try:
        with opened() as file:
            data = file.read(MAX_TEXT + 1 if count is None else count)
    except OSError as error:
        raise ProductError(
            f"{where}: cannot be read ({error.strerror or error}); check permissions and disk"
        ) from None
    except (EOFError, zlib.error):
        raise ProductError(f"{where}: cannot be unpacked; {_DAMAGED}") from None
    if count is None and len(data) > MAX_TEXT:
        raise ProductError(
            f"{where}: larger than {MAX_TEXT >> 20} MiB, which no metadata file is; download the "
            "product again"
        )
    return data
