"""The bars of a report: where each of them stands."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from s2_superres.validation.table import digits_of

#: Metrics plotted per band: name, and whether the axis ends at 1.
_PLOTTED = (("rmse", False), ("sre", False), ("uiq", True))
_LEFT, _RIGHT, _HEAD, _TALL, _FOOT = 40, 6, 8, 170, 22
_GAP = 14
_QUARTERS = 4


def plots(metrics: Mapping[str, Any], comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a drawing per metric: its rules, labels and bars in pixels.

    Parameters
    ----------
    metrics : mapping
        Of a validation's document, by name.
    comparison : mapping
        One of the document's.
    """
    for name, to_one in _PLOTTED:
        metric = metrics.get(name)
        series = {
            result["method"]: result["per_band"][name]
            for result in comparison["results"]
            if name in result["per_band"]
        }
        if metric is None or not series:
            continue
        unit = f" in {metric['unit']}" if metric["unit"] else ""
        largest = max((value or 0.0 for values in series.values() for value in values), default=1)
        yield {
            "title": f"{name.upper()}{unit}, {metric['better']} is better",
            "digits": digits_of(name),
            **_drawn(comparison["bands"], series, 1.0 if to_one else nice(largest)),
        }


def _drawn(bands: list[str], series: Mapping[str, Any], top: float) -> dict[str, Any]:
    """Place one group of bars a band, one bar a method."""
    bar = max(5, min(14, 34 // len(series)))
    group = bar * len(series) + _GAP
    width = _LEFT + _RIGHT + group * len(bands)
    starts = {band: _LEFT + _GAP / 2 + group * index for index, band in enumerate(bands)}
    bars = [
        {
            "method": method,
            "band": band,
            "value": value,
            "x": round(x + bar * place, 1),
            "y": round(_HEAD + _TALL - _TALL * share, 1),
            "width": bar - 1.5,
            "height": round(_TALL * share, 1),
        }
        for index, (band, x) in enumerate(starts.items())
        for place, (method, values) in enumerate(series.items())
        if (value := values[index]) is not None
        for share in [min(max(value / top, 0.0), 1.0)]
    ]
    return {
        "width": width,
        "height": _HEAD + _TALL + _FOOT,
        "left": _LEFT,
        "right": width - _RIGHT,
        "rules": [
            {
                "y": round(_HEAD + _TALL * (1 - step / _QUARTERS), 1),
                "label": f"{top * step / _QUARTERS:.3g}",
            }
            for step in range(_QUARTERS + 1)
        ],
        "labels": [
            {"band": band, "x": round(x + bar * len(series) / 2, 1)} for band, x in starts.items()
        ],
        "bars": bars,
    }


def nice(value: float) -> float:
    """Return an end for an axis, not below a value, whose quarters have few digits."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(
        step * power
        for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10)
        if step * power >= value * 0.999
    )
