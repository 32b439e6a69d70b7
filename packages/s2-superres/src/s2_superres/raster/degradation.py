"""The blur and decimation that make coarse Sentinel-2 bands out of fine ones.

Wald's protocol (Wald, Ranchin, Mangolini 1997) trains and tests a sharpener one
scale down: every band is degraded by the ratio, and the original serves as truth.
The degradation is that of Lanaras et al. 2018 (arXiv 1803.04271, section 3): a
Gaussian of sigma 1/ratio pixels of the finer grid, then the mean over
ratio x ratio pixels.  Gaussian and mean are one separable filter with a stride,
and its taps are all that the rest of the package needs to know about it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError

#: Taps of the inverse filter below this share of the largest are left out.  The
#: residual that the filter redistributes is at most a few hundred DN, so what is
#: cut stays below 0.01 DN and the projection keeps a short, finite support.
_CUT = 1e-5


@cache
def degradation_taps(ratio: int, sigma: float | None = None) -> tuple[float, ...]:
    """Weights of the fine pixels in one coarse pixel, along one axis.

    Parameters
    ----------
    ratio : int
        Fine pixels per coarse pixel, 2 (20 m to 40 m) or 6 (60 m to 360 m).
    sigma : float, optional
        Standard deviation of the Gaussian in fine pixels; ``1 / ratio`` by default,
        0 for the plain mean.

    Returns
    -------
    tuple of float
        ``ratio + 2 * margin`` symmetric weights that sum to 1; the first belongs to
        the fine pixel ``margin`` before the coarse pixel's first.
    """
    if ratio < 2:
        raise InputError(f"degradation ratio {ratio}: give a whole number of 2 or more")
    sigma = 1 / ratio if sigma is None else sigma
    if not 0 <= sigma < 50:
        raise InputError(f"point spread sigma {sigma}: give 0 to less than 50 fine pixels")
    radius = int(4 * sigma + 0.5)
    offsets = np.arange(-radius, radius + 1)
    gauss = np.exp(-0.5 * (offsets / sigma) ** 2) if radius else np.ones(1)
    gauss = gauss[gauss > 1e-7 * gauss.max()]
    taps = np.convolve(gauss / gauss.sum(), np.full(ratio, 1 / ratio))
    return tuple(float(tap) for tap in taps)


@cache
def projection_taps(ratio: int, sigma: float | None = None) -> NDArray[np.float64]:
    """Taps of the degradation's pseudo-inverse, along one axis.

    With D the degradation, the pseudo-inverse is D'(DD')^-1.  DD' is a symmetric
    Toeplitz matrix on the coarse grid, so its inverse is a filter, found in the
    Fourier domain and cut where it no longer matters.

    Returns
    -------
    ndarray of float64, shape (ratio, 2 * reach + 1)
        Row ``p``, column ``reach + j`` is the weight of the coarse pixel ``i + j`` in
        the fine pixel ``ratio * i + p``.
    """
    taps = np.array(degradation_taps(ratio, sigma))
    margin = (taps.size - ratio) // 2
    length = 256
    autocorrelation = np.zeros(length)
    full = np.correlate(taps, taps, mode="full")
    for shift in range(-(taps.size - 1), taps.size):
        if shift % ratio == 0:
            autocorrelation[shift // ratio] += full[taps.size - 1 + shift]
    inverse = np.fft.ifft(1 / np.fft.fft(autocorrelation)).real
    # The fine pixel ratio*i + p lies in the footprint of coarse pixel i + j when
    # p - ratio*j + margin is one of its taps.
    weights = np.zeros((ratio, length))
    for phase in range(ratio):
        for shift in range(-length // 2, length // 2):
            index = phase - ratio * shift + margin
            if 0 <= index < taps.size:
                weights[phase] += taps[index] * np.roll(inverse, shift)
    weights = np.roll(weights, length // 2, axis=1)
    significant = np.flatnonzero(np.abs(weights).max(axis=0) > _CUT * np.abs(weights).max())
    reach = int(np.abs(significant - length // 2).max())
    return weights[:, length // 2 - reach : length // 2 + reach + 1]


def degrade(
    image: NDArray[np.generic], ratio: int, sigma: float | None = None
) -> NDArray[np.float32]:
    """Degrade an image to a grid ``ratio`` times coarser.

    Parameters
    ----------
    image : ndarray, shape (..., rows, cols)
        Any real dtype; rows and columns are multiples of `ratio`.  The image is
        extended by symmetric reflection, so a constant image stays constant.
    ratio : int
        Fine pixels per coarse pixel.
    sigma : float, optional
        Standard deviation of the point spread in fine pixels; ``1 / ratio`` by default.

    Returns
    -------
    ndarray of float32, shape (..., rows / ratio, cols / ratio)

    Raises
    ------
    InputError
        If the size is no multiple of `ratio`.
    """
    rows, cols = image.shape[-2:]
    if rows % ratio or cols % ratio or not rows or not cols:
        raise InputError(
            f"an image of {rows} x {cols} pixels cannot be degraded by {ratio}: "
            f"crop it to multiples of {ratio}"
        )
    taps = degradation_taps(ratio, sigma)
    out = np.asarray(image, dtype=np.float32)
    for axis in (-1, -2):
        out = _degrade_axis(out, ratio, taps, axis)
    return out


def mostly(mask: NDArray[np.bool_], ratio: int, sigma: float | None = None) -> NDArray[np.bool_]:
    """Return which degraded pixels owe more than half of their weight to pixels of a mask.

    Parameters are those of `degrade`.
    """
    return np.asarray(degrade(mask, ratio, sigma) > 0.5)


def _degrade_axis(
    image: NDArray[np.float32], ratio: int, taps: tuple[float, ...], axis: int
) -> NDArray[np.float32]:
    margin = (len(taps) - ratio) // 2
    lines = np.moveaxis(image, axis, -1)
    width = [(0, 0)] * (lines.ndim - 1) + [(margin, margin)]
    padded = np.pad(lines, width, mode="symmetric")
    count = lines.shape[-1] // ratio
    out = np.zeros((*lines.shape[:-1], count), dtype=np.float32)
    for offset, tap in enumerate(taps):
        out += np.float32(tap) * padded[..., offset : offset + ratio * count : ratio][..., :count]
    return np.moveaxis(out, -1, axis)
