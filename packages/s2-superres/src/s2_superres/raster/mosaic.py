"""From a window's output to its place in the result: trim, restore units, place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.raster.grid import Area
from s2_superres.raster.radiometry import SCALE, Radiometry
from s2_superres.raster.windows import Window


def repeat(coarse: NDArray[Any], ratio: int) -> NDArray[Any]:
    """Give every 10 m pixel the value of the coarse pixel that it lies in."""
    return coarse.repeat(ratio, axis=-2).repeat(ratio, axis=-1)


def around(window: Window, halo: int) -> Area:
    """Return the part of a window's outer area that a network with this halo needs.

    All networks of a run share their windows, planned for the widest halo; one
    with a narrower halo sees less. The size is the same for every window of a
    plan, and reaches at least `halo` beyond the core.
    """
    spare = window.core.row - window.outer_row - halo
    return Area(
        window.outer_row + spare,
        window.outer_col + spare,
        window.outer_rows - 2 * spare,
        window.outer_cols - 2 * spare,
    )


def cut(array: NDArray[Any], origin: Area, area: Area, resolution: int = 10) -> NDArray[Any]:
    """Cut an area's pixels out of ``(..., rows, cols)`` that begins at an origin."""
    ratio = resolution // 10
    row, col = (area.row - origin.row) // ratio, (area.col - origin.col) // ratio
    return array[..., row : row + area.rows // ratio, col : col + area.cols // ratio]


def valid_inputs(
    measured: dict[int, NDArray[Any]], resolutions: tuple[int, ...], radiometry: Radiometry
) -> NDArray[np.bool_]:
    """Where, at 10 m, every band of these resolutions has data.

    Parameters
    ----------
    measured : dict of int to ndarray
        ``(bands, rows, cols)`` digital numbers of one area, each at its own grid.
    """
    valid = np.ones(measured[10].shape[1:], np.bool_)
    for resolution in resolutions:
        every_band = np.logical_and.reduce(radiometry.valid(measured[resolution]))
        if not every_band.all():
            valid &= repeat(every_band, resolution // 10)
    return valid


def valid_outputs(
    measured: dict[int, NDArray[Any]], resolution: int, radiometry: Radiometry
) -> NDArray[np.bool_]:
    """Where, at 10 m, the sharpened bands of a resolution have data.

    That is where the band itself was measured, and any of the 10 m bands, which
    its detail comes from. A value that only another band lacks is filled and
    takes no output pixel away: old products hold single zeros over dark water,
    and at the edge of the swath every band ends a few pixels from the next.

    Parameters
    ----------
    measured : dict of int to ndarray
        ``(bands, rows, cols)`` digital numbers of one area, each at its own grid.
    resolution : {20, 60}
    radiometry : Radiometry

    Returns
    -------
    ndarray of bool, shape (bands, rows, cols)
    """
    own = repeat(radiometry.valid(measured[resolution]), resolution // 10)
    guided = radiometry.valid(measured[10]).any(axis=0)
    return own if guided.all() else own & guided


def finish(
    values: NDArray[np.float32],
    resolution: int,
    measured: NDArray[Any],
    valid: NDArray[np.bool_],
    radiometry: Radiometry,
) -> NDArray[Any]:
    """Turn a network's output over a core into digital numbers.

    Parameters
    ----------
    values : ndarray of float32, shape (bands, rows, cols)
        Scaled reflectance of the core.
    resolution : {20, 60}
        What the bands were measured at.
    measured : ndarray, shape (bands, rows / ratio, cols / ratio)
        The measured digital numbers: a pixel under a saturated one is saturated.
    valid : ndarray of bool, shape (bands, rows, cols)
        Elsewhere the output is no data.

    Returns
    -------
    ndarray, shape (bands, rows, cols)
    """
    saturated = repeat(radiometry.is_saturated(measured), resolution // 10)
    return radiometry.to_dn(np.ascontiguousarray(values), resolution, valid, saturated)


def finish_errors(
    half_width: NDArray[np.float32],
    resolution: int,
    measured: NDArray[Any],
    valid: NDArray[np.bool_],
    radiometry: Radiometry,
) -> NDArray[Any]:
    """Turn error bars over a core into digital numbers, without offset.

    Parameters
    ----------
    half_width : ndarray of float32, shape (bands, rows, cols)
        In the networks' scale.
    resolution, measured, valid, radiometry
        As for `finish`.

    Returns
    -------
    ndarray, shape (bands, rows, cols)
        Rounded up, 1 or more, for integers. No error is told where the band has no data or the
        sensor was saturated, see `no_errors`.
    """
    saturated = repeat(radiometry.is_saturated(measured), resolution // 10)
    told = half_width * np.float32(SCALE)
    out = no_errors(told.shape, radiometry)
    if out.dtype.kind in "iu":
        told = np.clip(np.ceil(told), 1, np.iinfo(out.dtype).max - 1)
    np.copyto(out, told.astype(out.dtype), where=valid & ~saturated)
    return out


def no_errors(shape: tuple[int, ...], radiometry: Radiometry) -> NDArray[Any]:
    """Return error bars that tell nothing: NaN, or no data for integers."""
    dtype = np.dtype(radiometry.dtype)
    return np.full(shape, np.nan, dtype) if dtype.kind == "f" else radiometry.no_data(shape)


def keep_nan(
    values: NDArray[Any],
    measured: dict[int, NDArray[Any]],
    resolution: int,
    radiometry: Radiometry,
) -> None:
    """Write NaN where NaN, or an infinite number, is why a pixel has no data.

    That is where the band itself is not finite, and where no 10 m band has data and one of them
    is not finite. A number that stands for no data in the same image stays where it stood.

    Parameters
    ----------
    values : ndarray, shape (bands, rows, cols)
        Changed in place. Integers, which have no NaN, are left alone.
    measured, resolution, radiometry
        As for `valid_outputs`.
    """
    if values.dtype.kind != "f":
        return
    own, guides = measured[resolution], measured[10]
    if own.dtype.kind == "f":
        for plane, odd in zip(values, ~np.isfinite(own), strict=True):
            if odd.any():
                plane[repeat(odd, resolution // 10)] = np.nan
    if guides.dtype.kind == "f":
        values[:, ~radiometry.valid(guides).any(axis=0) & ~np.isfinite(guides).all(axis=0)] = np.nan


def place(result: NDArray[Any], area: Area, core: Area, values: NDArray[Any]) -> None:
    """Put a core's ``(bands, rows, cols)`` into the result of an area."""
    cut(result, area, core)[...] = values
