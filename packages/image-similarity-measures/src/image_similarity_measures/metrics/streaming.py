"""Score a pair of images in one pass over its rows, for all metrics asked."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from image_similarity_measures.arrays import BLOCK_BYTES, ArrayPair, Block, PairSource
from image_similarity_measures.checks import Array, DataRange, Mask, as_number
from image_similarity_measures.errors import InputError, UsageError, warn
from image_similarity_measures.opencv import opencv, slower_without

from . import registry
from .pixelwise import AngleSum, ErrorSums, peak_ratio
from .tiles import Accumulator, Span, Tile
from .values import FillCheck, RangeCheck
from .whole import FeatureSimilarity, JointStatistics, information_similarity
from .windowed import StructuralSimilarity, UniversalQuality

__all__ = ["ArrayPair", "Block", "MapSink", "Options", "PairSource", "Score", "Scores", "score"]

# What is computed together depends on the image alone, never on how it is read: with the same
# operations on the same tiles, results are the same to the last digit. Tiles are small enough for
# their intermediate images to stay in the cache, and for the allocator to keep their memory.
_TILE_ROWS = 64
_TILE_SAMPLES = 2**17
_STRIP_SAMPLES = 2**21
# Below this many samples threads cost more than they bring.
_THREADED_SAMPLES = 2**19
_THREADS = min(2, os.cpu_count() or 1)

# Shares of an image that may be clipped to the data range. Clouds go beyond the top of many; values
# below the range mean that it is another.
_TOO_DARK, _TOO_BRIGHT = 0.05, 0.25


class MapSink(Protocol):
    """Takes a quality map row by row, from the top."""

    def write(self, row: int, block: NDArray[Any]) -> None:
        """Take float32 rows (rows, cols) that start at `row`: the mean over bands, or NaN."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the metrics are computed; the defaults are the functions' own.

    Attributes
    ----------
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones; floating point has no default.
    normalized : bool
        Divide RMSE by `data_range`.
    ssim_window : {"gaussian", "uniform"}
        11 x 11 Gaussian window, or the uniform 7 x 7 one with sample covariance.
    fsim_reduce : bool
        Let FSIM shrink large images as its authors do.
    fsim_t1, fsim_t2 : float
        FSIM's constants for phase congruency and gradient magnitude.
    sre_variant : {"lanaras", "supreme"}
        SRE relative to the squared mean, or to the mean square, of the original.
    sam_degrees : bool
        SAM in degrees rather than radians.
    uiq_window_size, uiq_step : int
        Side of UIQ's windows, and the pixels from one to the next.

    Raises
    ------
    InputError, UsageError
        If a value is out of its range, or a choice does not exist.
    """

    data_range: float | tuple[float, float] | None = None
    normalized: bool = False
    ssim_window: Literal["gaussian", "uniform"] = "gaussian"
    fsim_reduce: bool = True
    fsim_t1: float = 0.85
    fsim_t2: float = 160.0
    sre_variant: Literal["lanaras", "supreme"] = "lanaras"
    sam_degrees: bool = True
    uiq_window_size: int = 8
    uiq_step: int = 1

    def __post_init__(self) -> None:
        given = [("t1", self.fsim_t1), ("t2", self.fsim_t2)]
        if self.data_range is not None:
            DataRange.of(self.data_range)
        for name, number in given:
            if not 0 < as_number(number, name) < float("inf"):
                raise InputError(f"{name} is {number}; give a positive number")
        for name, value, choices in (
            ("window", self.ssim_window, ("gaussian", "uniform")),
            ("variant", self.sre_variant, ("lanaras", "supreme")),
        ):
            if value not in choices:
                raise UsageError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")
        for name, count in (("window_size", self.uiq_window_size), ("step", self.uiq_step)):
            if not isinstance(count, int | np.integer) or count < 1:
                raise InputError(f"{name} is {count!r}; give a whole number of at least 1")


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


def score(
    source: PairSource,
    metrics: str | Sequence[str],
    *,
    options: Options = Options(),
    sinks: Mapping[str, MapSink] | None = None,
    progress: Callable[[int, int], None] | None = None,
    max_block_bytes: int = BLOCK_BYTES,
) -> Scores:
    """Score a pair of images, reading each row once.

    Parameters
    ----------
    source : PairSource
        The pair. It is read in a thread of its own, one block ahead.
    metrics : str or sequence of str
        Metric names, or ``"all"``.
    options : Options
        How to compute them.
    sinks : mapping of str to MapSink, optional
        Where to write the local maps of the metrics named.
    progress : callable, optional
        Called with (rows done, rows in all) after each strip.
    max_block_bytes : int
        Bound on the bytes read at a time, both images together. Results do not depend on it.

    Returns
    -------
    Scores

    Raises
    ------
    UsageError
        If a metric does not exist, or has no map though a sink waits for one.
    InputError
        If the images or options cannot be used for a metric asked.

    Warns
    -----
    SimilarityWarning
        Whatever is in the notes: a value exceeds the data range assumed, or a score is not defined.
    """
    means = {name: BandMean(sink) for name, sink in (sinks or {}).items()}
    scores = score_bands(source, metrics, options, means, progress, max_block_bytes)
    for note in scores.notes:
        warn(note)
    return scores


class BandSink(Protocol):
    """Takes a quality map with its bands, (rows, cols, bands) float32."""

    def write(self, row: int, block: Array) -> None:
        """Take the rows that start at `row`."""


@dataclass(frozen=True, slots=True)
class BandMean:
    """Hands the mean over bands on to a `MapSink`."""

    sink: MapSink

    def write(self, row: int, block: Array) -> None:
        """Hand on; NaN in one band is NaN in all."""
        self.sink.write(row, block.mean(axis=2))


def score_bands(
    source: PairSource,
    metrics: str | Sequence[str],
    options: Options,
    sinks: Mapping[str, BandSink],
    progress: Callable[[int, int], None] | None = None,
    max_block_bytes: int = BLOCK_BYTES,
) -> Scores:
    """Do the work of `score`, with maps that keep their bands, and without a warning."""
    names = registry.select(metrics)
    for name in sinks:
        if not registry.get(name).has_map or name not in names:
            raise UsageError(
                f"no map of {name}; maps exist for those asked of "
                + ", ".join(m.name for m in registry.METRICS.values() if m.has_map)
            )
    plan = _Plan(source, names, options, sinks, registry.any_of_all(metrics))
    rows = source.shape[0]
    # glibc hands blocks larger than any it has freed straight back to the system. Having freed
    # this one, it keeps the tiles' memory, which halves the time of all that follows.
    np.empty(_STRIP_SAMPLES * 8, np.uint8)
    with ExitStack() as stack:
        if _THREADS > 1 and plan.divisible and np.prod(source.shape) >= _THREADED_SAMPLES:
            plan.pool = stack.enter_context(ThreadPoolExecutor(_THREADS))
        for tile in _strips(source, plan.halo, max_block_bytes, stack):
            plan.update(tile)
            if progress is not None:
                progress(tile.rows.stop, rows)
        return plan.finish()


def _strips(
    source: PairSource, halo: tuple[int, int], max_block_bytes: int, stack: ExitStack
) -> Iterator[Tile]:
    """Full-width strips of a fixed height, each with the halo there is, from the top."""
    rows, cols, bands = source.shape
    row_bytes = 2 * cols * bands * source.dtype.itemsize
    height = max(1, max_block_bytes // row_bytes)
    if height > source.block_rows:
        height -= height % source.block_rows
    every_col = slice(0, cols)
    spans = [slice(first, min(first + height, rows)) for first in range(0, rows, height)]

    def read(span: slice) -> Block:
        block = source.read(span, every_col)
        return Block(_interleaved(block.org), _interleaved(block.pred), block.valid)

    def blocks() -> Iterator[Block]:
        if len(spans) == 1 or isinstance(source, ArrayPair):
            yield from map(read, spans)
            return
        reader = stack.enter_context(ThreadPoolExecutor(1))
        ahead: Future[Block] = reader.submit(read, spans[0])
        for span in spans[1:]:
            block = ahead.result()
            ahead = reader.submit(read, span)
            yield block
        yield ahead.result()

    before, after = halo
    strip_rows = max(1, _STRIP_SAMPLES // (cols * bands * _TILE_ROWS)) * _TILE_ROWS
    held: Block | None = None
    held_row = 0
    done = 0
    for block, span in zip(blocks(), spans, strict=True):
        if held is None:
            held, held_row = block, span.start
        else:
            keep = max(0, done - before)
            held = _stacked(held, keep - held_row, block)
            held_row = keep
        while done < rows:
            strip = Span(done, min(done + strip_rows, rows))
            if min(strip.stop + after, rows) > span.stop:
                break
            yield Tile(held, held_row, 0, strip, Span(0, cols), (rows, cols))
            done = strip.stop


def _interleaved(image: Array) -> Array:
    """Put a pixel's bands next to each other, as every step after this wants them.

    Files come band by band, and each of those steps would copy its tile.
    """
    bands = image.shape[2]
    if image.strides[1:] == (bands * image.itemsize, image.itemsize):
        return image
    if image.dtype in (np.uint8, np.uint16, np.float32) and 1 < bands <= 4:
        merged: Array = opencv().merge([image[:, :, band] for band in range(bands)])
        return merged
    return np.ascontiguousarray(image)


def _stacked(top: Block, skip: int, bottom: Block) -> Block:
    """Put a block under another that loses its first `skip` rows."""
    kept = len(top.org) - skip
    if not kept:
        return bottom
    valid: Mask | None = None
    if top.valid is not None or bottom.valid is not None:
        parts = [
            np.ones(block.org.shape[:2], bool) if block.valid is None else block.valid
            for block in (top, bottom)
        ]
        valid = np.concatenate([parts[0][skip:], parts[1]])
    return Block(
        np.concatenate([top.org[skip:], bottom.org]),
        np.concatenate([top.pred[skip:], bottom.pred]),
        valid,
    )


def _call(job: Callable[[], Accumulator | None]) -> Accumulator | None:
    return job()


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a metric comes to: of how many pixels, windows or cells; per band; and the aggregate."""

    count: int
    per_band: Array | None
    value: float
    possible: int

    @classmethod
    def mean_of(cls, count: int, per_band: Array, possible: int) -> Self:
        """The aggregate that most metrics have."""
        with np.errstate(invalid="ignore"):  # infinities of both signs
            return cls(count, per_band, float(per_band.mean()), possible)


class _Plan:
    """The accumulators that the metrics asked need, each once, and what comes of them."""

    def __init__(
        self,
        source: PairSource,
        names: tuple[str, ...],
        options: Options,
        sinks: Mapping[str, BandSink],
        any_of_all: frozenset[str] = frozenset(),
    ) -> None:
        self.shape = source.shape
        self.pixels = source.shape[0] * source.shape[1]
        self.any_of_all = any_of_all
        self.options = options
        self.sinks = sinks
        self.pool: Executor | None = None
        self.valid = 0
        self.notes: list[str] = []
        self.ranged = [
            name
            for name in names
            if registry.METRICS[name].needs_range or (name == "rmse" and options.normalized)
        ]
        self.assumed = False
        self.data_range = self._data_range(source) if self.ranged else DataRange(0.0, math.nan)

        # Those that are done in no time and share a few rows while these are in the cache; ...
        self.pixelwise: list[Accumulator] = []
        self.outside: RangeCheck | None = None
        if self.ranged and not _holds(self.data_range, source.dtype):
            self.outside = RangeCheck(self.data_range)
            self.pixelwise.append(self.outside)
        self.fill: FillCheck | None = None
        if source.dtype.kind != "u":
            self.fill = FillCheck()
            self.pixelwise.append(self.fill)
        # ... those that work tile by tile, with the metric whose map they can fill and the width of
        # their tiles: SSIM computes in float32, UIQ in float64, SAM in pieces of its own; ...
        self.tiled: list[tuple[str, Accumulator, int]] = []
        self.width = max(32, _TILE_SAMPLES // (_TILE_ROWS * min(self.shape[2], 4)))
        # ... and those that are better off with whole strips.
        self.whole: list[Accumulator] = []

        self.errors: ErrorSums | None = None
        self.windows: dict[str, StructuralSimilarity] = {}
        metrics: dict[str, Callable[[], Callable[[], _Outcome]]] = {
            "fsim": self._fsim,
            "issm": self._issm,
            "psnr": self._psnr,
            "rmse": self._rmse,
            "sam": self._sam,
            "sre": self._sre,
            "ssim": self._ssim,
            "uiq": self._uiq,
        }
        self.outcomes: dict[str, Callable[[], _Outcome]] = {}
        for name in names:
            with self._optional(name):
                self.outcomes[name] = metrics[name]()
        if not self.outcomes:
            raise InputError(f"no metric can be computed: {'; '.join(self.notes)}")
        halos = [a.halo for a in self.whole] + [a.halo for _, a, _ in self.tiled] + [(0, 0)]
        self.halo = max(h[0] for h in halos), max(h[1] for h in halos)

    # Each of these adds what a metric needs and returns how its outcome is computed at the end.

    def _fsim(self) -> Callable[[], _Outcome]:
        self._fits("fsim", FeatureSimilarity.SMALLEST)
        fsim = FeatureSimilarity(
            self.shape,
            self.data_range,
            reduce=self.options.fsim_reduce,
            constants=(self.options.fsim_t1, self.options.fsim_t2),
        )
        self.whole.append(fsim)

        def outcome() -> _Outcome:
            self._mostly_inside("fsim")
            sink = self.sinks.get("fsim")
            per_band = fsim.finish(self.pool, None if sink is None else sink.write)
            return _Outcome.mean_of(fsim.used, per_band, fsim.count.size)

        return outcome

    def _issm(self) -> Callable[[], _Outcome]:
        ssim = self._windows("issm", "gaussian")
        joint = JointStatistics(self.shape[2], self.data_range)
        self.whole.append(joint)

        def outcome() -> _Outcome:
            self._mostly_inside("issm")
            score = information_similarity(joint, ssim.mean())
            return _Outcome.mean_of(ssim.count, score, ssim.possible(self.shape))

        return outcome

    def _psnr(self) -> Callable[[], _Outcome]:
        errors = self._error_sums()

        def outcome() -> _Outcome:
            mse, peak = errors.mse(), self.data_range.span
            value = float(peak_ratio(peak, mse.mean()))
            return _Outcome(errors.count, peak_ratio(peak, mse), value, self.pixels)

        return outcome

    def _rmse(self) -> Callable[[], _Outcome]:
        errors = self._error_sums()
        unit = self.data_range.span if self.options.normalized else 1.0
        return lambda: _Outcome.mean_of(errors.count, errors.rmse() / unit, self.pixels)

    def _sam(self) -> Callable[[], _Outcome]:
        if self.shape[2] == 1:
            raise InputError("SAM needs spectra, and one band has no angle; give 2 or more")
        angle = AngleSum(degrees=self.options.sam_degrees)
        self.tiled.append(("sam", angle, 4 * self.width))
        return lambda: _Outcome(angle.count, None, angle.mean(), self.pixels)

    def _sre(self) -> Callable[[], _Outcome]:
        errors, variant = self._error_sums(), self.options.sre_variant
        errors.with_power |= variant == "supreme"
        return lambda: _Outcome.mean_of(errors.count, errors.sre(variant), self.pixels)

    def _ssim(self) -> Callable[[], _Outcome]:
        ssim = self._windows("ssim", self.options.ssim_window)
        return lambda: _Outcome.mean_of(ssim.count, ssim.mean(), ssim.possible(self.shape))

    def _uiq(self) -> Callable[[], _Outcome]:
        size = self.options.uiq_window_size
        self._fits("uiq", size, "a smaller window_size or ")
        uiq = UniversalQuality(self.shape[2], size, self.options.uiq_step)
        self.tiled.append(("uiq", uiq, max(32, self.width // 2)))
        return lambda: _Outcome.mean_of(uiq.count, uiq.mean(), uiq.possible(self.shape))

    def _error_sums(self) -> ErrorSums:
        """The sums that RMSE, PSNR and SRE share."""
        if self.errors is None:
            self.errors = ErrorSums(self.shape[2])
            self.pixelwise.append(self.errors)
        return self.errors

    def _windows(self, name: str, kind: str) -> StructuralSimilarity:
        """SSIM in this kind of window, which ISSM may share."""
        self._fits(name, StructuralSimilarity.SIZES[kind])
        if kind not in self.windows:
            self.windows[kind] = StructuralSimilarity(self.shape[2], self.data_range.span, kind)
            mapped = "ssim" if kind == self.options.ssim_window else name
            self.tiled.append((mapped, self.windows[kind], self.width))
        return self.windows[kind]

    @property
    def divisible(self) -> bool:
        """Whether there is work for more than one thread at a time."""
        return bool(self.tiled or "fsim" in self.outcomes)

    @contextmanager
    def _optional(self, name: str) -> Iterator[None]:
        """What cannot be computed is left out with a note, if asked for as one of all."""
        try:
            yield
        except InputError as error:
            if name not in self.any_of_all:
                raise
            self.notes.append(f"{name} is left out: {error}")

    def _data_range(self, source: PairSource) -> DataRange:
        """Return the range asked for, or the one that integers of this width get."""
        if self.options.data_range is not None:
            return DataRange.of(self.options.data_range)
        if source.dtype.kind == "f":
            raise InputError(
                f"{', '.join(self.ranged)} of {source.dtype} images needs data_range, the largest "
                "possible value (for example 1.0 for reflectance)"
            )
        if source.dtype.itemsize == 1:
            info = np.iinfo(source.dtype)
            return DataRange(float(info.min), float(info.max))
        # A source of the user's own need not say how its images are stored.
        stored = getattr(source, "dtypes", (source.dtype,))
        if min(dtype.itemsize for dtype in stored) == 1:
            self.notes.append(
                f"the images are {' and '.join(map(str, stored))}; both are scored with the data "
                "range of 4095 that is assumed for integers of more than 8 bits; give data_range"
            )
        self.assumed = True
        return DataRange(0.0, 4095.0)

    def _mostly_inside(self, name: str) -> None:
        """Refuse to clip so much to the data range that little of the images is left."""
        if self.outside is None or not self.outside.count:
            return
        for image, below, above in zip(
            ("the original", "the prediction"), self.outside.below, self.outside.above, strict=True
        ):
            for count, most, where in ((below, _TOO_DARK, "below"), (above, _TOO_BRIGHT, "above")):
                if count > most * self.outside.count:
                    share = 100 * count / self.outside.count
                    raise InputError(
                        f"{name.upper()} clips values to the data range, and {share:.3g} % of "
                        f"{image} lie {where} {self._range_in_words()}; give the least and the "
                        "largest possible value, for example data_range=(-30, 5)"
                    )

    def _range_in_words(self) -> str:
        return f"the data range {self.data_range.low:g} to {self.data_range.high:g}"

    def _fits(self, name: str, size: int, cure: str = "") -> None:
        rows, cols, bands = self.shape
        if min(rows, cols) < size:
            kind = f" with {bands} bands, which come last" if bands > min(rows, cols) else ""
            raise InputError(
                f"{name.upper()} looks at {size} x {size} windows and the images are only "
                f"{rows} x {cols}{kind}; give {cure}larger images"
            )

    def update(self, strip: Tile) -> None:
        """Take a strip, with all accumulators, and hand out its rows of the maps."""
        core = strip.core()
        self.valid += (
            core.org.shape[0] * core.org.shape[1]
            if core.valid is None
            else int(np.count_nonzero(core.valid))
        )
        maps: dict[str, Array] = {
            name: np.empty(
                (len(strip.rows), self.shape[1], 1 if name == "sam" else self.shape[2]), np.float32
            )
            for name, _, _ in self.tiled
            if name in self.sinks
        }

        def pixelwise() -> None:
            rows = max(1, _TILE_SAMPLES // (self.shape[1] * self.shape[2]))
            for tile in strip.split(rows, self.shape[1]):
                for accumulator in self.pixelwise:
                    accumulator.update(tile)

        def part(name: str, accumulator: Accumulator, tile: Tile) -> Accumulator:
            gathered = accumulator.fresh()
            out: Array | None = None
            if name in maps:
                out = maps[name][tile.rows.within(strip.rows.start), tile.cols.within(0)]
            gathered.update(tile, out)
            return gathered

        # Each job returns what is to be merged, in the order of the tiles: threads change nothing.
        jobs: list[Callable[[], Accumulator | None]] = [pixelwise]
        into: list[Accumulator | None] = [None]
        for whole in self.whole:
            jobs.append(partial(whole.update, strip))
            into.append(None)
        for name, accumulator, width in self.tiled:
            for tile in strip.split(_TILE_ROWS, width):
                jobs.append(partial(part, name, accumulator, tile))
                into.append(accumulator)
        for target, gathered in zip(
            into, (self.pool.map if self.pool else map)(_call, jobs), strict=True
        ):
            if target is not None and gathered is not None:
                target.merge(gathered)
        for name, rows in maps.items():
            self.sinks[name].write(strip.rows.start, rows)

    def _note_values(self) -> None:
        """Note what lies outside of the data range, and what looks like fill."""
        outside = self.outside
        if outside is not None and (share := outside.outside()):
            if self.assumed and outside.most > self.data_range.high:
                self.notes.append(
                    f"values reach {outside.most}, beyond the 12-bit data range of 4095 that is "
                    "assumed for integers of more than 8 bits; give data_range if the images have "
                    "another"
                )
            else:
                ends = [
                    f"down to {outside.least:g}" if any(outside.below) else "",
                    f"up to {outside.most:g}" if any(outside.above) else "",
                ]
                self.notes.append(
                    f"{100 * share:.3g} % of the values lie outside of {self._range_in_words()}; "
                    f"they reach {' and '.join(filter(None, ends))}; give data_range as the pair "
                    "of the least and the largest possible value if that is another"
                )
        if self.errors is not None and not np.isfinite(self.errors.squares).all():
            self.notes.append(
                "the differences are too large for their squares to be numbers; scale both images"
            )
        for image, value, count in self.fill.found() if self.fill is not None else ():
            self.notes.append(
                f"{value:.10g}, which often stands for no data, occurs {count} times in {image} "
                f"and counts as data; give nodata={value:.10g} if it is none"
            )

    def finish(self) -> Scores:
        """Compute the scores."""
        self._note_values()
        results: dict[str, Score] = {}
        empty = []
        for name, outcome in self.outcomes.items():
            with self._optional(name):
                found = outcome()
                results[name] = self._score(name, found)
                if not found.count:
                    empty.append(name)
                elif np.isnan(found.value):
                    self.notes.append(_why_undefined(name, found.per_band))
                elif 2 * found.count < found.possible:
                    self._note_support(name, found)
        if empty:
            what = "pixel" if not self.valid else "pixel or window"
            self.notes.append(
                f"no valid {what} is left for {', '.join(empty)}: the result is NaN; "
                "check mask, nodata and NaN values"
            )
        if (slower := slower_without()) is not None:
            self.notes.append(slower)
        return Scores(results, self.valid / self.pixels, tuple(self.notes))

    def _score(self, name: str, found: _Outcome) -> Score:
        unit = registry.METRICS[name].unit
        if name == "sam" and not self.options.sam_degrees:
            unit = "rad"
        if name == "rmse" and self.options.normalized:
            unit = ""
        used: float | tuple[float, float] | None = None
        if name in self.ranged:
            low, high = self.data_range.low, self.data_range.high
            used = (low, high) if low else high
        return Score(
            name,
            found.value,
            None if found.per_band is None else tuple(map(float, found.per_band)),
            unit,
            used,
            found.count / found.possible,
        )

    def _note_support(self, name: str, found: _Outcome) -> None:
        """Say that a score rests on little, which the share of valid pixels need not tell."""
        what = "pixels" if found.possible == self.pixels else "windows or cells"
        share = 100 * found.count / found.possible
        self.notes.append(
            f"{name} rests on {found.count} of {found.possible} {what} ({share:.2g} %): "
            "the others are, or touch, invalid pixels"
        )


def _holds(data_range: DataRange, dtype: np.dtype[Any]) -> bool:
    """Whether no value of this type lies outside of the range."""
    if dtype.kind == "f":
        return False
    info = np.iinfo(dtype)
    return bool(data_range.low <= info.min and info.max <= data_range.high)


def _why_undefined(name: str, per_band: Array | None) -> str:
    """Say why a score is NaN though there is something to score."""
    if per_band is not None and not np.isnan(per_band).any():
        return f"{name} is inf in one band and -inf in another, so it has no mean; see each band"
    return f"{name} is NaN: the values are too large or too small for it; scale both images"
