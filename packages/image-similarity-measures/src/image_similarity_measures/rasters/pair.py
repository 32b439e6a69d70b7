"""Pairs of raster files, read strip by strip.

Everything rasterio opens is read at its own depth, PNG and JPEG included; a format GDAL does not
know goes through OpenCV. A file's nodata values, mask bands and alpha band say which pixels count.
"""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from numpy.typing import ArrayLike
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from image_similarity_measures.arrays import (
    BLOCK_BYTES,
    Array,
    Block,
    Mask,
    as_mask,
    as_number,
    both,
    chosen_bands,
    valid_pixels,
)
from image_similarity_measures.errors import (
    GridMismatchError,
    InputError,
    OpenCVMissingError,
    ReadError,
)
from image_similarity_measures.opencv import opencv

__all__ = ["Grid", "RasterPair", "gdal_settings", "reason", "unreferenced_is_fine"]

PathLike = str | os.PathLike[str]

# GDAL's own default is a share of the machine's memory. Strips follow the files' blocks, so each
# block is decoded once and the cache only has to hold the blocks of one strip ...
_CACHE_BYTES = 64 * 2**20
# ... unless a row of blocks is higher than a strip: then it holds the row, as long as this is not
# more. Beyond, blocks are decoded again for every strip that they reach into.
_LARGEST_CACHE_BYTES = 512 * 2**20

# Corners may differ by this share of a pixel: writers round their transforms.
_GRID_TOLERANCE = 0.01

_NO_DRIVER = "not recognized as being in a supported file format"

# rasterio logs each GDAL message and also raises it; without a handler Python prints the log.
logging.getLogger("rasterio").addHandler(logging.NullHandler())


def gdal_settings(cache_bytes: int | None = None) -> rasterio.Env:
    """GDAL's settings for one thread: two decoders, no leniency, and for reading a bounded cache.

    By default GDAL fills up what is missing of a JPEG, and of a PNG that it reads at once.
    """
    settings: dict[str, Any] = {
        "GDAL_NUM_THREADS": 2,
        "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
        "GDAL_PNG_WHOLE_IMAGE_OPTIM": False,
    }
    if cache_bytes is not None and "GDAL_CACHEMAX" not in os.environ:
        settings["GDAL_CACHEMAX"] = cache_bytes
    return rasterio.Env(**settings)


class _Silence:
    """Ignores a warning as long as any thread is within.

    The filters of warnings belong to the whole process: threads that each put back what they found
    would put back each other's.
    """

    def __init__(self, category: type[Warning]) -> None:
        self._category = category
        self._lock = Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore", self._category)
            self._inside += 1

    def __exit__(self, *details: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


#: rasterio warns of files without a georeference, which are as good as any here.
unreferenced_is_fine = _Silence(NotGeoreferencedWarning)


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a raster lie.

    Attributes
    ----------
    rows, cols : int
        Size.
    crs : rasterio.crs.CRS or None
        Coordinate reference system.
    transform : affine.Affine
        From (column, row) to coordinates.
    """

    rows: int
    cols: int
    crs: Any
    transform: Any

    @classmethod
    def unreferenced(cls, rows: int, cols: int) -> Self:
        """The grid of an image that lies nowhere."""
        return cls(rows, cols, None, rasterio.Affine.identity())

    @property
    def georeferenced(self) -> bool:
        """Whether the file says where it lies."""
        return self.crs is not None or not self.transform.is_identity

    def same_place(self, other: Grid) -> bool:
        """Whether both have one CRS and corners within a hundredth of a pixel."""
        if self.crs != other.crs:
            return False
        if not self.transform.determinant:
            return bool(self.transform == other.transform)
        to_pixels = ~self.transform
        corners = [(col, row) for col in (0, self.cols) for row in (0, self.rows)]
        return all(
            math.dist(corner, _at(to_pixels, *_at(other.transform, *corner))) <= _GRID_TOLERANCE
            for corner in corners
        )

    def __str__(self) -> str:
        if not self.georeferenced:
            return f"{self.rows} rows x {self.cols} columns, not georeferenced"
        t = self.transform
        return (
            f"{self.rows} rows x {self.cols} columns, {self.crs or 'no CRS'}, "
            f"corner ({t.c:.10g}, {t.f:.10g}), pixel ({t.a:.6g}, {t.e:.6g})"
        )


def _at(transform: Any, x: float, y: float) -> tuple[float, float]:
    """Apply an affine transform; its own operator for that is changing between versions."""
    t = transform
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f


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
            self._org = stack.enter_context(_Raster(org, bands, nodata))
            self._pred = stack.enter_context(_Raster(pred, bands, nodata))
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
        self.notes = tuple(self._notes())
        self.dtypes = self._org.dtype, self._pred.dtype
        self.dtype: np.dtype[Any] = np.result_type(*self.dtypes)
        self.block_rows: int = max(self._org.block_rows, self._pred.block_rows)
        needed = 9 * (self._org.block_row_bytes + self._pred.block_row_bytes) // 8
        higher = BLOCK_BYTES < needed <= _LARGEST_CACHE_BYTES
        self._cache_bytes = needed if higher else _CACHE_BYTES

    @property
    def grid(self) -> Grid:
        """Grid of the first file, or of the second where only that one is georeferenced."""
        return self._org.grid if self._org.grid.georeferenced else self._pred.grid

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle."""
        window = Window(cols.start, rows.start, cols.stop - cols.start, rows.stop - rows.start)
        # GDAL's settings hold for the thread that reads.
        with self._in_use, gdal_settings(self._cache_bytes):
            if self._closed:
                raise ReadError(f"{self._org.path} is closed already")
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
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
            raise GridMismatchError(f"sizes differ, resample one file onto the other: {grids}")
        one_lies_nowhere = org.grid.georeferenced != pred.grid.georeferenced
        if not (one_lies_nowhere or org.grid.same_place(pred.grid) or allow_mismatch):
            raise GridMismatchError(
                f"grids differ, resample one file or allow it (--allow-grid-mismatch): {grids}"
            )

    def _notes(self) -> Iterator[str]:
        org, pred = self._org, self._pred
        if org.grid.georeferenced != pred.grid.georeferenced:
            lacking = pred if org.grid.georeferenced else org
            yield f"{lacking.path} is not georeferenced; compared pixel by pixel"
        if org.scaling != pred.scaling:
            first, second = next(
                pair for pair in zip(org.scaling, pred.scaling, strict=True) if pair[0] != pair[1]
            )
            yield (
                f"values are compared as stored, and {org.path} has scale {first[0]:g} and offset "
                f"{first[1]:g} where {pred.path} has scale {second[0]:g} and offset {second[1]:g}; "
                "apply them first if the scores should be in their unit"
            )


class _Raster:
    """One open file, the bands chosen, and what it knows about validity."""

    def __init__(self, path: PathLike, bands: Sequence[int] | None, nodata: float | None) -> None:
        self.path = os.fspath(path)
        self._stack = ExitStack()
        with gdal_settings(), unreferenced_is_fine:
            self._dataset = _open(self.path, self._stack)
        try:
            self._choose_bands(bands)
            self._find_validity(nodata)
        except BaseException:
            self._stack.close()
            raise

    def _choose_bands(self, bands: Sequence[int] | None) -> None:
        dataset = self._dataset
        if dataset.count == 0:
            inside = ", ".join(dataset.subdatasets[:3])
            raise ReadError(
                f"{self.path} holds no bands" + (f"; name one of {inside}" if inside else "")
            )
        interpretation = dataset.colorinterp
        self._palette: Array | None = None
        if dataset.count == 1 and interpretation[0] is ColorInterp.palette:
            self._palette = _palette(dataset)
            available = [1, 2, 3]
        else:
            available = [
                band
                for band, meaning in zip(dataset.indexes, interpretation, strict=True)
                if meaning is not ColorInterp.alpha
            ]
        self.bands = available if bands is None else chosen_bands(self.path, bands, available)
        self.count = len(self.bands)
        self._stored = [1] if self._palette is not None else self.bands
        dtypes = [dataset.dtypes[band - 1] for band in self._stored]
        if any(dtype.startswith("complex") for dtype in dtypes):
            raise InputError(f"{self.path} holds complex values; compare the amplitude instead")
        self.dtype: np.dtype[Any] = np.result_type(*dtypes)
        scaling = list(zip(dataset.scales, dataset.offsets, strict=True))
        # The colours of a palette have none.
        self.scaling = [
            scaling[band - 1] if self._palette is None else (1.0, 0.0) for band in self.bands
        ]
        self.block_rows = max(dataset.block_shapes[band - 1][0] for band in self._stored)
        # Where bands alternate, reading one decodes all.
        decoded = self._stored if dataset.interleaving == Interleaving.band else dataset.indexes
        self.block_row_bytes = self.block_rows * dataset.width * len(decoded) * self.dtype.itemsize
        self.grid = Grid(dataset.height, dataset.width, dataset.crs, dataset.transform)

    def _find_validity(self, nodata: float | None) -> None:
        """Nodata values are looked for in the pixels read; only true masks are read as well."""
        flags = [self._dataset.mask_flag_enums[band - 1] for band in self._stored]
        self._nodata = [
            nodata
            if nodata is not None
            else self._dataset.nodatavals[band - 1]
            if flag == [MaskFlags.nodata]
            else None
            for band, flag in zip(self._stored, flags, strict=True)
        ]
        plain = ([MaskFlags.all_valid], [MaskFlags.nodata])
        self._masked = [
            band for band, flag in zip(self._stored, flags, strict=True) if flag not in plain
        ]
        if flags and MaskFlags.per_dataset in flags[0]:
            self._masked = self._masked[:1]

    def read(self, window: Window) -> tuple[Array, Mask | None]:
        """Pixels (rows, cols, bands) and, where not all of them count, which do."""
        try:
            planes = self._dataset.read(self._stored, window=window)
            masks = self._dataset.read_masks(self._masked, window=window) if self._masked else None
        except RasterioError as error:
            raise ReadError(
                f"cannot read {self.path}: damaged or truncated near row {window.row_off} "
                f"({reason(error)})"
            ) from error
        pixels: Array = np.moveaxis(planes, 0, -1)
        valid: Mask | None = None if masks is None else _none_if_all((masks != 0).all(axis=0))
        for index, nodata in enumerate(self._nodata):
            valid = both(valid, valid_pixels(pixels[:, :, index : index + 1], nodata))
        if self._palette is not None:
            colours = self._palette[pixels[:, :, 0]]
            valid = both(valid, _none_if_all(colours[:, :, 3] != 0))
            pixels = colours[:, :, [band - 1 for band in self.bands]]
        return pixels, valid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()


def _open(path: str, stack: ExitStack) -> DatasetReader:
    try:
        return stack.enter_context(rasterio.open(path))
    except UnicodeError as error:
        raise ReadError(f"cannot read {path}: its name is not UTF-8; rename it") from error
    except RasterioError as error:
        if "://" not in path and not path.startswith("/vsi"):
            if not Path(path).exists():
                raise ReadError(f"cannot read {path}: no such file") from error
            if Path(path).is_dir():
                raise ReadError(f"cannot read {path}: it is a folder, not an image") from error
        if _NO_DRIVER in str(error) and (dataset := _open_with_opencv(path, stack)) is not None:
            return dataset
        raise ReadError(f"cannot read {path}: {reason(error)}") from error


def _open_with_opencv(path: str, stack: ExitStack) -> DatasetReader | None:
    """A dataset in memory with what OpenCV decoded, or None."""
    try:
        cv2 = opencv()
    except OpenCVMissingError:
        return None
    pixels: Array | None = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    pixels = np.atleast_3d(pixels)
    count = pixels.shape[2]
    if count >= 3:
        pixels = pixels[:, :, [2, 1, 0, *range(3, count)]]
    memory = stack.enter_context(MemoryFile())
    rows, cols = pixels.shape[:2]
    profile = {"height": rows, "width": cols, "count": count, "dtype": pixels.dtype.name}
    with memory.open(driver="GTiff", **profile) as dataset:
        dataset.write(np.moveaxis(pixels, -1, 0))
        if count == 4:
            dataset.colorinterp = [
                ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha
            ]  # fmt: skip
    return stack.enter_context(memory.open())


def _palette(dataset: DatasetReader) -> Array:
    """(256, 4) table of red, green, blue and alpha."""
    table = np.zeros((256, 4), dtype=np.uint8)
    for index, colour in dataset.colormap(1).items():
        table[index] = colour
    return table


def _none_if_all(valid: Mask) -> Mask | None:
    return None if valid.all() else valid


def reason(error: BaseException) -> str:
    """The innermost message of a chain of errors, on one line: GDAL says what happened there."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
