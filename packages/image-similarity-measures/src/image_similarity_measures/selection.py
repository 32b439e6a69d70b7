"""Bands asked for by number."""

from __future__ import annotations

import operator
from collections.abc import Sequence

from .errors import InputError


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
