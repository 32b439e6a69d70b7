"""MAE: mean absolute error."""

from __future__ import annotations

from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array
from image_similarity_measures.engine.call import Given, Values, compute
from image_similarity_measures.engine.exact import difference
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import PixelMean
from image_similarity_measures.engine.plan import Plan


class AbsoluteError(PixelMean):
    """Sum of |y - x|, per band."""

    def values(self, org: Array, pred: Array) -> Array:
        """The absolute difference of each pixel."""
        return np.abs(difference(pred, org))


def begin(plan: Plan, settings: None) -> Finish:
    """Gather the absolute differences."""
    error = plan.pixels(AbsoluteError, plan.bands)
    return lambda: Outcome.mean_of(error.count, plan.area, error.mean())


METRIC = Metric(
    name="mae",
    title="Mean absolute error",
    unit="dn",
    better="lower",
    ideal=0.0,
    sees="pixels",
    summary="size of the differences, in the unit of the data; large ones weigh no more",
    blind="where they are",
    values="0 to the data range",
    source="mean of absolute differences",
    begin=begin,
)


@overload
def mae(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
) -> float: ...


@overload
def mae(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def mae(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Mean absolute error, in the unit of the data.

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
        The aggregate is the mean over bands; 0 for identical images. NaN with a warning if nothing
        valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``mean(|y - x|)`` per band. Unlike RMSE it does not weigh large differences more.
    """
    given = Given(mask, nodata, axis)
    result: float | Values = compute(METRIC, org_img, pred_img, given, per_band=per_band)
    return result
