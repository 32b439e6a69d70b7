"""SRE: signal-to-reconstruction-error ratio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array
from image_similarity_measures.engine.call import Given, Values, compute
from image_similarity_measures.engine.metric import Metric, choice
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import ErrorSums, decibels
from image_similarity_measures.engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of SRE.

    Attributes
    ----------
    variant : {"lanaras", "supreme"}
        Relative to the squared mean, or to the mean square, of the original.
    """

    variant: Literal["lanaras", "supreme"] = "lanaras"

    def __post_init__(self) -> None:
        choice("variant", self.variant, ("lanaras", "supreme"))


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the squared differences, and the original's sum or power."""
    errors, variant = plan.pixels(ErrorSums, plan.bands), settings.variant
    errors.with_power |= variant == "supreme"
    errors.with_signal |= variant == "lanaras"
    return lambda: Outcome.mean_of(
        errors.count, plan.area, _ratio(errors, variant), reason=errors.why_no_number()
    )


def _ratio(errors: ErrorSums, variant: str) -> Array:
    """SRE per band in dB; infinite without error."""
    if not errors.count:
        return np.full_like(errors.squares, np.nan)
    if variant == "supreme":
        return decibels(errors.power, errors.squares)
    return decibels((errors.signal / errors.count) ** 2, errors.mse())


METRIC = Metric(
    name="sre",
    title="Signal-to-reconstruction-error ratio",
    unit="dB",
    better="higher",
    ideal=float("inf"),
    sees="pixels",
    summary="mean squared error on a logarithmic scale, relative to the mean of the original",
    blind="where the differences are",
    values="−∞ to +∞ dB",
    source="Lanaras et al. 2018, doi 10.1016/j.isprsjprs.2018.09.018",
    begin=begin,
    settings=Settings,
)


@overload
def sre(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    variant: Literal["lanaras", "supreme"] = ...,
) -> float: ...


@overload
def sre(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    variant: Literal["lanaras", "supreme"] = ...,
) -> Values: ...


def sre(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    variant: Literal["lanaras", "supreme"] = "lanaras",
) -> float | Values:
    """Signal-to-reconstruction-error ratio in dB (Lanaras et al. 2018).

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
    variant : {"lanaras", "supreme"}
        ``10 log10(mean(x)^2 / mean((y - x)^2))``, or ``10 log10(sum(x^2) / sum((y - x)^2))``.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands of the values in dB; infinite for identical images.
        NaN with a warning if nothing valid is left, or if bands are infinite with both signs.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    Not symmetric: x is `org_img`.

    References
    ----------
    .. [1] C. Lanaras, J. Bioucas-Dias, S. Galliani, E. Baltsavias, K. Schindler, "Super-resolution
       of Sentinel-2 images: Learning a globally applicable deep neural network", ISPRS Journal of
       Photogrammetry and Remote Sensing 146, 2018. doi 10.1016/j.isprsjprs.2018.09.018
    """
    given = Given(mask, nodata, axis)
    result: float | Values = compute(
        METRIC, org_img, pred_img, given, Settings(variant), per_band=per_band
    )
    return result
