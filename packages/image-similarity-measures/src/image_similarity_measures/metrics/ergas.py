"""ERGAS: relative dimensionless global error in synthesis."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.engine.call import Given, compute
from image_similarity_measures.engine.metric import Metric, positive
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import ErrorSums
from image_similarity_measures.engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of ERGAS.

    Attributes
    ----------
    ratio : float
        Pixel size before the sharpening over that after it.
    """

    ratio: float = 4.0

    def __post_init__(self) -> None:
        positive("ratio", self.ratio)


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the squared differences, and the original's sum."""
    errors = plan.pixels(ErrorSums, plan.bands)
    errors.with_signal = True

    def finish() -> Outcome:
        if not errors.count:
            return Outcome(0, plan.area, None, float("nan"))
        mean = np.abs(errors.signal / errors.count)
        rmse = errors.rmse()
        # Without error there is none relative to a band of zeros either.
        relative = np.full_like(rmse, np.inf)
        np.divide(rmse, mean, out=relative, where=mean > 0)
        relative[rmse == 0] = 0
        value = 100 / settings.ratio * float(np.sqrt(np.mean(relative**2)))
        reason = errors.why_no_number() or "a band of the original has mean 0"
        return Outcome(errors.count, plan.area, None, value, reason=reason)

    return finish


METRIC = Metric(
    name="ergas",
    title="Relative dimensionless global error in synthesis",
    better="lower",
    ideal=0.0,
    sees="pixels",
    summary="error of all bands together, each relative to its mean",
    blind="where the differences are",
    values="0 and above",
    source="Wald 2000, hal-00395027",
    begin=begin,
    settings=Settings,
    band_wise=False,
)


def ergas(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    ratio: float = 4.0,
) -> float:
    """ERGAS (Wald 2000): the bands' errors relative to their means, in one number.

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
    ratio : float
        Pixel size of the bands before they were sharpened over that after it: 4 for multispectral
        bands at four times the panchromatic pixel, as is usual, 2 for Sentinel-2's 20 m bands
        brought to 10 m.

    Returns
    -------
    float
        0 for identical images; below 3 is held to be good. Infinite with a warning if a band of the
        original has mean 0; NaN with a warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``100 / ratio sqrt(mean_k((RMSE_k / mean_k(x))^2))`` over the bands k, where x is `org_img`: not
    symmetric.

    References
    ----------
    .. [1] L. Wald, "Quality of high resolution synthesised images: Is there a simple criterion?",
       Third conference "Fusion of Earth data", Sophia Antipolis, 2000. hal-00395027
    """
    given = Given(mask, nodata, axis)
    result: float = compute(METRIC, org_img, pred_img, given, Settings(ratio))
    return result
