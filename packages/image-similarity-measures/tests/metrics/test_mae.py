"""MAE is the mean of absolute differences, whatever the type."""

from __future__ import annotations

import numpy as np
import pytest

import image_similarity_measures as ism


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int32", "uint64", "float32"])
def test_it_is_the_mean_of_absolute_differences(dtype, make_pair):
    org, pred = make_pair(40, 30, 3, dtype="int8" if dtype[-1] == "8" else "uint16")
    org, pred = org.astype(dtype), pred.astype(dtype)
    expected = np.abs(pred.astype(float) - org.astype(float)).mean((0, 1))
    np.testing.assert_allclose(ism.mae(org, pred, per_band=True), expected, rtol=1e-12)
    assert ism.mae(org, pred) == pytest.approx(expected.mean(), rel=1e-12)
    assert ism.mae(pred, org) == ism.mae(org, pred) <= ism.rmse(org, pred)
