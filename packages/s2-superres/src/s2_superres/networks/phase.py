"""Where the sensor's own pixels lay: a second, smaller part of the compact network.

The sensor's pixels lie on a grid of their own, turned by the satellite's heading against that of
the product, and ESA's processing interpolates between them. How much that blurs and shifts a detail
swings along the image, with a period of some four pixels. What the swings are like is the same in
every scene of a descending pass; where they begin differs from band to band. What is left to
explain in a measured band, multiplied by details of the sharpened one, tells of that.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from s2_superres.networks.operators import Tensor, blur, degrade, expand
from s2_superres.raster.degradation import projection_taps
from s2_superres.raster.kernels import PHASE_FILTERS, PHASE_RADIUS, PHASE_SIGMA, gaussian_taps

Shape = tuple[int | None, ...]

#: A detail's least mean square, in (DN / 2000)^2, and the most that a product may be.
_FAINTEST = 3e-5
_STRONGEST = 3.0
#: What the activation leaves of what is negative.
_LEAK = 0.5


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


class LockIn(keras.layers.Layer):
    """`lock_in` of the inputs (fine, coarse, details)."""

    def __init__(self, ratio: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.ratio = ratio

    def call(self, x: list[Tensor]) -> Tensor:
        return lock_in(x[0], x[1], x[2], self.ratio)

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        return shape[2]

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio}


class Leak(keras.layers.Layer):
    """Halve what is negative.

    Not Keras's own layer, nor any relu: TensorFlow would join them with the addition before, whose
    sum is needed a second time, and complain.
    """

    def call(self, x: Tensor) -> Tensor:
        return (1 + _LEAK) / 2 * x + (1 - _LEAK) / 2 * ops.abs(x)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return shape


class WeighedSum(keras.layers.Layer):
    """Sums of products, over `length` neighbouring channels each: inputs (weights, values)."""

    def __init__(self, length: int, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.length = length

    def call(self, x: list[Tensor]) -> Tensor:
        product = x[0] * x[1]
        batch, rows, cols = ops.shape(product)[:3]
        bands = product.shape[-1] // self.length
        return ops.sum(ops.reshape(product, (batch, rows, cols, bands, self.length)), axis=-1)

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        weights = shape[0]
        assert weights[-1] is not None
        return (*weights[:3], weights[-1] // self.length)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "length": self.length}


def details_of(y: Any) -> Any:
    """Return details of each band along rows and columns, as `PHASE_FILTERS` begin."""
    size, _, filters = PHASE_FILTERS.shape
    start = np.repeat(PHASE_FILTERS[:, :, None, :], y.shape[-1], axis=2)
    return keras.layers.DepthwiseConv2D(
        size,
        padding="same",
        depth_multiplier=filters,
        use_bias=False,
        depthwise_initializer=lambda shape, dtype=None: ops.convert_to_tensor(start, dtype),
        name="phase_features",
        dtype="float32",
    )(y)
