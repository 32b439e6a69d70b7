"""Bicubic interpolation: what a sharpener has to beat."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

#: Keys's free parameter as OpenCV, PyTorch and GIS software set it.
_A = -0.75
_REACH = 2


def bicubic(image: NDArray[np.floating], ratio: int) -> NDArray[np.float32]:
    """Interpolate an image to a grid ``ratio`` times finer.

    Cubic convolution (Keys 1981, doi 10.1109/TASSP.1981.1163711) with a = -0.75,
    which is what OpenCV calls cubic, and pixel centres at half-integers: both
    grids share their corner. The image is mirrored about its edge.

    Parameters
    ----------
    image : ndarray, shape (..., rows, cols)
    ratio : int

    Returns
    -------
    ndarray of float32, shape (..., rows * ratio, cols * ratio)
    """
    out = np.asarray(image, np.float32)
    for axis in (-1, -2):
        lines = np.moveaxis(out, axis, -1)
        count = lines.shape[-1]
        width = [(0, 0)] * (lines.ndim - 1) + [(_REACH, _REACH)]
        padded = np.pad(lines, width, mode="symmetric")
        fine = np.zeros((*lines.shape[:-1], count * ratio), np.float32)
        for phase, taps in enumerate(_taps(ratio)):
            for shift, tap in enumerate(taps):
                if tap:
                    fine[..., phase::ratio] += np.float32(tap) * padded[..., shift : shift + count]
        out = np.moveaxis(fine, -1, axis)
    return np.ascontiguousarray(out)


@cache
def _taps(ratio: int) -> NDArray[np.float64]:
    """Weights ``(ratio, 5)`` of the coarse pixels -2 to 2 around a fine one, by its phase."""
    position = (np.arange(ratio)[:, None] + 0.5) / ratio - 0.5
    distance = np.abs(position - np.arange(-_REACH, _REACH + 1))
    near = ((_A + 2) * distance - (_A + 3)) * distance**2 + 1
    far = _A * (((distance - 5) * distance + 8) * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
