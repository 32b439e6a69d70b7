"""Where things lie in a product: its metadata, its granules, its band files.

Newer products hold one granule and short names; those until late 2016 hold
several, with long names that repeat the granule's id.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from s2_superres.bands import BANDS, BY_NAME
from s2_superres.errors import ProductError
from s2_superres.products.containers import Container, Folder, Zip
from s2_superres.products.metadata import Document, Level

_PRODUCT_FILE = re.compile(r"(?:MTD_MSI|S2._OPER_MTD_SAF|S2._USER_MTD_SAF)L(?:1C|2A).*\.xml")
_TILE_FILE = re.compile(r"(?:MTD_TL|S2._(?:OPER|USER)_MTD_L(?:1C|2A)_TL_.*)\.xml")
TILE = re.compile(r"_T(\d{2}[A-Z]{3})")
_IMAGE = re.compile(r"_(B(?:0[1-9]|1[0-2]|8A))(?:_(10|20|60)m)?\.jp2", re.IGNORECASE)
_EXPECTED = (
    "a Sentinel-2 L1C or L2A product is a .SAFE folder, its .zip, or its "
    "MTD_MSIL1C.xml or MTD_MSIL2A.xml"
)
_NO_METADATA = f"no MTD_MSIL1C.xml or MTD_MSIL2A.xml; {_EXPECTED}"


@dataclass(frozen=True)
class Granule:
    """One granule: its id, its folder, and the images the metadata list for it."""

    identifier: str
    folder: str
    images: tuple[str, ...]

    @property
    def tile(self) -> str | None:
        """MGRS tile, with its ``T``."""
        found = TILE.search(f"{self.identifier} {self.folder}")
        return f"T{found[1]}" if found else None


def locate(path: Path) -> tuple[Container, str]:
    """Return where the files lie, and which of them the user pointed at ("" for all)."""
    try:
        return _locate(path)
    except OSError as error:
        raise ProductError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None


def _locate(path: Path) -> tuple[Container, str]:
    if not path.exists():
        raise ProductError(f"{path}: no such file or folder; {_EXPECTED}")
    if path.is_file() and path.suffix.lower() == ".xml":
        folder, inside = path.absolute().parent, path.name
        if _TILE_FILE.fullmatch(path.name):
            return Folder(folder.parent.parent), f"GRANULE/{folder.name}/{inside}"
        if not _PRODUCT_FILE.fullmatch(path.name):
            raise ProductError(f"{path}: not a product's metadata file; {_EXPECTED}")
        return Folder(path.parent), inside
    if path.is_file():
        # A download cut off in its middle has lost the directory at its end, not its first bytes.
        with path.open("rb") as file:
            is_zip = file.read(4).startswith(b"PK") or path.suffix.lower() == ".zip"
        if not is_zip:
            raise ProductError(f"{path}: not a product; {_EXPECTED}")
        return Zip(path), ""
    if not path.is_dir():
        raise ProductError(f"{path}: neither a file nor a folder; {_EXPECTED}")
    if path.absolute().parent.name == "GRANULE":
        path = path.absolute()
        return Folder(path.parent.parent), f"GRANULE/{path.name}/"
    # The parent of a product is not searched any deeper than that: it may be a whole archive.
    if not _metadata_in(path):
        below = sorted(child for child in path.iterdir() if child.is_dir() and _metadata_in(child))
        if len(below) > 1:
            raise ProductError(
                f"{path}: holds {len(below)} products ({below[0].name}, {below[1].name}"
                f"{', ...' if len(below) > 2 else ''}); give one of them"
            )
        if not below:
            raise ProductError(f"{path}: has {_NO_METADATA}")
        path = below[0]
    return Folder(path), ""


def _metadata_in(folder: Path) -> bool:
    try:
        return any(_PRODUCT_FILE.fullmatch(child.name) for child in folder.iterdir())
    except PermissionError:
        return False


def product_file(container: Container, inside: str) -> str:
    """Find the one metadata file that describes the product."""
    if inside and _PRODUCT_FILE.fullmatch(inside):
        return inside
    found = sorted(
        name for name in container.names if _PRODUCT_FILE.fullmatch(posixpath.basename(name))
    )
    # Old L2A products keep a copy of the L1C metadata deeper down, but no granules beside it.
    homes = {name.partition("GRANULE/")[0] for name in container.names if "GRANULE/" in name}
    whole = [name for name in found if name[: name.rfind("/") + 1] in homes]
    depth = min((name.count("/") for name in found), default=0)
    top = whole or [name for name in found if name.count("/") == depth]
    if not top:
        raise ProductError(f"{container.label}: has {_NO_METADATA}")
    if len(top) > 1:
        raise ProductError(
            f"{container.label}: holds {len(top)} products ({top[0]}, {top[1]}"
            f"{', ...' if len(top) > 2 else ''}); give one product at a time"
        )
    return top[0]


def granule_of(inside: str) -> str | None:
    """Name of the granule that a path within the product lies in."""
    parts = inside.split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "GRANULE" else None


def find_granules(container: Container, base: str, root: Document) -> list[Granule]:
    """Find the granules, from the metadata and the folders there are."""
    below = posixpath.join(base, "GRANULE") + "/"
    folders = sorted({
        name[len(below):].split("/")[0]
        for name in container.names
        if name.startswith(below) and _is_granule_file(name)
    })  # fmt: skip
    listed = [_listed(element) for tag in ("Granule", "Granules") for element in root.all(tag)]
    granules = []
    for identifier, images in listed:
        folder = _granule_folder(identifier, images, folders)
        place = posixpath.join(below, folder) if folder else ""
        granules.append(
            Granule(identifier, place, tuple(posixpath.join(base, image) for image in images))
        )
    if not granules:
        granules = [Granule(name, posixpath.join(below, name), ()) for name in folders]
    if not granules:
        raise ProductError(f"{container.label}: has no granule; the product is not complete")
    return granules


def choose_granule(label: str, granules: list[Granule], wanted: str | None) -> Granule:
    """Choose the granule of a tile or a name, or the only one."""
    if wanted is not None:
        key = wanted.upper().removeprefix("T")
        chosen = [
            granule
            for granule in granules
            if wanted in (granule.identifier, posixpath.basename(granule.folder))
            or granule.tile == f"T{key}"
        ]
    else:
        chosen = granules
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(sorted(granule.tile or granule.identifier for granule in granules))
    if not chosen:
        raise ProductError(f"{label}: has no granule {wanted}; it has {names}")
    raise ProductError(
        f"{label}: holds {len(granules)} granules ({names}); choose one with --granule"
    )


def _listed(element: Element) -> tuple[str, list[str]]:
    """Return a granule's id and its images as the product's metadata list them."""
    tags = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID", "IMAGE_ID_2A")
    images = [
        node.text.strip() for tag in tags for node in element.iterfind(f"{{*}}{tag}") if node.text
    ]
    return element.get("granuleIdentifier", ""), images


def _granule_folder(identifier: str, images: list[str], folders: list[str]) -> str:
    """Find a granule's folder: named by its images, by its id, or the only one of its tile."""
    for image in images:
        parts = image.split("/")
        if len(parts) > 2 and parts[0] == "GRANULE":
            return parts[1]
    if identifier in folders:
        return identifier
    found = TILE.search(identifier)
    same = [name for name in folders if found and f"_T{found[1]}" in name]
    if len(same) == 1:
        return same[0]
    return folders[0] if len(folders) == 1 else ""


def _is_granule_file(name: str) -> bool:
    return bool(_TILE_FILE.fullmatch(posixpath.basename(name)) or _IMAGE.search(name))


def tile_file(container: Container, folder: str) -> str | None:
    """Find the metadata of a granule, None if it has none."""
    found = sorted(
        name
        for name in container.names
        if posixpath.dirname(name) == folder and _TILE_FILE.fullmatch(posixpath.basename(name))
    )
    return found[0] if found else None


def band_files(
    container: Container, base: str, granule: Granule, level: Level
) -> tuple[dict[str, str], dict[str, str]]:
    """Find every band's file at its native resolution, and say what is wrong with the others."""
    listed = _by_band((f"{image.removesuffix('.jp2')}.jp2" for image in granule.images), level)
    images = posixpath.join(granule.folder, "IMG_DATA") + "/"
    lying = _by_band((name for name in container.names if name.startswith(images)), level)
    files, missing = {}, {}
    for band in BANDS:
        name = listed.get(band.name)
        if name is None or name not in container.names:
            name = lying.get(band.name, name)
        if name is None:
            missing[band.name] = (
                f"{container.label}: has no {band.name} ({band.resolution} m); download the "
                "complete product"
            )
            continue
        if not _inside(base, name):
            raise ProductError(
                f"{container.label}: its metadata place {band.name} at {name!r}, outside the "
                "product; do not trust this file, download the product again"
            )
        fault = _fault(container, name)
        if fault:
            missing[band.name] = f"{container.where(name)}: {fault}; download the product again"
        else:
            files[band.name] = container.gdal_path(name)
    return files, missing


def _by_band(names: Iterable[str], level: Level) -> dict[str, str]:
    """Map bands to names, leaving out copies at other resolutions than the native one."""
    found: dict[str, str] = {}
    for name in sorted(names):
        match = _IMAGE.search(name)
        if not match or not name.endswith(match[0]) or match[1].upper() not in BY_NAME:
            continue
        band = BY_NAME[match[1].upper()]
        resolution = int(match[2]) if match[2] else _folder_resolution(name)
        if resolution in (None, band.resolution) and (resolution or level == "L1C"):
            found.setdefault(band.name, name)
    return found


def _folder_resolution(name: str) -> int | None:
    folder = re.fullmatch(r"R(10|20|60)m", posixpath.basename(posixpath.dirname(name)))
    return int(folder[1]) if folder else None


def _inside(base: str, name: str) -> bool:
    path = posixpath.normpath(name)
    return not path.startswith(("/", "..")) and (not base or path.startswith(base + "/"))


def _fault(container: Container, name: str) -> str | None:
    """Say what keeps a JPEG 2000 file from being read, as far as its head tells."""
    if name not in container.names:
        return "the file is missing"
    size = container.size(name)
    if size == 0:
        return "the file is empty"
    whole = _jp2_size(container.head(name, 2**16))
    if whole is None:
        return "not a JPEG 2000 file"
    if whole > size:
        return f"cut off after {size} of {whole} bytes"
    return None


def _jp2_size(head: bytes) -> int | None:
    """Return how long a JPEG 2000 file must be at least, None if it is none.

    Walks the boxes (ISO 15444-1, annex I) up to the code stream, as far as the
    bytes given hold them.
    """
    if head[4:8] != b"jP  ":
        # A bare code stream has no length to compare with.
        return 0 if head.startswith(b"\xff\x4f\xff\x51") else None
    position = 0
    while position + 16 <= len(head):
        length = int.from_bytes(head[position : position + 4])
        if length == 1:
            length = int.from_bytes(head[position + 8 : position + 16])
        elif length == 0:
            # The last box may leave its length open.
            return position + 8
        if length < 8:
            return None
        if head[position + 4 : position + 8] == b"jp2c":
            return position + length
        position += length
    return position
