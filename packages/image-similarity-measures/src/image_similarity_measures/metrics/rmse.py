"""RMSE: root mean squared error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, overload

from numpy.typing import ArrayLike

from image_similarity_measures.engine.call import Given, Range, Values, compute
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.pixels import ErrorSums
from image_similarity_measures.engine.plan import Plan


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of RMSE.

    Attributes
    ----------
    normalized : bool
        Divide by the data range.
    """

    normalized: bool = False

    @property
    def needs_range(self) -> bool:
        """Whether the data range matters."""
        return self.normalized


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the squared differences."""
    errors = plan.pixels(ErrorSums, plan.bands)
    scale, unit = (plan.data_range.span, "") if settings.normalized else (1.0, None)
    return lambda: Outcome.mean_of(
        errors.count, plan.area, errors.rmse() / scale, unit=unit, reason=errors.why_no_number()
    )


METRIC = Metric(
    name="rmse",
    title="Root mean squared error",
    unit="dn",
    better="lower",
    ideal=0.0,
    sees="pixels",
    summary="size of the differences, in the unit of the data",
    blind="where they are",
    values="0 to the data range",
    source="mean squared error's root",
    begin=begin,
    settings=Settings,
)


@overload
def rmse(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    normalized: bool = ...,
) -> float: ...


@overload
def rmse(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    normalized: bool = ...,
) -> Values: ...


def rmse(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    normalized: bool = False,
) -> float | Values:
    """Root mean squared error, in the unit of the data.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float, optional
        Largest possible value, used with `normalized`. By default 255 for 8-bit integers and 4095
        for wider ones, with a warning when a value exceeds it; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    normalized : bool
        Divide by `data_range`.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands; 0 for identical images. NaN with a
        warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``sqrt(mean((x - y)^2))`` per band.
    """
    given = Given(mask, nodata, axis, data_range)
    result: float | Values = compute(
        METRIC, org_img, pred_img, given, Settings(normalized), per_band=per_band
    )
    return result
