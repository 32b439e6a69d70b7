"""Keras layers around the fixed operators: no trainable weights in any of them."""

from __future__ import annotations

from typing import Any

import keras

from s2_superres import operators
from s2_superres.injection import inject
from s2_superres.operators import Tensor


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


class Fold(_Fixed):
    """Space to depth."""

    def call(self, x: Tensor) -> Tensor:
        return operators.space_to_depth(x, self.ratio)


class Unfold(_Fixed):
    """Depth to space."""

    def call(self, x: Tensor) -> Tensor:
        return operators.depth_to_space(x, self.ratio)


class Degrade(_Fixed):
    """The degradation of the protocol."""

    def call(self, x: Tensor) -> Tensor:
        return operators.degrade(x, self.ratio)


class Scale(keras.layers.Layer):
    """Multiply by a constant."""

    def __init__(self, factor: float, **kwargs: Any) -> None:
        super().__init__(trainable=False, **kwargs)
        self.factor = factor

    def call(self, x: Tensor) -> Tensor:
        return x * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


class Injection(_Fixed):
    """Local regression of the coarse bands on the fine: inputs (guide, coarse)."""

    def call(self, x: list[Tensor]) -> Tensor:
        return inject(x[0], x[1], self.ratio)


class Consistent(_Fixed):
    """Projection on the images that agree with the measured band: (fine, coarse)."""

    def call(self, x: list[Tensor]) -> Tensor:
        return operators.project(x[0], x[1], self.ratio)
