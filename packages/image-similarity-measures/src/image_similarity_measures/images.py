"""Pairs of images: checked, and handed out in blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError, ShapeMismatchError

Array = NDArray[Any]
Mask = NDArray[np.bool_]


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
    """
    array = np.asarray(image)
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

    Notes
    -----
    NaN and infinity in any band of either image make the pixel invalid.
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
        shapes = np.shape(org), np.shape(pred)
        self._org = as_bands(org, "org_img")
        self._pred = as_bands(pred, "pred_img")
        if shapes[0] != shapes[1]:
            raise ShapeMismatchError(
                f"the images differ in shape, {shapes[0]} and {shapes[1]}; "
                "crop or resample one of them"
            )
        rows, cols, bands = self._org.shape
        self.shape = rows, cols, bands
        self.dtype: np.dtype[Any] = np.result_type(self._org, self._pred).newbyteorder("=")
        self._mask: Mask | None = None
        if mask is not None:
            self._mask = np.asarray(mask)
            if self._mask.dtype.kind != "b":
                raise InputError(
                    f"mask has dtype {self._mask.dtype}; give booleans, True where pixels are used"
                )
            if self._mask.shape != self.shape[:2]:
                raise InputError(
                    f"mask has shape {self._mask.shape}, the images {self.shape[:2]}; "
                    "give one boolean per pixel"
                )
        self._nodata = nodata

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
