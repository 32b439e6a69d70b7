"""Options whose text says more than one thing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from image_similarity_measures.errors import UsageError


def refuse_empty(paths: Mapping[str, str]) -> None:
    """Refuse paths without a character, as a shell's unset variables leave them."""
    for name, path in paths.items():
        if not path:
            raise UsageError(f"{name} is empty; give a file or a folder")


def metric_bounds(texts: Sequence[str]) -> dict[str, float]:
    """The bound of each metric that --fail-under names."""
    from image_similarity_measures import metrics as registry

    bounds = {}
    for text in texts:
        name, _, number = text.partition("=")
        metric = registry.get(name.strip()).name
        try:
            bounds[metric] = float(number)
        except ValueError:
            bounds[metric] = math.nan
        if math.isnan(bounds[metric]):
            raise UsageError(f"--fail-under {text}: give a metric and a number, psnr=30")
    return bounds


def ends_of_range(
    data_range: str | None, bit_depth: int | None
) -> float | tuple[float, float] | None:
    """The data range of --data-range or --bit-depth: its largest value, or both ends."""
    if bit_depth is not None:
        if data_range is not None:
            raise UsageError("--data-range and --bit-depth exclude each other; give one")
        return float(2**bit_depth - 1)
    if data_range is None:
        return None
    try:
        numbers = [float(part) for part in data_range.split(",")]
    except ValueError:
        numbers = []
    ends = [0.0, *numbers][-2:] if len(numbers) < 3 else []
    if len(ends) < 2 or not ends[0] < ends[1] or not all(map(math.isfinite, ends)):
        raise UsageError(
            f"--data-range {data_range}: give the largest possible value, or the least and the "
            "largest with a comma between, 0,255"
        )
    return ends[1] if len(numbers) == 1 else (ends[0], ends[1])


def band_numbers(text: str | None) -> list[int] | None:
    """The numbers of --bands."""
    if text is None:
        return None
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"--bands {text}: give numbers with commas between, 1,2,3") from None


def refuse_with_legacy(options: dict[str, Any]) -> None:
    """Refuse options that --definitions 0.3 has no use for."""
    for name, value in options.items():
        if value is not None and value is not False:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"{flag} does not go with --definitions 0.3; leave one of them out")
