"""The metrics that were asked for, what they gather in one pass, and what comes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np

from image_similarity_measures.arrays import PairSource
from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.errors import InputError
from image_similarity_measures.opencv import slower_without

from . import notes, strips
from .metric import Metric
from .outcome import Finish, Outcome
from .plan import BandSink, Entry, Plan
from .tiles import Accumulator, Tile
from .values import FillCheck, RangeCheck


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked of a pair.

    Attributes
    ----------
    metrics : dict of str to Metric
        By name, in the order asked.
    settings : dict
        By name, for those metrics that have some.
    data_range : float, (float, float) or None
        As the caller gave it.
    any_of_all : frozenset of str
        Those asked for only as one of all: what cannot be computed of them is left out.
    """

    metrics: Mapping[str, Metric]
    settings: Mapping[str, Any] = field(default_factory=dict)
    data_range: float | tuple[float, float] | None = None
    any_of_all: frozenset[str] = frozenset()


# Where float64 holds each whole number.
_WHOLE = DataRange(1 - 2.0**53, 2.0**53 - 1)


class Gathering:
    """The metrics that were asked for, begun: takes strips, and says what they come to.

    Parameters
    ----------
    source : PairSource
        The pair: only what it says of itself is looked at.
    request : Request
        What is asked.
    sinks : mapping of str to BandSink
        Where the local maps of metrics go.

    Attributes
    ----------
    plan : Plan
        The accumulators.
    valid : int
        Pixels so far that are valid in both images.
    notes : list of str
        What deserves a second look.

    Raises
    ------
    InputError
        If the images or options cannot be used for a metric asked.
    """

    def __init__(self, source: PairSource, request: Request, sinks: Mapping[str, BandSink]) -> None:
        self.request = request
        self.valid = 0
        self.notes: list[str] = []
        # A source of the user's own need not say how its images are stored.
        self.stored: tuple[np.dtype[Any], ...] = getattr(source, "dtypes", (source.dtype,))
        ranged = [n for n, m in request.metrics.items() if m.ranged(request.settings.get(n))]
        self.assumed = bool(ranged) and request.data_range is None
        self.plan = Plan(source.shape, self._data_range(source, ranged), sinks)
        self.outside: RangeCheck | None = None
        if ranged and not self.plan.data_range.holds(source.dtype):
            self.outside = self.plan.pixels(RangeCheck, self.plan.data_range)
        self.fill = None if source.dtype.kind == "u" else self.plan.pixels(FillCheck)
        self.rounded: RangeCheck | None = None
        if source.dtype.kind == "f" and any(t.kind != "f" and t.itemsize == 8 for t in self.stored):
            self.rounded = self.plan.pixels(RangeCheck, _WHOLE)
        self.finishes: dict[str, Finish] = {}
        for name, metric in request.metrics.items():
            try:
                self.finishes[name] = metric.begin(self.plan, request.settings.get(name))
            except InputError as error:
                self._leave_out(name, error)
        if not self.finishes:
            raise InputError(
                f"no metric can be computed ({'; '.join(self.notes)}); ask for others, or give "
                "other images"
            )

    def update(self, strip: Tile) -> None:
        """Take a strip, with all accumulators, and hand out its rows of the maps."""
        core = strip.core()
        rows, cols = core.org.shape[:2]
        self.valid += rows * cols if core.valid is None else int(np.count_nonzero(core.valid))
        plan = self.plan
        maps = {
            entry.maps: np.empty((rows, cols, self._map_bands(entry.maps)), np.float32)
            for entry in plan.entries.values()
            if entry.maps in plan.sinks
        }

        def part(entry: Entry, tile: Tile) -> Accumulator:
            gathered = entry.accumulator.fresh()
            out: Array | None = None
            if entry.maps in maps:
                where = tile.rows.within(strip.rows.start), tile.cols.within(0)
                out = maps[entry.maps][where]
            gathered.update(tile, out)
            return gathered

        # Each job returns what is to be merged, in the order of the tiles: threads change nothing.
        jobs: list[Callable[[], Accumulator | None]] = [partial(self._pixelwise, strip)]
        into: list[Accumulator | None] = [None]
        for entry in plan.entries.values():
            if entry.takes == "strips":
                jobs.append(partial(entry.accumulator.update, strip))
                into.append(None)
            elif entry.takes == "tiles":
                for tile in strip.split(strips.TILE_ROWS, entry.width):
                    jobs.append(partial(part, entry, tile))
                    into.append(entry.accumulator)
        for target, gathered in zip(
            into, (plan.pool.map if plan.pool else map)(_call, jobs), strict=True
        ):
            if target is not None and gathered is not None:
                target.merge(gathered)
        for name, block in maps.items():
            plan.sinks[cast(str, name)].write(strip.rows.start, block)

    def finish(self) -> dict[str, Outcome]:
        """Compute the outcomes; notes say what is odd about them."""
        self.notes += notes.on_values(self.outside, self.fill, assumed=self.assumed)
        if self.rounded is not None and self.rounded.outside():
            self.notes.append(
                f"the images are {' and '.join(map(str, self.stored))} and compared as float64, "
                "which rounds whole numbers beyond 2^53, and there are some; convert both to one "
                "type of integers"
            )
        results: dict[str, Outcome] = {}
        for name, finish in self.finishes.items():
            try:
                if self.request.metrics[name].clips and self.outside is not None:
                    notes.refuse_to_clip(name, self.outside)
                results[name] = finish()
            except InputError as error:
                self._leave_out(name, error)
        self.notes += notes.on_outcomes(
            results, pixels=self.plan.area, nothing_valid=not self.valid
        )
        if (slower := slower_without()) is not None:
            self.notes.append(slower)
        return results

    def _pixelwise(self, strip: Tile) -> None:
        plan = self.plan
        rows = max(1, strips.TILE_SAMPLES // (plan.shape[1] * plan.bands))
        chosen = [e.accumulator for e in plan.entries.values() if e.takes == "pixels"]
        for tile in strip.split(rows, plan.shape[1]):
            for accumulator in chosen:
                accumulator.update(tile)

    def _map_bands(self, name: str | None) -> int:
        return self.plan.bands if name and self.request.metrics[name].band_wise else 1

    def _leave_out(self, name: str, error: InputError) -> None:
        """What cannot be computed is left out with a note, if asked for as one of all."""
        if name not in self.request.any_of_all:
            raise error
        self.notes.append(f"{name} is left out: {error}")

    def _data_range(self, source: PairSource, ranged: list[str]) -> DataRange:
        """Return the range asked for, or the one that integers of this width get."""
        if not ranged:
            return DataRange(0.0, math.nan)
        if self.request.data_range is not None:
            return DataRange.of(self.request.data_range)
        if source.dtype.kind == "f":
            raise InputError(
                f"{', '.join(ranged)} of {source.dtype} images needs data_range; give the "
                "largest possible value (for example 1.0 for reflectance)"
            )
        if source.dtype.itemsize == 1:
            info = np.iinfo(source.dtype)
            return DataRange(float(info.min), float(info.max))
        if min(dtype.itemsize for dtype in self.stored) == 1:
            self.notes.append(
                f"the images are {' and '.join(map(str, self.stored))}; both are scored with the "
                "data range of 4095 that is assumed for integers of more than 8 bits; give "
                "data_range"
            )
        return DataRange(0.0, 4095.0)


def _call(job: Callable[[], Accumulator | None]) -> Accumulator | None:
    return job()
