"""What callers give, checked: arrays, their shapes, masks, bands, numbers."""

from __future__ import annotations

import math
import operator
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

Array = NDArray[Any]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DataRange:
    """The values that data can have.

    Attributes
    ----------
    low, high : float
        The least and the largest.
    """

    low: float
    high: float

    @property
    def span(self) -> float:
        """The largest difference that two values can have."""
        return self.high - self.low

    def holds(self, dtype: np.dtype[Any]) -> bool:
        """Whether no value of this type lies outside."""
        if dtype.kind == "f":
            return False
        info = np.iinfo(dtype)
        return bool(self.low <= info.min and info.max <= self.high)

    def __str__(self) -> str:
        return f"the data range {self.low:g} to {self.high:g}"

    @classmethod
    def of(cls, given: object) -> DataRange:
        """The range that a caller gives: the largest value, or a pair of the least and the largest.

        Raises
        ------
        InputError
            If it is no range: not a number or two, not finite, or empty.
        """
        ends: tuple[object, ...] = (0.0, given)
        if isinstance(given, tuple | list) and len(given) == 2:
            ends = tuple(given)
        low, high = (as_number(end, "data_range") for end in ends)
        if not (low < high and math.isfinite(high - low)):
            raise InputError(
                f"data_range is {given}; give the largest value, a positive number, "
                "or a pair of the least and the largest"
            )
        return cls(low, high)


def as_bands(image: ArrayLike, name: str = "image", axis: int | None = None) -> Array:
    """Return `image` as a (rows, cols, bands) array; a view wherever NumPy can give one.

    Parameters
    ----------
    image : array_like
        (rows, cols) or (rows, cols, bands), any real dtype.
    name : str
        What errors call it.
    axis : int, optional
        Where the bands are. By default the last axis, unless the shape speaks for the first one.

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
    if axis is not None:
        return _moved(array, name, axis)
    if bands_come_first(array.shape) == "surely":
        raise InputError(
            f"{name} has shape {array.shape}, which looks like bands first; say where the bands "
            f"are with axis=0, or put them last with np.moveaxis({name}, 0, -1)"
        )
    return array


def _moved(array: Array, name: str, axis: int) -> Array:
    """Put the bands last; a masked array stays one."""
    try:
        where = operator.index(axis)
    except TypeError:
        raise InputError(f"axis is {axis!r}; give a whole number, such as 0 or -1") from None
    if not -3 <= where < 3:
        raise InputError(f"axis is {axis}, and {name} has axes 0 to 2; bands last are axis=-1")
    return np.moveaxis(array, where, -1)


def bands_come_first(shape: tuple[int, ...]) -> Literal["surely", "maybe", "no"]:
    """Judge by its three numbers whether a shape has its bands first rather than last.

    Bands first look like few long planes, or like any number of planes whose sides are more
    alike than the rows and columns would be with the bands last. Where a cube has few rows, or
    as many columns as bands, both may be meant.
    """
    first, second, third = shape
    few = first <= _FEW_BANDS < min(second, third)
    if few and third > 4 * _FEW_BANDS:
        return "surely"
    alike = max(second, third) / min(second, third)
    square = min(second, third) >= _SMALLEST_PLANE and alike <= _ALIKE
    if few or (square and alike <= max(first, second) / min(first, second)):
        return "maybe"
    return "no"


# Up to this many, a first axis is taken for bands when both others are much longer. Hyperspectral
# cubes with few rows stay usable: they are ambiguous only below this.
_FEW_BANDS = 16
# Planes of fewer pixels a side, or less like a square, are hardly images.
_SMALLEST_PLANE, _ALIKE = 8, 1.25


def _as_array(values: ArrayLike, name: str) -> Array:
    try:
        return np.asarray(values)
    except Exception as error:  # whatever the type's own conversion raises
        cure = "give a NumPy array"
        if hasattr(values, "detach"):
            cure += f", for example {name}.detach().cpu().float().numpy()"
        raise InputError(f"{name} is no array: {_first_line(error)}; {cure}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")


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
