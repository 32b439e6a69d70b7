"""SCC: spatial correlation coefficient."""

from __future__ import annotations

from typing import Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array
from image_similarity_measures.engine.call import Given, Values, compute
from image_similarity_measures.engine.exact import difference
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import CoMoments
from image_similarity_measures.engine.plan import Plan
from image_similarity_measures.engine.tiles import Tile
from image_similarity_measures.engine.windows import inside, whole_windows
from image_similarity_measures.opencv import opencv

_HALO = 1


class DetailMoments:
    """Moments of what a Laplacian leaves of two images: their edges and textures.

    Only complete 3 x 3 windows without an invalid pixel count.
    """

    halo = (_HALO, _HALO)

    def __init__(self, bands: int) -> None:
        self.bands = bands
        self.moments = CoMoments(bands)

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(self.bands)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take the windows whose middle lies in the tile."""
        rows = tile.rows.centres(_HALO, _HALO, tile.shape[0])
        cols = tile.cols.centres(_HALO, _HALO, tile.shape[1])
        if not len(rows) or not len(cols):
            return
        block = tile.grown(_HALO, _HALO)
        used = None
        if block.valid is not None:
            used = inside(whole_windows(block.valid, 3, _HALO), self.halo)
        self.moments.take(_details(block.org), _details(block.pred), used)

    def merge(self, other: Self) -> None:
        """Take another's moments."""
        self.moments.merge(other.moments)


def _details(image: Array) -> Array:
    """Eight times each pixel less its neighbours, for complete windows: (rows, cols, bands)."""
    # From the first pixel on, which the difference does not see: large values would cost digits.
    plane = difference(image, image[:1, :1])
    cv2 = opencv()
    ones = np.ones(3)
    # Not running sums: one large value must not leave its rounding on the rest of a row.
    total = np.asarray(cv2.sepFilter2D(plane, cv2.CV_64F, ones, ones)).reshape(plane.shape)
    details: Array = 9 * plane - total
    return details[_HALO:-_HALO, _HALO:-_HALO]


def begin(plan: Plan, settings: None) -> Finish:
    """Gather the details' moments."""
    plan.fits("scc", 3)
    details = plan.tiles(DetailMoments, plan.bands)
    possible = (plan.shape[0] - 2) * (plan.shape[1] - 2)

    def finish() -> Outcome:
        moments = details.moments
        return Outcome.mean_of(moments.count, possible, moments.correlation())

    return finish


METRIC = Metric(
    name="scc",
    title="Spatial correlation coefficient",
    better="higher",
    ideal=1.0,
    sees="windows",
    summary="whether edges and textures lie in the same places",
    blind="brightness, colour, all that changes slowly",
    values="−1 to 1",
    source="Zhou et al. 1998, doi 10.1080/014311698215973",
    begin=begin,
)


@overload
def scc(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
) -> float: ...


@overload
def scc(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def scc(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Spatial correlation coefficient (Zhou et al. 1998): correlation of the details.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
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
        The aggregate is the mean over bands; 1 for identical images, constant ones included. NaN
        with a warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    Both images are filtered with the Laplacian ``[[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]]``; the
    score is Pearson's correlation of what that leaves, over all pixels of a band whose 3 x 3 window
    is complete and valid. Other implementations correlate within small windows and average these
    coefficients, which gives other numbers.

    References
    ----------
    .. [1] J. Zhou, D. L. Civco, J. A. Silander, "A wavelet transform method to merge Landsat TM and
       SPOT panchromatic data", International Journal of Remote Sensing 19(4), 1998.
       doi 10.1080/014311698215973
    """
    given = Given(mask, nodata, axis)
    result: float | Values = compute(METRIC, org_img, pred_img, given, per_band=per_band)
    return result
