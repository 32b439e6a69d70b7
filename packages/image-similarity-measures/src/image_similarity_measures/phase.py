"""Phase congruency of an image, as FSIM uses it.

Kovesi's measure (1999, Videre 1(3)): where the responses of log-Gabor filters of all scales are
in phase, there is a feature, whatever its contrast. Settings are those of Zhang et al. 2011.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .images import Array
from .opencv import opencv

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
    radial : ndarray
        (scales, rows, cols) float32, the part that depends on frequency.
    angular : ndarray
        (orientations, rows, cols) float32, the part that depends on direction.
    finest_power : ndarray
        Per orientation, sum of squares of the filter of the finest scale.
    noise_gain : ndarray
        Per orientation, power of the summed even filters: what they make of white noise.
    """

    radial: Array
    angular: Array
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
    angular = np.empty((ORIENTATIONS, rows, cols), np.float32)
    for orientation in range(ORIENTATIONS):
        away = direction - orientation * np.pi / ORIENTATIONS
        away = np.abs((away + np.pi) % (2 * np.pi) - np.pi)
        angular[orientation] = np.exp(-(away**2) / (2 * ANGULAR_SIGMA**2))
    finest, gain = [], []
    total = radial.sum(axis=0, dtype=np.float64)
    for spread in angular:
        finest.append(np.sum((radial[0] * spread) ** 2, dtype=np.float64))
        both = total * spread
        # By Parseval, the power of a filter's real part is that of its even part in frequency.
        mirrored = np.roll(both[::-1, ::-1], (1, 1), axis=(0, 1))
        gain.append(np.sum((0.5 * (both + mirrored)) ** 2))
    return FilterBank(radial, angular, np.array(finest), np.array(gain))


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
    from scipy import fft

    bank = filter_bank(*image.shape)
    # Without its mean, to which the filters are blind, a constant image is exactly zero.
    spectrum = fft.fft2(image - np.float32(image.mean(dtype=np.float64)))
    scaled = bank.radial * spectrum
    energy = np.zeros(image.shape, np.float32)
    amplitude = np.zeros(image.shape, np.float32)
    for angular, power, gain in zip(bank.angular, bank.finest_power, bank.noise_gain, strict=True):
        pairs = [_inverse(scale * angular) for scale in scaled]
        sizes = [_length(even, odd) for even, odd in pairs]
        here = _energy(pairs)
        # The finest scale is mostly noise: Rayleigh-distributed, so its median gives its power.
        noise = _median(sizes[0]) ** 2 / np.log(2) / power
        tau = np.sqrt(noise * gain)
        deviation = np.sqrt((2 - np.pi / 2) * tau**2)
        threshold = (tau * np.sqrt(np.pi / 2) + NOISE_DEVIATIONS * deviation) / NOISE_RESCALE
        here -= np.float32(threshold)
        energy += np.maximum(here, 0, out=here)
        for size in sizes:
            amplitude += size
    return np.divide(energy, amplitude, out=energy, where=amplitude > 0)


def _inverse(spectrum: Array) -> tuple[Array, Array]:
    """Inverse Fourier transform of a (rows, cols) complex64 spectrum: real and imaginary part.

    OpenCV's transform takes half the time of SciPy's, for sizes of small prime factors.
    """
    cv = opencv()
    if all(cv.getOptimalDFTSize(size) == size for size in spectrum.shape):
        planes = spectrum.view(np.float32).reshape(*spectrum.shape, 2)
        response = cv.dft(planes, flags=cv.DFT_INVERSE | cv.DFT_SCALE)
        return np.ascontiguousarray(response[..., 0]), np.ascontiguousarray(response[..., 1])
    from scipy import fft

    whole = fft.ifft2(spectrum, overwrite_x=True)
    return np.ascontiguousarray(whole.real), np.ascontiguousarray(whole.imag)


def _energy(pairs: list[tuple[Array, Array]]) -> Array:
    """Energy in phase less that out of phase, of one orientation.

    Parameters
    ----------
    pairs : list of two ndarrays
        Per scale, the (rows, cols) float32 even and odd responses.
    """
    even, odd = pairs[0][0].copy(), pairs[0][1].copy()
    for here in pairs[1:]:
        even += here[0]
        odd += here[1]
    # Along their mean the responses add up to its length; what is left lies across.
    energy = _length(even, odd)
    length = np.where(energy == 0, np.float32(1), energy)
    even /= length
    odd /= length
    other = np.empty_like(energy)
    for here in pairs:
        across = here[1] * even
        across -= np.multiply(here[0], odd, out=other)
        energy -= np.abs(across, out=across)
    return energy


def _length(even: Array, odd: Array) -> Array:
    """Root of the sum of squares; the last digit of `numpy.abs` depends on the memory's layout."""
    square = even * even
    square += odd * odd
    return np.asarray(np.sqrt(square, out=square))


def _median(values: Array) -> float:
    """Median, several times faster than NumPy's."""
    middle = values.size // 2
    halves = np.partition(values, middle, axis=None)
    if values.size % 2:
        return float(halves[middle])
    return (float(halves[middle]) + float(halves[:middle].max())) / 2
