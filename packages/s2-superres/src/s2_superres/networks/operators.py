"""Fixed operators on band-last tensors, for any Keras backend.

All are made of separable filters of finite support with a stride or an expansion, written
as depth-wise convolutions.  Edges are extended by symmetric reflection, as
`s2_superres.raster.degradation.degrade` does, so small images behave like the arrays.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2_superres.raster.degradation import degradation_taps, projection_taps
from s2_superres.raster.kernels import PHASE_RADIUS, PHASE_SIGMA, bilinear_taps, gaussian_taps

Tensor = Any

#: For `lock_in`: a detail's least mean square, in (DN / 2000)^2, and the most a product may be.
_FAINTEST = 3e-5
_STRONGEST = 3.0


def symmetric_pad(x: Tensor, before: int, after: int) -> Tensor:
    """Extend rows and columns by mirror images, again and again where they are few."""
    for axis in (1, 2):
        size = ops.shape(x)[axis]
        if not isinstance(size, int) or size < max(before, after):
            x = ops.take(x, _mirror(before, size, after), axis)
            continue
        # Where one mirror image suffices, this is faster, and so is its gradient.
        parts = [x]
        if before:
            parts.insert(0, ops.flip(_take(x, axis, 0, before), axis))
        if after:
            parts.append(ops.flip(_take(x, axis, -after, None), axis))
        x = ops.concatenate(parts, axis) if len(parts) > 1 else x
    return x


def _mirror(before: int, size: Any, after: int) -> Tensor:
    """Indices into ``0..size-1`` of the positions ``-before..size+after-1``."""
    folded = ops.arange(-before, size + after) % (2 * size)
    return ops.minimum(folded, 2 * size - 1 - folded)


def _take(x: Tensor, axis: int, start: int, stop: int | None) -> Tensor:
    return x[:, start:stop] if axis == 1 else x[:, :, start:stop]


def _filter_axis(x: Tensor, taps: NDArray[np.floating], axis: int) -> Tensor:
    """Depth-wise filter along one axis; `taps` is (length, outputs per channel)."""
    channels = x.shape[-1]
    length, outputs = taps.shape
    shape = (length, 1) if axis == 1 else (1, length)
    kernel = np.broadcast_to(taps.reshape(*shape, 1, outputs), (*shape, channels, outputs)).astype(
        np.float32
    )
    return ops.depthwise_conv(x, ops.convert_to_tensor(kernel), strides=1, padding="valid")


def blur(x: Tensor, taps: NDArray[np.floating]) -> Tensor:
    """Filter both axes with one odd, symmetric set of taps; the size stays."""
    margin = taps.size // 2
    x = symmetric_pad(x, margin, margin)
    column = taps.reshape(-1, 1)
    return _filter_axis(_filter_axis(x, column, 1), column, 2)


def degrade(x: Tensor, ratio: int, sigma: float | None = None) -> Tensor:
    """Degrade to a grid `ratio` times coarser: see `s2_superres.raster.degradation`."""
    taps = np.array(degradation_taps(ratio, sigma))
    margin = (taps.size - ratio) // 2
    x = symmetric_pad(x, margin, margin)
    kernel = np.outer(taps, taps)[:, :, None, None]
    kernel = np.broadcast_to(kernel, (taps.size, taps.size, x.shape[-1], 1)).astype(np.float32)
    return ops.depthwise_conv(x, ops.convert_to_tensor(kernel), strides=ratio, padding="valid")


def expand(x: Tensor, taps: NDArray[np.floating]) -> Tensor:
    """Expand to a finer grid: `taps` is (ratio, 2 * reach + 1), one row per phase."""
    ratio, length = taps.shape
    reach = length // 2
    channels = x.shape[-1]
    x = symmetric_pad(x, reach, reach)
    for axis in (1, 2):
        x = _filter_axis(x, taps.T, axis)
        rows, cols = ops.shape(x)[1], ops.shape(x)[2]
        # Channel c, phase p is channel c * ratio + p: move the phase next to its axis.
        x = ops.reshape(x, (-1, rows, cols, channels, ratio))
        if axis == 1:
            x = ops.reshape(ops.transpose(x, (0, 1, 4, 2, 3)), (-1, rows * ratio, cols, channels))
        else:
            x = ops.reshape(ops.transpose(x, (0, 1, 2, 4, 3)), (-1, rows, cols * ratio, channels))
    return x


def upsample(x: Tensor, ratio: int) -> Tensor:
    """Bilinear interpolation to a grid `ratio` times finer."""
    return expand(x, bilinear_taps(ratio))


def project(fine: Tensor, coarse: Tensor, ratio: int, sigma: float | None = None) -> Tensor:
    """Change `fine` the least so that degraded it returns `coarse`.

    ``fine + P (coarse - D fine)`` with D the degradation and P its pseudo-inverse:
    the closest image, in the least-squares sense, among those that agree with the
    measured band.
    """
    return fine + expand(coarse - degrade(fine, ratio, sigma), projection_taps(ratio, sigma))


def lock_in(fine: Tensor, coarse: Tensor, details: Tensor, ratio: int) -> Tensor:
    """Multiply what the projection would add to each band by details of that band.

    Parameters
    ----------
    fine : tensor, shape (batch, rows, cols, bands)
    coarse : tensor, shape (batch, rows / ratio, cols / ratio, bands)
    details : tensor, shape (batch, rows, cols, bands * n)
        `n` channels of the first band, then of the second.
    ratio : int

    Returns
    -------
    tensor, shape (batch, rows, cols, bands * n)
        Over the details' mean squares around each pixel.
    """
    left = expand(coarse - degrade(fine, ratio), projection_taps(ratio))
    left = ops.repeat(left, details.shape[-1] // fine.shape[-1], axis=-1)
    energy = blur(ops.square(details), gaussian_taps(PHASE_SIGMA, PHASE_RADIUS))
    return ops.clip(left * details / (energy + _FAINTEST), -_STRONGEST, _STRONGEST)


def space_to_depth(x: Tensor, ratio: int) -> Tensor:
    """Move each ratio x ratio block into channels, ordered (row, col, channel)."""
    rows, cols, channels = ops.shape(x)[1], ops.shape(x)[2], x.shape[-1]
    x = ops.reshape(x, (-1, rows // ratio, ratio, cols // ratio, ratio, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows // ratio, cols // ratio, ratio * ratio * channels))


def depth_to_space(x: Tensor, ratio: int) -> Tensor:
    """Undo `space_to_depth`."""
    rows, cols, channels = ops.shape(x)[1], ops.shape(x)[2], x.shape[-1] // (ratio * ratio)
    x = ops.reshape(x, (-1, rows, cols, ratio, ratio, channels))
    x = ops.transpose(x, (0, 1, 3, 2, 4, 5))
    return ops.reshape(x, (-1, rows * ratio, cols * ratio, channels))
