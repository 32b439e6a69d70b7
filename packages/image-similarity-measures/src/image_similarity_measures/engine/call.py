"""From two arrays and a metric to what its function returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from image_similarity_measures.checks import Array
from image_similarity_measures.errors import warn
from image_similarity_measures.labelled.pair import pair_of

from .gathering import Request
from .metric import Metric
from .score import score_pair

Values = NDArray[np.float64]
Map = NDArray[np.float32]
Range = float | tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Given:
    """What every metric's function is told of the images beside their pixels."""

    mask: ArrayLike | None = None
    nodata: float | None = None
    axis: int | None = None
    data_range: Range = None


class _Collected:
    """A map kept in memory."""

    def __init__(self) -> None:
        self.rows: list[Array] = []

    def write(self, row: int, block: Array) -> None:
        """Keep the rows."""
        self.rows.append(block)


def compute(
    metric: Metric,
    org: ArrayLike,
    pred: ArrayLike,
    given: Given,
    settings: Any = None,
    *,
    per_band: bool = False,
    full: bool = False,
) -> Any:
    """Score a pair of arrays and give the result the form asked for.

    Returns
    -------
    float, ndarray, or a pair with the map
        The aggregate, or with `per_band` the values per band; with `full` also the local map,
        averaged over the bands unless `per_band`.
    """
    source = pair_of(org, pred, mask=given.mask, nodata=given.nodata, axis=given.axis)
    request = Request({metric.name: metric}, {metric.name: settings}, given.data_range)
    collected = _Collected()
    scores = score_pair(source, request, {metric.name: collected} if full else {})
    for note in (*source.notes, *scores.notes):
        warn(note)
    result = scores[metric.name]
    value = np.array(result.per_band) if per_band else result.value
    if not full:
        return value
    local = np.concatenate(collected.rows)
    if not per_band:
        local = local.mean(axis=2)
    return value, local
