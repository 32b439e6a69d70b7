"""Square cells of an image that fill up strip by strip: a reduced image."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from image_similarity_measures.checks import Array


def add_to_cells(
    cells: Array, image: Array, row: int, factor: int, scale: float | None = None
) -> None:
    """Add rows of the whole image's width, that begin at `row`, to its factor x factor cells."""
    high, wide, bands = cells.shape
    image = image[: max(0, high * factor - row)]
    rows, cols, _ = image.shape
    if factor == 1:
        part = cells[row : row + rows]
        part += image if scale is None else np.multiply(image, scale, dtype=np.float64)
        return
    kind = _exact_sum(image.dtype, factor**2)
    # What is left of a cell begun by rows above, whole cells, and a part of one more.
    whole = min(-row % factor, rows)
    rest = rows - (rows - whole) % factor
    for first, last in pairwise((0, whole, rest, rows)):
        if first == last:
            continue
        # Rows first: NumPy adds long lines fast.
        height = min(factor, last - first)
        lines = image[first:last].reshape(-1, height, cols * bands).sum(axis=1, dtype=kind)
        lines = lines.reshape(-1, cols, bands)[:, : wide * factor]
        sums = np.einsum("rcfb->rcb", lines.reshape(-1, wide, factor, bands))
        cell = (row + first) // factor
        cells[cell : cell + len(sums)] += (sums if scale is None else sums * scale).astype(
            cells.dtype, copy=False
        )


def _exact_sum(dtype: np.dtype[Any], number: int) -> DTypeLike:
    """Narrowest type, for speed, that adds up this many values without error; or float64."""
    if dtype.kind in "iub" and dtype.itemsize <= 2 and number <= 2**16:
        return np.int32 if dtype.kind == "i" else np.uint32
    return np.float64
