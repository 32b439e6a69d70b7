"""The accumulators that the metrics asked need, each once, and what comes of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, Protocol, TypeVar, cast

import numpy as np

from image_similarity_measures.arrays import PairSource
from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.errors import InputError
from image_similarity_measures.opencv import slower_without

from . import notes, strips
from .metric import Finish, Metric, Outcome
from .tiles import Accumulator, Tile
from .values import FillCheck, RangeCheck


class BandSink(Protocol):
    """Takes a quality map with its bands, (rows, cols, bands) float32."""

    def write(self, row: int, block: Array) -> None:
        """Take the rows that start at `row`."""


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


@dataclass(slots=True)
class Entry:
    """An accumulator in use.

    Attributes
    ----------
    accumulator : Accumulator
        It.
    takes : {"pixels", "tiles", "strips"}
        What it is best given. Those of pixels are done in no time, and share a few rows while these
        are in the cache; strips have the image's full width.
    width : int
        Columns of a tile.
    maps : str or None
        The metric whose map it can fill.
    """

    accumulator: Accumulator
    takes: Literal["pixels", "tiles", "strips"]
    width: int = 0
    maps: str | None = None


A = TypeVar("A")

# Where float64 holds each whole number.
_WHOLE = DataRange(1 - 2.0**53, 2.0**53 - 1)


def _call(job: Callable[[], Accumulator | None]) -> Accumulator | None:
    return job()


class Plan:
    """The accumulators that the metrics asked need, each once, and what comes of them.

    A metric's ``begin`` asks for its accumulators with `pixels`, `tiles` or `strips`; whoever asks
    for the same one gets the same one.

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
    shape : tuple of int
        Rows, columns and bands.
    bands, area : int
        Number of bands, and of pixels.
    data_range : DataRange
        The one asked for, or the one assumed.
    notes : list of str
        What deserves a second look.
    """

    def __init__(self, source: PairSource, request: Request, sinks: Mapping[str, BandSink]) -> None:
        self.shape = source.shape
        self.bands = source.shape[2]
        self.area = source.shape[0] * source.shape[1]
        self.request = request
        self.sinks = sinks
        self.pool: Executor | None = None
        self.valid = 0
        self.notes: list[str] = []
        self.entries: dict[tuple[Any, ...], Entry] = {}
        # A source of the user's own need not say how its images are stored.
        self.stored: tuple[np.dtype[Any], ...] = getattr(source, "dtypes", (source.dtype,))
        ranged = [n for n, m in request.metrics.items() if m.ranged(request.settings.get(n))]
        self.assumed = bool(ranged) and request.data_range is None
        self.data_range = self._data_range(source, ranged)
        self.outside: RangeCheck | None = None
        if ranged and not self.data_range.holds(source.dtype):
            self.outside = self.pixels(RangeCheck, self.data_range)
        self.fill = None if source.dtype.kind == "u" else self.pixels(FillCheck)
        self.rounded: RangeCheck | None = None
        if source.dtype.kind == "f" and any(t.kind != "f" and t.itemsize == 8 for t in self.stored):
            self.rounded = self.pixels(RangeCheck, _WHOLE)
        self.finishes: dict[str, Finish] = {}
        for name, metric in request.metrics.items():
            with self._optional(name):
                self.finishes[name] = metric.begin(self, request.settings.get(name))
        if not self.finishes:
            raise InputError(
                f"no metric can be computed ({'; '.join(self.notes)}); ask for others, or give "
                "other images"
            )
        halos = [entry.accumulator.halo for entry in self.entries.values()]
        self.halo = max((h[0] for h in halos), default=0), max((h[1] for h in halos), default=0)

    # What metrics ask for.

    def pixels(self, kind: Callable[..., A], *arguments: Any) -> A:
        """The accumulator of this kind that sees one pixel at a time and is done in no time."""
        return self._shared(kind, arguments, "pixels")

    def tiles(
        self, kind: Callable[..., A], *arguments: Any, width: float = 1, maps: str | None = None
    ) -> A:
        """The accumulator of this kind that works best tile by tile, of more or less width.

        `maps` names the metric whose map it fills.
        """
        usual = max(32, strips.TILE_SAMPLES // (strips.TILE_ROWS * min(self.bands, 4)))
        return self._shared(kind, arguments, "tiles", max(32, int(usual * width)), maps)

    def strips(self, kind: Callable[..., A], *arguments: Any) -> A:
        """The accumulator of this kind that takes strips of the images' full width."""
        return self._shared(kind, arguments, "strips")

    def fits(self, name: str, size: int, cure: str = "") -> None:
        """Refuse images smaller than what the metric looks at.

        Raises
        ------
        InputError
        """
        rows, cols, bands = self.shape
        if min(rows, cols) < size:
            kind = f" with {bands} bands, which come last" if bands > min(rows, cols) else ""
            raise InputError(
                f"{name.upper()} looks at {size} x {size} windows and the images are only "
                f"{rows} x {cols}{kind}; give {cure}larger images"
            )

    def mostly_inside(self, name: str) -> None:
        """Refuse to clip so much to the data range that little of the images is left.

        Raises
        ------
        InputError
        """
        if self.outside is not None:
            notes.refuse_to_clip(name, self.outside)

    # What the pass does.

    @property
    def divisible(self) -> bool:
        """Whether there is work for more than one thread at a time."""
        return any(entry.takes != "pixels" for entry in self.entries.values())

    def update(self, strip: Tile) -> None:
        """Take a strip, with all accumulators, and hand out its rows of the maps."""
        core = strip.core()
        rows, cols = core.org.shape[:2]
        self.valid += rows * cols if core.valid is None else int(np.count_nonzero(core.valid))
        maps = {
            entry.maps: np.empty((rows, cols, self._map_bands(entry.maps)), np.float32)
            for entry in self.entries.values()
            if entry.maps in self.sinks
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
        for entry in self.entries.values():
            if entry.takes == "strips":
                jobs.append(partial(entry.accumulator.update, strip))
                into.append(None)
            elif entry.takes == "tiles":
                for tile in strip.split(strips.TILE_ROWS, entry.width):
                    jobs.append(partial(part, entry, tile))
                    into.append(entry.accumulator)
        for target, gathered in zip(
            into, (self.pool.map if self.pool else map)(_call, jobs), strict=True
        ):
            if target is not None and gathered is not None:
                target.merge(gathered)
        for name, block in maps.items():
            self.sinks[cast(str, name)].write(strip.rows.start, block)

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
            with self._optional(name):
                results[name] = finish()
        self.notes += notes.on_outcomes(results, pixels=self.area, nothing_valid=not self.valid)
        if (slower := slower_without()) is not None:
            self.notes.append(slower)
        return results

    def _pixelwise(self, strip: Tile) -> None:
        rows = max(1, strips.TILE_SAMPLES // (self.shape[1] * self.bands))
        chosen = [e.accumulator for e in self.entries.values() if e.takes == "pixels"]
        for tile in strip.split(rows, self.shape[1]):
            for accumulator in chosen:
                accumulator.update(tile)

    def _shared(
        self,
        kind: Callable[..., A],
        arguments: tuple[Any, ...],
        takes: Literal["pixels", "tiles", "strips"],
        width: int = 0,
        maps: str | None = None,
    ) -> A:
        key = kind, *arguments
        if key not in self.entries:
            made = cast(Accumulator, kind(*arguments))
            self.entries[key] = Entry(made, takes, width)
        if maps is not None:
            self.entries[key].maps = maps
        return cast(A, self.entries[key].accumulator)

    def _map_bands(self, name: str | None) -> int:
        return self.bands if name and self.request.metrics[name].band_wise else 1

    @contextmanager
    def _optional(self, name: str) -> Iterator[None]:
        """What cannot be computed is left out with a note, if asked for as one of all."""
        try:
            yield
        except InputError as error:
            if name not in self.request.any_of_all:
                raise
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
