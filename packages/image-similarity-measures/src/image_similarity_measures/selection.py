"""Bands asked for by number."""

from __future__ import annotations

from collections.abc import Sequence

from .errors import InputError


def check_bands(image: str, asked: Sequence[int], available: Sequence[int]) -> None:
    """Raise InputError unless `asked` names some of the bands of `image`, each once.

    GDAL leaves a band empty that is read twice in one call.
    """
    listed = ", ".join(map(str, available)) or "none"
    if not asked:
        raise InputError(f"no band of {image} is asked for; its bands are {listed}")
    for index, band in enumerate(asked):
        if band not in available:
            raise InputError(f"{image} has no band {band}; its bands are {listed}")
        if band in asked[:index]:
            raise InputError(f"band {band} of {image} is asked for twice; name each band once")
