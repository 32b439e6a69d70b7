"""The degradation of Wald's protocol, and the filter that undoes it best."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from s2_superres.errors import InputError
from s2_superres.raster.degradation import degradation_taps, degrade, projection_taps

RATIOS = (2, 6)


def block_mean(image: NDArray[np.float64], ratio: int) -> NDArray[np.float64]:
    rows, cols = image.shape[-2] // ratio, image.shape[-1] // ratio
    return image.reshape(*image.shape[:-2], rows, ratio, cols, ratio).mean(axis=(-3, -1))


def matrix(ratio: int, coarse: int) -> NDArray[np.float64]:
    """The degradation of a line of ratio * coarse pixels, column by column."""
    identity = np.eye(ratio * coarse, dtype=np.float32)[:, None, :]
    lines = np.repeat(identity, ratio, axis=1)
    return degrade(lines, ratio)[:, 0, :].T.astype(np.float64)


@pytest.mark.parametrize("sigma", [None, 0.7, 1.5])
@pytest.mark.parametrize("ratio", RATIOS)
def test_it_is_the_papers_gaussian_and_mean(ratio: int, sigma: float | None) -> None:
    """SciPy's Gaussian, cut at four sigma, and the mean of blocks give the same."""
    image = np.random.default_rng(0).uniform(1, 10000, (3, 12 * ratio, 7 * ratio))
    blur = sigma or 1 / ratio
    wanted = gaussian_filter(image, (0, blur, blur), mode="reflect", truncate=4.0)
    found = degrade(image, ratio, sigma)
    # float32, and the far tail below 1e-7 of the peak that is left out.
    np.testing.assert_allclose(found, block_mean(wanted, ratio), rtol=2e-6)


@pytest.mark.parametrize("ratio", RATIOS)
def test_without_blur_it_is_the_mean(ratio: int) -> None:
    image = np.random.default_rng(1).uniform(0, 100, (4 * ratio, 5 * ratio))
    np.testing.assert_allclose(degrade(image, ratio, 0.0), block_mean(image, ratio), rtol=1e-5)


@given(
    image=hnp.arrays(
        np.uint16, st.tuples(st.just(12), st.just(24)), elements=st.integers(0, 65535)
    ),
    ratio=st.sampled_from(RATIOS),
)
@settings(max_examples=50)
def test_it_keeps_the_mean(image: NDArray[np.uint16], ratio: int) -> None:
    """Mirrored at the edges, every pixel counts as much as any other."""
    assert degrade(image, ratio).mean() == pytest.approx(image.mean(), rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("ratio", RATIOS)
def test_constants_stay(ratio: int) -> None:
    assert degrade(np.full((3, 36, 36), 1234, np.uint16), ratio) == pytest.approx(1234, rel=1e-6)


@pytest.mark.parametrize("ratio", RATIOS)
def test_turning_and_degrading_commute(ratio: int) -> None:
    """The filter is symmetric, which the augmentation of training relies on."""
    image = np.random.default_rng(2).uniform(1, 2, (6 * ratio, 6 * ratio))
    turned = np.rot90(degrade(image, ratio))
    np.testing.assert_allclose(degrade(np.rot90(image), ratio), turned, rtol=1e-5)


@pytest.mark.parametrize("ratio", RATIOS)
def test_the_projection_is_the_pseudo_inverse(ratio: int) -> None:
    """Away from the edges the taps are the rows of NumPy's pseudo-inverse."""
    coarse = 40
    inverse = np.linalg.pinv(matrix(ratio, coarse))
    taps = projection_taps(ratio)
    reach = taps.shape[1] // 2
    middle = coarse // 2
    rows = inverse[ratio * middle : ratio * (middle + 1), middle - reach : middle + reach + 1]
    np.testing.assert_allclose(taps, rows, atol=2e-5)


@pytest.mark.parametrize("ratio", RATIOS)
def test_degrading_what_was_projected_returns_it(ratio: int) -> None:
    """D P = 1, to what the cut of the taps leaves."""
    taps = projection_taps(ratio)
    reach = taps.shape[1] // 2
    line = np.random.default_rng(3).normal(0, 1, 60)
    padded = np.pad(line, reach, mode="symmetric")
    fine = np.stack([np.correlate(padded, row, "valid") for row in taps], axis=1).ravel()
    image = np.repeat(fine[None], ratio, axis=0)
    assert degrade(image, ratio)[0] == pytest.approx(line, abs=2e-4)


@pytest.mark.parametrize("ratio", RATIOS)
def test_taps_are_a_symmetric_mean(ratio: int) -> None:
    taps = degradation_taps(ratio)
    assert sum(taps) == pytest.approx(1)
    assert taps == pytest.approx(taps[::-1])
    assert (len(taps) - ratio) % 2 == 0


@pytest.mark.parametrize("shape", [(5, 6), (6, 5), (0, 6)])
def test_sizes_that_do_not_divide_are_named(shape: tuple[int, int]) -> None:
    with pytest.raises(InputError, match=f"{shape[0]} x {shape[1]} pixels"):
        degrade(np.zeros(shape), 2)


@pytest.mark.parametrize(("ratio", "sigma"), [(1, None), (2, -1.0), (2, float("nan"))])
def test_impossible_degradations_are_refused(ratio: int, sigma: float | None) -> None:
    with pytest.raises(InputError):
        degradation_taps(ratio, sigma)
