"""UIQ: universal image quality index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.engine.call import Given, Map, Values, compute
from image_similarity_measures.engine.exact import is_wide, window_quality
from image_similarity_measures.engine.metric import Metric, at_least_one
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.plan import Plan
from image_similarity_measures.engine.windows import WindowMean, centred_at, windows_at
from image_similarity_measures.opencv import opencv


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of UIQ.

    Attributes
    ----------
    window_size, step : int
        Side of the windows, and the pixels from one to the next.
    """

    window_size: int = 8
    step: int = 1

    def __post_init__(self) -> None:
        at_least_one("window_size", self.window_size)
        at_least_one("step", self.step)


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the windows' mean."""
    plan.fits("uiq", settings.window_size, "a smaller window_size or ")
    uiq = plan.tiles(
        UniversalQuality, plan.bands, settings.window_size, settings.step, width=0.5, maps="uiq"
    )
    return lambda: Outcome.mean_of(uiq.count, uiq.possible(plan.shape), uiq.mean())


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
            centred_at(image, np.tile(self.centre(image, used), image.shape[1]), np.float64)
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


METRIC = Metric(
    name="uiq",
    title="Universal image quality index",
    better="higher",
    ideal=1.0,
    sees="windows",
    summary="local correlation, luminance and contrast in 8 x 8 windows",
    blind="spectra",
    values="−1 to 1",
    source="Wang & Bovik 2002, doi 10.1109/97.995823",
    begin=begin,
    settings=Settings,
    has_map=True,
)


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window_size: int = ...,
    step: int = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window_size: int = ...,
    step: int = ...,
    full: Literal[False] = ...,
) -> Values: ...


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window_size: int = ...,
    step: int = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window_size: int = ...,
    step: int = ...,
    full: Literal[True],
) -> tuple[Values, Map]: ...


def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    window_size: int = 8,
    step: int = 1,
    full: bool = False,
) -> float | Values | tuple[float | Values, Map]:
    """Universal image quality index (Wang & Bovik 2002).

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
    window_size : int
        Side of the windows.
    step : int
        Pixels from one window to the next.
    full : bool
        Return the local map as well: float32, (rows, cols), or (rows, cols, bands) with
        `per_band`; NaN where there is no complete and valid window.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands, -1 to 1; 1 for identical images. NaN with a
        warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``4 cov(x, y) mean(x) mean(y) / ((var(x) + var(y)) (mean(x)^2 + mean(y)^2))``; where both
    windows are flat only the luminance factor ``2 mean(x) mean(y) / (mean(x)^2 + mean(y)^2)`` is
    left, and a factor of 0 / 0 is 1. In the local map a window belongs to the pixel after its first
    ``(window_size - 1) // 2`` rows and columns. Good to 1e-7, however large the values are against
    their variation.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, "A universal image quality index", IEEE Signal Processing Letters
       9(3), 2002. doi 10.1109/97.995823
    """
    given = Given(mask, nodata, axis)
    result: float | Values | tuple[float | Values, Map] = compute(
        METRIC, org_img, pred_img, given, Settings(window_size, step), per_band=per_band, full=full
    )
    return result
