"""What a validation says of error bars is what they hold."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.validation.scoring import CLASSES, SHARES, ErrorBars, error_bars


def bars_of(factor: float, rng: np.random.Generator, valid: float = 1.0) -> ErrorBars:
    """Errors of a Laplace density whose scale differs from pixel to pixel, and bars that know it
    up to a factor."""
    scale = rng.uniform(2, 50, (6, 120, 120)).astype(np.float32)
    truth = rng.uniform(0, 3000, scale.shape).astype(np.float32)
    told = scale * np.float32(np.log(10) * factor)
    predicted = truth + rng.laplace(0, scale).astype(np.float32)
    counts = rng.uniform(size=scale.shape[1:]) < valid
    predicted[:, ~counts], told[:, ~counts] = 0, 0
    return error_bars(truth, predicted, counts, told)


@given(st.integers(0, 99))
def test_right_bars_hold_every_share_and_every_class(seed: int) -> None:
    """However few of the pixels count."""
    bars = bars_of(1.0, np.random.default_rng(seed), valid=0.7)
    assert bars.reliability == pytest.approx(SHARES, abs=0.01)
    assert bars.coverage == pytest.approx([0.9] * 6, abs=0.02)
    assert bars.needed == pytest.approx(bars.told, rel=0.12)
    assert len(bars.told) == CLASSES and list(bars.told) == sorted(bars.told)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_wrong_bars_are_seen(factor: float) -> None:
    """Those of half the width hold less of every share, those of twice more."""
    bars = bars_of(factor, np.random.default_rng(0))
    assert all(
        (held < level) == (factor < 1) for held, level in zip(bars.reliability, SHARES, strict=True)
    )
    assert np.array(bars.needed) * factor == pytest.approx(np.array(bars.told), rel=0.12)
    # 1 - 0.1^factor of a Laplace density lies within.
    assert bars.coverage == pytest.approx([1 - 0.1**factor] * 6, abs=0.02)


def test_fewer_pixels_than_classes_make_fewer_classes() -> None:
    one = np.ones((1, 1, 3), np.float32)
    bars = error_bars(one, one + 1, np.ones((1, 3), bool), one * 2)
    assert bars.told == (2.0,) * 3 and bars.needed == (1.0,) * 3 and bars.coverage == (1.0,)
