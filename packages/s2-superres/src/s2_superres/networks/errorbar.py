"""An error bar per pixel: a small head beside a network that stays as it is.

From the features that the network ends with, how much detail it added and to what, and how much
detail of the measured bands a local regression leaves unexplained, the head tells
the scale b of the error at each pixel and band, as if errors had the density exp(-|e| / b) / 2b
(Laplace). What multiple of b holds the truth in 90 % of pixels is measured on places that it was
not trained on, see `s2_superres.training.calibration`. What is unexplained tells of land unlike any
that the head was trained on. The head is pointwise, so it sees no farther than the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2_superres.errors import WeightsError
from s2_superres.networks.layers import Injection, Upsample
from s2_superres.networks.operators import Tensor
from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import ERROR_FACTOR, Weights, build_with_weights, variables_of

#: Channels between the features and the scales.
_HIDDEN = 32
#: The scale that a new head begins with, and the farthest from it that it tells: as logarithms.
_TYPICAL, _FARTHEST = float(np.log(0.01)), 7.0
#: Detail that is nothing beside noise, and what is dark, in reflectance / 0.2.
_FAINT, _DARK = 1e-3, 0.02

Shape = tuple[int | None, ...]


class Logarithms(keras.layers.Layer):
    """Of sharpened bands, how much detail they have, how bright they are, and what is unexplained.

    Inputs are (sharpened, interpolated) or (sharpened, interpolated, unexplained).
    """

    def call(self, x: list[Tensor]) -> Tensor:
        sharpened, interpolated, *unexplained = x
        return ops.concatenate(
            [
                ops.log(ops.abs(sharpened - interpolated) + _FAINT),
                ops.log(ops.maximum(interpolated, 0.0) + _DARK),
                *(0.5 * ops.log(square + _FAINT**2) for square in unexplained),
            ],
            axis=-1,
        )

    def compute_output_shape(self, shape: list[Shape]) -> Shape:
        return (*shape[0][:-1], sum(channels for *_, channels in shape if channels))


class LogScale(keras.layers.Layer):
    """What the head says, within bounds, as the logarithm of a scale."""

    def call(self, x: Tensor) -> Tensor:
        return _TYPICAL + ops.clip(x, -_FARTHEST, _FARTHEST)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return shape


def seen(model: keras.Model, spec: NetworkSpec, trim: int = 0) -> Any:
    """Return what the head of a network looks at, a tensor ``(batch, rows, cols, channels)``.

    Raises
    ------
    WeightsError
        If the network has no body.
    """
    if not spec.trained:
        raise WeightsError(
            "the local regression has no features that would tell of its errors; take a trained "
            "network"
        )
    features = model.get_layer(f"block{spec.blocks - 1}" if spec.blocks else "head").output
    # A family without a local regression has none whose rest would tell.
    unexplained = [layer.output[1] for layer in model.layers if isinstance(layer, Injection)]
    interpolated = [Upsample(spec.ratio)(x) for x in (model.inputs[-1], *unexplained)]
    if trim:
        interpolated = [keras.layers.Cropping2D(trim)(x) for x in interpolated]
    bands = Logarithms(name="error_bands", dtype="float32")([model.output, *interpolated])
    return keras.layers.Concatenate(name="error_stack", dtype="float32")([features, bands])


def head(x: Any, spec: NetworkSpec) -> Any:
    """Return the tensor of log b, ``(batch, rows, cols, bands)``, of a new head on what it sees."""
    z = keras.layers.Conv2D(
        _HIDDEN, 1, activation="relu", name="error_hidden", dtype="float32",
    )(x)  # fmt: skip
    z = keras.layers.Conv2D(
        len(spec.bands), 1, kernel_initializer="zeros", name="error_tail", dtype="float32"
    )(z)
    return LogScale(name="error_scale", dtype="float32")(z)


def rescaled(
    arrays: Mapping[str, NDArray[Any]], mean: NDArray[Any], spread: NDArray[Any]
) -> dict[str, NDArray[Any]]:
    """Return the variables of a head that was trained on (x - mean) / spread, for x itself."""
    kernel = arrays["error_hidden/kernel"] / spread[:, None]
    shift = (mean @ kernel[0, 0]).astype(np.float32)
    return {
        **arrays,
        "error_hidden/kernel": kernel.astype(np.float32),
        "error_hidden/bias": arrays["error_hidden/bias"] - shift,
    }


def head_arrays(arrays: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of some weights is the head's, without the factor."""
    return {n: a for n, a in arrays.items() if n.startswith("error_") and n != ERROR_FACTOR}


def build_with_errors(
    weights: Weights, precision: str = "float32", trim: int = 0
) -> tuple[keras.Model, Any]:
    """Build a network for inference, with its head, and set both.

    Returns
    -------
    model : keras.Model
        The network alone.
    half_width : tensor, shape (batch, rows, cols, bands)
        Of the interval around the output that holds the truth in 90 % of pixels, scaled alike.

    Raises
    ------
    WeightsError
        If the weights have no head.
    """
    weights.require_errors()
    model = build_with_weights(weights, precision, trim)
    log_scale = head(seen(model, weights.spec, trim), weights.spec)
    set_head(keras.Model(model.inputs, log_scale), weights)
    return model, HalfWidth(weights.arrays[ERROR_FACTOR], name="error")(log_scale)


def set_head(model: keras.Model, weights: Weights) -> None:
    """Set the variables of a head.

    Raises
    ------
    WeightsError
        If they do not fit.
    """
    variables = head_arrays(variables_of(model))
    arrays = head_arrays(weights.arrays)
    for name in sorted(set(variables) | set(arrays)):
        array, variable = arrays.get(name), variables.get(name)
        if array is None or variable is None or array.shape != tuple(variable.shape):
            raise WeightsError(
                f"{weights.name}: its error head does not fit ({name}), so another version wrote "
                "it; add one again with `s2-superres calibrate`"
            )
        variable.assign(array.astype(np.float32))


class HalfWidth(keras.layers.Layer):
    """Scales, from their logarithms, times a factor per band."""

    def __init__(self, factors: NDArray[Any], **kwargs: Any) -> None:
        super().__init__(trainable=False, dtype="float32", **kwargs)
        self.factors = np.asarray(factors, np.float32)

    def call(self, x: Tensor) -> Tensor:
        return ops.exp(x) * ops.convert_to_tensor(self.factors)

    def compute_output_shape(self, shape: Shape) -> Shape:
        return shape
