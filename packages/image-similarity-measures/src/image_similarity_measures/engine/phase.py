"""Phase congruency and gradients of an image, as FSIM compares them.

Kovesi's measure (1999, Videre 1(3)): where the responses of log-Gabor filters of all scales are
in phase, there is a feature, whatever its contrast. Settings are those of Zhang et al. 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from image_similarity_measures.checks import Array
from image_similarity_measures.opencv import opencv

ORIENTATIONS = 4
SCALES = 4
SHORTEST_WAVELENGTH = 6.0
SCALE_FACTOR = 2.0
BANDWIDTH = 0.55  # sigma of the log-Gabor over its centre frequency
ANGULAR_SIGMA = np.pi / ORIENTATIONS / 1.2
LOW_PASS = 0.45, 15  # cut-off frequency and order of the Butterworth filter
NOISE_DEVIATIONS = 2.0
NOISE_RESCALE = 1.7  # Kovesi's empirical correction of the estimated noise

# A bank of filters is worth keeping for the next band or image, unless it is large.
_KEPT_PIXELS = 2**19


@dataclass(frozen=True, slots=True)
class FilterBank:
    """Log-Gabor filters of one image size, in the order of the FFT.

    Attributes
    ----------
    filters : ndarray
        (orientations, scales, rows, cols) float32.
    finest_power : ndarray
        Per orientation, sum of squares of the filter of the finest scale.
    noise_gain : ndarray
        Per orientation, power of the summed even filters: what they make of white noise.
    """

    filters: Array
    finest_power: Array
    noise_gain: Array


def filter_bank(rows: int, cols: int) -> FilterBank:
    """Return the filters for images of this size."""
    return _kept_bank(rows, cols) if rows * cols <= _KEPT_PIXELS else _bank(rows, cols)


def _frequencies(size: int) -> Array:
    # Kovesi's grid: for an odd size the outermost frequencies are -1/2 and 1/2.
    steps = np.fft.ifftshift(np.arange(size) - size // 2)
    return steps / (size if size % 2 == 0 else max(size - 1, 1))


def _bank(rows: int, cols: int) -> FilterBank:
    x, y = _frequencies(cols)[np.newaxis, :], _frequencies(rows)[:, np.newaxis]
    radius = np.hypot(x, y)
    cutoff, order = LOW_PASS
    low_pass = 1 / (1 + (radius / cutoff) ** (2 * order))
    radius[0, 0] = 1
    radial = np.empty((SCALES, rows, cols), np.float32)
    log_radius = np.log(radius)
    for scale in range(SCALES):
        wavelength = SHORTEST_WAVELENGTH * SCALE_FACTOR**scale
        gauss = (log_radius + np.log(wavelength)) ** 2 / (2 * np.log(BANDWIDTH) ** 2)
        radial[scale] = np.exp(-gauss) * low_pass
    radial[:, 0, 0] = 0
    direction = np.arctan2(-y, x)
    filters = np.empty((ORIENTATIONS, *radial.shape), np.float32)
    finest, gain = [], []
    total = radial.sum(axis=0, dtype=np.float64)
    for orientation in range(ORIENTATIONS):
        away = direction - orientation * np.pi / ORIENTATIONS
        away = np.abs((away + np.pi) % (2 * np.pi) - np.pi)
        spread = np.exp(-(away**2) / (2 * ANGULAR_SIGMA**2)).astype(np.float32)
        np.multiply(radial, spread, out=filters[orientation])
        finest.append(np.sum(np.square(filters[orientation, 0], dtype=np.float64)))
        both = total * spread
        # By Parseval, the power of a filter's real part is that of its even part in frequency.
        mirrored = np.roll(both[::-1, ::-1], (1, 1), axis=(0, 1))
        gain.append(np.sum((0.5 * (both + mirrored)) ** 2))
    return FilterBank(filters, np.array(finest), np.array(gain))


_kept_bank = lru_cache(maxsize=2)(_bank)


def phase_congruency(image: Array) -> Array:
    """Phase congruency of an image: energy over amplitude, summed over all orientations.

    Parameters
    ----------
    image : ndarray
        (rows, cols) float32.

    Returns
    -------
    ndarray
        (rows, cols) float32, 0 to 1; 0 where there is no amplitude at all.
    """
    bank = filter_bank(*image.shape)
    # Without its mean, to which the filters are blind, a constant image is exactly zero.
    spectrum = (image - np.float32(image.mean(dtype=np.float64))).astype(np.complex64)
    _transform(spectrum)
    spectrum *= np.float32(1 / image.size)
    energy = np.zeros(image.shape, np.float32)
    amplitude = np.zeros(image.shape, np.float32)
    # Even responses are the real parts, odd ones the imaginary parts.
    responses = np.empty((SCALES, *image.shape), np.complex64)
    sizes = np.empty(responses.shape, np.float32)
    for filters, power, gain in zip(bank.filters, bank.finest_power, bank.noise_gain, strict=True):
        for response, filter_ in zip(responses, filters, strict=True):
            np.multiply(spectrum, filter_, out=response)
            _transform(response, inverse=True)
        np.abs(responses, out=sizes)
        threshold = _noise_threshold(sizes[0], power, gain)
        amplitude += sizes.sum(axis=0)
        here = _energy(responses, sizes)
        here -= threshold
        energy += np.maximum(here, 0, out=here)
    return np.divide(energy, amplitude, out=energy, where=amplitude > 0)


def feature_similarity(
    org: Array, pred: Array, constants: tuple[float, float]
) -> tuple[Array, Array]:
    """FSIM's local similarity and its weight, the larger phase congruency.

    Parameters
    ----------
    org, pred : ndarray
        (rows, cols) float32, intensities from 0 to 255.
    constants : tuple of float
        T1 and T2.

    Returns
    -------
    similarity, weight : ndarray
        (rows, cols) float32.
    """
    t1, t2 = (np.float32(t) for t in constants)
    org_phase, pred_phase = phase_congruency(org), phase_congruency(pred)
    similarity = _alike(org_phase, pred_phase, t1)
    similarity *= _alike(_gradient(org), _gradient(pred), t2)
    return similarity, np.maximum(org_phase, pred_phase)


def _alike(x: Array, y: Array, constant: np.float32) -> Array:
    """Return (2 x y + c) / (x^2 + y^2 + c), exactly 1 where x equals y."""
    ratio: Array = (2 * (x * y) + constant) / (x * x + y * y + constant)
    return ratio


def _gradient(image: Array) -> Array:
    """Scharr gradient magnitude, weights 3 10 3 over 16, with zeros around the image."""
    cv2 = opencv()
    settings = {"scale": 1 / 16, "borderType": cv2.BORDER_CONSTANT}
    across = cv2.Scharr(image, cv2.CV_32F, 1, 0, **settings)
    down = cv2.Scharr(image, cv2.CV_32F, 0, 1, **settings)
    # Not cv2.magnitude, whose last digit depends on where an array lies in memory.
    across *= across
    across += np.multiply(down, down, out=down)
    magnitude: Array = np.sqrt(across, out=across)
    return magnitude


def _transform(plane: Array, *, inverse: bool = False) -> None:
    """Fourier transform of (rows, cols) complex64 in place, either way without a factor.

    OpenCV's takes half the time of SciPy's, for sizes of small prime factors.
    """
    cv = opencv()
    if all(cv.getOptimalDFTSize(size) == size for size in plane.shape):
        parts = plane.view(np.float32).reshape(*plane.shape, 2)
        cv.dft(parts, parts, flags=cv.DFT_INVERSE if inverse else 0)
        return
    from scipy import fft

    # The inverse that is "normalized forward" has no factor, as the forward one by default.
    plane[:] = fft.ifft2(plane, norm="forward", overwrite_x=True) if inverse else fft.fft2(plane)


def _noise_threshold(finest: Array, power: float, gain: float) -> np.float32:
    """Energy that noise alone would give.

    The finest scale is mostly noise: its sizes are Rayleigh-distributed, so their median gives
    the noise's power.
    """
    noise = _median(finest) ** 2 / np.log(2) / power
    tau = np.sqrt(noise * gain)
    deviation = np.sqrt((2 - np.pi / 2) * tau**2)
    return np.float32((tau * np.sqrt(np.pi / 2) + NOISE_DEVIATIONS * deviation) / NOISE_RESCALE)


def _energy(responses: Array, room: Array) -> Array:
    """Energy in phase less that out of phase, of one orientation.

    Parameters
    ----------
    responses : ndarray
        (scales, rows, cols) complex64; overwritten.
    room : ndarray
        (scales, rows, cols) float32; overwritten.
    """
    total = responses.sum(axis=0)
    # Along their mean the responses add up to its length; what is left lies across.
    energy: Array = np.abs(total)
    against = np.conj(total, out=total)
    against *= 1 / np.maximum(energy, np.finfo(np.float32).tiny)
    responses *= against
    energy -= np.abs(responses.imag, out=room).sum(axis=0)
    return energy


def _median(values: Array) -> float:
    """Median, several times faster than NumPy's."""
    middle = values.size // 2
    halves = np.partition(values, middle, axis=None)
    if values.size % 2:
        return float(halves[middle])
    return (float(halves[middle]) + float(halves[:middle].max())) / 2
