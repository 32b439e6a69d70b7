"""The drawings of a report: where each bar stands and each line goes."""

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
#: Drawings of error bars: key of their points, title, and whether the points are shares.
_CURVES = (
    ("reliability", "Share of the pixels that bars scaled to hold a share (right) hold (up)", True),
    ("half_width_told_needed", "Half widths told (right), and needed for 90 % (up), in DN", False),
)


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


def curves(comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield two drawings of error bars, where a method tells any: a line each, beside the ideal.

    Parameters
    ----------
    comparison : mapping
        One of the document's.
    """
    for key, title, shares in _CURVES:
        lines = {result["method"]: result[key] for result in comparison["results"] if key in result}
        if not lines:
            continue
        most = max(value for points in lines.values() for point in points for value in point)
        top = 1.0 if shares else nice(most)
        scale = _TALL / top
        ticks = [top * step / _QUARTERS for step in range(_QUARTERS + 1)]
        yield {
            "title": title,
            "width": _LEFT + _TALL + _RIGHT + _GAP,
            "height": _HEAD + _TALL + _FOOT,
            "left": _LEFT,
            "right": _LEFT + _TALL,
            "head": _HEAD,
            "foot": _HEAD + _TALL,
            "ticks": [
                {
                    "x": round(_LEFT + scale * tick, 1),
                    "y": round(_HEAD + _TALL - scale * tick, 1),
                    "label": f"{tick:.0%}" if shares else f"{tick:.3g}",
                }
                for tick in ticks
            ],
            "lines": [
                {
                    "method": method,
                    "points": [
                        {
                            "x": round(_LEFT + scale * x, 1),
                            "y": round(_HEAD + _TALL - scale * y, 1),
                            "text": f"{x:.0%}: {y:.1%}" if shares else f"±{x:.1f}: ±{y:.1f} DN",
                        }
                        for x, y in points
                    ],
                }
                for method, points in lines.items()
            ],
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
