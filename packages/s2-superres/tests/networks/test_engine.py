"""The compiled predictor."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2_superres.errors import InputError
from s2_superres.networks import compute
from s2_superres.networks.compute import Compute, resolve_precision, set_threads
from s2_superres.networks.engine import OutOfMemoryError, Predictor
from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import Weights, apply_weights, untrained, variables_of


def random_weights(
    resolution: int = 20, features: int = 8, seed: int = 3, family: str = "dsen2"
) -> Weights:
    """Return a small network with random weights."""
    from s2_superres.networks.graph import build_network

    spec = NetworkSpec(family, resolution, features, 1)
    rng = np.random.default_rng(seed)
    variables = variables_of(build_network(spec))
    arrays = {n: rng.normal(0, 0.1, v.shape).astype("f4") for n, v in variables.items()}
    return Weights(spec, arrays, name="random")


def scene(rows: int, cols: int, resolutions: tuple[int, ...] = (10, 20)) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(1)
    bands = {10: 4, 20: 6, 60: 2}
    return {
        r: rng.random((bands[r], rows * 10 // r, cols * 10 // r), np.float32) for r in resolutions
    }


def as_trained(weights: Weights, tensors: list[np.ndarray]) -> np.ndarray:
    """Return what the Keras model of the training makes of a window."""
    from s2_superres.networks.graph import build_network

    model = build_network(weights.spec)
    apply_weights(model, weights)
    bands_last = [np.moveaxis(x, 0, -1)[None] for x in tensors]
    return np.moveaxis(np.asarray(model(bands_last))[0], -1, 0)


@pytest.mark.parametrize("family", ["dsen2", "compact"])
@pytest.mark.parametrize("resolution", [20, 60])
def test_it_computes_what_the_trained_model_computes(resolution: int, family: str) -> None:
    """Compiled at a fixed shape, and with the output before the projection beside it."""
    weights = random_weights(resolution, family=family)
    inputs = scene(48, 36, weights.spec.inputs)
    prediction = Predictor(weights, 48, 36, Compute("float32"))(inputs)
    tensors = [inputs[r] for r in weights.spec.inputs]
    expected = as_trained(weights, tensors)
    np.testing.assert_allclose(prediction.values, expected, atol=1e-5)
    plain = replace(weights, spec=replace(weights.spec, consistent=False))
    expected = as_trained(plain, tensors)
    np.testing.assert_allclose(prediction.raw, expected, atol=1e-5)
    assert prediction.values.dtype == np.float32


def test_without_projection_both_outputs_are_one() -> None:
    """There is nothing before a projection that is not there."""
    weights = random_weights()
    weights = replace(weights, spec=replace(weights.spec, consistent=False))
    prediction = Predictor(weights, 24, 24, Compute("float32"))(scene(24, 24))
    np.testing.assert_array_equal(prediction.values, prediction.raw)
    assert prediction.values.shape == (6, 24, 24)


def test_bfloat16_differs_by_its_rounding_only() -> None:
    """The final sum is in float32, so the difference is that of the added detail."""
    weights, inputs = random_weights(), scene(48, 48)
    exact = Predictor(weights, 48, 48, Compute("float32"))(inputs).raw
    rough = Predictor(weights, 48, 48, Compute("bfloat16"))(inputs).raw
    assert rough.dtype == np.float32
    difference = np.abs(rough - exact).max()
    assert 0 < difference < 0.02 * np.abs(exact).max()


def test_another_shape_is_refused() -> None:
    """A window that does not fit is a mistake, not another compilation."""
    with pytest.raises(InputError, match="compiled for"):
        Predictor(untrained(20), 24, 24, Compute("float32"))(scene(48, 48))


def test_auto_is_bfloat16_only_where_the_processor_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the features that Linux lists; float32 where nothing is known."""
    listing = tmp_path / "cpuinfo"
    monkeypatch.setattr(compute, "_CPUINFO", listing)
    assert resolve_precision("auto", "cpu") == "float32"
    for features, expected in (
        ("fpu avx2 avx512f", "float32"),
        ("fpu avx512f avx512_bf16", "bfloat16"),
        ("amx_bf16 amx_tile", "bfloat16"),
    ):
        listing.write_text(f"processor : 0\nflags\t\t: {features}\n\nprocessor : 1\n")
        assert resolve_precision("auto", "cpu") == expected
    listing.write_text("processor : 0\nFeatures\t: fp asimd bf16\n")
    assert resolve_precision("auto", "cpu") == "bfloat16"
    assert resolve_precision("float32", "cpu") == "float32"


@pytest.mark.parametrize("device", ["tpu", "gpu:99", "gpu:x", "cpu:7"])
def test_devices_that_are_not_there_are_refused(device: str) -> None:
    """By name."""
    with pytest.raises(InputError, match=device):
        Predictor(untrained(20), 24, 24, Compute("float32", device=device))


def test_the_cpu_can_be_asked_for() -> None:
    """And gives the same."""
    inputs = scene(24, 24)
    on_cpu = Predictor(untrained(20), 24, 24, Compute("float32", device="cpu"))(inputs)
    anywhere = Predictor(untrained(20), 24, 24, Compute("float32"))(inputs)
    np.testing.assert_allclose(on_cpu.values, anywhere.values, atol=1e-6)


def test_unknown_precision_is_refused() -> None:
    """With the choices."""
    with pytest.raises(InputError, match="bfloat16"):
        resolve_precision("float64")


@pytest.mark.parametrize("failure", ["MemoryError", "ResourceExhaustedError"])
def test_out_of_memory_names_the_cure(monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Python's own error and TensorFlow's."""
    predictor = Predictor(untrained(20), 24, 24, Compute("float32"))
    kind = MemoryError if failure == "MemoryError" else type(failure, (Exception,), {})

    def fail(arrays: object) -> None:
        raise kind("no room")

    monkeypatch.setattr(predictor, "_run", fail)
    with pytest.raises(OutOfMemoryError, match="smaller --tile"):
        predictor(scene(24, 24))


def test_threads_are_chosen_before_tensorflow_starts_or_not_at_all() -> None:
    """In a fresh process they are set; afterwards another number is an error."""
    code = (
        "from s2_superres.networks.compute import Compute, set_threads\n"
        "from s2_superres.networks.engine import Predictor\n"
        "from s2_superres.errors import InputError\n"
        "from s2_superres.networks.weights import untrained\n"
        "set_threads(1)\n"
        "import tensorflow as tf\n"
        "assert tf.config.threading.get_intra_op_parallelism_threads() == 1\n"
        "Predictor(untrained(20), 24, 24, Compute('float32'))\n"
        "set_threads(1)\n"
        "try:\n    set_threads(2)\nexcept InputError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("2 threads:")
    assert done.stderr == ""


def test_fewer_than_one_thread_is_refused() -> None:
    """Zero is not all."""
    with pytest.raises(InputError, match="1 or more"):
        set_threads(0)
