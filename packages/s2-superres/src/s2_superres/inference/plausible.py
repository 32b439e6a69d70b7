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
    if array.dtype.kind == "f":
        largest = _all_but_odd(array)
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


def _all_but_odd(array: NDArray[Any]) -> float:
    """Return what 99 of 100 measured values do not exceed; 0 where nothing was measured.

    One value out of the ordinary, as division by 0 or a number that stands for something leave
    it, says nothing about the others.
    """
    # Enough of a large image to judge by, from all over it.
    step = max(1, math.isqrt(array.size // _SAMPLE))
    some = array[:, ::step, ::step]
    some = some[np.isfinite(some) & (some > 0) & (some != SATURATED)]
    return float(np.quantile(some, 0.99)) if some.size else 0.0
