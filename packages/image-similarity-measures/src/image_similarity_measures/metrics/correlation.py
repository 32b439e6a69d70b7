"""Correlation of the pixels."""

from __future__ import annotations

from typing import Literal, overload

from numpy.typing import ArrayLike

from image_similarity_measures.engine.call import Given, Values, compute
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import CoMoments
from image_similarity_measures.engine.plan import Plan


def begin(plan: Plan, settings: None) -> Finish:
    """Gather means, variances and covariance."""
    moments = plan.pixels(CoMoments, plan.bands)
    return lambda: Outcome.mean_of(moments.count, plan.area, moments.correlation())


METRIC = Metric(
    name="correlation",
    title="Correlation coefficient",
    better="higher",
    ideal=1.0,
    sees="pixels",
    summary="whether bright pixels of one image are bright in the other",
    blind="brightness and contrast",
    values="−1 to 1",
    source="Pearson's coefficient",
    begin=begin,
)


@overload
def correlation(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
) -> float: ...


@overload
def correlation(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def correlation(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Pearson's correlation of the pixels' values.

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
    ``cov(x, y) / (std(x) std(y))`` per band. Where a band is flat in both images it is 1, and where
    in one only 0. Good to the last digits at any offset of the values.
    """
    given = Given(mask, nodata, axis)
    result: float | Values = compute(METRIC, org_img, pred_img, given, per_band=per_band)
    return result
