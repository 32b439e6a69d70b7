"""How networks run here: precision, window, threads and device, and the backend below them.

TensorFlow is what the package installs; under another Keras backend (``KERAS_BACKEND=jax`` or
``torch``) a network is called as Keras calls it.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from pathlib import Path
from typing import Any

from s2_superres.choices import PRECISIONS
from s2_superres.errors import InputError
from s2_superres.networks.forks import check_not_forked

#: CPU features with which bfloat16 is faster than float32; without, it is slower.
_FAST_BFLOAT16 = {"avx512_bf16", "amx_bf16", "bf16"}
_CPUINFO = Path("/proc/cpuinfo")
#: Compute capability from which NVIDIA GPUs have bfloat16 (Ampere).
_GPU_BFLOAT16 = (8, 0)


@dataclass(frozen=True)
class Compute:
    """How to run networks; what comes out hardly depends on it, see `precision`.

    Attributes
    ----------
    precision : {"auto", "float32", "bfloat16"}
        ``auto`` takes bfloat16 where the device gains from it. Its results differ from
        float32's by half a digital number or so.
    tile : int, optional
        Side of a window in 10 m pixels, its halo included; by default what suits the networks.
        It bounds the memory. The result does not depend on it.
    threads : int, optional
        Of the networks; only before the first use in a process. All cores by default.
    device : str
        ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.

    Raises
    ------
    InputError
        If one of them cannot be.
    """

    precision: str = "auto"
    tile: int | None = None
    threads: int | None = None
    device: str = "auto"

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            choices = ", ".join(PRECISIONS)
            raise InputError(f"precision {self.precision!r}: choose one of {choices}")
        for name, unit in (("tile", "a side of a window in 10 m pixels"), ("threads", "a number")):
            value = getattr(self, name)
            if value is not None and not _is_whole(value):
                raise InputError(f"{name} {value!r}: give {unit} as a whole number, or None")
        if self.threads is not None and self.threads < 1:
            raise InputError(f"{self.threads} threads: give 1 or more")
        kind, _, number = self.device.partition(":") if isinstance(self.device, str) else ("",) * 3
        if kind not in ("auto", "cpu", "gpu") or (number and not number.isdecimal()):
            raise InputError(f"device {self.device!r}: choose auto, cpu, gpu or gpu:NUMBER")

    def ready(self) -> Compute:
        """Set this process up for it; return it with ``auto`` decided.

        Raises
        ------
        InputError
            If TensorFlow already runs with another number of threads, or Keras's backend is
            not installed.
        """
        set_threads(self.threads)
        return replace(self, precision=resolve_precision(self.precision, self.device))


def _is_whole(value: object) -> bool:
    # Python takes True for 1.
    return isinstance(value, Integral) and not isinstance(value, bool)


def resolve_precision(precision: str, device: str = "auto") -> str:
    """Decide what ``auto`` means: bfloat16 only where it is the faster one.

    Parameters
    ----------
    precision : {"auto", "float32", "bfloat16"}
    device : str
        As for `Compute`.

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


def device_name(device: str) -> str | None:
    """Turn ``gpu:1`` into TensorFlow's name; None leaves the choice to TensorFlow.

    Raises
    ------
    InputError
        If there is no such device here.
    """
    import tensorflow as tf

    if device == "auto":
        return None
    kind, _, number = device.partition(":")
    found = tf.config.list_physical_devices(kind.upper())
    if int(number or 0) >= len(found):
        raise InputError(
            f"device {device!r}: TensorFlow sees {len(found)} {kind.upper()} devices here; "
            "use --device auto"
        )
    return f"/{kind.upper()}:{number or 0}"


def quiet_keras() -> Any:
    """Import Keras and its backend without the start-up messages of the libraries below.

    Raises
    ------
    InputError
        If the backend that is asked for cannot be loaded.
    WorkerError
        If this process was forked from one where TensorFlow had begun.
    """
    check_not_forked()
    if "keras" in sys.modules:
        return sys.modules["keras"]
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with _silent_stderr():
        try:
            import keras
        except (ImportError, ValueError) as error:
            asked = os.environ.get("KERAS_BACKEND")
            backend = f"KERAS_BACKEND={asked}" if asked else "Keras's backend"
            raise InputError(
                f"{backend}: cannot be loaded ({error}); install it, or unset KERAS_BACKEND for "
                "TensorFlow"
            ) from error
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
