"""Whether an output that is there is what a run would write, by what the file says of itself."""

from __future__ import annotations

import math
from pathlib import Path

from s2_superres.inference.outputs import format_of, raster_spec
from s2_superres.inference.plan import Prepared
from s2_superres.writers.spec import Layer, RasterSpec

#: What may differ: another release makes the same of the same weights and options.
_FREE = {"S2_SUPERRES_VERSION"}


def difference(run: Prepared, output: Path) -> str:
    """Return how an output that is there differs from what the run would write; empty if not.

    Compared are the tags, grid, bands with their scales and offsets, dtype and no data. Where
    the precision is left to the machine, either is as good.
    """
    try:
        found = format_of(run, output).recall(output)
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if found is None:
        return "it is damaged, or no output of this program"
    free = _FREE | ({"PRECISION"} if run.options.precision == "auto" else set())
    return _differs(raster_spec(run, output), found, free)


def _differs(wanted: RasterSpec, found: RasterSpec, free: set[str]) -> str:
    for name, value in wanted.tags.items():
        there = found.tags.get(name, "")
        if name not in free and there != value:
            return f"{name} is {there or 'not told'}, and {value} is asked for"
    if found.grid != wanted.grid:
        return "it is of another area"
    if [layer.name for layer in found.layers] != [layer.name for layer in wanted.layers]:
        return f"its bands are {' '.join(layer.name or '?' for layer in found.layers)}"
    if found.dtype != wanted.dtype or not _same(found.nodata, wanted.nodata):
        return f"it is {found.dtype} with {found.nodata} for no data"
    for one, other in zip(found.layers, wanted.layers, strict=True):
        if not _alike(one, other):
            return f"{one.name} has another scale, offset or wavelength"
    return ""


def _same(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    # Texts in files have fewer digits; NaN is NaN.
    return math.isclose(one, other, rel_tol=1e-5, abs_tol=1e-9) or (one != one and other != other)


def _alike(one: Layer, other: Layer) -> bool:
    pairs = (
        (one.scale, other.scale),
        (one.offset, other.offset),
        (one.wavelength, other.wavelength),
    )
    return all(_same(first, second) for first, second in pairs)
