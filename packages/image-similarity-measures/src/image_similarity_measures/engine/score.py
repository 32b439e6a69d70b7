"""From a pair and metrics to their scores, in one pass over the rows."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from image_similarity_measures.arrays import BLOCK_BYTES, PairSource
from image_similarity_measures.checks import Array

from . import strips
from .gathering import Gathering, Request
from .parts import SpreadSource, gather_in_parts
from .plan import BandSink

# Below this many samples threads cost more than they bring.
_THREADED_SAMPLES = 2**19
_THREADS = min(2, os.cpu_count() or 1)


class MapSink(Protocol):
    """Takes a quality map row by row, from the top."""

    def write(self, row: int, block: NDArray[Any]) -> None:
        """Take float32 rows (rows, cols) that start at `row`: the mean over bands, or NaN."""


@dataclass(frozen=True, slots=True)
class BandMean:
    """Hands the mean over bands on to a `MapSink`."""

    sink: MapSink

    def write(self, row: int, block: Array) -> None:
        """Hand on; NaN in one band is NaN in all."""
        self.sink.write(row, block.mean(axis=2))


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's result.

    Attributes
    ----------
    name : str
        The metric.
    value : float
        The aggregate over bands; NaN when no pixel or window is valid.
    per_band : tuple of float, or None
        One value per band where the metric is band-wise.
    unit : str
        Unit of the value, ``""`` when dimensionless, ``"dn"`` for the unit of the data.
    data_range : float, (float, float) or None
        The data range used, the least and the largest value where the least is not 0; None where
        the metric has no use for one.
    share : float
        Share of the image's pixels, windows or cells, whichever the metric averages, that are
        valid, 0 to 1.
    """

    name: str
    value: float
    per_band: tuple[float, ...] | None
    unit: str
    data_range: float | tuple[float, float] | None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Scores(Mapping[str, Score]):
    """Results by metric name, in the order asked.

    Attributes
    ----------
    scores : dict
        The results.
    valid_share : float
        Share of the pixels that are valid in both images, 0 to 1.
    notes : tuple of str
        What deserves a second look.
    """

    scores: dict[str, Score]
    valid_share: float
    notes: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Score:
        return self.scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)


def score_pair(
    source: PairSource,
    request: Request,
    sinks: Mapping[str, BandSink] | None = None,
    progress: Callable[[int, int], None] | None = None,
    max_block_bytes: int = BLOCK_BYTES,
) -> Scores:
    """Score a pair of images, reading each row once, without a warning.

    Parameters
    ----------
    source : PairSource
        The pair. It is read in a thread of its own, one block ahead.
    request : Request
        The metrics, their settings and the data range.
    sinks : mapping of str to BandSink, optional
        Where to write the local maps of the metrics named.
    progress : callable, optional
        Called with (rows done, rows in all) after each strip.
    max_block_bytes : int
        Bound on the bytes read at a time, both images together. Results do not depend on it.

    Raises
    ------
    InputError
        If the images or options cannot be used for a metric asked.
    """
    gathering = Gathering(source, request, sinks or {})
    plan = gathering.plan
    rows = source.shape[0]
    if not sinks and getattr(source, "spread", False):
        # Dask's workers have the pixels; maps would have to come here row by row.
        gather_in_parts(cast(SpreadSource, source), request, gathering)
        if progress is not None:
            progress(rows, rows)
        return scores_of(gathering)
    # glibc hands blocks larger than any it has freed straight back to the system. Having freed
    # this one, it keeps the tiles' memory, which halves the time of all that follows.
    np.empty(strips.STRIP_SAMPLES * 8, np.uint8)
    with ExitStack() as stack:
        if _THREADS > 1 and plan.divisible and np.prod(source.shape) >= _THREADED_SAMPLES:
            plan.pool = stack.enter_context(ThreadPoolExecutor(_THREADS))
        for tile in strips.strips(source, plan.halo, max_block_bytes, stack):
            gathering.update(tile)
            if progress is not None:
                progress(tile.rows.stop, rows)
        return scores_of(gathering)


def scores_of(gathering: Gathering) -> Scores:
    """The scores of what has been gathered, once all strips are."""
    request, plan = gathering.request, gathering.plan
    results: dict[str, Score] = {}
    for name, outcome in gathering.finish().items():
        metric = request.metrics[name]
        low, high = plan.data_range.low, plan.data_range.high
        used = None
        if metric.ranged(request.settings.get(name)):
            used = (low, high) if low else high
        results[name] = Score(
            name,
            outcome.value,
            None if outcome.per_band is None else tuple(map(float, outcome.per_band)),
            metric.unit if outcome.unit is None else outcome.unit,
            used,
            outcome.count / outcome.possible,
        )
    return Scores(results, gathering.valid / plan.area, tuple(gathering.notes))
