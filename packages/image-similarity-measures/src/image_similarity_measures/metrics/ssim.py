"""SSIM: structural similarity index."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal, Self, overload

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.engine.call import Given, Map, Range, Values, compute
from image_similarity_measures.engine.exact import window_quality
from image_similarity_measures.engine.metric import Metric, choice
from image_similarity_measures.engine.outcome import Finish, Outcome
from image_similarity_measures.engine.plan import Plan
from image_similarity_measures.engine.windows import WindowMean, centred_at, inside, windows_at
from image_similarity_measures.opencv import opencv


@dataclass(frozen=True, slots=True)
class Settings:
    """Variants of SSIM.

    Attributes
    ----------
    window : {"gaussian", "uniform"}
        11 x 11 Gaussian window, or the uniform 7 x 7 one with sample covariance.
    """

    window: Literal["gaussian", "uniform"] = "gaussian"

    def __post_init__(self) -> None:
        choice("window", self.window, ("gaussian", "uniform"))


def begin(plan: Plan, settings: Settings) -> Finish:
    """Gather the windows' mean."""
    ssim = similarity(plan, "ssim", settings.window)
    return lambda: Outcome.mean_of(ssim.count, ssim.possible(plan.shape), ssim.mean())


def similarity(plan: Plan, name: str, window: str) -> StructuralSimilarity:
    """The accumulator in this kind of window, which ISSM shares; SSIM's gives the map."""
    plan.fits(name, StructuralSimilarity.SIZES[window])
    return plan.tiles(
        StructuralSimilarity,
        plan.bands,
        plan.data_range.span,
        window,
        maps=name if name == "ssim" else None,
    )


# So many grounds of different brightness in a tile are told apart.
_GROUNDS = 3
# Share of the squares subtracted that must be left: seven digits of float64's sixteen.
_SPREAD = 1e-8
# Likewise for what is left of a mean, in squares: eight digits.
_DIGITS = 1e-15


def _swamped(means: Array, spread: Array) -> Mask:
    """Where rounding spoils what subtracting the squared `means` left; so does an overflow."""
    return np.asarray(~((spread >= _SPREAD * means) & (spread < np.inf)))


@functools.cache
def _kernels(window: str, size: int) -> Mapping[type, Array]:
    """The window along one axis, for sums in float32 and in float64."""
    offsets = np.arange(size) - size // 2
    kernel = np.exp(-0.5 * (offsets / 1.5) ** 2) if window == "gaussian" else np.ones(size)
    kernel /= kernel.sum()
    # A sum of exactly 1 in float32 too, or all variances would be off in the same direction.
    narrow = kernel.astype(np.float32).astype(np.float64)
    narrow[size // 2] += 1 - narrow.sum()
    return {np.float32: narrow, np.float64: kernel}


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
        self.kernels = _kernels(window, self.size)
        # From population to sample covariance of size^2 pixels.
        self.unbiased = 1.0 if window == "gaussian" else self.size**2 / (self.size**2 - 1)

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""
        return type(self)(len(self.total), self.data_range, self.window)

    def quality(self, org: Array, pred: Array, used: Mask | None) -> Array:
        """SSIM of every complete window: in float32 where that is accurate, else in float64."""
        # Values far beyond the data range may be too large for float32, and for the trust in it.
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            centre = self.centre(org, used)
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
        x = centred_at(org, centre_x, dtype, self.scale)
        y = centred_at(pred, centre_y, dtype, self.scale)
        mean_x, mean_y, means, product, power = self._moments(x, y)
        k1 = dtype((0.01 * self.data_range * self.scale) ** 2)
        k2 = dtype((0.03 * self.data_range * self.scale) ** 2)
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

    def _moments(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Means of both, the sum of the means' squares, covariance, and sum of the variances.

        Of every complete window, as (rows, cols * bands); what is given is overwritten.
        """
        mean_x, mean_y = self._filter(x), self._filter(y)
        product = self._filter(x * y)
        x *= x
        x += np.multiply(y, y, out=y)
        power = self._filter(x)
        means = mean_x * mean_x
        means += mean_y * mean_y
        power -= means
        product -= mean_x * mean_y
        if self.unbiased != 1:
            power *= x.dtype.type(self.unbiased)
            product *= x.dtype.type(self.unbiased)
        return mean_x, mean_y, means, product, power

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
        return inside(filtered, self.halo, image.shape[2])


METRIC = Metric(
    name="ssim",
    title="Structural similarity index",
    better="higher",
    ideal=1.0,
    sees="windows",
    summary="local luminance, contrast and structure in 11 x 11 Gaussian windows",
    blind="spectra, shifts of dark areas",
    values="−1 to 1",
    source="Wang et al. 2004, doi 10.1109/TIP.2003.819861",
    begin=begin,
    settings=Settings,
    has_map=True,
    needs_range=True,
)


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[False] = ...,
) -> Values: ...


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[True],
) -> tuple[Values, Map]: ...


def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    window: Literal["gaussian", "uniform"] = "gaussian",
    full: bool = False,
) -> float | Values | tuple[float | Values, Map]:
    """Structural similarity index (Wang et al. 2004).

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
    window : {"gaussian", "uniform"}
        11 x 11 Gaussian with sigma 1.5 and population covariance, as published, or uniform 7 x 7
        with sample covariance.
    full : bool
        Return the local map as well: float32, (rows, cols), or (rows, cols, bands) with
        `per_band`; NaN where there is no complete and valid window.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands; 1 for identical images. NaN with a
        warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    K1 = .01, K2 = .03. Windows that reach over the edge, or hold an invalid pixel, are left out.
    Computed in float32 around the local mean wherever that suffices, and else in float64: the
    score is good to 1e-6, single values of the map to 1e-4.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from
       error visibility to structural similarity", IEEE Transactions on Image Processing 13(4),
       2004. doi 10.1109/TIP.2003.819861
    """
    given = Given(mask, nodata, axis, data_range)
    result: float | Values | tuple[float | Values, Map] = compute(
        METRIC, org_img, pred_img, given, Settings(window), per_band=per_band, full=full
    )
    return result
