"""Whether numbers may be digital numbers of Sentinel-2."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import SATURATED
from s2_superres.errors import InputError

#: Floating-point images that hardly anywhere exceed this are reflectances, not digital numbers.
_LARGEST_REFLECTANCE = 3.0
#: Nor is an image with blue light in it nearly everywhere as dark as this, in digital numbers.
_LARGEST_PERCENT = 150.0
#: No digital number is lower, whatever offset was taken off and whatever was corrected for.
_LEAST = -5000
#: About so many values are looked at to tell reflectances.
_SAMPLE = 1_000_000


def check_numbers(name: str, array: NDArray[Any], nodata: float | None) -> None:
    """Check that a band or several hold digital numbers, and no fill value that nobody declared.

    Parameters
    ----------
    name : str
        What to call them.
    array : ndarray, shape (bands, rows, cols)
    nodata : float or None
        The number that stands for no data; NaN and infinity always may.

    Raises
    ------
    InputError
        Naming the cure.
    """
    if array.dtype.itemsize == 1:
        raise InputError(
            f"{name} has dtype {array.dtype}, which holds pictures but no digital numbers; give "
            "those of the product, uint16"
        )
    if array.dtype.kind == "f":
        largest = _largest(_measured(array))
        if 0 < largest <= _LARGEST_REFLECTANCE:
            raise InputError(
                f"{name} is nearly everywhere at most {largest:.3g}: it looks like reflectance; "
                "give digital numbers, that is reflectance * 10000 (minus the offset)"
            )
    fill = None if _all_fit(array.dtype) else _fill(array, nodata)
    if fill is not None:
        raise InputError(
            f"{name} holds {fill:g}, which no digital number is; give nodata={fill:g} if it stands "
            "for no data"
        )


def check_percent(name: str, array: NDArray[Any]) -> None:
    """Check that bands at 10 m do not hold reflectance in percent.

    Digital numbers are whole, and hardly ever so low, as long as there is blue light among them.

    Parameters
    ----------
    name : str
        What to call them.
    array : ndarray, shape (bands, rows, cols)

    Raises
    ------
    InputError
        Naming the cure.
    """
    if array.dtype.kind != "f":
        return
    some = _measured(array)
    largest = _largest(some)
    if 0 < largest <= _LARGEST_PERCENT and np.mean(some % 1 != 0) > 0.5:
        raise InputError(
            f"{name} is nearly everywhere at most {largest:.3g} and no whole number: it looks like "
            "reflectance in percent; give digital numbers, that is percent * 100 (minus the offset)"
        )


def _all_fit(dtype: np.dtype[Any]) -> bool:
    if dtype.kind == "f":
        return False
    info = np.iinfo(dtype)
    return bool(info.min >= _LEAST and info.max <= SATURATED)


def _fill(array: NDArray[Any], nodata: float | None) -> float | None:
    """Return the number farthest from digital numbers, None if all may be some."""
    for band in array:
        odd = (band < _LEAST) | (band > SATURATED)
        if not odd.any():
            continue
        found = band[odd]
        found = found[np.isfinite(found)]
        if nodata is not None:
            found = found[found != nodata]
        if found.size:
            return float(found[np.argmax(np.abs(found.astype(np.float64)))])
    return None


def _measured(array: NDArray[Any]) -> NDArray[Any]:
    """Return numbers above zero from all over an image, enough to judge a large one by."""
    step = max(1, math.isqrt(array.size // _SAMPLE))
    some = array[:, ::step, ::step]
    kept: NDArray[Any] = some[np.isfinite(some) & (some > 0) & (some != SATURATED)]
    return kept


def _largest(some: NDArray[Any]) -> float:
    """Return what 99 of 100 numbers do not exceed; 0 where there are none.

    One value out of the ordinary, as division by 0 or a number that stands for something leave
    it, says nothing about the others.
    """
    return float(np.quantile(some, 0.99)) if some.size else 0.0
