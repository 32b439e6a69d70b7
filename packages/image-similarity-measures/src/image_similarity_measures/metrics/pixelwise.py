"""What sees one pixel at a time: sums for RMSE, PSNR and SRE, SAM's angles, the largest value."""

from __future__ import annotations

from typing import Self

import numpy as np

from image_similarity_measures.checks import Array
from image_similarity_measures.opencv import opencv

from .exact import EXACT, difference
from .tiles import Tile, band_sums, blanked


class ErrorSums:
    """Sums over pixels, per band, from which RMSE, PSNR and SRE follow.

    Attributes
    ----------
    count : int
        Valid pixels.
    squares : ndarray
        Sum of squared differences, per band.
    signal : ndarray
        Sum of the original's values, per band.
    power : ndarray
        Sum of the original's squares, per band; only gathered when asked for.
    """

    halo = (0, 0)

    def __init__(self, bands: int, *, with_power: bool = False) -> None:
        self.with_power = with_power
        self.count = 0
        self.squares: Array = np.zeros(bands)
        self.signal: Array = np.zeros(bands)
        self.power: Array = np.zeros(bands)

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(len(self.squares), with_power=self.with_power)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile's pixels."""
        block = tile.core()
        org, pred, valid = block.org, block.pred, block.valid
        count = len(tile.rows) * len(tile.cols) if valid is None else int(valid.sum())
        self.count += count
        if valid is None and org.dtype in (np.uint8, np.uint16) and org.shape[2] <= 4:
            # OpenCV's moments of up to four bands are exact for these types and several times
            # faster than NumPy's sums.
            cv2 = opencv()
            bands = org.shape[2]
            mean, deviation = cv2.meanStdDev(cv2.absdiff(org, pred))
            self.squares += count * (mean[:, 0] ** 2 + deviation[:, 0] ** 2)
            self.signal += count * np.array(cv2.mean(org)[:bands])
        else:
            error = difference(org, pred)
            self.squares += band_sums(np.square(error, out=error), valid)
            self.signal += band_sums(org, valid)
        if self.with_power:
            self.power += band_sums(np.square(org, dtype=np.float64), valid)

    def merge(self, other: Self) -> None:
        """Take another's sums."""
        self.count += other.count
        self.squares += other.squares
        self.signal += other.signal
        self.power += other.power

    def mse(self) -> Array:
        """Mean squared error per band; NaN without valid pixels."""
        return self.squares / self.count if self.count else np.full_like(self.squares, np.nan)

    def rmse(self) -> Array:
        """Root mean squared error per band, in the unit of the data."""
        return np.sqrt(self.mse())

    def sre(self, variant: str = "lanaras") -> Array:
        """Signal-to-reconstruction-error ratio per band in dB; infinite without error.

        ``"lanaras"`` is mean(x)^2 / MSE (Lanaras et al. 2018, doi 10.1016/j.isprsjprs.2018.09.018);
        ``"supreme"`` is sum(x^2) / sum((y - x)^2), as SupReME's evaluation has it.
        """
        if not self.count:
            return np.full_like(self.squares, np.nan)
        if variant == "supreme":
            return decibels(self.power, self.squares)
        return decibels((self.signal / self.count) ** 2, self.mse())


def peak_ratio(peak: float, mse: Array | float) -> Array:
    """10 log10(peak^2 / mse), infinite where there is no error, also where no float is peak^2."""
    square = np.square(np.float64(peak))
    if 0 < square < np.inf:
        return decibels(square, mse)
    with np.errstate(divide="ignore"):
        return np.asarray(20 * np.log10(peak) - 10 * np.log10(mse))


def decibels(signal: Array | float, noise: Array | float) -> Array:
    """10 log10(signal / noise), infinite where there is no noise, whatever the signal."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 10 * np.log10(np.divide(signal, noise))
    return np.where(np.equal(noise, 0), np.inf, ratio)


class AngleSum:
    """Sum of the angles between the two spectra of each pixel, in radians (Kruse et al. 1993).

    Pixels whose spectrum is zero in either image have no angle and are left out.
    """

    halo = (0, 0)

    def __init__(self, *, degrees: bool = True) -> None:
        self.degrees = degrees
        self.count = 0
        self.total = 0.0

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(degrees=self.degrees)

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
    np.greater(power, 0, out=usable)
    usable &= power_pred > 0
    opposite = _quick_opposite(power, power_pred, product) if integers else None
    if opposite is None:
        opposite = _opposite(planes, power, product)
    np.arctan2(opposite, product, out=angle)


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
