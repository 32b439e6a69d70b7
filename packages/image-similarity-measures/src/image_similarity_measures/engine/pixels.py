"""What metrics share that see one pixel at a time: sums of errors, of values, and moments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

import numpy as np

from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.opencv import opencv

from .exact import difference
from .tiles import Tile, band_sums, blanked


class ErrorSums:
    """Sums over pixels, per band, from which RMSE, PSNR and SRE follow.

    Attributes
    ----------
    count : int
        Valid pixels.
    squares : ndarray
        Sum of squared differences, per band.
    signal, power : ndarray
        Sums of the original's values and of their squares, per band; each only gathered when
        asked for.
    """

    halo = (0, 0)

    def __init__(self, bands: int, *, with_signal: bool = False, with_power: bool = False) -> None:
        self.with_signal, self.with_power = with_signal, with_power
        self.count = 0
        self.squares: Array = np.zeros(bands)
        self.signal: Array = np.zeros(bands)
        self.power: Array = np.zeros(bands)

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(
            len(self.squares), with_signal=self.with_signal, with_power=self.with_power
        )

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
            mean, deviation = cv2.meanStdDev(cv2.absdiff(org, pred))
            self.squares += count * (mean[:, 0] ** 2 + deviation[:, 0] ** 2)
            if self.with_signal:
                self.signal += count * np.array(cv2.mean(org)[: org.shape[2]])
        else:
            error = difference(org, pred)
            with np.errstate(over="ignore"):
                squares = band_sums(np.square(error, out=error), valid)
            if not squares.all():
                squares = _told_from_none(squares, org, pred, valid)
            self.squares += squares
            if self.with_signal:
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

    def why_no_number(self) -> str | None:
        """Say so if the squares of the differences were too large or small to be numbers."""
        if np.isfinite(self.squares).all():
            return None
        size = "small" if np.isnan(self.squares).any() else "large"
        return f"the differences are too {size} for their squares to be numbers; scale both images"


def _told_from_none(squares: Array, org: Array, pred: Array, valid: Mask | None) -> Array:
    """The sums, NaN where they are zero only because the differences are too small to square."""
    error = difference(org, pred)
    differs = (error if valid is None else error[valid]).reshape(-1, len(squares)).any(axis=0)
    return np.where((squares == 0) & differs, np.nan, squares)


class PixelMean(ABC):
    """Mean over the pixels, per band, of a value that each pixel has by itself."""

    halo = (0, 0)

    def __init__(self, bands: int) -> None:
        self.count = 0
        self.total: Array = np.zeros(bands)

    @abstractmethod
    def values(self, org: Array, pred: Array) -> Array:
        """The value of each pixel and band, (rows, cols, bands) float64."""

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(len(self.total))

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile's pixels."""
        block = blanked(tile.core())
        values = self.values(block.org, block.pred)
        self.count += values[:, :, 0].size if block.valid is None else int(block.valid.sum())
        self.total += band_sums(values, block.valid)

    def merge(self, other: Self) -> None:
        """Take another's sums."""
        self.count += other.count
        self.total += other.total

    def mean(self) -> Array:
        """Mean per band; NaN without a pixel."""
        return self.total / self.count if self.count else np.full_like(self.total, np.nan)


class CoMoments:
    """Means, variances and covariance of two images, per band.

    Kept as deviations from the means so far (Chan, Golub and LeVeque 1979), so that an offset of
    the values costs no digits, however the parts are merged.
    """

    halo = (0, 0)

    def __init__(self, bands: int) -> None:
        self.count = 0
        #: Of the original and of the prediction.
        self.means: Array = np.zeros((2, bands))
        #: Sums of the deviations' squares, of both images, and of their product.
        self.powers: Array = np.zeros((3, bands))

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(self.means.shape[1])

    def take(self, org: Array, pred: Array, valid: Mask | None) -> None:
        """Take pixels, (rows, cols, bands)."""
        part = self.fresh()
        part.count = org[:, :, 0].size if valid is None else int(np.count_nonzero(valid))
        if not part.count:
            return
        for band in range(org.shape[2]):
            planes = org[:, :, band], pred[:, :, band]
            if valid is not None:
                planes = planes[0][valid], planes[1][valid]
            means, powers = _moments(*(plane.ravel() for plane in planes))
            part.means[:, band], part.powers[:, band] = means, powers
        self.merge(part)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile's pixels."""
        block = blanked(tile.core())
        self.take(block.org, block.pred, block.valid)

    def merge(self, other: Self) -> None:
        """Take another's moments."""
        count = self.count + other.count
        if not count:
            return
        away = other.means - self.means
        weight = self.count * other.count / count
        with np.errstate(over="ignore", invalid="ignore"):
            self.powers += other.powers + weight * np.array(
                [away[0] * away[0], away[1] * away[1], away[0] * away[1]]
            )
        self.means += away * (other.count / count)
        self.count = count

    def correlation(self) -> Array:
        """Pearson's correlation per band; NaN without a pixel.

        Where a band is flat in both images 1, where in one only 0.
        """
        if not self.count:
            return np.full(self.means.shape[1], np.nan)
        x, y, product = self.powers
        spread = np.sqrt(x) * np.sqrt(y)
        known = np.isfinite(spread)
        flat = np.where(known, np.where((x == 0) & (y == 0), 1.0, 0.0), np.nan)
        ratio: Array = np.divide(product, spread, out=flat, where=known & (spread > 0))
        return np.clip(ratio, -1, 1)


def _moments(x: Array, y: Array) -> tuple[list[float], list[float]]:
    """Means of both, and sums of the deviations' squares and product."""
    centres = _middle(x), _middle(y)
    away = [difference(values, centre) for values, centre in zip((x, y), centres, strict=True)]
    shifts = [float(values.mean()) for values in away]
    powers = _powers(*away)
    if any(not power and values.any() for power, values in zip(powers, away, strict=False)):
        # Too small for their squares to be numbers: not flat, as zeros would say.
        powers = [float("nan")] * 3
    kept = [power - len(x) * shift * shift for power, shift in zip(powers, shifts, strict=False)]
    if any(left < 1e-4 * power for left, power in zip(kept, powers, strict=False)):
        # The centres are far from the means: what is left would have lost digits.
        away = [values - shift for values, shift in zip(away, shifts, strict=True)]
        powers = _powers(*away)
    else:
        powers = [*kept, powers[2] - len(x) * shifts[0] * shifts[1]]
    means = [float(centre) + shift for centre, shift in zip(centres, shifts, strict=True)]
    return means, powers


def _middle(values: Array) -> Array:
    """A value near the mean, in the type of the values: subtracting it rounds nothing."""
    sample = values[:: max(1, len(values) // 256)]
    middle = len(sample) // 2
    return np.asarray(np.partition(sample, middle)[middle])


def _powers(x: Array, y: Array) -> list[float]:
    # Not np.dot, which may take all of the machine's cores.
    return [float(np.einsum("i,i", a, b)) for a, b in ((x, x), (y, y), (x, y))]


def peak_ratio(peak: float, mse: Array | float) -> Array:
    """10 log10(peak^2 / mse), infinite where there is no error, also where no float is peak^2."""
    with np.errstate(over="ignore"):
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
