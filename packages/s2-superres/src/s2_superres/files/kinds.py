"""The kinds of files and folders that the package writes, each told by how it begins.

An output may replace one of its own kind and nothing else: a name mistyped, or two
where one was meant, must not cost a product, weights or anybody's data.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

#: As many bytes of a file are looked at.
_HEAD = 4096
#: Endings that tell of something else than an output, unless they are of its kind.
_TAKEN = {
    ".gml", ".gpkg", ".h5", ".hdf5", ".html", ".jp2", ".json", ".geojson", ".keras", ".nc", ".npy",
    ".npz", ".png", ".safe", ".shp", ".tar", ".tif", ".tiff", ".vrt", ".xml", ".zarr", ".zip",
}  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """A kind of file.

    Attributes
    ----------
    name : str
        With its article, such as ``a PNG``.
    suffixes : tuple of str
        In small letters; the first one is the usual one.
    begins : callable
        Whether a file that begins with these bytes is of the kind.
    told_by : tuple of str
        The files in it by which a folder is told; empty for kinds that are files.
    """

    name: str
    suffixes: tuple[str, ...]
    begins: Callable[[bytes], bool]
    told_by: tuple[str, ...] = ()

    def takes_name(self, path: Path) -> bool:
        """Whether a new file of this kind may have the name."""
        suffix = path.suffix.lower()
        return suffix in self.suffixes or suffix not in _TAKEN

    def replaces(self, path: Path) -> bool:
        """Whether what is there is of this kind, or empty."""
        if not self.told_by:
            head = _head(path)
            return not head or self.begins(head)
        if not path.is_dir():
            return False
        inside = [path / name for name in self.told_by if (path / name).is_file()]
        return any(self.begins(_head(file)) for file in inside) or not any(path.iterdir())


def _head(file: Path) -> bytes:
    with file.open("rb") as opened:
        return opened.read(_HEAD)


def _starting(*signatures: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(signatures)


#: Classic and BigTIFF in either byte order.
TIFF = Kind("a TIFF", (".tif", ".tiff"), _starting(b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"))
#: One that we have made: those of catalogues stay.
ITEM = Kind(
    "a STAC item that s2-superres has made", (".json", ".geojson"),
    lambda head: b'"stac_version"' in head
    and b'"processing:software": {\n      "s2-superres"' in head,
)  # fmt: skip
PNG = Kind("a PNG", (".png",), _starting(b"\x89PNG\r\n\x1a\n"))
WEIGHTS = Kind("a weights file", (".npz",), _starting(b"PK"))
SCORES = Kind("a validation's JSON", (".json",), lambda head: b'"s2-superres-validation/' in head)
REPORT = Kind(
    "a validation's report", (".html", ".htm"), lambda head: b"<title>Validation of " in head
)
#: Zarr 3 keeps what a store says of itself in the first file, Zarr 2 in the second.
ZARR = Kind(
    "a Zarr store that s2-superres has made", (".zarr",),
    lambda head: b'"S2_SUPERRES_VERSION"' in head, ("zarr.json", ".zattrs"),
)  # fmt: skip
