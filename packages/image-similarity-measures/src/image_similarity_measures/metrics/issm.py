"""ISSM: information theoretic-based statistic similarity measure."""

from __future__ import annotations

from functools import partial
from typing import Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.engine.call import Given, Range, Values, compute
from image_similarity_measures.engine.edges import REACH, StripEdges, edge_correlation
from image_similarity_measures.engine.exact import difference
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.plan import Plan
from image_similarity_measures.engine.tiles import Tile, blanked
from image_similarity_measures.opencv import opencv

from .ssim import similarity


def begin(plan: Plan, settings: None) -> Finish:
    """Gather SSIM, and the joint statistics."""
    ssim = similarity(plan, "issm", "gaussian")
    joint = plan.strips(JointStatistics, plan.bands, plan.data_range)

    def finish() -> Outcome:
        score = information_similarity(joint, ssim.mean())
        return Outcome.mean_of(ssim.count, ssim.possible(plan.shape), score)

    return finish


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


METRIC = Metric(
    name="issm",
    title="Information theoretic-based statistic similarity measure",
    better="higher",
    ideal=1.0,
    sees="image",
    summary="edge correlation and joint entropy, weighed against SSIM; at its best near 1",
    blind="much of what lies between",
    values="no fixed range",
    source="Aljanabi et al. 2019, doi 10.1080/22797254.2019.1628617",
    begin=begin,
    needs_range=True,
    clips=True,
)


@overload
def issm(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
) -> float: ...


@overload
def issm(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def issm(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Information theoretic-based statistic similarity (Aljanabi et al. 2019).

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

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands. NaN with a warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``(rho E (A + B) + e) / (A rho E + B E + C SSIM + e)`` with A = .3, B = .5, C = .7: rho is the
    correlation of the Canny edge maps, E the Shannon entropy in bits of the normalised joint
    histogram with 256 bins, both on the 8-bit scale ``rint(255 value / data_range)``.

    Assumed, where the paper was not at hand: e = .01 as in Shnain et al. 2017 [2]_, Canny
    thresholds of 100 and 200 with a 3 x 3 Sobel gradient, and SSIM with the Gaussian window. rho is
    1 for two maps without edges and 0 if only one has none. The score has no fixed range: identical
    images give ``(.8 E + .01) / (.8 E + .71)``, from .014 for constant ones to .90 for 8 bits of
    entropy, the most that 256 bins give, and where SSIM or rho is negative the denominator may be
    small, and the score far above 1 or below 0. Lower SSIM raises it: read it next to SSIM.
    Edge pixels within two pixels of an invalid one do not count.

    References
    ----------
    .. [1] M. A. Aljanabi et al., "Design of a hybrid measure for image similarity: a statistical,
       algebraic, and information-theoretic approach", European Journal of Remote Sensing 52, 2019.
       doi 10.1080/22797254.2019.1628617
    .. [2] N. A. Shnain, Z. M. Hussain, S. F. Lu, "A feature-based structural measure: an image
       similarity measure for face recognition", Applied Sciences 7(8):786, 2017.
       doi 10.3390/app7080786
    """
    given = Given(mask, nodata, axis, data_range)
    result: float | Values = compute(METRIC, org_img, pred_img, given, per_band=per_band)
    return result
