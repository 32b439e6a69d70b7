"""Super-resolution of arrays, for people who have no product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2_superres.bands import BY_RESOLUTION, OFFSETS, SATURATED, Band
from s2_superres.choices import DEFAULT_NETWORK, LEVELS
from s2_superres.errors import InputError
from s2_superres.inference.plausible import check_numbers, check_percent
from s2_superres.networks.compute import Compute
from s2_superres.networks.selection import WeightsFiles
from s2_superres.raster import mosaic
from s2_superres.raster.grid import Area
from s2_superres.raster.radiometry import Radiometry

if TYPE_CHECKING:
    from s2_superres.networks.sharpener import Sharpener


@dataclass(frozen=True)
class SuperResolved:
    """Bands at 10 m, as digital numbers in the convention of the input.

    Attributes
    ----------
    b20 : ndarray of float32, shape (6, rows, cols)
        B05, B06, B07, B8A, B11, B12.
    b60 : ndarray of float32, shape (2, rows, cols), or None
        B01, B09; None if no 60 m bands were given.
    err20, err60 : ndarray of float32, shapes of b20 and b60, or None
        Error bars, if they were asked for: 90 % of pixels lie within plus and minus this of the
        truth, as far as degraded scenes can tell. NaN where there is no data or the sensor was
        saturated.
    """

    b20: NDArray[np.float32]
    b60: NDArray[np.float32] | None
    err20: NDArray[np.float32] | None = None
    err60: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class ArraySource:
    """Arrays that are read like a product."""

    arrays: Mapping[int, NDArray[Any]]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns in 10 m pixels."""
        rows, cols = self.arrays[10].shape[1:]
        return rows, cols

    def read(self, bands: Sequence[Band], area: Area) -> NDArray[Any]:
        """Return a view of ``(bands, rows, cols)``, or a copy if it is not all of a resolution."""
        resolution = bands[0].resolution
        array = self.arrays[resolution]
        if tuple(bands) != BY_RESOLUTION[resolution]:
            array = array[[BY_RESOLUTION[resolution].index(band) for band in bands]]
        return array[:, area.row : area.row_stop, area.col : area.col_stop]


def superresolve_arrays(
    b10: ArrayLike,
    b20: ArrayLike,
    b60: ArrayLike | None = None,
    *,
    level: str,
    offset: float = 0.0,
    nodata: float | None = 0.0,
    network: str = DEFAULT_NETWORK,
    weights: WeightsFiles | None = None,
    consistent: bool = True,
    precision: str = "auto",
    tile: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    with_error: bool = False,
) -> SuperResolved:
    """Bring 20 m and 60 m bands to 10 m: see `s2_superres.superresolve`."""
    nodata = check_conventions(level, offset, nodata, consistent)
    if not isinstance(with_error, bool | np.bool_):
        raise InputError(f"with_error {with_error!r}: give True or False")
    compute = Compute(precision, tile, threads, device)
    given = [None if bands is None else _array(f"b{r}", bands)
             for r, bands in zip((10, 20, 60), (b10, b20, b60), strict=True)]  # fmt: skip
    source = check_arrays(*(_unmasked(bands, nodata) for bands in given), nodata=nodata)

    from s2_superres.networks.selection import choose_networks
    from s2_superres.networks.sharpener import sharpener

    networks = choose_networks(
        (20,) if b60 is None else (20, 60),
        level,
        network=network,
        weights=weights,
        consistent=consistent,
    )
    radiometry = Radiometry.uniform(offset, nodata, SATURATED, np.float32)
    made = sharpener(networks, compute.ready(), with_error)
    results, errors = sharpen(source, made, radiometry)
    return SuperResolved(results[20], results.get(60), errors.get(20), errors.get(60))


def sharpen(
    source: ArraySource,
    sharpener: Sharpener,
    radiometry: Radiometry,
) -> tuple[dict[int, NDArray[Any]], dict[int, NDArray[Any]]]:
    """Run networks over whole arrays.

    Returns
    -------
    results, errors : dict of int to ndarray
        Per network's resolution ``(bands, rows, cols)`` at 10 m, of the radiometry's dtype; the
        error bars alike, none if the sharpener tells none.
    """
    from s2_superres.inference import blocks
    from s2_superres.inference.stages import overlap
    from s2_superres.raster.windows import plan

    area = Area(0, 0, *source.size)
    unit = blocks.unit_of(sharpener.inputs)
    windows = plan(area, sharpener.tile, sharpener.halo, unit)
    job = blocks.Job(sharpener, windows.outer_shape, radiometry)
    results: dict[int, NDArray[Any]] = {
        resolution: np.empty((len(BY_RESOLUTION[resolution]), *area.shape), radiometry.dtype)
        for resolution in sharpener.weights
    }
    errors = {r: np.empty_like(x) for r, x in results.items()} if sharpener.errors else {}

    def store(done: tuple[blocks.Block, blocks.Predictions]) -> None:
        result = blocks.finish(*done, job)
        for resolution, values in results.items():
            mosaic.place(values, area, result.core, result.bands[resolution])
        for resolution, values in errors.items():
            mosaic.place(values, area, result.core, result.errors[resolution])

    overlap(
        windows,
        lambda window: blocks.load(source, window, job),
        lambda block: (block, blocks.compute(block, job)),
        store,
    )
    return results, errors


def check_arrays(
    b10: ArrayLike, b20: ArrayLike, b60: ArrayLike | None, *, nodata: float | None = 0.0
) -> ArraySource:
    """Check shapes, dtypes and that values may be digital numbers; nothing is copied.

    Raises
    ------
    InputError
        Naming the array and the cure.
    """
    given = {10: b10, 20: b20} if b60 is None else {10: b10, 20: b20, 60: b60}
    arrays = {
        resolution: _checked(f"b{resolution}", value, nodata) for resolution, value in given.items()
    }
    for resolution, array in arrays.items():
        bands = BY_RESOLUTION[resolution]
        if array.shape[0] != len(bands):
            names = " ".join(band.name for band in bands)
            hint = (
                f"; move the bands first with np.moveaxis(b{resolution}, -1, 0)"
                if array.shape[-1] == len(bands)
                else ""
            )
            raise InputError(
                f"b{resolution} has shape {array.shape}; give ({len(bands)}, rows, cols), "
                f"the bands {names}{hint}"
            )
    rows, cols = arrays[10].shape[1:]
    unit = max(arrays) // 10
    if rows % unit or cols % unit or not rows or not cols:
        raise InputError(
            f"b10 has {rows} x {cols} pixels: crop all bands to multiples of {unit} of them"
        )
    for resolution, array in arrays.items():
        ratio = resolution // 10
        if array.shape[1:] != (rows // ratio, cols // ratio):
            raise InputError(
                f"b{resolution} has {array.shape[1]} x {array.shape[2]} pixels, but b10's "
                f"{rows} x {cols} call for {rows // ratio} x {cols // ratio}; give bands of one "
                "area, each at its own resolution"
            )
    return ArraySource(arrays)


def check_conventions(
    level: object, offset: object, nodata: object, consistent: object
) -> float | None:
    """Check what is said about the digital numbers; return the number of no data, if there is one.

    Raises
    ------
    InputError
        Naming the argument and the cure.
    """
    if not isinstance(level, str) or level not in LEVELS:
        said = repr(level) if isinstance(level, str) else f"of {type(level).__name__}"
        raise InputError(f"level {said}: choose L1C (top of the atmosphere) or L2A (bottom)")
    if not isinstance(consistent, bool | np.bool_):
        raise InputError(f"consistent {consistent!r}: give True or False")
    if not _is_number(offset) or offset not in OFFSETS:
        raise InputError(
            f"offset is {offset!r}: it is what to add to the digital numbers, -1000 from "
            "processing baseline 04.00 on and 0 before; what was stored otherwise, shift first"
        )
    if nodata is None:
        return None
    if not _is_number(nodata) or math.isinf(nodata):
        raise InputError(f"nodata {nodata!r}: give a digital number, or None if only NaN is")
    return None if math.isnan(nodata) else float(nodata)


def _is_number(value: object) -> TypeGuard[float]:
    # Python takes True for 1.
    return isinstance(value, Real) and not isinstance(value, bool)


def _array(name: str, value: ArrayLike) -> NDArray[Any]:
    """Return what was given as an array; masked arrays stay so."""
    try:
        return np.asanyarray(value)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(
            f"{name}: cannot be read as an array ({error}); give a NumPy array"
        ) from None


def _unmasked(bands: Any, nodata: float | None) -> Any:
    """Turn a masked array, as rasterio reads them, into one that says itself what is missing."""
    if not isinstance(bands, np.ma.MaskedArray):
        return bands
    missing = np.nan if nodata is None else nodata
    values = bands.data
    if values.dtype.kind in "iu" and not _holds(values.dtype, missing):
        values = values.astype(np.float32 if values.dtype.itemsize <= 2 else np.float64)
    return np.where(np.ma.getmaskarray(bands), values.dtype.type(missing), values)


def _holds(dtype: np.dtype[Any], value: float) -> bool:
    """Whether an integer dtype can hold a number."""
    info = np.iinfo(dtype)
    return value == value // 1 and info.min <= value <= info.max


def _checked(name: str, value: ArrayLike, nodata: float | None) -> NDArray[Any]:
    array = np.asarray(_array(name, value))
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} has dtype {array.dtype}: give real numbers")
    if array.ndim != 3:
        raise InputError(f"{name} has shape {array.shape}; give (bands, rows, cols)")
    check_numbers(name, array, nodata)
    if name == "b10":
        check_percent(name, array)
    return array
