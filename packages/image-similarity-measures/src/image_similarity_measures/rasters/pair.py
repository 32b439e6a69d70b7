"""Pairs of raster files, read strip by strip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from threading import Lock
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import ArrayLike
from rasterio.windows import Window

from image_similarity_measures.arrays import BLOCK_BYTES, Block, both
from image_similarity_measures.checks import as_mask, as_number
from image_similarity_measures.errors import GridMismatchError, InputError, ReadError

from .gdal import gdal_options
from .grid import Grid
from .raster import PathLike, Raster

__all__ = ["RasterPair"]

# GDAL's own default is a share of the machine's memory. Strips follow the files' blocks, so each
# block is decoded once and the cache only has to hold the blocks of one strip ...
_CACHE_BYTES = 64 * 2**20
# ... unless a row of blocks is higher than a strip: then it holds the row, as long as this is not
# more. Beyond, blocks are decoded again for every strip that they reach into.
_LARGEST_CACHE_BYTES = 512 * 2**20


class RasterPair:
    """Two raster files as a `PairSource`; use it as a context manager.

    Parameters
    ----------
    org, pred : path
        The files.
    bands : sequence of int, optional
        Bands to compare, counted from 1; all but an alpha band by default.
    nodata : float, optional
        Takes the place of the nodata values that the files name.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    allow_grid_mismatch : bool
        Accept files that lie elsewhere, as long as they have the same size.

    Attributes
    ----------
    bands : tuple of int
        The bands compared, as the first file counts them.
    bits : tuple of (int or None)
        Bits per value of each file that says it uses fewer than its type has, as 1-bit and 10-bit
        TIFFs and much JPEG 2000 do.
    notes : tuple of str
        What deserves a second look.

    Raises
    ------
    ReadError
        A file is missing, not a raster, or damaged.
    GridMismatchError
        The files have different sizes, coordinate systems or transforms.
    InputError
        The files have no matching bands, or complex values.
    """

    def __init__(
        self,
        org: PathLike,
        pred: PathLike,
        *,
        bands: Sequence[int] | None = None,
        nodata: float | None = None,
        mask: ArrayLike | None = None,
        allow_grid_mismatch: bool = False,
    ) -> None:
        if nodata is not None:
            as_number(nodata, "nodata")
        with ExitStack() as stack:
            self._org = stack.enter_context(Raster(org, bands, nodata))
            self._pred = stack.enter_context(Raster(pred, bands, nodata))
            self._check_bands()
            self._check_grids(allow_grid_mismatch)
            grid = self._org.grid
            self._mask = None if mask is None else as_mask(mask, (grid.rows, grid.cols))
            self._stack = stack.pop_all()
        # Whoever reads ahead in a thread may be interrupted and lose hold of it; GDAL crashes on
        # a file closed meanwhile.
        self._in_use = Lock()
        self._closed = False
        self.shape: tuple[int, int, int] = (grid.rows, grid.cols, self._org.count)
        self.bands = tuple(self._org.bands)
        self.bits = self._org.bits, self._pred.bits
        self.notes = tuple(self._notes())
        self.dtypes = self._org.dtype, self._pred.dtype
        self.dtype: np.dtype[Any] = np.result_type(*self.dtypes)
        self.block_rows: int = max(self._org.block_rows, self._pred.block_rows)
        needed = 9 * (self._org.block_row_bytes + self._pred.block_row_bytes) // 8
        higher = BLOCK_BYTES < needed <= _LARGEST_CACHE_BYTES
        # Found out here, since the thread that reads knows nothing of the caller's rasterio.Env.
        self._options = gdal_options(needed if higher else _CACHE_BYTES)

    @property
    def grid(self) -> Grid:
        """Grid of the first file, or of the second where only that one is georeferenced."""
        return self._org.grid if self._org.grid.georeferenced else self._pred.grid

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle."""
        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        with self._in_use, rasterio.Env(**self._options):
            if self._closed:
                raise ReadError(f"{self._org.path} is closed already; open it again")
            org, org_valid = self._org.read(window)
            pred, pred_valid = self._pred.read(window)
        valid = both(org_valid, pred_valid)
        if self._mask is not None:
            valid = both(valid, self._mask[rows, cols])
        return Block(org.astype(self.dtype, copy=False), pred.astype(self.dtype, copy=False), valid)

    def close(self) -> None:
        """Close both files."""
        with self._in_use:
            self._closed = True
            self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _check_bands(self) -> None:
        org, pred = self._org, self._pred
        if org.count != pred.count:
            raise InputError(
                f"{org.path} has {org.count} band(s) and {pred.path} has {pred.count}; "
                "choose the bands to compare (--bands)"
            )

    def _check_grids(self, allow_mismatch: bool) -> None:
        org, pred = self._org, self._pred
        grids = f"{org.path}: {org.grid}; {pred.path}: {pred.grid}"
        if (org.grid.rows, org.grid.cols) != (pred.grid.rows, pred.grid.cols):
            raise GridMismatchError(f"sizes differ ({grids}); resample one file onto the other")
        one_lies_nowhere = org.grid.georeferenced != pred.grid.georeferenced
        if not (one_lies_nowhere or org.grid.same_place(pred.grid) or allow_mismatch):
            raise GridMismatchError(
                f"grids differ ({grids}); resample one file, or allow it (--allow-grid-mismatch)"
            )

    def _notes(self) -> Iterator[str]:
        org, pred = self._org, self._pred
        if org.grid.georeferenced != pred.grid.georeferenced:
            lacking = pred if org.grid.georeferenced else org
            yield f"{lacking.path} is not georeferenced; compared pixel by pixel"
        if org.orientation != pred.orientation:
            turned = org if org.orientation.turned else pred
            yield f"{turned.path} is turned as its EXIF orientation says"
        if org.scaling != pred.scaling:
            first, second = next(
                pair for pair in zip(org.scaling, pred.scaling, strict=True) if pair[0] != pair[1]
            )
            yield (
                f"values are compared as stored, and {org.path} has scale {first[0]:g} and offset "
                f"{first[1]:g} where {pred.path} has scale {second[0]:g} and offset {second[1]:g}; "
                "apply them first if the scores should be in their unit"
            )
