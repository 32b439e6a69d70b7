"""Keras layers around the fixed operators: no trainable weights in any of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from s2_superres.networks import operators
from s2_superres.networks.injection import inject, modulate, vapour_share
from s2_superres.networks.operators import Tensor

#: Batch, rows, columns, channels; None where it is free.
Shape = tuple[int | None, ...]

#: What `Leak` leaves of what is negative.
_LEAK = 0.5


def _scaled(shape: Shape, scale: Callable[[int], int], channels: int | None) -> Shape:
    rows, cols = (None if size is None else scale(size) for size in shape[1:3])
    return shape[0], rows, cols, channels


# Every layer tells its output's shape: not all backends can follow sizes left free.


class _Fixed(keras.layers.Layer):
    """A layer that computes in float32 whatever the policy, with one ratio."""

    def __init__(self, ratio: int, **kwargs: Any) -> None:
        kwargs.setdefault("dtype", "float32")
        super().__init__(trainable=False, **kwargs)
        self.ratio = ratio

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "ratio": self.ratio}


class Upsample(_Fixed):
    """Bilinear interpolation to a grid `ratio` times finer."""

    def call(self, x: Tensor) -> Tensor:
        return operators.upsample(x, self.ratio)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return _scaled(shape, lambda size: size * self.ratio, shape[-1])


class Degrade(_Fixed):
    """The degradation of the protocol."""

    def call(self, x: Tensor) -> Tensor:
        return operators.degrade(x, self.ratio)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return _scaled(shape, lambda size: size // self.ratio, shape[-1])


class Scale(keras.layers.Layer):
    """Multiply by a constant."""

    def __init__(self, factor: float, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.factor = factor

    def call(self, x: Tensor) -> Tensor:
        return x * self.factor

    def compute_output_shape(self, shape: Shape) -> Shape:
        return shape

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Injection(_Fixed):
    """Local regression of the coarse bands on the fine: inputs (guide, coarse).

    Outputs are those of `injection.inject`.
    """

    def call(self, x: list[Tensor]) -> tuple[Tensor, Tensor]:
        return inject(x[0], x[1], self.ratio)

    def compute_output_shape(self, shape: list[Shape]) -> tuple[Shape, Shape]:
        fine, coarse = shape
        return (*fine[:3], coarse[-1]), coarse


class Modulation(_Fixed):
    """The coarse bands by their ratio to the likest fine ones: inputs (guide, coarse)."""

    def call(self, x: list[Tensor]) -> Tensor:
        return modulate(x[0], x[1], self.ratio)

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        fine, coarse = shape
        return (*fine[:3], coarse[-1])


class VapourShare(_Fixed):
    """What water vapour leaves of the coarse bands: inputs (guide, coarse)."""

    def call(self, x: list[Tensor]) -> Tensor:
        return vapour_share(x[0], x[1], self.ratio)

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        return shape[1]


class Divide(keras.layers.Layer):
    """The first input divided by the second."""

    def call(self, x: list[Tensor]) -> Tensor:
        return x[0] / x[1]

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        return shape[0]


class Consistent(_Fixed):
    """Projection on the images that agree with the measured band: (fine, coarse)."""

    def call(self, x: list[Tensor]) -> Tensor:
        return operators.project(x[0], x[1], self.ratio)

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        fine, coarse = shape
        return (*fine[:3], coarse[-1])


class LockIn(_Fixed):
    """`operators.lock_in` of the inputs (fine, coarse, details)."""

    def call(self, x: list[Tensor]) -> Tensor:
        return operators.lock_in(x[0], x[1], x[2], self.ratio)

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        return shape[2]


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
