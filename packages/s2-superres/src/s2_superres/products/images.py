"""A granule's band files: which file is which band, and what keeps it from being read."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable

from s2_superres.bands import BANDS, BY_NAME, Band
from s2_superres.errors import ProductError
from s2_superres.products.containers import Container
from s2_superres.products.granules import IMAGE, Granule, tile_in
from s2_superres.products.product import Level

#: Those of an image that metadata list without one, the delivered form first.
_SUFFIXES = (".jp2", ".tif", ".tiff")
_TIME = re.compile(r"\d{8}T\d{6}")
#: The first bytes of TIFF and BigTIFF, of either byte order.
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def band_files(
    container: Container, base: str, granule: Granule, level: Level
) -> tuple[dict[str, str], dict[str, str]]:
    """Find every band's file at its native resolution, and say what is wrong with the others.

    Raises
    ------
    ProductError
        If a file's name is of another tile or acquisition than the granule, or its place outside
        of the product.
    """
    images = posixpath.join(granule.folder, "IMG_DATA") + "/"
    listed = _by_band((_as_it_lies(container, image) for image in granule.images), level)
    lying = _by_band((name for name in container.names if name.startswith(images)), level)
    files: dict[str, str] = {}
    missing: dict[str, str] = {}
    found: dict[str, str] = {}
    for band in BANDS:
        names = listed.get(band.name, [])
        if not any(name in container.names for name in names):
            _check_times(container, names, lying.get(band.name, []))
            names = lying.get(band.name, names)
        if len(names) > 1:
            missing[band.name] = (
                f"{container.where(images)}: holds several files for {band.name} "
                f"({', '.join(map(posixpath.basename, names))}); remove all but one"
            )
        elif not names:
            missing[band.name] = _lacking(container, band, level)
        else:
            name = found[band.name] = names[0]
            _check_place(container, base, band, name)
            fault = _fault(container, name)
            if fault:
                missing[band.name] = f"{container.where(name)}: {fault}; download the product again"
            else:
                files[band.name] = container.gdal_path(name)
    _check_belonging(container, granule, found)
    return files, missing


def _as_it_lies(container: Container, image: str) -> str:
    """Return the file of an image that metadata list with or without its suffix."""
    stem = image.removesuffix(".jp2")
    names = [stem + suffix for suffix in _SUFFIXES]
    return next((name for name in names if name in container.names), names[0])


def _by_band(names: Iterable[str], level: Level) -> dict[str, list[str]]:
    """Map bands to names, leaving out copies at other resolutions than the native one."""
    found: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        match = IMAGE.search(posixpath.basename(name))
        if not match or match[1].upper() not in BY_NAME:
            continue
        band = BY_NAME[match[1].upper()]
        resolution = int(match[2]) if match[2] else _folder_resolution(name)
        if resolution in (None, band.resolution) and (resolution or level == "L1C"):
            found.setdefault(band.name, []).append(name)
    return found


def _folder_resolution(name: str) -> int | None:
    folder = re.fullmatch(r"R(10|20|60)m", posixpath.basename(posixpath.dirname(name)))
    return int(folder[1]) if folder else None


def _lacking(container: Container, band: Band, level: Level) -> str:
    folder = f" in R{band.resolution}m" if level == "L2A" else ""
    return (
        f"{container.label}: has no {band.name} ({band.resolution} m){folder}; download the "
        "complete product"
        + (", or let sen2cor write every resolution (no --resolution)" if level == "L2A" else "")
    )


def _check_times(container: Container, listed: list[str], lying: list[str]) -> None:
    """Check that images that lie there are not of another time than those that are listed."""
    told, there = ({time for name in names for time in _TIME.findall(posixpath.basename(name))}
                   for names in (listed, lying))  # fmt: skip
    if told and there and told.isdisjoint(there):
        raise ProductError(
            f"{container.where(lying[0])}: the metadata list an image of {min(told)} in its "
            "place; files of two products are mixed, download it again"
        )


def _check_place(container: Container, base: str, band: Band, name: str) -> None:
    path = posixpath.normpath(name)
    if path.startswith(("/", "..")) or (base and not path.startswith(base + "/")):
        raise ProductError(
            f"{container.label}: its metadata place {band.name} at {name!r}, outside the "
            "product; do not trust this file, download the product again"
        )


def _check_belonging(container: Container, granule: Granule, found: dict[str, str]) -> None:
    """Check that the names of all images are of one tile and one acquisition."""
    stems: dict[str, str] = {}
    for band, name in found.items():
        file = posixpath.basename(name)
        tile = tile_in(file)
        if tile and granule.tile and tile != granule.tile:
            raise ProductError(
                f"{container.where(name)}: an image of {tile} in the granule of {granule.tile}; "
                "download the product again"
            )
        match = IMAGE.search(file)
        assert match
        stems.setdefault(file[: match.start()], band)
    if len(stems) > 1:
        (one, first), (other, second) = list(stems.items())[:2]
        raise ProductError(
            f"{container.where(granule.folder)}: mixes images of several acquisitions ({first} of "
            f"{one or 'no name'}, {second} of {other or 'no name'}); download the product again"
        )


def _fault(container: Container, name: str) -> str | None:
    """Say what keeps an image from being read, as far as its head tells."""
    if name not in container.names:
        return "the file is missing"
    size = container.size(name)
    if size == 0:
        return "the file is empty"
    head = container.head(name, 2**16)
    if not name.lower().endswith(".jp2"):
        return None if head.startswith(_TIFF) else "not a TIFF file"
    whole = _jp2_size(head)
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
