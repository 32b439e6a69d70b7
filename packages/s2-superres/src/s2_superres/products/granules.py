"""The granules of a product: those that its metadata list, and the folders that are theirs.

A folder is a granule's own if the metadata name it, or if tile and orbit say so and nothing
contradicts it. Nothing is taken for another granule's because it is the only one there.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, replace
from xml.etree.ElementTree import Element

from s2_superres.errors import ProductError
from s2_superres.products.containers import Container
from s2_superres.products.metadata import Document

_TILE_FILE = re.compile(r"(?:MTD_TL|S2._(?:OPER|USER)_MTD_L(?:1C|2A)_TL_.*)\.xml")
_TILE = re.compile(r"_T(\d{2}[A-Z]{3})(?![A-Za-z0-9])")
#: A band's file: JPEG 2000 as delivered, or GeoTIFF as catalogues keep the same trees.
IMAGE = re.compile(
    r"(?:^|_)(B(?:0[1-9]|1[0-2]|8A))(?:_(10|20|60)m)?\.(?:jp2|tiff?)$", re.IGNORECASE
)
_ORBIT = re.compile(r"_A(\d{6})(?!\d)")


@dataclass(frozen=True)
class Granule:
    """One granule: its id, its folder, and the images the metadata list for it.

    The folder is empty where the metadata list a granule that is not there.
    """

    identifier: str
    folder: str
    images: tuple[str, ...] = ()

    @property
    def tile(self) -> str | None:
        """MGRS tile, with its ``T``."""
        return tile_in(posixpath.basename(self.folder)) or tile_in(self.identifier)

    @property
    def name(self) -> str:
        """What tells it from others of the same tile: its folder's name, or its id."""
        return posixpath.basename(self.folder) or self.identifier


def tile_in(name: str) -> str | None:
    """Return the MGRS tile in a name, with its ``T``."""
    found = _TILE.search(f"_{name}")
    return f"T{found[1]}" if found else None


def is_tile_file(name: str) -> bool:
    """Whether a file's name is that of a granule's metadata."""
    return bool(_TILE_FILE.fullmatch(name))


def granule_of(inside: str) -> str | None:
    """Name of the granule that a path within the product lies in."""
    parts = inside.split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "GRANULE" else None


def find_granules(container: Container, base: str, root: Document) -> list[Granule]:
    """Find the granules, from the metadata and the folders there are.

    Raises
    ------
    ProductError
        If there is none.
    """
    below = posixpath.join(base, "GRANULE") + "/"
    folders = sorted({
        name[len(below):].split("/")[0]
        for name in container.names
        if name.startswith(below) and _is_granule_file(posixpath.basename(name))
    })  # fmt: skip
    listed = [
        Granule(identifier, "", tuple(posixpath.join(base, image) for image in images))
        for tag in ("Granule", "Granules")
        for element in root.all(tag)
        for identifier, images in [_listed(element)]
    ]
    if not listed:
        granules = [Granule(name, posixpath.join(below, name)) for name in folders]
    else:
        granules = _with_folders(listed, below, folders)
    if not any(granule.folder for granule in granules):
        raise ProductError(
            f"{container.label}: has no granule"
            + (f" of {_names(granules)}, as its metadata list" if granules else "")
            + "; the product is not complete, download it again"
        )
    return granules


def choose_granule(label: str, granules: list[Granule], wanted: str | None) -> Granule:
    """Choose the granule of a tile or a name, or the only one that is there.

    Raises
    ------
    ProductError
        If there is none, it is listed but not there, or there are several.
    """
    there = [granule for granule in granules if granule.folder]
    chosen = there
    if wanted is not None:
        key = wanted.upper().removeprefix("T")
        chosen = [
            granule
            for granule in granules
            if wanted in (granule.identifier, granule.name) or granule.tile == f"T{key}"
        ]
    if not chosen:
        raise ProductError(f"{label}: has no granule {wanted}; it has {_names(there)}")
    lying = [granule for granule in chosen if granule.folder]
    if not lying:
        raise ProductError(
            f"{label}: its metadata list the granule {wanted}, but its folder is not there; the "
            f"product is not complete, it has {_names(there)}"
        )
    if len(lying) > 1:
        raise ProductError(
            f"{label}: holds {len(lying)} granules ({_names(lying)}); choose one with --granule"
        )
    return lying[0]


def suffix(granule: Granule, granules: list[Granule]) -> str:
    """Return what tells a granule from the product's others: nothing, its tile, or its name."""
    if len(granules) == 1:
        return ""
    alone = sum(granule.tile == other.tile for other in granules) == 1
    return f"_{granule.tile if alone and granule.tile else granule.name}"


def tile_file(container: Container, granule: Granule) -> str | None:
    """Find the metadata of a granule, None if it has none.

    Raises
    ------
    ProductError
        If there are several.
    """
    found = sorted(
        name
        for name in container.names
        if posixpath.dirname(name) == granule.folder and is_tile_file(posixpath.basename(name))
    )
    if len(found) > 1:
        raise ProductError(
            f"{container.where(granule.folder)}: holds {len(found)} metadata files of a tile "
            f"({', '.join(map(posixpath.basename, found))}); remove all but the granule's own"
        )
    return found[0] if found else None


def check_identity(
    granule: Granule, tile: Document | None, label: str, name: str, alone: bool
) -> str:
    """Return the granule's tile, after a check that everything that names one agrees.

    Parameters
    ----------
    granule : Granule
    tile : Document or None
        Its metadata.
    label : str
        The product, for messages.
    name : str
        The product's name, which of a product of one granule tells the tile too.
    alone : bool
        Whether it is such a product.

    Raises
    ------
    ProductError
        If the folder, the product's metadata and the granule's metadata are of several tiles.
    """
    told = {
        "its folder": tile_in(posixpath.basename(granule.folder)),
        "the product's metadata": tile_in(granule.identifier),
        "its MTD_TL.xml": tile_in(tile.text("TILE_ID", default="")) if tile else None,
        "the product's name": tile_in(name) if alone else None,
    }
    found = {where: tile_name for where, tile_name in told.items() if tile_name}
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{where} {tile_name}" for where, tile_name in found.items())
        raise ProductError(
            f"{label}: the granule {granule.name} is of several tiles ({listed}); files of two "
            "products are mixed, download it again"
        )
    return next(iter(found.values()), "unknown")


def _is_granule_file(name: str) -> bool:
    return bool(is_tile_file(name) or IMAGE.search(name))


def _listed(element: Element) -> tuple[str, list[str]]:
    """Return a granule's id and its images as the product's metadata list them."""
    tags = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID", "IMAGE_ID_2A")
    images = [
        node.text.strip() for tag in tags for node in element.iterfind(f"{{*}}{tag}") if node.text
    ]
    return element.get("granuleIdentifier", ""), images


def _with_folders(listed: list[Granule], below: str, folders: list[str]) -> list[Granule]:
    """Give each granule the folder that the metadata name, or else the one that is its own."""
    named = [_named_folder(granule, folders) for granule in listed]
    left = [folder for folder in folders if folder not in named]
    found = []
    for granule, folder in zip(listed, named, strict=True):
        same = [name for name in left if _same(granule.identifier, name)]
        # Two granules of one tile and orbit cannot share a folder that neither names.
        rivals = [
            other
            for other, theirs in zip(listed, named, strict=True)
            if theirs is None and other.tile == granule.tile
        ]
        if folder is None and len(same) == 1 and len(rivals) == 1:
            folder = same[0]
        found.append(replace(granule, folder=posixpath.join(below, folder) if folder else ""))
    return found


def _named_folder(granule: Granule, folders: list[str]) -> str | None:
    for image in granule.images:
        folder = re.search(r"(?:^|/)GRANULE/([^/]+)/", image)
        if folder and folder[1] in folders:
            return folder[1]
    return granule.identifier if granule.identifier in folders else None


def _same(identifier: str, folder: str) -> bool:
    """Whether a folder's name is of the tile of an id, and of no other orbit."""
    tile, orbits = tile_in(identifier), (_ORBIT.search(identifier), _ORBIT.search(folder))
    agree = not all(orbits) or len({orbit[1] for orbit in orbits if orbit}) == 1
    return tile is not None and tile == tile_in(folder) and agree


def _names(granules: list[Granule]) -> str:
    """List granules by what each can be chosen by."""
    tiles = [granule.tile for granule in granules]
    return ", ".join(
        sorted(
            granule.tile if granule.tile and tiles.count(granule.tile) == 1 else granule.name
            for granule in granules
        )
    )
