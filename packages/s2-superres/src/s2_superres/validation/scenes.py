"""What is validated: the bands of products and crops, as far as they are known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M, BY_RESOLUTION, INPUTS
from s2_superres.choices import LEVELS
from s2_superres.errors import InputError
from s2_superres.products.crops import as_source, check_source
from s2_superres.products.openers import Source, open_granules, open_product, open_reader
from s2_superres.products.product import Product
from s2_superres.products.remote import Sign
from s2_superres.raster.grid import UNIT, Area, Bounds

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
    sign : callable, optional
        Makes the link to read of one in a catalogue; for several jobs, a function of a module.
    offset : float, optional
        -1000 or 0: what to add to the digital numbers, where a catalogue contradicts itself.
    """

    bbox: Bounds | None = None
    bounds: Bounds | None = None
    granule: str | None = None
    level: str | None = None
    side: int = LARGEST_SIDE
    sign: Sign | None = None
    offset: float | None = None

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
        find_input(source, selection)
    return (read_scene(source, selection) for source in found)


def find_input(source: Source, selection: Selection | None = None) -> Path:
    """Return what a source lies in: a crop, or a product's folder or zip.

    Raises
    ------
    InputError, ProductError
        If it is not there, or neither.
    """
    source = as_source(source)
    check_source(source)
    told = selection or Selection()
    # A product of several granules is one input, whichever of them is read.
    return Path(open_granules(source, offset=told.offset, sign=told.sign)[0].path)


def read_scene(source: Source, selection: Selection | None = None) -> Scene:
    """Read a product or a crop.

    Raises
    ------
    InputError, ProductError, AreaError
        If the source cannot be read, or has no such part.
    """
    from s2_superres.products.area import find_area

    selection = selection or Selection()
    product = open_product(
        as_source(source),
        selection.granule,
        offset=selection.offset,
        sign=selection.sign,
        level=selection.level,
    )
    product.require(BANDS_10M + BANDS_20M)
    product.require_level()
    has_60m = all(band.name in product.files for band in BANDS_60M)
    area = find_area(product.grid, bbox=selection.bbox, bounds=selection.bounds)
    note = ""
    if selection.bbox is None and selection.bounds is None:
        area, note = _centre(area, selection.side)
    resolutions = INPUTS[60 if has_60m else 20]
    radiometry = product.radiometry()
    arrays, measured = {}, {}
    with open_reader(product, [band for r in resolutions for band in BY_RESOLUTION[r]]) as reader:
        for r in resolutions:
            part = area.at(r)
            arrays[r] = radiometry.known(reader.read(BY_RESOLUTION[r], part), r)
            mask = reader.measured(part, r)
            if mask is not None:
                measured[r] = mask
    return Scene(product.name, product.path, product.level, arrays, measured, _facts(product), note)


def _facts(product: Product) -> dict[str, str]:
    if not product.grid.crs:
        # A crop is what its index says of it.
        return {name: product.facts[name] for name in _FACTS if name in product.facts}
    return {
        "product": product.name,
        "baseline": product.baseline,
        "tile": product.tile,
        **({"acquired": f"{product.acquired:%Y-%m-%d}"} if product.acquired else {}),
        "origin": "contains Copernicus Sentinel data",
    }


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
