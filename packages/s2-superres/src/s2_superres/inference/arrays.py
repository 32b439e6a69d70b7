"""Super-resolution of arrays, for people who have no product."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2_superres.bands import BY_RESOLUTION
from s2_superres.errors import InputError
from s2_superres.networks.choice import Network, WeightsFiles
from s2_superres.raster import mosaic
from s2_superres.raster.grid import Area
from s2_superres.raster.radiometry import Radiometry

LEVELS = ("L1C", "L2A")
#: Floating-point images that nowhere exceed this are reflectances, not digital numbers.
_LARGEST_REFLECTANCE = 3.0


@dataclass(frozen=True)
class SuperResolved:
    """Bands at 10 m, as digital numbers in the convention of the input.

    Attributes
    ----------
    b20 : ndarray of float32, shape (6, rows, cols)
        B05, B06, B07, B8A, B11, B12.
    b60 : ndarray of float32, shape (2, rows, cols), or None
        B01, B09; None if no 60 m bands were given.
    """

    b20: NDArray[np.float32]
    b60: NDArray[np.float32] | None


@dataclass(frozen=True)
class ArraySource:
    """Arrays that are read like a product."""

    arrays: Mapping[int, NDArray[Any]]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns in 10 m pixels."""
        rows, cols = self.arrays[10].shape[1:]
        return rows, cols

    def read(self, resolution: int, row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        """Return a view of ``(bands, rows, cols)``."""
        return self.arrays[resolution][:, row : row + rows, col : col + cols]


def superresolve_arrays(
    b10: ArrayLike,
    b20: ArrayLike,
    b60: ArrayLike | None = None,
    *,
    level: str,
    offset: float = 0.0,
    nodata: float | None = 0.0,
    network: str = "default",
    weights: WeightsFiles | None = None,
    consistent: bool = True,
    precision: str = "auto",
    tile: int | None = None,
    threads: int | None = None,
    device: str = "auto",
) -> SuperResolved:
    """Bring 20 m and 60 m bands to 10 m: see `s2_superres.superresolve`."""
    if not math.isfinite(offset):
        raise InputError(f"offset is {offset}: give -1000 or 0, see the product's metadata")
    b10, b20, b60 = (_unmasked(bands, nodata) for bands in (b10, b20, b60))
    source = check_arrays(b10, b20, b60)
    if level not in LEVELS:
        raise InputError(f"level {level!r}: choose L1C (top of the atmosphere) or L2A (bottom)")

    from s2_superres.networks.choice import choose_networks
    from s2_superres.networks.engine import resolve_precision, set_threads

    set_threads(threads)
    networks = choose_networks(
        (20,) if b60 is None else (20, 60),
        level,
        network=network,
        weights=weights,
        consistent=consistent,
    )
    dtypes = {array.dtype for array in source.arrays.values()}
    radiometry = Radiometry.uniform(
        offset, nodata, 65535.0 if dtypes == {np.dtype(np.uint16)} else None, np.float32
    )
    results = sharpen(
        source,
        networks,
        radiometry,
        precision=resolve_precision(precision, device),
        tile=tile,
        device=device,
    )
    return SuperResolved(results[20], results.get(60))


def sharpen(
    source: ArraySource,
    networks: Sequence[Network],
    radiometry: Radiometry,
    *,
    precision: str,
    tile: int | None = None,
    device: str = "auto",
) -> dict[int, NDArray[Any]]:
    """Run networks over whole arrays.

    Returns
    -------
    dict of int to ndarray
        Per network's resolution ``(bands, rows, cols)`` at 10 m, of the
        radiometry's dtype.
    """
    from s2_superres.inference import blocks
    from s2_superres.inference.stages import overlap
    from s2_superres.raster.windows import plan

    area = Area(0, 0, *source.size)
    resolutions = [network.resolution for network in networks]
    windows = plan(
        area, blocks.tile_for(networks, tile), blocks.widest(networks), blocks.unit_of(resolutions)
    )
    job = blocks.make_job(networks, windows, radiometry, precision, device)
    results: dict[int, NDArray[Any]] = {
        resolution: np.empty((len(BY_RESOLUTION[resolution]), *area.shape), radiometry.dtype)
        for resolution in resolutions
    }

    def store(done: tuple[blocks.Block, blocks.Predictions]) -> None:
        result = blocks.finish(*done, job)
        for resolution, values in results.items():
            mosaic.place(values, area, result.core, result.bands[resolution])

    overlap(
        windows,
        lambda window: blocks.load(source, window, job),
        lambda block: (block, blocks.compute(block, job)),
        store,
    )
    return results


def check_arrays(b10: ArrayLike, b20: ArrayLike, b60: ArrayLike | None) -> ArraySource:
    """Check shapes and dtypes; nothing is copied.

    Raises
    ------
    InputError
        Naming the array and the cure.
    """
    given = {10: b10, 20: b20} if b60 is None else {10: b10, 20: b20, 60: b60}
    arrays = {resolution: _checked(f"b{resolution}", value) for resolution, value in given.items()}
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
                f"b{resolution} has shape {array.shape}: it must be ({len(bands)}, rows, cols), "
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
                f"{rows} x {cols} call for {rows // ratio} x {cols // ratio}"
            )
    return ArraySource(arrays)


def _unmasked(bands: Any, nodata: float | None) -> Any:
    """Turn a masked array, as rasterio reads them, into one that says itself what is missing."""
    if not isinstance(bands, np.ma.MaskedArray):
        return bands
    missing = np.float32(np.nan) if nodata is None else bands.dtype.type(nodata)
    return np.where(np.ma.getmaskarray(bands), missing, bands.data)


def _checked(name: str, value: ArrayLike) -> NDArray[Any]:
    array = np.asarray(value)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name} has dtype {array.dtype}: give real numbers")
    if array.ndim != 3:
        raise InputError(f"{name} has shape {array.shape}: it must be (bands, rows, cols)")
    if array.dtype.kind == "f" and array.size:
        with np.errstate(invalid="ignore"):
            largest = float(np.fmax.reduce(array, axis=None))
        if 0 < largest <= _LARGEST_REFLECTANCE:
            raise InputError(
                f"{name} is at most {largest:g}: it looks like reflectance; give digital "
                "numbers, that is reflectance * 10000 (minus the offset)"
            )
    return array
