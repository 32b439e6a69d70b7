"""Phase congruency per orientation, with the settings of version 0.3.

Kovesi (1999, Videre 1(3)): the energy of log-Gabor responses in phase over the sum of their
amplitudes, less what noise alone would give, and weighed down where few scales respond. Version 0.3
took it from the package phasepack and added up the six orientations.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

ORIENTATIONS, SCALES = 6, 4
SHORTEST_WAVELENGTH, SCALE_FACTOR = 6.0, 2.0
BANDWIDTH = 0.5978  # sigma of the log-Gabor over its centre frequency
LOW_PASS = 0.45, 15  # cut-off frequency and order of the Butterworth filter
NOISE_DEVIATIONS = 2.0
SPREAD_MIDDLE, SPREAD_GAIN = 0.5, 10.0  # of the sigmoid that weighs the number of scales
EPSILON = 1e-4


def phase_congruency_sum(image: Array) -> Array:
    """Sum of the phase congruency of all orientations, 0 to 6.

    Parameters
    ----------
    image : ndarray
        (rows, cols).

    Returns
    -------
    ndarray
        (rows, cols) float64.
    """
    from scipy import fft

    # In single precision where the image is.
    spectrum = fft.fft2(image)
    radius, sine, cosine = _polar_grid(*image.shape)
    scales = _log_gabors(radius)
    total = np.zeros(image.shape)
    for orientation in range(ORIENTATIONS):
        spread = _spread(sine, cosine, orientation * np.pi / ORIENTATIONS)
        responses = np.stack([fft.ifft2(spectrum * scale * spread) for scale in scales])
        total += _congruency(responses)
    return total


def _polar_grid(rows: int, cols: int) -> tuple[Array, Array, Array]:
    """Radius, sine and cosine of the frequencies, in the order of the FFT."""

    def axis(size: int) -> Array:
        # For an odd size the outermost frequencies are -1/2 and 1/2.
        steps = np.arange(size) - size // 2
        return np.fft.ifftshift(steps / (size - 1 if size % 2 else size))

    y, x = axis(rows)[:, np.newaxis], axis(cols)[np.newaxis]
    radius = np.sqrt(x**2 + y**2)
    angle = np.arctan2(-y, x)
    radius[0, 0] = 1
    return radius, np.sin(angle), np.cos(angle)


def _log_gabors(radius: Array) -> list[Array]:
    cut_off, order = LOW_PASS
    low_pass = 1 / (1 + (radius / cut_off) ** (2 * order))
    filters = []
    for scale in range(SCALES):
        centre = 1 / (SHORTEST_WAVELENGTH * SCALE_FACTOR**scale)
        gabor = np.exp(-(np.log(radius / centre) ** 2) / (2 * np.log(BANDWIDTH) ** 2)) * low_pass
        gabor[0, 0] = 0
        filters.append(gabor)
    return filters


def _spread(sine: Array, cosine: Array, angle: float) -> Array:
    """Weight of each frequency for an orientation: a raised cosine of the angle between them."""
    across = sine * np.cos(angle) - cosine * np.sin(angle)
    along = cosine * np.cos(angle) + sine * np.sin(angle)
    between = np.minimum(np.abs(np.arctan2(across, along)) * ORIENTATIONS / 2, np.pi)
    return np.asarray((np.cos(between) + 1) / 2)


def _congruency(responses: Array) -> Array:
    """Phase congruency of one orientation, of its (scales, rows, cols) complex responses."""
    sizes = np.abs(responses)
    amplitude = sizes.sum(axis=0)
    direction = responses.sum(axis=0)
    direction /= np.abs(direction) + EPSILON
    along = responses * np.conj(direction)
    energy = (along.real - np.abs(along.imag)).sum(axis=0)
    energy = np.maximum(energy - _noise(sizes[0]), 0)
    # Few scales that respond are no sign of a feature.
    width = (amplitude / (sizes.max(axis=0) + EPSILON) - 1) / (SCALES - 1)
    weight = 1 / (1 + np.exp(SPREAD_GAIN * (SPREAD_MIDDLE - width)))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(weight * energy / amplitude)


def _noise(finest: Array) -> float:
    """Energy that noise alone would give, by the median of the finest scale's responses."""
    # The sizes are Rayleigh-distributed; each further scale has less of the noise.
    tau = np.median(finest) / np.sqrt(np.log(4))
    tau *= (1 - (1 / SCALE_FACTOR) ** SCALES) / (1 - 1 / SCALE_FACTOR)
    return float(tau * (np.sqrt(np.pi / 2) + NOISE_DEVIATIONS * np.sqrt((4 - np.pi) / 2)))
