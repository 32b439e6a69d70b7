"""Metrics that see a window around each pixel: SSIM and UIQ."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Self

import numpy as np

from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.opencv import opencv

from .exact import difference, is_wide, window_quality
from .tiles import Tile, band_sums

# OpenCV's filters take few channels at a time; four is what they are fastest with.
_BANDS_AT_ONCE = 4


class WindowMean(ABC):
    """Mean of a local quality over all complete windows, per band.

    A window counts when it lies inside the image and no pixel of it is invalid. Its value belongs
    to the pixel in its middle: the one after ``(size - 1) // 2`` others.
    """

    def __init__(self, bands: int, size: int, step: int = 1) -> None:
        self.size = size
        self.step = step
        self.count = 0
        self.total: Array = np.zeros(bands)

    @property
    def halo(self) -> tuple[int, int]:
        """Pixels of a window before and after the one in its middle."""
        before = (self.size - 1) // 2
        return before, self.size - 1 - before

    @abstractmethod
    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""

    @abstractmethod
    def quality(self, org: Array, pred: Array, used: Mask | None) -> Array:
        """Quality of every complete window of two (rows, cols, up to 4 bands) arrays.

        `used` marks the windows that will count, None meaning all; the others may hold anything.
        """

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take the windows whose middle lies in the tile."""
        before, after = self.halo
        if out is not None:
            out[:] = np.nan
        rows = tile.rows.centres(before, after, tile.shape[0])
        cols = tile.cols.centres(before, after, tile.shape[1])
        if not len(rows) or not len(cols):
            return
        block = tile.grown(before, after)
        used = None
        if block.valid is not None:
            used = _inside(_whole(block.valid, self.size, before), self.halo)
        # Steps are counted from the image's corner, whatever the tile.
        steps = (
            slice((before - rows.start) % self.step, None, self.step),
            slice((before - cols.start) % self.step, None, self.step),
        )
        taken = None if used is None else used[steps]
        for first in range(0, len(self.total), _BANDS_AT_ONCE):
            group = slice(first, first + _BANDS_AT_ONCE)
            quality = self.quality(block.org[:, :, group], block.pred[:, :, group], used)[steps]
            self.total[group] += band_sums(quality, taken)
            if out is not None:
                part = out[rows.within(tile.rows.start), cols.within(tile.cols.start), group]
                # Rounding may carry single values beyond what the index can reach.
                part[steps] = np.clip(quality, -1, 1)
                if taken is not None:
                    part[steps][~taken] = np.nan
        self.count += quality[:, :, 0].size if taken is None else int(np.count_nonzero(taken))

    def _centre(self, image: Array, used: Mask | None) -> Array:
        """A value per band close to the mean, of eight binary digits.

        Subtracting so few digits from integers is exact in float32.
        """
        sample = image[::8, ::8]
        if used is not None and used[::8, ::8].any():
            sample = image[self.halo[0] :: 8, self.halo[0] :: 8]
            sample = sample[: -(-len(used) // 8), : -(-used.shape[1] // 8)][used[::8, ::8]]
        mean = sample.reshape(-1, image.shape[2]).mean(axis=0, dtype=np.float64)
        mantissa, exponent = np.frexp(mean)
        rounded: Array = np.ldexp(np.rint(mantissa * 256) / 256, exponent)
        return rounded

    def merge(self, other: Self) -> None:
        """Take another's windows."""
        self.count += other.count
        self.total += other.total

    def possible(self, shape: tuple[int, ...]) -> int:
        """Complete windows of an image whose pixels are all valid."""
        rows, cols = (-(-(size - self.size + 1) // self.step) for size in shape[:2])
        return rows * cols

    def mean(self) -> Array:
        """Mean quality per band; NaN without a window."""
        if not self.count:
            return np.full_like(self.total, np.nan)
        return np.clip(self.total / self.count, -1, 1)


def _whole(valid: Mask, size: int, before: int) -> Mask:
    """Pixels whose size x size window holds no invalid pixel."""
    window = np.ones((size, size), np.uint8)
    kept = opencv().erode(valid.astype(np.uint8), window, anchor=(before, before))
    return np.asarray(kept, dtype=bool)


def _inside(filtered: Array, halo: tuple[int, int], bands: int = 1) -> Array:
    """Drop the margin where a filter's window reached over the edge.

    Returns (rows, cols * bands): NumPy is slow where the innermost axis is as short as the bands.
    """
    rows, cols = filtered.shape[:2]
    lines = filtered.reshape(rows, cols * bands)
    inside = lines[halo[0] : rows - halo[1], halo[0] * bands : (cols - halo[1]) * bands]
    # A copy costs less than the first two operations on rows with gaps between them.
    return np.ascontiguousarray(inside)


_WINDOWS_AT_ONCE = 2**13


def windows_at(
    odd: Mask, org: Array, pred: Array, size: int
) -> Iterator[tuple[tuple[Array, ...], Array, Array]]:
    """Windows one by one, some thousands at a time: where they are, and (windows, pixels) of both.

    `odd` marks them, (rows, cols, bands) of the complete windows of both images.
    """
    where = np.argwhere(odd)
    views = [
        np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
        for image in (org, pred)
    ]
    for first in range(0, len(where), _WINDOWS_AT_ONCE):
        at = tuple(where[first : first + _WINDOWS_AT_ONCE].T)
        x, y = (view[at].reshape(len(at[0]), -1) for view in views)
        yield at, x, y


class StructuralSimilarity(WindowMean):
    """SSIM (Wang et al. 2004, doi 10.1109/TIP.2003.819861), K1 = .01, K2 = .03.

    Parameters
    ----------
    bands : int
        Number of bands.
    data_range : float
        Largest possible value.
    window : {"gaussian", "uniform"}
        11 x 11 with sigma 1.5 and population covariance, or 7 x 7 with sample covariance.
    """

    SIZES: ClassVar[dict[str, int]] = {"gaussian": 11, "uniform": 7}

    def __init__(self, bands: int, data_range: float, window: str = "gaussian") -> None:
        super().__init__(bands, self.SIZES[window])
        self.data_range = data_range
        self.window = window
        # SSIM does not see a common factor. Where float32 cannot hold the powers of the data range,
        # a power of 2, which rounds nothing, brings it near 1.
        _, exponent = math.frexp(data_range)
        self.scale = 1.0 if abs(exponent) <= 20 else math.ldexp(1.0, min(-exponent, 1000))
        offsets = np.arange(self.size) - self.size // 2
        kernel = np.exp(-0.5 * (offsets / 1.5) ** 2) if window == "gaussian" else np.ones(self.size)
        kernel /= kernel.sum()
        # A sum of exactly 1 in float32 too, or all variances would be off in the same direction.
        narrow = kernel.astype(np.float32).astype(np.float64)
        narrow[self.size // 2] += 1 - narrow.sum()
        self.kernels = {np.float32: narrow, np.float64: kernel}
        # From population to sample covariance of size^2 pixels.
        self.unbiased = 1.0 if window == "gaussian" else self.size**2 / (self.size**2 - 1)

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(len(self.total), self.data_range, self.window)

    def quality(self, org: Array, pred: Array, used: Mask | None) -> Array:
        """SSIM of every complete window: in float32 where that is accurate, else in float64."""
        # Values far beyond the data range may be too large for float32, and for the trust in it.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            centre = self._centre(org, used)
            quality, odd = self._quality(org, pred, (centre, centre), used, np.float32)
            if odd.any():
                quality = self._careful(org, pred, centre, used)
        return quality

    def _careful(self, org: Array, pred: Array, centre: Array, used: Mask | None) -> Array:
        """SSIM of every complete window in float64, and to the last digits.

        Windows far from `centre` lose digits. They are tried again around the middle of
        themselves: first those of one ground, say of the scene, then those of another, say of
        what fills its margin. The few that are left are looked at one by one.
        """
        quality, odd = self._quality(org, pred, (centre, centre), used, np.float64)
        for _ in range(_GROUNDS):
            if not odd.any():
                break
            centres = self._middle(org, odd), self._middle(pred, odd)
            again, still_odd = self._quality(org, pred, centres, used, np.float64)
            np.copyto(quality, again, where=odd & ~still_odd)
            odd &= still_odd
        weights = np.outer(self.kernels[np.float64], self.kernels[np.float64]).ravel()
        constants = 0.01 * self.data_range, 0.03 * self.data_range
        for at, x, y in windows_at(odd, org, pred, self.size):
            quality[at] = window_quality(x, y, weights, constants=constants, unbiased=self.unbiased)
        return np.asarray(np.clip(quality, -1, 1, out=quality))

    def _middle(self, image: Array, odd: Array) -> Array:
        """Per band, the median of what lies in the middle of the odd windows."""
        before = self.halo[0]
        inside = image[before : before + len(odd), before : before + odd.shape[1]]
        centre = np.zeros(image.shape[2], image.dtype)
        for band in range(image.shape[2]):
            values = inside[:, :, band][odd[:, :, band]]
            if values.size:
                centre[band] = np.partition(values, values.size // 2)[values.size // 2]
        return centre

    def _quality(
        self,
        org: Array,
        pred: Array,
        centres: tuple[Array, Array],
        used: Mask | None,
        dtype: type[np.float32] | type[np.float64],
    ) -> tuple[Array, Mask]:
        """SSIM in a given precision, and where that is not enough; in float32 all or nothing.

        A variance is the difference of two moments. Around zero those are as large as the squared
        values and their rounding swamps a small variance, so the moments are taken around
        `centres`, close to the tile's mean; what is left is measured.
        """
        centre_x, centre_y = (np.tile(centre, org.shape[1]) for centre in centres)
        x = _centred(org, centre_x, dtype, self.scale)
        y = _centred(pred, centre_y, dtype, self.scale)
        mean_x, mean_y = self._filter(x), self._filter(y)
        product = self._filter(x * y)
        x *= x
        x += np.multiply(y, y, out=y)
        power = self._filter(x)

        k1 = dtype((0.01 * self.data_range * self.scale) ** 2)
        k2 = dtype((0.03 * self.data_range * self.scale) ** 2)
        means = mean_x * mean_x
        means += mean_y * mean_y
        power -= means
        product -= mean_x * mean_y
        if self.unbiased != 1:
            power *= dtype(self.unbiased)
            product *= dtype(self.unbiased)
        product *= 2
        product += k2
        power += k2
        narrow = dtype is np.float32
        odd = np.asarray(
            not self._trusted(means, power, used) if narrow else _swamped(means, power)
        )

        centre_x, centre_y = (
            (centre[: mean_x.shape[1]] * self.scale).astype(dtype)
            for centre in (centre_x, centre_y)
        )
        mean_x += centre_x
        mean_y += centre_y
        luminance = mean_x * mean_y
        luminance *= 2
        luminance += k1
        mean_x *= mean_x
        mean_y *= mean_y
        mean_x += mean_y
        mean_x += k1
        # The same for the means: around a centre far from zero, those near zero lose digits.
        far = np.maximum(np.abs(centre_x).max(), np.abs(centre_y).max(), dtype=np.float64)
        if not narrow:
            odd |= ~(mean_x >= _DIGITS * means + _DIGITS * far**2)
        elif far > 16 * self.data_range * self.scale:
            odd |= not mean_x.min() >= 1e-6 * far**2
        product *= luminance
        power *= mean_x
        product /= power
        odd |= ~(power < np.inf) if not narrow else not power.max() < np.inf
        shape = len(product), -1, org.shape[2]
        if not narrow:
            odd = odd.reshape(shape)
            if used is not None:
                odd = odd & used[:, :, np.newaxis]
        return product.reshape(shape), odd

    def _trusted(self, means: Array, spread: Array, used: Mask | None) -> bool:
        """Whether float32 moments keep every window's SSIM good to some 1e-4.

        The relative error of `spread`, the variances plus their constant, is about
        2^-24 (1 + means / spread), where `means` are the squared means that were subtracted. It is
        as often positive as negative, so the mean over windows is better by orders of magnitude: on
        scenes where the worst window is off by 1e-4, the score was by 1e-8.
        """
        excess = means - np.float32(1024) * spread
        if used is not None:
            excess = excess.reshape(*used.shape, -1)[used]
        # An overflow makes it infinite, of either sign, or NaN.
        return not excess.size or bool(-np.inf < excess.min() <= excess.max() <= 0)

    def _filter(self, image: Array) -> Array:
        """Weighted mean over each complete window, as (rows, cols * bands)."""
        # Not a running sum: one large value must not leave its rounding on the rest of a row.
        kernel = self.kernels[image.dtype.type]
        filtered = opencv().sepFilter2D(image, -1, kernel, kernel)
        return _inside(filtered, self.halo, image.shape[2])


# So many grounds of different brightness in a tile are told apart.
_GROUNDS = 3
# Share of the squares subtracted that must be left: seven digits of float64's sixteen.
_SPREAD = 1e-8
# Likewise for what is left of a mean, in squares: eight digits.
_DIGITS = 1e-15


def _swamped(means: Array, spread: Array) -> Mask:
    """Where rounding spoils what subtracting the squared `means` left; so does an overflow."""
    return np.asarray(~((spread >= _SPREAD * means) & (spread < np.inf)))


def _centred(
    image: Array, centre: Array, dtype: type[np.float32] | type[np.float64], scale: float = 1.0
) -> Array:
    """Subtract `centre`, one value per column and band, multiply by `scale`, and convert."""
    rows, cols, bands = image.shape
    flat = image.reshape(rows, cols * bands)
    if is_wide(image):
        whole = centre if centre.dtype.kind in "iu" else np.rint(centre)
        away = difference(flat, whole.astype(image.dtype))
    else:
        exact = dtype if image.dtype.itemsize <= 2 or image.dtype == np.float32 else np.float64
        away = np.subtract(flat, centre.astype(exact), dtype=exact, casting="unsafe")
    if scale != 1:
        away *= away.dtype.type(scale)
    return np.asarray(away.astype(dtype, copy=False).reshape(rows, cols, bands))


# Variance over squared mean that leaves seven digits, with the sign of `_moments`.
_ROUNDED = -1e-8


def _luminance(product: Array, means: Array) -> Array:
    """2 x y / (x^2 + y^2), 1 where both are zero."""
    factor: Array = np.ones_like(means)
    np.divide(2 * product, means, out=factor, where=means != 0)
    return factor


class UniversalQuality(WindowMean):
    """UIQ (Wang & Bovik 2002, doi 10.1109/97.995823): correlation, luminance and contrast.

    Parameters
    ----------
    bands : int
        Number of bands.
    size, step : int
        Side of the windows, and pixels from one to the next.
    """

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(len(self.total), self.size, self.step)

    def quality(self, org: Array, pred: Array, used: Mask | None) -> Array:
        """UIQ of every complete window; a factor of 0 / 0 is 1.

        With the sums Sx, Sy, Sxy and Sxx + Syy over N pixels, the index is
        ``4 (N Sxy - Sx Sy) Sx Sy / ((N (Sxx + Syy) - (Sx^2 + Sy^2)) (Sx^2 + Sy^2))``.
        """
        if self._sums_are_exact(org.dtype):
            return self._complete(self._of_integers(org, pred), org.shape)
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            around, swamped = self._of_any(org, pred, used)
        quality = self._complete(around, org.shape)
        if swamped is not None:
            odd = self._complete(swamped, org.shape)
            if used is not None:
                odd = odd & used[:, :, np.newaxis]
            weights = np.full(self.size**2, 1 / self.size**2)
            for at, x, y in windows_at(odd, org, pred, self.size):
                quality[at] = window_quality(x, y, weights)
        return quality

    def _complete(self, around: Array, shape: tuple[int, ...]) -> Array:
        """What belongs to complete windows of what is around each pixel, (rows, cols, bands)."""
        before, after = self.halo
        rows, cols, bands = shape
        inside = around[before : rows - after, before * bands : (cols - after) * bands]
        return np.asarray(inside.reshape(len(inside), -1, bands))

    # Both work over the margin too, where windows are made up: to drop it would cost four copies.

    def _of_integers(self, org: Array, pred: Array) -> Array:
        """Quality around each pixel, as (rows, cols * bands), where all sums are exact."""
        if org.dtype.kind != "u":
            org, pred = org.astype(np.float64), pred.astype(np.float64)
        covariance, variance, product, means = self._moments(org, pred, self._run)
        if variance.max() < 0 < means.min():
            # No window is flat or black.
            covariance *= product
            covariance /= np.multiply(variance, means, out=variance)
            return covariance
        structure = np.ones_like(means)
        np.divide(covariance, 2 * variance, out=structure, where=variance != 0)
        return structure * _luminance(product, means)

    def _of_any(self, org: Array, pred: Array, used: Mask | None) -> tuple[Array, Mask | None]:
        """Quality around each pixel, as (rows, cols * bands), and where the sums cannot tell.

        None stands for nowhere.
        """
        if is_wide(org) or is_wide(pred):
            nothing = np.zeros((len(org), org.shape[1] * org.shape[2]))
            return nothing, np.ones(nothing.shape, bool)
        org, pred = org.astype(np.float64), pred.astype(np.float64)
        covariance, variance, product, means = self._moments(org, pred, self._sum)
        # Where windows vary little against their mean, rounding swamps the variance.
        odd = variance >= _ROUNDED * means
        covariance *= product
        covariance /= np.multiply(variance, means, out=variance)
        swamped: Mask | None = None
        if odd.any():
            structure, swamped = self._structure(org, pred, odd, used)
            covariance = np.where(odd, structure * _luminance(product, means), covariance)
        if not np.isfinite(covariance.sum()):
            overflown = ~np.isfinite(covariance)
            swamped = overflown if swamped is None else swamped | overflown
        return np.clip(covariance, -1, 1, out=covariance), swamped

    def _structure(
        self, org: Array, pred: Array, odd: Array, used: Mask | None
    ) -> tuple[Array, Mask]:
        """2 cov(x, y) / (var(x) + var(y)) around each pixel, 1 where both windows are flat.

        Right for the `odd` windows: neither variance nor covariance sees a shift, so the sums are
        taken around the mean of the tile. Told apart from these are windows that vary little
        against their distance from that as well, next to a high step.
        """
        flat = self._flat(org) & self._flat(pred)
        structure = np.ones(odd.shape)
        odd = odd & ~flat
        if not odd.any():
            return structure, odd
        x, y = (
            _centred(image, np.tile(self._centre(image, used), image.shape[1]), np.float64)
            for image in (org, pred)
        )
        covariance, variance, _, means = self._moments(x, y, self._sum)
        np.divide(covariance, 2 * variance, out=structure, where=odd & (variance < 0))
        return structure, odd & ~(variance < _ROUNDED * means)

    def _moments(
        self, org: Array, pred: Array, total: Callable[[Array], Array]
    ) -> tuple[Array, Array, Array, Array]:
        """Covariance and variance, Sx Sy and Sx^2 + Sy^2, around each pixel.

        The first two are -4 N^2 times the covariance and -N^2 times the sum of both variances: a
        ratio does not see the sign, and OpenCV gives them in one step each.
        """
        cv2 = opencv()
        number = self.size**2
        squares, products = self._powers(org, pred)
        sum_x, sum_y = total(org), total(pred)
        product = sum_x * sum_y
        sum_x *= sum_x
        means = np.add(sum_x, np.multiply(sum_y, sum_y, out=sum_y), out=sum_x)
        covariance = cv2.addWeighted(total(products), -4 * number, product, 4, 0)
        variance = cv2.scaleAdd(total(squares), -number, means)
        return covariance, variance, product, means

    def _powers(self, org: Array, pred: Array) -> tuple[Array, Array]:
        """x^2 + y^2 and x y of every pixel."""
        squares: Array
        products: Array
        if org.dtype.kind == "u":
            largest = int(max(org.max(initial=0), pred.max(initial=0)))
            if 2 * self.size**2 * largest**2 < 2**31:
                # 32 bits hold even the sums over windows: half the memory of float64.
                squares, other = org.astype(np.int32), pred.astype(np.int32)
                products = squares * other
                squares *= squares
                squares += np.square(other, out=other)
                return squares, products
        cv2 = opencv()
        squares, products = np.zeros(org.shape), np.zeros(org.shape)
        cv2.accumulateSquare(org, squares)
        cv2.accumulateSquare(pred, squares)
        cv2.accumulateProduct(org, pred, products)
        return squares, products

    def _sums_are_exact(self, dtype: np.dtype[Any]) -> bool:
        """Whether every sum, and its product with the window's size, is exact in float64."""
        if dtype.kind not in "iu" or dtype.itemsize > 2:
            return False
        largest = 2.0 ** (8 * dtype.itemsize)
        return 2 * (self.size**2 * largest) ** 2 <= 2.0**53

    def _run(self, image: Array) -> Array:
        """`_sum` by running sums: fast, and right only where nothing is rounded."""
        cv2 = opencv()
        anchor = self.halo[0], self.halo[0]
        size = self.size, self.size
        total = cv2.boxFilter(image, cv2.CV_64F, size, anchor=anchor, normalize=False)
        return np.asarray(total).reshape(len(image), -1)

    def _sum(self, image: Array) -> Array:
        """Sum over the window around each pixel, in float64, as (rows, cols * bands)."""
        cv2 = opencv()
        ones = np.ones(self.size)
        anchor = self.halo[0], self.halo[0]
        total = cv2.sepFilter2D(image, cv2.CV_64F, ones, ones, anchor=anchor)
        return np.asarray(total).reshape(len(image), -1)

    def _flat(self, image: Array) -> Array:
        """Whether the window around each pixel holds one value only, as (rows, cols * bands)."""
        cv2 = opencv()
        window = np.ones((self.size, self.size), np.uint8)
        anchor = self.halo[0], self.halo[0]
        low = cv2.erode(image, window, anchor=anchor)
        high = cv2.dilate(image, window, anchor=anchor)
        flat: Array = (low == high).reshape(len(image), -1)
        return flat
