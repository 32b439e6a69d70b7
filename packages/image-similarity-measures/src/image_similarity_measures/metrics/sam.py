"""SAM: spectral angle mapper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array
from image_similarity_measures.engine.call import Given, Map, compute
from image_similarity_measures.engine.exact import EXACT
from image_similarity_measures.engine.metric import Metric
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.plan import Plan
from image_similarity_measures.engine.tiles import Tile, blanked
from image_similarity_measures.errors import InputError
from image_similarity_measures.opencv import opencv


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of SAM.

    Attributes
    ----------
    degrees : bool
        In degrees rather than radians.
    """

    degrees: bool = True


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the angles."""
    if plan.bands == 1:
        raise InputError("SAM needs spectra, and one band has no angle; give 2 or more")
    angle = plan.tiles(AngleSum, settings.degrees, width=4, maps="sam")
    unit = "deg" if settings.degrees else "rad"
    return lambda: Outcome(angle.count, plan.area, None, angle.mean(), unit)


class AngleSum:
    """Sum of the angles between the two spectra of each pixel, in radians (Kruse et al. 1993).

    Pixels whose spectrum is zero in either image have no angle and are left out.
    """

    halo = (0, 0)

    def __init__(self, degrees: bool = True) -> None:
        self.degrees = degrees
        self.count = 0
        self.total = 0.0

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(self.degrees)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile's pixels; `out` gets the angle at each, in the unit asked for."""
        # Blanked, since infinity in pixels that do not count would still raise warnings.
        block = blanked(tile.core())
        angle, usable = angles(block.org, block.pred)
        if block.valid is not None:
            usable &= block.valid
        count = int(np.count_nonzero(usable))
        self.count += count
        self.total += float(angle.sum() if count == angle.size else angle[usable].sum())
        if out is not None:
            scale = 180 / np.pi if self.degrees else 1.0
            out[:] = np.where(usable, angle * scale, np.nan)[:, :, np.newaxis]

    def merge(self, other: Self) -> None:
        """Take another's sum."""
        self.count += other.count
        self.total += other.total

    def mean(self) -> float:
        """Mean angle in the unit asked for; NaN without one."""
        if not self.count:
            return float("nan")
        mean = self.total / self.count
        return float(np.degrees(mean)) if self.degrees else mean


def angles(org: Array, pred: Array) -> tuple[Array, Array]:
    """Angle between the spectra of each pixel, and where there is one.

    The tangent of the angle is the length of what `org` leaves of `pred`, over that of what it
    explains. Unlike the arc cosine of the product this keeps every digit of small angles, and is
    exactly zero for equal spectra.

    Parameters
    ----------
    org, pred : ndarray
        (rows, cols, bands).

    Returns
    -------
    angle : ndarray
        (rows, cols) float64, radians from 0 to pi.
    usable : ndarray of bool
        (rows, cols), False where a spectrum is zero.
    """
    rows, cols, _ = org.shape
    angle, usable = np.empty((rows, cols)), np.empty((rows, cols), bool)
    # Few rows at a time: what one step leaves is still in the cache for the next.
    step = max(1, _PIXELS_AT_ONCE // cols)
    for row in range(0, rows, step):
        part = slice(row, row + step)
        _angles(org[part], pred[part], angle[part], usable[part])
    return angle, usable


_PIXELS_AT_ONCE = 2**14


def _angles(org: Array, pred: Array, angle: Array, usable: Array) -> None:
    cv2 = opencv()
    integers = org.dtype in (np.uint8, np.uint16)
    if not integers:
        org, pred = org.astype(np.float64), pred.astype(np.float64)
    # One plane per band, so that every operation below runs over contiguous rows.
    planes = [
        (np.ascontiguousarray(org[:, :, band]), np.ascontiguousarray(pred[:, :, band]))
        for band in range(org.shape[2])
    ]
    power, power_pred, product = (np.zeros(angle.shape) for _ in range(3))
    for x, y in planes:
        cv2.accumulateSquare(x, power)
        cv2.accumulateSquare(y, power_pred)
        cv2.accumulateProduct(x, y, product)
    if not integers and (_beyond(power, org) or _beyond(power_pred, pred)):
        _angles(_near_one(org), _near_one(pred), angle, usable)
        return
    np.greater(power, 0, out=usable)
    usable &= power_pred > 0
    opposite = _quick_opposite(power, power_pred, product) if integers else None
    if opposite is None:
        opposite = _opposite(planes, power, product)
    np.arctan2(opposite, product, out=angle)


def _beyond(power: Array, image: Array) -> bool:
    """Whether a spectrum is so long, or so short but not zero, that its square loses digits."""
    return not power.max() < _LONG or bool(image[power < _SHORT].any())


#: Squares of spectra whose products are sure to be numbers.
_LONG, _SHORT = 1e150, 1e-150


def _near_one(image: Array) -> Array:
    """Each spectrum by a power of two of its own, which no angle sees and which rounds nothing."""
    _, exponent = np.frexp(np.abs(image).max(axis=2, keepdims=True))
    return np.asarray(np.ldexp(image, -exponent))


#: Below this square of the sine, the quick difference has fewer than ten digits.
_CANCELLED = 1e-6


def _quick_opposite(power: Array, power_pred: Array, product: Array) -> Array | None:
    """|x| |y| times the sine of the angle; None where cancellation would cost digits.

    |x|^2 |y|^2 - (x.y)^2 has every digit where integers are small enough for it to be exact, or
    the angles large enough.
    """
    whole = power * power_pred
    square = whole - np.square(product)
    exact = power.max(initial=0) * power_pred.max(initial=0) <= EXACT
    if exact or np.all(square >= _CANCELLED * whole):
        return np.asarray(np.sqrt(square, out=square))
    return None


def _opposite(planes: list[tuple[Array, Array]], power: Array, product: Array) -> Array:
    """|x| |y| times the sine of the angle, by what x leaves of y: no cancellation."""
    share = product / np.maximum(power, np.finfo(np.float64).tiny)
    rest = np.zeros(power.shape)
    for x, y in planes:
        explained = np.multiply(x.astype(np.float64), share)
        opencv().accumulateSquare(np.subtract(y.astype(np.float64), explained, out=explained), rest)
    # Two roots, since the product of tiny floats could vanish.
    return np.sqrt(rest, out=rest) * np.sqrt(power)


METRIC = Metric(
    name="sam",
    title="Spectral angle mapper",
    unit="deg",
    better="lower",
    ideal=0.0,
    sees="pixels",
    summary="mean angle between the spectra of a pixel; blind to brightness",
    blind="brightness",
    values="0 to 180 degrees",
    source="Kruse et al. 1993, doi 10.1016/0034-4257(93)90013-N",
    begin=begin,
    settings=Settings,
    has_map=True,
    band_wise=False,
)


@overload
def sam(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    degrees: bool = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def sam(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    degrees: bool = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


def sam(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    degrees: bool = True,
    full: bool = False,
) -> float | tuple[float, Map]:
    """Spectral angle mapper (Kruse et al. 1993): mean angle between spectra.

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
    degrees : bool
        In degrees rather than radians.
    full : bool
        Return the angle of each pixel as well: float32, (rows, cols), NaN where there is none.

    Returns
    -------
    float
        The mean over the pixels; 0 for spectra that differ in brightness only. NaN with a
        warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    The angle is ``arccos(x . y / (|x| |y|))``, computed from its tangent, which keeps small angles
    exact. Pixels whose spectrum is zero in either image are left out.

    References
    ----------
    .. [1] F. A. Kruse et al., "The spectral image processing system (SIPS)", Remote Sensing of
       Environment 44, 1993. doi 10.1016/0034-4257(93)90013-N
    """
    given = Given(mask, nodata, axis)
    result: float | tuple[float, Map] = compute(
        METRIC, org_img, pred_img, given, Settings(degrees), full=full
    )
    return result
