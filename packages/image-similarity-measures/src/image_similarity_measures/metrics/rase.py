"""RASE: relative average spectral error."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.engine.call import Given, compute
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import ErrorSums
from image_similarity_measures.engine.plan import Plan


def begin(plan: Plan, settings: None) -> Finish:
    """Gather the squared differences, and the original's sum."""
    errors = plan.pixels(ErrorSums, plan.bands)
    errors.with_signal = True

    def finish() -> Outcome:
        if not errors.count:
            return Outcome(0, plan.area, None, float("nan"))
        rmse = float(np.sqrt(errors.mse().mean()))
        mean = abs(float(errors.signal.mean()) / errors.count)
        # Without error there is none relative to an image of zeros either.
        value = 100 * rmse / mean if mean else float("inf") if rmse else 0.0
        reason = errors.why_no_number() or "the original has mean 0"
        return Outcome(errors.count, plan.area, None, value, reason=reason)

    return finish


METRIC = Metric(
    name="rase",
    title="Relative average spectral error",
    unit="%",
    better="lower",
    ideal=0.0,
    sees="pixels",
    summary="error of all bands together, relative to the mean of them all",
    blind="where the differences are, and in which band",
    values="0 % and above",
    source="Ranchin & Wald 2000, Photogrammetric Engineering & Remote Sensing 66(1)",
    begin=begin,
    band_wise=False,
)


def rase(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
) -> float:
    """RASE (Ranchin & Wald 2000): error of all bands relative to their mean, in percent.

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

    Returns
    -------
    float
        0 for identical images. Infinite with a warning if the original has mean 0; NaN with a
        warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``100 / M sqrt(mean_k(RMSE_k^2))`` over the bands k, with the mean M of all bands of `org_img`:
    not symmetric. Other implementations average this over small windows, which gives other numbers.

    References
    ----------
    .. [1] T. Ranchin, L. Wald, "Fusion of high spatial and spectral resolution images: the ARSIS
       concept and its implementation", Photogrammetric Engineering & Remote Sensing 66(1), 2000.
    """
    given = Given(mask, nodata, axis)
    result: float = compute(METRIC, org_img, pred_img, given)
    return result
