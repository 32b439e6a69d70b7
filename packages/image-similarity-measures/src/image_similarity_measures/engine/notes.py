"""What deserves a second look, in words: values, clipping, and scores that rest on little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from image_similarity_measures.errors import InputError

from .outcome import Outcome
from .values import FillCheck, RangeCheck

# Shares of an image that may be clipped to the data range. Clouds go beyond the top of many; values
# below the range mean that it is another.
_TOO_DARK, _TOO_BRIGHT = 0.05, 0.25


def on_values(
    outside: RangeCheck | None, fill: FillCheck | None, *, assumed: bool
) -> Iterator[str]:
    """Say what lies outside of the data range, assumed or declared, and what looks like fill."""
    if outside is not None and (share := outside.outside()):
        if assumed and outside.most > outside.data_range.high:
            yield (
                f"values reach {outside.most}, beyond the 12-bit data range of 4095 that is "
                "assumed for integers of more than 8 bits; give data_range if the images have "
                "another"
            )
        else:
            ends = [
                f"down to {outside.least:g}" if any(outside.below) else "",
                f"up to {outside.most:g}" if any(outside.above) else "",
            ]
            yield (
                f"{100 * share:.3g} % of the values lie outside of {outside.data_range}; "
                f"they reach {' and '.join(filter(None, ends))}; give data_range as the pair "
                "of the least and the largest possible value if that is another"
            )
    for image, value, count in fill.found() if fill is not None else ():
        yield (
            f"{value:.10g}, which often stands for no data, occurs {count} times in {image} "
            f"and counts as data; give nodata={value:.10g} if it is none"
        )


def refuse_to_clip(name: str, outside: RangeCheck) -> None:
    """Refuse for a metric to clip so much to the data range that little of an image is left.

    Raises
    ------
    InputError
    """
    for image, below, above in zip(
        ("the original", "the prediction"), outside.below, outside.above, strict=True
    ):
        for count, most, where in ((below, _TOO_DARK, "below"), (above, _TOO_BRIGHT, "above")):
            if count > most * outside.count:
                share = 100 * count / outside.count
                raise InputError(
                    f"{name.upper()} clips values to the data range, and {share:.3g} % of "
                    f"{image} lie {where} {outside.data_range}; give the least and the "
                    "largest possible value, for example data_range=(-30, 5)"
                )


def on_outcomes(
    outcomes: Mapping[str, Outcome], *, pixels: int, nothing_valid: bool
) -> Iterator[str]:
    """Say which results are undefined, and which rest on less than half of the image."""
    for name, outcome in outcomes.items():
        share = 100 * outcome.count / outcome.possible
        if outcome.count and not np.isfinite(outcome.value):
            yield from _why(name, outcome)
        if 0 < share < 50:
            what = "pixels" if outcome.possible == pixels else "windows or cells"
            yield (
                f"{name} rests on {outcome.count} of {outcome.possible} {what} ({share:.2g} %): "
                "the others are, or touch, invalid pixels"
            )
    empty = [name for name, outcome in outcomes.items() if not outcome.count]
    if empty:
        what = "pixel" if nothing_valid else "pixel or window"
        yield (
            f"no valid {what} is left for {', '.join(empty)}: the result is NaN; "
            "check mask, nodata and NaN values"
        )


def _why(name: str, outcome: Outcome) -> Iterator[str]:
    """Say why a score is no number though there is something to score."""
    if outcome.reason is not None:
        yield f"{name} is {outcome.value}: {outcome.reason}"
    elif np.isnan(outcome.value):
        bands = outcome.per_band
        if bands is not None and not np.isnan(bands).any():
            yield f"{name} is inf in one band and -inf in another, so it has no mean; see each band"
        else:
            yield f"{name} is NaN: the values are too large or too small for it; scale both images"
