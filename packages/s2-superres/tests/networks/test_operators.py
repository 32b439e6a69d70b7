"""The fixed operators on tensors, against arrays and other libraries."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from s2_superres.networks import operators
from s2_superres.raster import degradation

cv2 = pytest.importorskip("cv2")

RATIOS = (2, 6)


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.5, 0.2, shape).astype(np.float32)


def array(tensor: operators.Tensor) -> NDArray[np.float32]:
    import keras

    return np.asarray(keras.ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("sigma", [None, 1.2])
@pytest.mark.parametrize("ratio", RATIOS)
def test_degrade_is_that_of_arrays(ratio: int, sigma: float | None) -> None:
    x = random(2, 6 * ratio, 5 * ratio, 3)
    wanted = degradation.degrade(np.moveaxis(x, -1, 1), ratio, sigma)
    found = array(operators.degrade(x, ratio, sigma))
    np.testing.assert_allclose(np.moveaxis(found, -1, 1), wanted, atol=1e-6)


@pytest.mark.parametrize("ratio", RATIOS)
def test_upsample_is_opencvs_bilinear(ratio: int) -> None:
    """Half-pixel centres, the edge repeated."""
    x = random(1, 9, 7, 2)
    wanted = cv2.resize(x[0], (7 * ratio, 9 * ratio), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(array(operators.upsample(x, ratio))[0], wanted, atol=1e-5)


@pytest.mark.parametrize("ratio", RATIOS)
def test_projection_returns_the_measured_band(ratio: int) -> None:
    """Degraded, the result is the measured band within 0.05 DN, from a start 400 DN off."""
    fine, coarse = random(1, 20 * ratio, 20 * ratio, 2), random(1, 20, 20, 2, seed=1)
    found = operators.degrade(operators.project(fine, coarse, ratio), ratio)
    assert np.abs(array(found) - coarse).max() * 2000 < 0.05


@pytest.mark.parametrize("ratio", RATIOS)
def test_projection_is_idempotent(ratio: int) -> None:
    fine, coarse = random(1, 12 * ratio, 12 * ratio, 1), random(1, 12, 12, 1, seed=1)
    once = array(operators.project(fine, coarse, ratio))
    twice = array(operators.project(once, coarse, ratio))
    np.testing.assert_allclose(twice, once, atol=0.05 / 2000)


@pytest.mark.parametrize("ratio", RATIOS)
def test_projection_moves_the_least(ratio: int) -> None:
    """Any other image that agrees with the band lies farther from the start."""
    fine, coarse = random(1, 10 * ratio, 10 * ratio, 1), random(1, 10, 10, 1, seed=1)
    nearest = array(operators.project(fine, coarse, ratio))
    other = array(operators.project(random(*fine.shape, seed=2), coarse, ratio))
    for share in (-0.1, 0.1):
        candidate = nearest + share * (other - nearest)
        assert ((candidate - fine) ** 2).sum() > ((nearest - fine) ** 2).sum()


@pytest.mark.parametrize("ratio", RATIOS)
def test_what_agrees_already_stays(ratio: int) -> None:
    fine = random(1, 8 * ratio, 8 * ratio, 2)
    found = operators.project(fine, operators.degrade(fine, ratio), ratio)
    np.testing.assert_allclose(array(found), fine, atol=1e-6)


@pytest.mark.parametrize("ratio", RATIOS)
def test_folding_is_undone_and_keeps_blocks(ratio: int) -> None:
    x = random(2, 4 * ratio, 3 * ratio, 5)
    folded = array(operators.space_to_depth(x, ratio))
    assert folded.shape == (2, 4, 3, 5 * ratio * ratio)
    np.testing.assert_array_equal(
        folded[0, 1, 2].reshape(ratio, ratio, 5),
        x[0, ratio : 2 * ratio, 2 * ratio : 3 * ratio],
    )
    np.testing.assert_array_equal(array(operators.depth_to_space(folded, ratio)), x)


@pytest.mark.parametrize(("rows", "cols"), [(5, 6), (3, 1), (2, 7), (1, 1)])
@pytest.mark.parametrize(("before", "after"), [(3, 2), (0, 4), (11, 13)])
def test_padding_is_numpys_symmetric(rows: int, cols: int, before: int, after: int) -> None:
    """Of images smaller than what is added too: there the mirror images repeat."""
    x = random(1, rows, cols, 2)
    pad = (before, after)
    wanted = np.pad(x, ((0, 0), pad, pad, (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(array(operators.symmetric_pad(x, *pad)), wanted)


@pytest.mark.parametrize("side", [2, 9])
def test_padding_of_a_size_known_only_when_it_runs(side: int) -> None:
    """A graph traced for images of any size pads them all alike."""
    keras = pytest.importorskip("keras")
    if keras.backend.backend() != "tensorflow":
        pytest.skip("other backends always know sizes")
    tf = pytest.importorskip("tensorflow")
    pad = tf.function(
        lambda x: operators.symmetric_pad(x, 4, 5),
        input_signature=[tf.TensorSpec((1, None, None, 2), tf.float32)],
    )
    x = random(1, side, side, 2)
    wanted = np.pad(x, ((0, 0), (4, 5), (4, 5), (0, 0)), mode="symmetric")
    np.testing.assert_array_equal(array(pad(x)), wanted)


@pytest.mark.parametrize("ratio", RATIOS)
def test_one_coarse_pixel_is_enough(ratio: int) -> None:
    """The filters reach farther than that; a constant stays the constant."""
    fine = np.full((1, ratio, ratio, 2), 0.3, np.float32)
    coarse = np.full((1, 1, 1, 2), 0.5, np.float32)
    assert array(operators.degrade(fine, ratio)) == pytest.approx(0.3)
    assert array(operators.upsample(coarse, ratio)) == pytest.approx(0.5)
    assert array(operators.project(fine, coarse, ratio)) == pytest.approx(0.5, abs=1e-4)


def test_blur_of_a_constant_is_the_constant() -> None:
    taps = np.array([0.25, 0.5, 0.25])
    found = array(operators.blur(np.full((1, 6, 6, 2), 3.0, np.float32), taps))
    assert found == pytest.approx(3.0)
