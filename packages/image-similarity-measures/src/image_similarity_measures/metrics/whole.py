"""Metrics that see the whole image, or a reduced one: FSIM and ISSM."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import DTypeLike

from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.errors import InputError
from image_similarity_measures.opencv import opencv

from .edges import REACH, StripEdges, edge_correlation
from .exact import difference
from .phase import phase_congruency
from .tiles import Tile, blanked

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
        *,
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
        return type(self)(self.shape, self.data_range, reduce=self.reduce, constants=self.constants)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Add the pixels of a strip of the images' full width to their cells."""
        block = blanked(tile.core())
        row = tile.rows.start
        scale = 255 / self.data_range.span
        for cells, image in ((self.org, block.org), (self.pred, block.pred)):
            limited = _limited(image, self.data_range)
            _add_to_cells(cells, limited, row, self.factor, scale)
        if block.valid is None:
            high = len(self.count)
            cell = np.arange(row, min(tile.rows.stop, high * self.factor)) // self.factor
            pixels = self.factor * np.bincount(cell, minlength=high)
            self.count += pixels.astype(self.count.dtype)[:, np.newaxis]
        else:
            _add_to_cells(
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


def _add_to_cells(
    cells: Array, image: Array, row: int, factor: int, scale: float | None = None
) -> None:
    """Add rows of the whole image's width, that begin at `row`, to its factor x factor cells."""
    high, wide, bands = cells.shape
    image = image[: max(0, high * factor - row)]
    rows, cols, _ = image.shape
    if factor == 1:
        part = cells[row : row + rows]
        part += image if scale is None else np.multiply(image, scale, dtype=np.float64)
        return
    kind = _exact_sum(image.dtype, factor**2)
    # What is left of a cell begun by rows above, whole cells, and a part of one more.
    whole = min(-row % factor, rows)
    rest = rows - (rows - whole) % factor
    for first, last in pairwise((0, whole, rest, rows)):
        if first == last:
            continue
        # Rows first: NumPy adds long lines fast.
        height = min(factor, last - first)
        lines = image[first:last].reshape(-1, height, cols * bands).sum(axis=1, dtype=kind)
        lines = lines.reshape(-1, cols, bands)[:, : wide * factor]
        sums = np.einsum("rcfb->rcb", lines.reshape(-1, wide, factor, bands))
        cell = (row + first) // factor
        cells[cell : cell + len(sums)] += (sums if scale is None else sums * scale).astype(
            cells.dtype, copy=False
        )


def _exact_sum(dtype: np.dtype[Any], number: int) -> DTypeLike:
    """Narrowest type, for speed, that adds up this many values without error; or float64."""
    if dtype.kind in "iub" and dtype.itemsize <= 2 and number <= 2**16:
        return np.int32 if dtype.kind == "i" else np.uint32
    return np.float64


def feature_similarity(
    org: Array, pred: Array, constants: tuple[float, float]
) -> tuple[Array, Array]:
    """FSIM's local similarity and its weight, the larger phase congruency.

    Parameters
    ----------
    org, pred : ndarray
        (rows, cols) float32, intensities from 0 to 255.
    constants : tuple of float
        T1 and T2.

    Returns
    -------
    similarity, weight : ndarray
        (rows, cols) float32.
    """
    t1, t2 = (np.float32(t) for t in constants)
    org_phase, pred_phase = phase_congruency(org), phase_congruency(pred)
    similarity = _alike(org_phase, pred_phase, t1)
    similarity *= _alike(_gradient(org), _gradient(pred), t2)
    return similarity, np.maximum(org_phase, pred_phase)


def _alike(x: Array, y: Array, constant: np.float32) -> Array:
    """Return (2 x y + c) / (x^2 + y^2 + c), exactly 1 where x equals y."""
    ratio: Array = (2 * (x * y) + constant) / (x * x + y * y + constant)
    return ratio


def _gradient(image: Array) -> Array:
    """Scharr gradient magnitude, weights 3 10 3 over 16, with zeros around the image."""
    cv2 = opencv()
    settings = {"scale": 1 / 16, "borderType": cv2.BORDER_CONSTANT}
    across = cv2.Scharr(image, cv2.CV_32F, 1, 0, **settings)
    down = cv2.Scharr(image, cv2.CV_32F, 0, 1, **settings)
    # Not cv2.magnitude, whose last digit depends on where an array lies in memory.
    across *= across
    across += np.multiply(down, down, out=down)
    magnitude: Array = np.sqrt(across, out=across)
    return magnitude


# ISSM: weights of Aljanabi et al. 2019, constant of Shnain et al. 2017.
_A, _B, _C, _E = 0.3, 0.5, 0.7, 0.01


class JointStatistics:
    """What ISSM needs besides SSIM: joint histogram and edge correlation, per band.

    Both are taken from the images on the 8-bit scale, ``rint(255 value / data_range)``, clipped.
    Only counts are kept: of value pairs, and of edge pixels, which are those that Canny finds in
    the whole image (see `edges`).
    """

    halo = (REACH, REACH)

    def __init__(self, bands: int, data_range: DataRange) -> None:
        self.data_range = data_range
        self.histogram = np.zeros((bands, 256 * 256), np.int64)
        self.edges: list[list[StripEdges]] = [[] for _ in range(bands)]

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(len(self.edges), self.data_range)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a strip of the images' full width."""
        before, after = self.halo
        rows = tile.rows.grown(before, after, tile.shape[0])
        block = blanked(tile.cut(rows, tile.cols))
        core = tile.rows.within(rows.start)
        images = to_8bit(block.org, self.data_range), to_8bit(block.pred, self.data_range)
        for band, edges in enumerate(self.edges):
            org, pred = (np.ascontiguousarray(image[:, :, band]) for image in images)
            pairs = (org[core].astype(np.uint16) << 8) | pred[core]
            counted = pairs.ravel() if block.valid is None else pairs[block.valid[core]]
            self.histogram[band] += np.bincount(counted, minlength=256 * 256)
            edges.append(StripEdges.find(org, pred, block.valid, core, tile.rows.start))

    def merge(self, other: Self) -> None:
        """Take another's counts."""
        self.histogram += other.histogram
        for mine, others in zip(self.edges, other.edges, strict=True):
            mine.extend(others)

    def entropy(self) -> Array:
        """Shannon entropy of the joint histogram in bits, per band; NaN without pixels."""
        return np.array([_entropy(band) for band in self.histogram])

    def edge_correlation(self) -> Array:
        """Correlation of the two edge maps, per band; NaN without pixels.

        Where a map is all edge or none, 1 if both are the same and 0 otherwise.
        """
        return np.array([edge_correlation(edges) for edges in self.edges])


def information_similarity(joint: JointStatistics, ssim: Array) -> Array:
    """ISSM per band from joint statistics and SSIM; the formula is in `metrics.issm`."""
    agreement = joint.edge_correlation() * joint.entropy()
    numerator = agreement * (_A + _B) + _E
    score: Array = numerator / (_A * agreement + _B * joint.entropy() + _C * ssim + _E)
    return score


def to_8bit(image: Array, data_range: DataRange) -> Array:
    """Scale the data range to 0..255, rounded and clipped, as uint8."""
    if image.dtype == np.uint8 and data_range == DataRange(0, 255):
        return image
    if image.dtype in (np.uint8, np.uint16) and image.size > 2**16:
        # Fewer values than pixels: OpenCV's float32 will do if it is right for each of them.
        values = np.arange(np.iinfo(image.dtype).max + 1, dtype=image.dtype)
        exact = _to_8bit(values, data_range)
        scale = partial(opencv().convertScaleAbs, alpha=255 / data_range.span)
        if not data_range.low and np.array_equal(scale(values).ravel(), exact):
            return np.asarray(scale(image.reshape(len(image), -1)).reshape(image.shape))
        return np.take(exact, image)
    return _to_8bit(image, data_range)


def _to_8bit(image: Array, data_range: DataRange) -> Array:
    if data_range.low:
        image = difference(image, np.array(data_range.low))
    scaled = np.multiply(image, 255 / data_range.span, dtype=np.float64)
    np.rint(scaled, out=scaled)
    return np.clip(scaled, 0, 255, out=scaled).astype(np.uint8)


def _entropy(counts: Array) -> float:
    total = counts.sum()
    if not total:
        return float("nan")
    share = counts[counts > 0] / total
    return float(abs(np.sum(share * np.log2(share))))
