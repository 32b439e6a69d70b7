"""Running a network fast: one compiled function of a fixed shape."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION
from s2_superres.errors import InputError, S2SuperresError
from s2_superres.networks.compute import Compute, device_name, quiet_keras
from s2_superres.networks.forks import check_not_forked
from s2_superres.networks.weights import Weights, build_with_weights


class OutOfMemoryError(S2SuperresError):
    """The network's window does not fit in memory."""


@dataclass(frozen=True)
class Prediction:
    """What a network made of one window, in its own scale.

    Attributes
    ----------
    values : ndarray of float32, shape (bands, rows, cols)
    raw : ndarray of float32, same shape
        The same before the projection onto the measured band; `values` itself
        for a network without projection.
    half_width : ndarray of float32, same shape, or None
        Of the error bars, if they were asked for.
    """

    values: NDArray[np.float32]
    raw: NDArray[np.float32]
    half_width: NDArray[np.float32] | None = None


class Predictor:
    """A network compiled for windows of one size.

    Parameters
    ----------
    weights : Weights
    rows, cols : int
        Size of the windows in 10 m pixels.
    compute : Compute
        Its tile is not used here.
    trim : int
        How much narrower the output is at each side, in 10 m pixels.
    errors : bool
        Whether to tell error bars as well.

    Raises
    ------
    InputError
        If there is no such device, or the threads cannot be chosen any more.
    WeightsError
        If error bars are asked for and the weights tell none.
    """

    def __init__(
        self,
        weights: Weights,
        rows: int,
        cols: int,
        compute: Compute,
        *,
        trim: int = 0,
        errors: bool = False,
    ) -> None:
        precision = compute.ready().precision
        keras = quiet_keras()
        self.spec = weights.spec
        half_width = None
        if errors:
            from s2_superres.networks.errorbar import build_with_errors

            model, half_width = build_with_errors(weights, precision, trim)
        else:
            model = build_with_weights(weights, precision, trim)
        outputs = [model.output]
        self._errors = errors
        if weights.spec.consistent:
            outputs.append(model.get_layer("consistent").input[0])
        if errors:
            outputs.append(half_width)
        self._shapes = [
            (len(BY_RESOLUTION[r]), rows * 10 // r, cols * 10 // r) for r in self.spec.inputs
        ]
        self._run = _compiled(keras.Model(model.inputs, outputs), self._shapes, compute.device)

    def __call__(self, inputs: Mapping[int, NDArray[np.float32]]) -> Prediction:
        """Sharpen one window.

        Parameters
        ----------
        inputs : mapping of int to ndarray
            Per resolution ``(bands, rows, cols)`` at its own grid.

        Raises
        ------
        OutOfMemoryError
            If the window does not fit in memory.
        WorkerError
            If this process was forked from one where TensorFlow had begun.
        """
        check_not_forked()
        arrays = [np.ascontiguousarray(inputs[r], np.float32) for r in self.spec.inputs]
        for array, shape in zip(arrays, self._shapes, strict=True):
            if array.shape != shape:
                raise InputError(
                    f"a window of {array.shape} for a network compiled for {shape}; compile it for "
                    "this one"
                )
        try:
            outputs = [np.asarray(output) for output in self._run(arrays)]
        except MemoryError as error:
            raise _too_big(self._shapes[0][1:]) from error
        except Exception as error:
            if type(error).__name__ == "ResourceExhaustedError":
                raise _too_big(self._shapes[0][1:]) from error
            raise
        half_width = outputs.pop() if self._errors else None
        return Prediction(outputs[0], outputs[-1], half_width)


def _too_big(shape: tuple[int, ...]) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"out of memory in a window of {shape[0]} x {shape[1]} pixels: use a smaller --tile"
    )


def _compiled(model: Any, shapes: Sequence[tuple[int, ...]], device: str) -> Any:
    """Return a function from a list of arrays to a list of arrays, all bands first.

    Convolutions run with bands last, on processors only so: turning is left to the backend, which
    does it with all its threads.
    """
    import keras

    ops = keras.ops

    def turned(arrays: Sequence[Any]) -> list[Any]:
        bands_last = [ops.expand_dims(ops.transpose(x, (1, 2, 0)), 0) for x in arrays]
        outputs = _as_list(model(bands_last, training=False))
        return [ops.transpose(output[0], (2, 0, 1)) for output in outputs]

    if keras.backend.backend() != "tensorflow":
        return lambda arrays: [ops.convert_to_numpy(output) for output in turned(arrays)]
    import tensorflow as tf

    signature = [[tf.TensorSpec(shape, tf.float32) for shape in shapes]]
    # Traced once and for all: a window of another shape is an error, not another graph.
    function = tf.function(turned, input_signature=signature).get_concrete_function()
    place = device_name(device)

    def run(arrays: list[NDArray[np.float32]]) -> list[Any]:
        with tf.device(place) if place else contextlib.nullcontext():
            return _as_list(function([tf.convert_to_tensor(array) for array in arrays]))

    return run


def _as_list(outputs: Any) -> list[Any]:
    """Keras unpacks an only output, and only that."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]
