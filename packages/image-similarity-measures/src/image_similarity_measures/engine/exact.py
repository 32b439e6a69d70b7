"""Arithmetic that keeps its digits where plain sums and differences lose them."""

from __future__ import annotations

import numpy as np

from image_similarity_measures.checks import Array

#: Integers up to this have a float64 each.
EXACT = 2**53


def is_wide(image: Array) -> bool:
    """Whether it holds integers that float64 may not tell apart."""
    if image.dtype.kind not in "iu" or image.dtype.itemsize < 8 or not image.size:
        return False
    return bool(image.max() > EXACT or image.min() < -EXACT)


def difference(a: Array, b: Array) -> Array:
    """Return a - b in float64, rounded once at the end, whatever the common type of both."""
    if not (is_wide(a) or is_wide(b)):
        return np.subtract(a, b, dtype=np.float64)
    # Halves of 32 bits are exact, and so is the difference of each.
    high = (a >> 32).astype(np.float64) - (b >> 32).astype(np.float64)
    low = (a & 0xFFFFFFFF).astype(np.float64) - (b & 0xFFFFFFFF).astype(np.float64)
    return np.asarray(high * 2.0**32 + low)


def window_quality(
    x: Array,
    y: Array,
    weights: Array,
    *,
    constants: tuple[float, float] = (0.0, 0.0),
    unbiased: float = 1.0,
) -> Array:
    """SSIM of windows, each by its own deviations: the definition, without a shortcut.

    Neither the size of the values nor their distance from zero costs digits, nor does a window
    pay for what lies in another.

    Parameters
    ----------
    x, y : ndarray
        (windows, pixels), the values of both images.
    weights : ndarray
        (pixels,), which add up to 1.
    constants : tuple of float
        Square roots of the constants of luminance and of structure; zeros give UIQ.
    unbiased : float
        Factor from the weighted to the wanted variance.

    Returns
    -------
    ndarray
        (windows,) float64 from -1 to 1. A factor of 0 / 0 is 1.
    """
    largest = np.maximum(_largest(x), _largest(y))
    # A power of two per window, which rounds nothing, brings its values near 1: no square
    # overflows.
    _, exponent = np.frexp(np.maximum(largest, max(constants)))
    mean_x, x = _centred(x, weights, exponent)
    mean_y, y = _centred(y, weights, exponent)
    k1, k2 = (np.square(np.ldexp(constant, -exponent)) for constant in constants)
    spread = unbiased * ((x * x + y * y) @ weights) + k2
    structure = _ratio(2 * unbiased * ((x * y) @ weights) + k2, spread)
    luminance = _ratio(2 * mean_x * mean_y + k1, mean_x * mean_x + mean_y * mean_y + k1)
    return np.asarray(np.clip(structure * luminance, -1, 1))


def _largest(windows: Array) -> Array:
    """Largest absolute value of each window, in float64."""
    high, low = (f(windows, axis=1).astype(np.float64) for f in (np.max, np.min))
    return np.asarray(np.maximum(np.abs(high), np.abs(low)))


def _centred(windows: Array, weights: Array, exponent: Array) -> tuple[Array, Array]:
    """Mean of each window and its deviations from that, over 2^exponent."""
    scale = -exponent[:, np.newaxis]
    first = windows[:, :1]
    if windows.dtype.kind in "iu":
        away = np.ldexp(difference(windows, first), scale)
    else:
        values = np.ldexp(windows.astype(np.float64), scale)
        away = values - values[:, :1]
    # Twice: the first mean may be off by its rounding.
    shift = np.zeros(len(away))
    for _ in range(2):
        step = away @ weights
        shift += step
        away -= step[:, np.newaxis]
    return np.ldexp(first[:, 0].astype(np.float64), scale[:, 0]) + shift, away


def _ratio(numerator: Array, denominator: Array) -> Array:
    return np.divide(numerator, denominator, out=np.ones_like(denominator), where=denominator > 0)
