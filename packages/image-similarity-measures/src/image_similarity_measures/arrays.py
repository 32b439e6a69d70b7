"""Pairs of images: checked, and handed out in blocks."""

from __future__ import annotations

import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, ShapeMismatchError

Array = NDArray[Any]
Mask = NDArray[np.bool_]

#: Bound on the bytes of both images that are read at a time.
BLOCK_BYTES = 96 * 2**20


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of both images.

    Attributes
    ----------
    org, pred : ndarray
        Shape (rows, cols, bands), one dtype, native byte order. Never written to.
    valid : ndarray of bool or None
        Shape (rows, cols), True where the pixel counts; None when every pixel does.
    """

    org: Array
    pred: Array
    valid: Mask | None = None


class PairSource(Protocol):
    """A pair of images of one shape that can be read in rectangles.

    Reading never overlaps: each row is asked for at most once in a pass, from the top.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands of both images."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what `read` returns, the same for both images."""

    @property
    def block_rows(self) -> int:
        """Rows that are cheapest to read together, such as the height of a file's tiles."""

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle; both slices have a start and a stop inside the images."""


def as_bands(image: ArrayLike, name: str = "image") -> Array:
    """Return `image` as a (rows, cols, bands) array; a view wherever NumPy can give one.

    Raises
    ------
    InputError
        If it is not a real-valued array of two or three dimensions with something in it, or if
        its first axis rather than its last looks like the bands.

    Notes
    -----
    A masked array stays one.
    """
    if isinstance(image, str | os.PathLike):
        raise InputError(
            f"{name} is a path, {os.fspath(image)!r}; "
            "score files with image_similarity_measures.compare"
        )
    array: Array = image if isinstance(image, np.ma.MaskedArray) else _as_array(image, name)
    if array.dtype.kind not in "iuf":
        raise InputError(
            f"{name} has dtype {array.dtype}; give integers or floating point"
            + (" (for example image.astype('uint8'))" if array.dtype.kind == "b" else "")
        )
    if array.dtype.kind == "f" and array.dtype.itemsize > 8:
        raise InputError(f"{name} has dtype {array.dtype}; convert it with astype('float64')")
    if array.ndim not in (2, 3):
        raise InputError(
            f"{name} has {array.ndim} dimension(s); give (rows, cols) or (rows, cols, bands)"
        )
    if array.size == 0:
        raise InputError(f"{name} is empty, shape {array.shape}; give at least one pixel")
    if array.ndim == 2:
        return array[:, :, np.newaxis]
    first, second, third = array.shape
    if first <= _FEW_BANDS < min(second, third) and third > 4 * _FEW_BANDS:
        raise InputError(
            f"{name} has shape {array.shape}, which looks like bands first; "
            f"put them last with np.moveaxis({name}, 0, -1)"
        )
    return array


# Up to this many, a first axis is taken for bands when both others are much longer. Hyperspectral
# cubes with few rows stay usable: they are ambiguous only below this.
_FEW_BANDS = 16


def _as_array(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{name} is no array: {error}") from error


def as_mask(mask: ArrayLike, shape: tuple[int, ...]) -> Mask:
    """Return `mask` as an array of booleans.

    Raises
    ------
    InputError
        If it does not hold one boolean for each pixel of images of (rows, cols) `shape`.
    """
    array = _as_array(mask, "mask")
    if array.dtype.kind != "b" or array.shape != shape:
        raise InputError(
            f"mask is {array.dtype} of shape {array.shape}; give booleans of shape {shape}, "
            "True where pixels are used"
        )
    return array


def as_number(value: object, name: str) -> float:
    """Return `value` as a float.

    Raises
    ------
    InputError
        If it is not a number; text that looks like one is not.
    """
    try:
        if not isinstance(value, str):
            return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        pass
    raise InputError(f"{name} is {value!r}; give a number")


def chosen_bands(image: str, asked: Sequence[int], available: Sequence[int]) -> list[int]:
    """Return the bands of `image` asked for.

    Raises
    ------
    InputError
        Unless they are some of those available, each once: GDAL leaves a band empty that is read
        twice in one call.
    """
    try:
        bands = [operator.index(band) for band in asked]
    except TypeError:
        raise InputError(f"bands is {asked!r}; give numbers from 1 on, such as [1, 2]") from None
    listed = ", ".join(map(str, available)) or "none"
    if not bands:
        raise InputError(f"no band of {image} is asked for; its bands are {listed}")
    for index, band in enumerate(bands):
        if band not in available:
            raise InputError(f"{image} has no band {band}; its bands are {listed}")
        if band in bands[:index]:
            raise InputError(f"band {band} of {image} is asked for twice; name each band once")
    return bands


def _unmasked(image: Array) -> Mask | None:
    """Pixels that a masked array masks in no band; None for all of them."""
    if np.ma.getmask(image) is np.ma.nomask:
        return None
    return np.asarray(~np.ma.getmaskarray(image).any(axis=2))


class ArrayPair:
    """Two arrays as a `PairSource`.

    Parameters
    ----------
    org, pred : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        A pixel that has this value in any band of either image is left out.

    Raises
    ------
    InputError, ShapeMismatchError
        If the arrays cannot be compared.

    Attributes
    ----------
    notes : tuple of str
        What deserves a second look.

    Notes
    -----
    NaN and infinity in any band of either image make the pixel invalid, and so does the mask of a
    masked array.
    """

    block_rows = 1

    def __init__(
        self,
        org: ArrayLike,
        pred: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        nodata: float | None = None,
    ) -> None:
        images = as_bands(org, "org_img"), as_bands(pred, "pred_img")
        shapes = np.shape(org), np.shape(pred)
        if shapes[0] != shapes[1]:
            raise ShapeMismatchError(
                f"the images differ in shape, {shapes[0]} and {shapes[1]}; "
                "crop or resample one of them"
            )
        self._org, self._pred = map(np.ma.getdata, images)
        rows, cols, bands = self._org.shape
        self.shape = rows, cols, bands
        self.dtypes = self._org.dtype, self._pred.dtype
        self.dtype: np.dtype[Any] = np.result_type(*self.dtypes).newbyteorder("=")
        self._mask = both(_unmasked(images[0]), _unmasked(images[1]))
        if mask is not None:
            self._mask = both(self._mask, as_mask(mask, (rows, cols)))
        if nodata is not None:
            as_number(nodata, "nodata")
        self._nodata = nodata
        self.notes: tuple[str, ...] = ()
        if rows <= 4 and cols == bands >= 16:
            note = (
                f"images of shape {self.shape} are taken for {rows} rows of {bands} bands; "
                "if the bands come first, put them last with np.moveaxis(image, 0, -1)"
            )
            self.notes = (note,)

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle; views of the arrays wherever the dtype allows it."""
        org = self._org[rows, cols]
        pred = self._pred[rows, cols]
        valid = None if self._mask is None else self._mask[rows, cols]
        valid = both(valid, valid_pixels(org, self._nodata))
        valid = both(valid, valid_pixels(pred, self._nodata))
        return Block(org.astype(self.dtype, copy=False), pred.astype(self.dtype, copy=False), valid)


def valid_pixels(block: Array, nodata: float | None = None) -> Mask | None:
    """Pixels of a (rows, cols, bands) block that are finite and not `nodata` in every band.

    Returns None when all are. A `nodata` of NaN adds nothing: NaN is never valid.
    """
    bad: Mask | None = None
    if block.dtype.kind == "f":
        finite = np.isfinite(block)
        if not finite.all():
            bad = np.asarray(~finite.all(axis=2))
    if nodata is not None and not np.isnan(nodata):
        # Compared in the block's own type: 0.1 as float32 is not 0.1 as float64.
        as_stored = np.array(nodata).astype(block.dtype) if block.dtype.kind == "f" else nodata
        is_nodata = block == as_stored
        if is_nodata.any():
            hit = np.asarray(is_nodata.any(axis=2))
            bad = hit if bad is None else bad | hit
    return None if bad is None else ~bad


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """Pixels valid in both, where None stands for all of them."""
    if a is None or b is None:
        return b if a is None else a
    return a & b
