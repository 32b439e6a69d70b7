"""PSNR: peak signal-to-noise ratio."""

from __future__ import annotations

from typing import Literal, overload

from numpy.typing import ArrayLike

from image_similarity_measures.engine.call import Given, Range, Values, compute
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import ErrorSums, peak_ratio
from image_similarity_measures.engine.plan import Plan


def begin(plan: Plan, settings: None) -> Finish:
    """Gather the squared differences."""
    errors = plan.pixels(ErrorSums, plan.bands)
    peak = plan.data_range.span

    def finish() -> Outcome:
        mse = errors.mse()
        value = float(peak_ratio(peak, mse.mean()))
        return Outcome(
            errors.count, plan.area, peak_ratio(peak, mse), value, reason=errors.why_no_number()
        )

    return finish


METRIC = Metric(
    name="psnr",
    title="Peak signal-to-noise ratio",
    unit="dB",
    better="higher",
    ideal=float("inf"),
    sees="pixels",
    summary="mean squared error on a logarithmic scale, relative to the data range",
    blind="where the differences are",
    values="−∞ to +∞ dB",
    source="mean squared error in decibels",
    begin=begin,
    needs_range=True,
)


@overload
def psnr(
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
def psnr(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def psnr(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Peak signal-to-noise ratio in dB.

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
        The aggregate is from the MSE pooled over bands; infinite for identical images. NaN with a
        warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``10 log10(data_range^2 / MSE)``.
    """
    given = Given(mask, nodata, axis, data_range)
    result: float | Values = compute(METRIC, org_img, pred_img, given, per_band=per_band)
    return result
