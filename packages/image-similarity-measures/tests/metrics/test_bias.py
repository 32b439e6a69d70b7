"""Bias is the mean difference, with its sign."""

from __future__ import annotations

import numpy as np
import pytest

import image_similarity_measures as ism


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_it_is_the_mean_difference(dtype, make_pair):
    org, pred = make_pair(40, 30, 3, dtype="uint8" if dtype == "uint8" else "uint16")
    org, pred = org.astype(dtype), pred.astype(dtype)
    expected = (pred.astype(float) - org.astype(float)).mean((0, 1))
    np.testing.assert_allclose(ism.bias(org, pred, per_band=True), expected, rtol=1e-12)
    assert ism.bias(org, pred) == pytest.approx(expected.mean(), rel=1e-12)
    assert ism.bias(pred, org) == pytest.approx(-expected.mean(), rel=1e-12)
    assert expected.mean() < 0  # the second image is darker


def test_it_keeps_its_digits_at_an_offset():
    org = np.full((9, 9), 2**60, "int64")
    assert ism.bias(org, org + 3) == 3
    assert ism.bias(org + 3, org) == -3


def test_a_bound_counts_for_either_sign(pair):
    """--fail-under=bias=5 is not passed by a prediction much too dark."""
    result = ism.compare(pair[0], pair[0] // 2, metrics="bias")["bias"]
    assert result.value < -100
    assert not result.reaches(5)
    assert result.reaches(1e4)
    assert result.better == "zero"
