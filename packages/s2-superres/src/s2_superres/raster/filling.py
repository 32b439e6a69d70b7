"""What stands in the place of pixels that are not there.

A window of the network may reach outside the image, and may hold pixels
without data or saturated ones. All are replaced before the network sees them,
by rules that look at the whole image and never at how it was cut into windows,
so that a result does not depend on the tiling:

* outside the image, the image is mirrored about its edge, again and again
  where it is small (`numpy.pad`'s ``symmetric``). Grids of 10, 20 and 60 m
  that share their corner stay aligned under it;
* a pixel without data, or saturated, takes the value of the nearest pixel of
  its band that is measured, if that is within `reach`; else it is black, or
  bright if saturated. `reach` is so far that no pixel whose band is measured
  sees anything black: its own value is nearer to all that the network sees
  from there. Black stays what lies deep inside a region that one band lacks
  and others have, such as clear water whose infrared was clipped to 0. Nothing
  beyond `reach` of a window has to be read.
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
    """How far to look for the value that fills a pixel, and to read around a window.

    What an output pixel depends on lies at most ``halo`` rows and columns away
    from it, that is ``halo * sqrt(2)`` in a straight line. Where the output
    pixel's own place is measured in a band, that band is filled from no
    farther. One unit more covers the grids' coarse pixels. The result is a
    multiple of ``unit``.
    """
    return unit * (math.ceil(halo * math.sqrt(2) / unit) + 1)


def fill_invalid(
    values: NDArray[Any],
    valid: NDArray[np.bool_],
    limit: float = math.inf,
    beyond: float | NDArray[Any] = 0,
) -> NDArray[Any]:
    """Give every invalid pixel the value of its band's nearest valid one.

    Parameters
    ----------
    values : ndarray, shape (bands, rows, cols)
    valid : ndarray of bool, same shape
    limit : float
        How many pixels away, in a straight line, the valid one may be.
    beyond : float or ndarray
        What stands where there is none within the limit: anything that broadcasts to the
        shape of `values`.

    Returns
    -------
    ndarray
        ``values`` itself where nothing is invalid, else a copy.
    """
    if valid.all():
        return values
    from scipy.ndimage import distance_transform_edt

    filled = values.copy()
    otherwise = np.broadcast_to(np.asarray(beyond, values.dtype), values.shape)
    for band in range(len(values)):
        if valid[band].all():
            continue
        if not valid[band].any():
            filled[band] = otherwise[band]
            continue
        distance, (row, col) = distance_transform_edt(~valid[band], return_indices=True)
        filled[band] = values[band][row, col]
        np.copyto(filled[band], otherwise[band], where=distance > limit)
    return filled
