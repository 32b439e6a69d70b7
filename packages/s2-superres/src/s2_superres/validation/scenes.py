"""What is validated: scenes cut from products, or stored as arrays.

An array file is an ``.npz`` with the bands as digital numbers without offset
(reflectance * 10000): ``b10`` ``(4, rows, cols)``, ``b20`` ``(6, rows / 2,
cols / 2)`` and, if there are any, ``b60`` ``(2, rows / 6, cols / 6)``; 0 is no
data and 65535 saturated. Masks ``ok10``, ``ok20`` and ``ok60`` tell, if they are
there, which pixels were measured and which interpolated.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M, BY_RESOLUTION, INPUTS
from s2_superres.choices import LEVELS
from s2_superres.errors import InputError
from s2_superres.inference.arrays import check_arrays
from s2_superres.products.crops import (
    as_source,
    check_source,
    is_crop,
    masks_of,
    read_crop,
    read_index,
)
from s2_superres.products.openers import Source, open_granules, open_product, open_reader
from s2_superres.products.product import Product
from s2_superres.raster.grid import UNIT, Area, Bounds
from s2_superres.raster.radiometry import Radiometry

#: How array files write their reflectances.
_AS_STORED = Radiometry.uniform(0.0)
#: 10 m pixels; a multiple of 36, so that nothing more is cut off.
LARGEST_SIDE = 1080
#: Facts of an ``index.csv`` beside array files that a report repeats.
_FACTS = ("place", "product", "origin", "licence", "note")


@dataclass(frozen=True)
class Selection:
    """Which part of the sources to take.

    Attributes
    ----------
    bbox, bounds : tuple of float, optional
        Left, bottom, right, top in degrees, or in the product's CRS.
    granule : str, optional
        Tile, for products with several.
    level : {"L1C", "L2A"}, optional
        Of array files that do not tell it.
    side : int
        Without an area, the centre of a larger source: at most so many 10 m
        pixels along a side.
    """

    bbox: Bounds | None = None
    bounds: Bounds | None = None
    granule: str | None = None
    level: str | None = None
    side: int = LARGEST_SIDE

    def __post_init__(self) -> None:
        if self.level is not None and self.level not in LEVELS:
            raise InputError(f"level {self.level!r}: choose L1C or L2A")
        if self.side < UNIT:
            raise InputError(f"a side of {self.side} pixels: give {UNIT} or more")


@dataclass(frozen=True)
class Scene:
    """The bands of one place and time.

    Attributes
    ----------
    name : str
    source : str
        File or folder that it came from.
    level : str
        ``L1C`` or ``L2A``.
    bands : mapping of int to ndarray
        Per resolution ``(bands, rows, cols)``, float32 digital numbers without
        offset, NaN where there is no data or the sensor was saturated.
    measured : mapping of int to ndarray of bool
        Per resolution ``(rows, cols)``, where values were measured; where it says nothing,
        all were.
    facts : mapping of str to str
        What else is known: product, place, licence.
    note : str
        What was left out, in words; empty if nothing was.
    """

    name: str
    source: str
    level: str
    bands: Mapping[int, NDArray[np.float32]]
    measured: Mapping[int, NDArray[np.bool_]] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    note: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns in 10 m pixels."""
        rows, cols = self.bands[10].shape[1:]
        return rows, cols


def read_scenes(
    sources: Iterable[Path | str], selection: Selection | None = None
) -> Iterator[Scene]:
    """Read sources one by one, after a check that all of them are there.

    Raises
    ------
    InputError, ProductError
        At once, naming the first that is not there; later as `read_scene`.
    """
    found = [as_source(source) for source in sources]
    for source in found:
        find_input(source)
    return (read_scene(source, selection) for source in found)


def find_input(source: Source) -> Path:
    """Return what a source lies in: an array file, or a product's folder or zip.

    Raises
    ------
    InputError, ProductError
        If it is not there, or neither.
    """
    source = as_source(source)
    check_source(source)
    if is_crop(source):
        return source
    # A product of several granules is one input, whichever of them is read.
    return Path(open_granules(source)[0].path)


def read_scene(source: Source, selection: Selection | None = None) -> Scene:
    """Read a product or an array file.

    Raises
    ------
    InputError, ProductError, AreaError
        If the source cannot be read, or has no such part.
    """
    selection = selection or Selection()
    source = as_source(source)
    if is_crop(source):
        return _read_arrays(source, selection)
    return _read_product(open_product(source, selection.granule), selection)


def _read_product(product: Product, selection: Selection) -> Scene:
    from s2_superres.products.area import find_area

    product.require(BANDS_10M + BANDS_20M)
    has_60m = all(band.name in product.files for band in BANDS_60M)
    area = find_area(product.grid, bbox=selection.bbox, bounds=selection.bounds)
    note = ""
    if selection.bbox is None and selection.bounds is None:
        area, note = _centre(area, selection.side)
    resolutions = INPUTS[60 if has_60m else 20]
    radiometry = product.radiometry()
    with open_reader(product, [band for r in resolutions for band in BY_RESOLUTION[r]]) as reader:
        arrays = {
            r: _known(reader.read(BY_RESOLUTION[r], area.at(r)), r, radiometry) for r in resolutions
        }
    facts = {
        "product": product.name,
        "baseline": product.baseline,
        "tile": product.tile,
        **({"acquired": f"{product.acquired:%Y-%m-%d}"} if product.acquired else {}),
        "origin": "contains Copernicus Sentinel data",
    }
    return Scene(product.name, product.path, product.level, arrays, facts=facts, note=note)


def _read_arrays(path: Path, selection: Selection) -> Scene:
    if selection.bbox is not None or selection.bounds is not None:
        raise InputError(
            f"{path}: arrays have no coordinates; --bbox and --bounds are for products"
        )
    found = read_crop(path)
    if not {"b10", "b20"} <= set(found):
        raise InputError(f"{path}: holds no b10 and b20; see the documentation of `validate`")
    try:
        whole = check_arrays(found["b10"], found["b20"], found.get("b60"))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    indexed = read_index(path.parent).get(path.name, {})
    level = selection.level or indexed.get("level") or path.name[:3]
    if level not in LEVELS:
        raise InputError(
            f"{path}: its level is not known; name it L1C_... or L2A_..., or give --level"
        )
    area, note = _centre(Area(0, 0, *whole.size), selection.side)
    masks = masks_of(path, found)
    arrays, measured = {}, {}
    for resolution in whole.arrays:
        part = Area(*(value * 10 // resolution for value in area))
        dn = whole.read(BY_RESOLUTION[resolution], part)
        if resolution in masks:
            inside = masks[resolution][part.row : part.row_stop, part.col : part.col_stop]
            measured[resolution] = inside
        arrays[resolution] = _known(dn, resolution, _AS_STORED)
    facts = {name: indexed[name] for name in _FACTS if indexed.get(name)}
    return Scene(path.stem, str(path), level, arrays, measured, facts, note)


def _centre(area: Area, side: int) -> tuple[Area, str]:
    """Return the middle of an area on whole 60 m pixels, and a note if that is not all of it."""
    if max(area.shape) <= side:
        return area, ""
    side -= side % UNIT
    rows, cols = min(area.rows, side), min(area.cols, side)
    row = area.row + (area.rows - rows) // 2 // UNIT * UNIT
    col = area.col + (area.cols - cols) // 2 // UNIT * UNIT
    return Area(row, col, rows, cols), (
        f"the central {rows} x {cols} of {area.rows} x {area.cols} pixels"
    )


def _known(dn: NDArray[Any], resolution: int, radiometry: Radiometry) -> NDArray[np.float32]:
    """Return digital numbers without offset, NaN where nothing was measured."""
    values = radiometry.reflectance(dn, resolution)
    values[~radiometry.valid(dn) | radiometry.is_saturated(dn) | ~np.isfinite(values)] = np.nan
    return values
