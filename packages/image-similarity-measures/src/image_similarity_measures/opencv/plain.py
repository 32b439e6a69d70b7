"""The functions of OpenCV that the metrics use, under its names, in NumPy and SciPy.

Slower, and equal as far as the metrics can tell. Only the arguments in use are taken; what lies
beyond an image's edge is made up as in OpenCV.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Array = NDArray[Any]

CV_16S, CV_16U, CV_32S, CV_32F, CV_64F = np.int16, np.uint16, np.int32, np.float32, np.float64
BORDER_CONSTANT, BORDER_REPLICATE, BORDER_REFLECT_101 = "constant", "nearest", "mirror"

_SMOOTH, _SCHARR, _SLOPE = (1.0, 2.0, 1.0), (3.0, 10.0, 3.0), (-1.0, 0.0, 1.0)

# Version 0.3 refused what OpenCV refuses.
_DERIVABLE = {"uint8", "uint16", "int16", "float32", "float64"}

# Canny's tan(22.5 degrees), in 15 binary digits.
_TANGENT_BITS = 15
_TANGENT = round((2**0.5 - 1) * 2**_TANGENT_BITS)


class error(Exception):
    """What OpenCV raises."""


def getOptimalDFTSize(size: int) -> int:
    """No size is better: transforms are left to SciPy, and there is no `dft` here."""
    return -1


def dft(*_: Any, **__: Any) -> None:
    """Never asked for; see `getOptimalDFTSize`."""
    raise NotImplementedError


DFT_INVERSE = 1
NORM_INF = "inf"


def merge(planes: Sequence[Array]) -> Array:
    """Put planes together as bands."""
    return np.stack(planes, axis=2)


def absdiff(a: Array, b: Array) -> Array:
    """|a - b| of unsigned integers."""
    return np.where(a > b, a - b, b - a)


def norm(image: Array, kind: str) -> float:
    """Largest value of unsigned integers."""
    return float(image.max())


def mean(image: Array) -> tuple[float, ...]:
    """Mean of each of four bands; 0 for those that are not there."""
    means = image.reshape(-1, image.shape[2]).mean(axis=0, dtype=np.float64)
    return (*map(float, means), *[0.0] * (4 - len(means)))


def meanStdDev(image: Array) -> tuple[Array, Array]:
    """Mean and standard deviation of each band, (bands, 1)."""
    pixels = image.reshape(-1, image.shape[2])
    means = pixels.mean(axis=0, dtype=np.float64)
    return means[:, np.newaxis], pixels.std(axis=0, dtype=np.float64)[:, np.newaxis]


def accumulateSquare(image: Array, total: Array) -> Array:
    """Add the square of each pixel."""
    return accumulateProduct(image, image, total)


def accumulateProduct(a: Array, b: Array, total: Array) -> Array:
    """Add the product of each pair of pixels."""
    total += np.multiply(a, b, dtype=np.float64).reshape(total.shape)
    return total


def addWeighted(a: Array, alpha: float, b: Array, beta: float, gamma: float) -> Array:
    """Return alpha a + beta b + gamma."""
    return np.asarray(alpha * a + beta * b + gamma)


def scaleAdd(a: Array, factor: float, b: Array) -> Array:
    """Return factor a + b."""
    return np.asarray(factor * a + b)


def convertScaleAbs(image: Array, alpha: float) -> Array:
    """|alpha x| as uint8, rounded and clipped."""
    return np.clip(np.rint(np.abs(alpha * image)), 0, 255).astype(np.uint8)


def sepFilter2D(
    image: Array, depth: Any, across: Array, down: Array, anchor: tuple[int, int] = (-1, -1)
) -> Array:
    """Correlate rows and columns with a kernel each."""
    kind = image.dtype if depth == -1 else np.dtype(depth)
    return _correlated(image, across, down, kind, anchor, BORDER_REFLECT_101)


def boxFilter(
    image: Array, depth: Any, size: tuple[int, int], anchor: tuple[int, int], normalize: bool
) -> Array:
    """Sums over windows of this size."""
    across, down = np.ones(size[0]), np.ones(size[1])
    if normalize:
        across, down = across / size[0], down / size[1]
    return _correlated(image, across, down, np.dtype(depth), anchor, BORDER_REFLECT_101)


def Sobel(
    image: Array, depth: Any, dx: int, dy: int, borderType: str = BORDER_REFLECT_101
) -> Array:
    """First derivative over 3 x 3 pixels, across or down."""
    return _derivative(image, depth, dx, dy, _SMOOTH, 1.0, borderType)


def Scharr(
    image: Array,
    depth: Any,
    dx: int,
    dy: int,
    scale: float = 1.0,
    borderType: str = BORDER_REFLECT_101,
) -> Array:
    """The same, of better isotropy."""
    return _derivative(image, depth, dx, dy, _SCHARR, scale, borderType)


def _derivative(
    image: Array,
    depth: Any,
    dx: int,
    dy: int,
    smoothing: Sequence[float],
    scale: float,
    border: str,
) -> Array:
    if image.dtype.name not in _DERIVABLE:
        raise error(f"no derivative of {image.dtype}")
    across, down = (_SLOPE, smoothing) if dx else (smoothing, _SLOPE)
    found = _correlated(image, across, down, np.dtype(np.float64), (-1, -1), border)
    found *= scale
    if np.dtype(depth).kind in "iu":
        limits = np.iinfo(depth)
        found = np.clip(np.rint(found), limits.min, limits.max)
    return found.astype(depth)


def _correlated(
    image: Array,
    across: Sequence[float] | Array,
    down: Sequence[float] | Array,
    kind: np.dtype[Any],
    anchor: tuple[int, int],
    border: str,
) -> Array:
    """Correlate along rows and columns, in float64, with the window that `anchor` lies in."""
    found = image.astype(np.float64)
    for axis, kernel, at in ((1, across, anchor[0]), (0, down, anchor[1])):
        found = ndimage.correlate1d(
            found, kernel, axis, mode=border, origin=_origin(len(kernel), at)
        )
    return np.asarray(found.astype(kind, copy=False))


def _origin(size: int, anchor: int) -> int:
    """SciPy's word for where in a window its pixel lies."""
    return 0 if anchor == -1 else anchor - size // 2


def erode(image: Array, window: Array, anchor: tuple[int, int] = (-1, -1)) -> Array:
    """Smallest value in the window around each pixel, as far as there is image."""
    return _extreme(ndimage.minimum_filter1d, image, window, anchor)


def dilate(image: Array, window: Array, anchor: tuple[int, int] = (-1, -1)) -> Array:
    """Largest value in the window around each pixel, as far as there is image."""
    return _extreme(ndimage.maximum_filter1d, image, window, anchor)


def _extreme(search: Any, image: Array, window: Array, anchor: tuple[int, int]) -> Array:
    # A pixel of the edge, repeated beyond it, lies in every window that reaches there.
    for axis, at in ((0, anchor[1]), (1, anchor[0])):
        size = window.shape[axis]
        image = search(image, size, axis, mode="nearest", origin=_origin(size, at))
    return image


def connectedComponents(image: Array, connectivity: int, ltype: Any) -> tuple[int, Array]:
    """Number the groups of pixels that hang together, from 1; and how many, 0 included."""
    labels, count = ndimage.label(image, ndimage.generate_binary_structure(2, connectivity // 4))
    return count + 1, labels.astype(ltype)


def Canny(first: Array, second: Any, third: float, fourth: float | None = None) -> Array:
    """255 on edges, of an image and two thresholds or of its derivatives and these."""
    if fourth is None:
        across, down = (
            Sobel(first, CV_16S, *order, BORDER_REPLICATE) for order in ((1, 0), (0, 1))
        )
        low, high = float(second), third
    else:
        across, down, low, high = first, second, third, fourth
    if across.ndim == 3:
        # The band that has the steepest gradient stands for all.
        steepest = (np.abs(across.astype(np.int64)) + np.abs(down)).argmax(axis=2, keepdims=True)
        across, down = (np.take_along_axis(d, steepest, 2)[:, :, 0] for d in (across, down))
    candidates, size = _thin(across.astype(np.int64), down.astype(np.int64), low)
    labels, _ = ndimage.label(candidates, np.ones((3, 3)))
    strong = np.unique(labels[candidates & (size > high)])
    return np.where(candidates & np.isin(labels, strong), np.uint8(255), np.uint8(0))


def _thin(across: Array, down: Array, low: float) -> tuple[Array, Array]:
    """Whether the gradient is above `low` and the largest across the edge; and its size."""
    size = np.abs(across) + np.abs(down)
    padded = np.pad(size, 1)

    def beside(row: int, col: int) -> Array:
        return padded[1 + row : 1 + row + size.shape[0], 1 + col : 1 + col + size.shape[1]]

    x, y = np.abs(across), np.abs(down) << _TANGENT_BITS
    flat = y < x * _TANGENT
    steep = y > x * _TANGENT + (x << _TANGENT_BITS + 1)
    rising = (across ^ down) < 0
    # Of two neighbours as large, the one that comes first in the image keeps the edge.
    largest = np.select(
        [flat, steep, rising],
        [
            (size > beside(0, -1)) & (size >= beside(0, 1)),
            (size > beside(-1, 0)) & (size >= beside(1, 0)),
            (size > beside(-1, 1)) & (size > beside(1, -1)),
        ],
        (size > beside(-1, -1)) & (size > beside(1, 1)),
    )
    return largest & (size > low), size
