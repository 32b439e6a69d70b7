"""Running a network fast: one compiled function of a fixed shape.

Precision, threads and device are chosen here. TensorFlow is what the package
installs; under another Keras backend (``KERAS_BACKEND=jax`` or ``torch``) the
model is called as Keras calls it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError, S2SuperresError
from s2_superres.networks.weights import Weights, build_with_weights

PRECISIONS = ("auto", "float32", "bfloat16")
#: CPU features with which bfloat16 is faster than float32; without, it is slower.
_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
_CPUINFO = Path("/proc/cpuinfo")
#: Compute capability from which NVIDIA GPUs have bfloat16 (Ampere).
_GPU_BFLOAT16 = (8, 0)


class OutOfMemoryError(S2SuperresError):
    """The network's window does not fit in memory."""


@dataclass(frozen=True)
class Prediction:
    """What a network made of one window, in its own scale.

    Attributes
    ----------
    values : ndarray of float32, shape (rows, cols, bands)
    raw : ndarray of float32, same shape
        The same before the projection onto the measured band; `values` itself
        for a network without projection.
    """

    values: NDArray[np.float32]
    raw: NDArray[np.float32]


class Predictor:
    """A network compiled for windows of one size.

    Parameters
    ----------
    weights : Weights
    rows, cols : int
        Size of the windows in 10 m pixels.
    trim : int
        How much narrower the output is at each side, in 10 m pixels.
    precision : {"auto", "float32", "bfloat16"}
        ``auto`` takes bfloat16 where the device gains from it.
    device : str
        ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.

    Raises
    ------
    InputError
        If there is no such precision or device.
    """

    def __init__(
        self,
        weights: Weights,
        rows: int,
        cols: int,
        *,
        trim: int = 0,
        precision: str = "auto",
        device: str = "auto",
    ) -> None:
        keras = quiet_keras()
        self.spec = weights.spec
        self.precision = resolve_precision(precision, device)
        self._model = build_with_weights(weights, self.precision, trim)
        outputs = [self._model.output]
        if weights.spec.consistent:
            outputs.append(self._model.get_layer("consistent").input[0])
        self._model = keras.Model(self._model.inputs, outputs)
        self._shapes = [
            (1, rows * 10 // resolution, cols * 10 // resolution, tensor.shape[-1])
            for resolution, tensor in zip(self.spec.inputs, self._model.inputs, strict=True)
        ]
        self._run = _compiled(self._model, self._shapes, device)

    def __call__(self, inputs: Mapping[int, NDArray[np.float32]]) -> Prediction:
        """Sharpen one window.

        Parameters
        ----------
        inputs : mapping of int to ndarray
            Per resolution ``(1, rows, cols, bands)`` at its own grid.

        Raises
        ------
        OutOfMemoryError
            If the window does not fit in memory.
        """
        arrays = [np.ascontiguousarray(inputs[r], np.float32) for r in self.spec.inputs]
        for array, shape in zip(arrays, self._shapes, strict=True):
            if array.shape != shape:
                raise InputError(f"a window of {array.shape} for a network compiled for {shape}")
        try:
            outputs = [np.asarray(output)[0] for output in self._run(arrays)]
        except MemoryError as error:
            raise _too_big(self._shapes[0]) from error
        except Exception as error:
            if type(error).__name__ == "ResourceExhaustedError":
                raise _too_big(self._shapes[0]) from error
            raise
        return Prediction(outputs[0], outputs[-1])


def _too_big(shape: tuple[int, ...]) -> OutOfMemoryError:
    return OutOfMemoryError(
        f"out of memory in a window of {shape[1]} x {shape[2]} pixels: use a smaller --tile"
    )


def _compiled(model: Any, shapes: Sequence[tuple[int, ...]], device: str) -> Any:
    """Return a function from a list of arrays to a list of arrays."""
    import keras

    if keras.backend.backend() != "tensorflow":
        return lambda arrays: [
            keras.ops.convert_to_numpy(output) for output in _as_list(model(arrays, training=False))
        ]
    import tensorflow as tf

    signature = [[tf.TensorSpec(shape, tf.float32) for shape in shapes]]
    # Traced once and for all: a window of another shape is an error, not another graph.
    function = tf.function(
        lambda tensors: model(tensors, training=False), input_signature=signature
    ).get_concrete_function()
    place = _tf_device(device)

    def run(arrays: list[NDArray[np.float32]]) -> list[Any]:
        with tf.device(place) if place else contextlib.nullcontext():
            return _as_list(function([tf.convert_to_tensor(array) for array in arrays]))

    return run


def _as_list(outputs: Any) -> list[Any]:
    """Keras unpacks an only output, and only that."""
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


def _tf_device(device: str) -> str | None:
    """Turn ``gpu:1`` into TensorFlow's name, or raise if there is none."""
    import tensorflow as tf

    if device == "auto":
        return None
    kind, _, number = device.partition(":")
    if kind not in ("cpu", "gpu") or (number and not number.isdecimal()):
        raise InputError(f"device {device!r}: choose auto, cpu, gpu or gpu:NUMBER")
    found = tf.config.list_physical_devices(kind.upper())
    if int(number or 0) >= len(found):
        raise InputError(
            f"device {device!r}: TensorFlow sees {len(found)} {kind.upper()} devices here; "
            "use --device auto"
        )
    return f"/{kind.upper()}:{number or 0}"


def resolve_precision(precision: str, device: str = "auto") -> str:
    """Decide what ``auto`` means: bfloat16 only where it is the faster one.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : str
        As for `Predictor`.

    Returns
    -------
    {"float32", "bfloat16"}
    """
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r}: choose one of {', '.join(PRECISIONS)}")
    if precision != "auto":
        return precision
    keras = quiet_keras()
    if keras.backend.backend() != "tensorflow":
        return "float32"
    import tensorflow as tf

    gpus = [] if device.startswith("cpu") else tf.config.list_physical_devices("GPU")
    if gpus:
        number = int(device.partition(":")[2] or 0)
        details = tf.config.experimental.get_device_details(gpus[min(number, len(gpus) - 1)])
        fast = tuple(details.get("compute_capability", (0, 0))) >= _GPU_BFLOAT16
    else:
        fast = bool(_FAST_BFLOAT16 & cpu_features())
    return "bfloat16" if fast else "float32"


def cpu_features() -> frozenset[str]:
    """Return the CPU's feature names as Linux lists them; empty on other systems."""
    try:
        text = _CPUINFO.read_text()
    except OSError:
        return frozenset()
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip().lower() in ("flags", "features"):
            return frozenset(value.split())
    return frozenset()


def set_threads(threads: int | None) -> None:
    """Choose how many threads the network may use; None leaves it to TensorFlow.

    Raises
    ------
    InputError
        If the number is not positive, or TensorFlow already runs with another:
        it can only be chosen once per process.
    """
    if threads is not None and threads < 1:
        raise InputError(f"{threads} threads: give 1 or more")
    keras = quiet_keras()
    if threads is None or keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf

    if tf.config.threading.get_intra_op_parallelism_threads() == threads:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError as error:
        raise InputError(
            f"{threads} threads: TensorFlow already runs with another number in this "
            "process; choose it before the first prediction"
        ) from error


def quiet_keras() -> Any:
    """Import Keras and its backend without the start-up messages of the libraries below."""
    import sys

    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _silent_stderr():
        import keras

        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            # Where there is no GPU, the first look for one is reported as an error.
            tf.config.list_physical_devices()
    return keras


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Send what C++ libraries write to standard error nowhere; errors still raise."""
    try:
        saved = os.dup(2)
    except OSError:  # No standard error at all: a service, say.
        yield
        return
    try:
        with Path(os.devnull).open("wb") as sink:
            os.dup2(sink.fileno(), 2)
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
