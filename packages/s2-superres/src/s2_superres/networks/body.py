"""The layers that are learned: a residual body, and the convolutions that it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.networks.spec import NetworkSpec

#: What a residual branch is multiplied by, and the end of the name of the layer before that.
_BRANCH_GAIN = 0.1
_LAST_OF_BRANCH = "_conv2"


@dataclass(frozen=True)
class Body:
    """Layers with the names that the weights are stored under.

    Attributes
    ----------
    spec : NetworkSpec
    policy : str
        Keras's, of the convolutions.
    trim : int
        10 m pixels that are cut off at each side.
    inference : bool
        See `s2_superres.networks.graph.build_network`.
    """

    spec: NetworkSpec
    policy: str
    trim: int
    inference: bool

    def __call__(self, x: Any, outputs: int) -> Any:
        """Head, residual blocks whose branches are scaled by 0.1, tail."""
        import keras

        from s2_superres.networks.layers import Scale

        x = self.conv(x, self.spec.features, "head", activation="relu")
        for i in range(self.spec.blocks):
            y = self.conv(x, self.spec.features, f"block{i}_conv1", activation="relu")
            y = self.conv(y, self.spec.features, f"block{i}{_LAST_OF_BRANCH}")
            if not self.inference:
                y = Scale(_BRANCH_GAIN, name=f"block{i}_scale", dtype=self.policy)(y)
            x = keras.layers.Add(name=f"block{i}", dtype=self.policy)([x, y])
        return self.last(x, outputs, "tail")

    def trimmed(self, x: Any, ratio: int = 1) -> Any:
        """Cut the edges off an image whose pixels are `ratio` times 10 m wide."""
        import keras

        return keras.layers.Cropping2D(self.trim // ratio)(x) if self.trim else x

    def conv(self, x: Any, features: int, name: str, **options: Any) -> Any:
        """Return a 3 x 3 convolution; `options` are those of Keras's layer."""
        import keras

        options = {"kernel_initializer": "he_uniform", "dtype": self.policy, **options}
        return keras.layers.Conv2D(features, 3, padding="same", name=name, **options)(x)

    def last(self, x: Any, outputs: int, name: str) -> Any:
        """Return a convolution that starts at 0."""
        policy = self.policy if self.inference else "float32"
        return self.conv(x, outputs, name, dtype=policy, kernel_initializer="zeros")


def fold(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Put the factor of the residual branches into the weights before it.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights by layer and variable, as ``"block0_conv2/kernel"``.

    Returns
    -------
    dict of str to ndarray
        Weights of the same network built for inference; those changed in float32.
    """
    return {
        name: array.astype(np.float32) * _BRANCH_GAIN if f"{_LAST_OF_BRANCH}/" in name else array
        for name, array in arrays.items()
    }
