"""FSIM: feature similarity."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.engine.call import Given, Map, Range, Values, compute
from image_similarity_measures.engine.cells import add_to_cells
from image_similarity_measures.engine.exact import difference
from image_similarity_measures.engine.metric import Metric, positive
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.phase import feature_similarity
from image_similarity_measures.engine.plan import Plan
from image_similarity_measures.engine.tiles import Tile, blanked
from image_similarity_measures.errors import InputError
from image_similarity_measures.opencv import opencv


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of FSIM.

    Attributes
    ----------
    reduce : bool
        Shrink large images as the authors do.
    t1, t2 : float
        Constants for phase congruency and gradient magnitude.
    """

    reduce: bool = True
    t1: float = 0.85
    t2: float = 160.0

    def __post_init__(self) -> None:
        positive("t1", self.t1)
        positive("t2", self.t2)


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the reduced images."""
    plan.fits("fsim", FeatureSimilarity.SMALLEST)
    fsim = plan.strips(
        FeatureSimilarity, plan.shape, plan.data_range, settings.reduce, (settings.t1, settings.t2)
    )

    def finish() -> Outcome:
        sink = plan.sinks.get("fsim")
        per_band = fsim.finish(plan.pool, None if sink is None else sink.write)
        return Outcome.mean_of(fsim.used, fsim.count.size, per_band)

    return finish


# FSIM holds all bands and, for one or two at a time, some twenty images more; beyond these it would
# take too many gigabytes.
MOST_PIXELS, MOST_SAMPLES = 2**26, 2**28


class FeatureSimilarity:
    """FSIM (Zhang et al. 2011, doi 10.1109/TIP.2011.2109730), per band.

    Intensities are clipped to `data_range` and scaled to 0..255, and the image is reduced by
    ``F = max(1, round(min(rows, cols) / 256))`` with an F x F mean; rows and columns that do not
    fill a cell are left out. A cell is the mean of its valid pixels, and counts if at least half
    of them are valid and none of the eight cells around it is missing.

    The cells are gathered strip by strip, so an image of any size gets the value it would get
    if it were read at once.

    Parameters
    ----------
    shape : tuple of int
        Rows, columns and bands of the images.
    data_range : DataRange
        Least and largest possible value.
    reduce : bool
        Whether to reduce at all.
    constants : tuple of float
        T1 for phase congruency and T2 for gradient magnitude.
    """

    halo = (0, 0)
    SMALLEST = 3

    def __init__(
        self,
        shape: tuple[int, int, int],
        data_range: DataRange,
        reduce: bool = True,
        constants: tuple[float, float] = (0.85, 160.0),
    ) -> None:
        rows, cols, bands = shape
        self.shape = shape
        self.data_range = data_range
        self.reduce = reduce
        self.constants = constants
        self.factor = max(1, math.floor(min(rows, cols) / 256 + 0.5)) if reduce else 1
        cells = rows // self.factor, cols // self.factor
        pixels = cells[0] * cells[1]
        if pixels > MOST_PIXELS or pixels * bands > MOST_SAMPLES:
            cure = "" if reduce else "let it reduce the images, or "
            raise InputError(
                f"FSIM of {cells[0]} x {cells[1]} pixels in {bands} band(s) needs too much memory; "
                f"{cure}score parts of them"
            )
        # A cell of one pixel needs no room for sums.
        kind = np.float32 if self.factor == 1 else np.float64
        self.org: Array = np.zeros((*cells, bands), kind)
        self.pred: Array = np.zeros((*cells, bands), kind)
        self.used = 0
        self.count: Array = np.zeros(cells, np.int64 if self.factor > 1 else np.uint8)

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(self.shape, self.data_range, self.reduce, self.constants)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Add the pixels of a strip of the images' full width to their cells."""
        block = blanked(tile.core())
        row = tile.rows.start
        scale = 255 / self.data_range.span
        for cells, image in ((self.org, block.org), (self.pred, block.pred)):
            limited = _limited(image, self.data_range)
            add_to_cells(cells, limited, row, self.factor, scale)
        if block.valid is None:
            high = len(self.count)
            cell = np.arange(row, min(tile.rows.stop, high * self.factor)) // self.factor
            pixels = self.factor * np.bincount(cell, minlength=high)
            self.count += pixels.astype(self.count.dtype)[:, np.newaxis]
        else:
            add_to_cells(
                self.count[:, :, np.newaxis], block.valid[:, :, np.newaxis], row, self.factor
            )

    def merge(self, other: Self) -> None:
        """Take another's cells."""
        self.org += other.org
        self.pred += other.pred
        self.count += other.count

    def finish(
        self,
        pool: Executor | None = None,
        write: Callable[[int, Array], None] | None = None,
    ) -> Array:
        """FSIM per band; NaN without a valid cell.

        `write` takes the map: the similarity of each cell, spread over its pixels.
        """
        used = 2 * self.count >= self.factor**2
        self.used = int(np.count_nonzero(used))
        complete = bool(used.all())
        if not complete:
            kernel = np.ones((3, 3), np.uint8)
            used = opencv().erode(used.astype(np.uint8), kernel).astype(bool)
            self.used = int(np.count_nonzero(used))
        if not used.any():
            if write is not None:
                self._write(np.full(self.org.shape, np.nan, np.float32), write)
            return np.full(self.shape[2], np.nan)
        known = np.maximum(self.count, 1.0)

        def image(cells: Array, band: int) -> Array:
            values = cells[:, :, band] / known if self.factor > 1 else cells[:, :, band]
            if not complete:
                missing = 2 * self.count < self.factor**2
                values = np.where(missing, values[used].mean(), values)
            return np.ascontiguousarray(values, np.float32)

        def one(band: int) -> tuple[float, Array | None]:
            similarity, weight = feature_similarity(
                image(self.org, band), image(self.pred, band), self.constants
            )
            picked = (similarity, weight) if complete else (similarity[used], weight[used])
            total = picked[1].sum(dtype=np.float64)
            if total > 0:
                value = float((picked[0] * picked[1]).sum(dtype=np.float64) / total)
            else:
                # Nothing stands out in either image, as in constant ones: all cells weigh alike.
                value = float(picked[0].mean(dtype=np.float64))
            if write is None:
                return value, None
            return value, similarity if complete else np.where(used, similarity, np.nan)

        results = list((pool.map if pool else map)(one, range(self.shape[2])))
        if write is not None:
            self._write(np.stack([local for _, local in results if local is not None], 2), write)
        return np.array([value for value, _ in results])

    def _write(self, cells: Array, write: Callable[[int, Array], None]) -> None:
        """Spread cells over their pixels, a row of cells at a time."""
        rows, cols, bands = self.shape
        for row in range(0, rows, self.factor):
            strip = np.full((min(self.factor, rows - row), cols, bands), np.nan, np.float32)
            if row // self.factor < len(cells):
                wide = cells[row // self.factor].repeat(self.factor, axis=0)
                strip[:, : len(wide)] = wide
            write(row, strip)


def _limited(image: Array, data_range: DataRange) -> Array:
    """Clip to the data range and count from its low end, in float64 where there is need to."""
    low, high = data_range.low, data_range.high
    if low:
        return np.asarray(np.clip(difference(image, np.array(low)), 0, data_range.span))
    if (image.dtype.kind == "u" or image.min() >= 0) and image.max() <= high:
        return image
    return np.asarray(np.clip(image, 0, high, dtype=np.float64))


METRIC = Metric(
    name="fsim",
    title="Feature similarity",
    better="higher",
    ideal=1.0,
    sees="image",
    summary="phase congruency and gradient magnitude, pooled where features are strong",
    blind="slow changes of brightness",
    values="0 to 1",
    source="Zhang et al. 2011, doi 10.1109/TIP.2011.2109730",
    begin=begin,
    settings=Settings,
    has_map=True,
    needs_range=True,
    clips=True,
)


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[False] = ...,
) -> Values: ...


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[True],
) -> tuple[Values, Map]: ...


def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    reduce: bool = True,
    t1: float = 0.85,
    t2: float = 160.0,
    full: bool = False,
) -> float | Values | tuple[float | Values, Map]:
    """Feature similarity (Zhang et al. 2011): phase congruency and gradient magnitude.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones, with a warning when a value lies
        outside; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    reduce : bool
        Shrink large images as the authors do, by ``F = max(1, round(min(rows, cols) / 256))`` with
        an F x F mean, halves rounded up. The score depends on it.
    t1, t2 : float
        Constants for phase congruency and for gradient magnitude on the 0..255 scale.
    full : bool
        Return the local map as well: float32, (rows, cols), or (rows, cols, bands) with
        `per_band`; NaN where there is no complete and valid window.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands; 1 for identical images, constant ones included. NaN
        with a warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    Each pixel's similarity of phase congruency and of Scharr gradient magnitude,
    ``(2 a b + t) / (a^2 + b^2 + t)`` each, are multiplied and pooled with the larger phase
    congruency as weight. The local map holds the product. In a reduced image a cell is the mean
    of its valid pixels, and counts if at least half of them, and of those of all eight cells
    around it, are valid. Symmetric; intensities are clipped to `data_range` and scaled to
    0..255.

    References
    ----------
    .. [1] L. Zhang, L. Zhang, X. Mou, D. Zhang, "FSIM: A feature similarity index for image
       quality assessment", IEEE Transactions on Image Processing 20(8), 2011.
       doi 10.1109/TIP.2011.2109730
    """
    given = Given(mask, nodata, axis, data_range)
    result: float | Values | tuple[float | Values, Map] = compute(
        METRIC, org_img, pred_img, given, Settings(reduce, t1, t2), per_band=per_band, full=full
    )
    return result
