"""Weights of the fixed filters along one axis, beside those of the degradation.

NumPy only: what a network's support is must be known before TensorFlow is loaded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from s2_superres.raster.degradation import degradation_taps

#: The Gaussian window in coarse pixels, and where it is cut.
WINDOW_SIGMA = 2.0
WINDOW_RADIUS = 6
#: The window in which the share of B09 that water vapour leaves is measured, likewise.
VAPOUR_SIGMA = 1.0
VAPOUR_RADIUS = 2
#: The window in which details are brought to one size, in fine pixels, likewise.
PHASE_SIGMA = 3.0
PHASE_RADIUS = 7


def _details() -> NDArray[np.float64]:
    second, first = np.array([0, -1, 2, -1, 0]) / 2, np.array([-0.5, 1, 0, -1, 0.5]) / 2
    middle = np.array([0, 0, 1, 0, 0])
    pairs = [(second, middle), (middle, second), (first, middle), (middle, first)]
    return np.stack([np.outer(rows, cols) for rows, cols in pairs], -1)


#: Rows, columns, filters: even and odd details along both axes, which training changes.
PHASE_FILTERS = _details()


def gaussian_taps(sigma: float, radius: int) -> NDArray[np.float64]:
    """A Gaussian, cut at a radius, that sums to 1."""
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum())


def bilinear_taps(ratio: int) -> NDArray[np.float64]:
    """Phases of bilinear interpolation with pixel centres at half integers."""
    position = (np.arange(ratio) + 0.5) / ratio - 0.5
    return np.stack(
        [np.maximum(-position, 0), 1 - np.abs(position), np.maximum(position, 0)], axis=1
    )


def smoothing_taps(ratio: int) -> NDArray[np.float64]:
    """What degrading and interpolating back does to a line, averaged over the phases.

    The plain round trip depends on where its blocks begin; the average is a filter, so
    that windows of an image may begin anywhere. Ratio 2 serves at 60 m too: it keeps
    the coefficients local, and measured no worse than longer filters.
    """
    down, up = np.array(degradation_taps(ratio)), bilinear_taps(ratio)
    margin = (down.size - ratio) // 2
    reach = 2 * ratio + margin
    taps = np.zeros(2 * reach + 1)
    for phase in range(ratio):
        for shift in (-1, 0, 1):
            first = ratio * shift - margin - phase
            taps[reach + first : reach + first + down.size] += up[phase, shift + 1] * down
    return np.trim_zeros(taps) / ratio
