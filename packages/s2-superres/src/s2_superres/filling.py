"""What stands in the place of pixels that are not there.

A window of the network may reach outside the image, and may hold pixels
without data. Both are replaced before the network sees them, by rules that
look at the whole image and never at how it was cut into windows, so that a
result does not depend on the tiling:

* outside the image, the image is mirrored about its edge, again and again
  where it is small (`numpy.pad`'s ``symmetric``). Grids of 10, 20 and 60 m
  that share their corner stay aligned under it;
* a pixel without data takes the value of the nearest pixel of its band that
  has some. No output pixel with data depends on pixels farther away than the
  network's halo, so nothing beyond `reach` of a window has to be read for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: ``read(row, col, rows, cols) -> (bands, rows, cols)``, inside the image only.
ReadInside = Callable[[int, int, int, int], NDArray[Any]]


def mirror(start: int, count: int, size: int) -> NDArray[np.intp]:
    """Indices into ``0..size-1`` that the positions ``start..start+count-1`` take.

    Positions inside are themselves; outside, ``-1 -> 0``, ``-2 -> 1``,
    ``size -> size - 1`` and so on, with period ``2 * size``.
    """
    folded = np.arange(start, start + count) % (2 * size)
    return np.where(folded < size, folded, 2 * size - 1 - folded)


def read_mirrored(
    read: ReadInside, size: tuple[int, int], row: int, col: int, rows: int, cols: int
) -> NDArray[Any]:
    """Read a window that may reach outside an image of ``size`` (rows, cols)."""
    row_index = mirror(row, rows, size[0])
    col_index = mirror(col, cols, size[1])
    top, left = int(row_index.min()), int(col_index.min())
    height, width = int(row_index.max()) + 1 - top, int(col_index.max()) + 1 - left
    block = read(top, left, height, width)
    if (top, left, height, width) == (row, col, rows, cols):
        return block
    return block[:, row_index[:, None] - top, col_index[None, :] - left]


def reach(halo: int, unit: int = 6) -> int:
    """How far around a window to read so that its no data is filled for good.

    A pixel without data that a valid output pixel depends on lies at most
    ``halo`` rows and columns away from it, that is ``halo * sqrt(2)`` in a
    straight line, and so does the pixel it is filled from. One unit more covers
    the grids' coarse pixels. The result is a multiple of ``unit``.
    """
    return unit * (math.ceil(halo * math.sqrt(2) / unit) + 1)


def fill_invalid(values: NDArray[Any], valid: NDArray[np.bool_]) -> NDArray[Any]:
    """Give every invalid pixel the value of its band's nearest valid one.

    Parameters
    ----------
    values : ndarray, shape (bands, rows, cols)
    valid : ndarray of bool, same shape

    Returns
    -------
    ndarray
        ``values`` itself where nothing is invalid, else a copy. A band without
        any valid pixel becomes 0.
    """
    if valid.all():
        return values
    from scipy.ndimage import distance_transform_edt

    filled = values.copy()
    for band in range(len(values)):
        if valid[band].all():
            continue
        if not valid[band].any():
            filled[band] = 0
            continue
        row, col = distance_transform_edt(~valid[band], return_distances=False, return_indices=True)
        filled[band] = values[band][row, col]
    return filled
