"""A raster at half its resolution, as GDAL's averages make it, but for saturated pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def halve(
    values: NDArray[Any], nodata: float | None = None, saturated: float | None = None
) -> NDArray[Any]:
    """Return the mean of every 2 x 2 pixels.

    Parameters
    ----------
    values : ndarray, shape (bands, rows, cols)
        From an even row and column of the raster on; where the number of rows or columns is
        odd, the last ones are the raster's.
    nodata, saturated : float, optional
        Numbers that are no measurements: no mean is made of them. NaN always is no data.

    Returns
    -------
    ndarray, shape (bands, ceil(rows / 2), ceil(cols / 2))
        Integers rounded half up, as GDAL does. Where nothing was measured, `saturated` if
        any of the pixels is, else `nodata`.
    """
    rows, cols = values.shape[1:]
    if rows % 2 or cols % 2:
        values = np.pad(values, ((0, 0), (0, rows % 2), (0, cols % 2)), mode="edge")
    corners = [values[:, row::2, col::2] for row in (0, 1) for col in (0, 1)]
    whole = values.dtype.kind in "iu"
    measured = _measured(values, nodata, saturated)
    wide: np.dtype[Any] = np.dtype(np.float64)
    if whole and values.dtype.itemsize < 4:
        wide = np.dtype(np.int32 if values.dtype.kind == "i" else np.uint32)
    if measured.all():
        total = corners[0].astype(wide)
        for corner in corners[1:]:
            total += corner
        mean = (total + 2) // 4 if whole else total / 4
        return np.asarray(mean.astype(values.dtype))
    total = np.zeros(corners[0].shape, wide)
    count = np.zeros(corners[0].shape, np.uint8)
    for corner, known in zip(
        corners, (measured[:, row::2, col::2] for row in (0, 1) for col in (0, 1)), strict=True
    ):
        np.add(total, corner, out=total, where=known, casting="unsafe")
        count += known
    divisor = np.maximum(count, 1)
    mean = (total + count // 2) // divisor if whole else total / divisor
    out = mean.astype(values.dtype)
    nothing = count == 0
    out[nothing] = np.nan if nodata is None and not whole else nodata or 0
    if saturated is not None:
        out[nothing & np.logical_or.reduce([corner == saturated for corner in corners])] = saturated
    return np.asarray(out)


def thin(values: NDArray[Any]) -> NDArray[Any]:
    """Return the upper left of every 2 x 2 pixels: classes have no mean."""
    return values[:, ::2, ::2]


def _measured(
    values: NDArray[Any], nodata: float | None, saturated: float | None
) -> NDArray[np.bool_]:
    measured = np.isfinite(values) if values.dtype.kind == "f" else np.ones(values.shape, np.bool_)
    for number in (nodata, saturated):
        if number is not None and number == number:
            measured &= values != number
    return measured
