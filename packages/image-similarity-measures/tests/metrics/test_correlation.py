"""Correlation is Pearson's, at any offset."""

from __future__ import annotations

import numpy as np
import pytest

import image_similarity_measures as ism


def numpys(org, pred):
    return [np.corrcoef(org[:, :, b].ravel(), pred[:, :, b].ravel())[0, 1] for b in range(3)]


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32", "float32"])
def test_it_agrees_with_numpy(dtype, make_pair):
    org, pred = make_pair(90, 70, 3, dtype="uint8" if dtype == "uint8" else "uint16")
    org, pred = org.astype(dtype), pred.astype(dtype)
    expected = numpys(org, pred)
    np.testing.assert_allclose(ism.correlation(org, pred, per_band=True), expected, rtol=1e-12)
    mask = np.ones(org.shape[:2], bool)
    mask[3:9, 5:50] = False
    kept = [image[mask][:, None] for image in (org, pred)]
    assert ism.correlation(org, pred, mask=mask) == pytest.approx(np.mean(numpys(*kept)), rel=1e-12)


@pytest.mark.parametrize("offset", [1e6, 1e12])
def test_an_offset_costs_no_digit(offset):
    org, pred = np.random.default_rng(0).integers(0, 255, (2, 300, 80, 3)).astype(float)
    expected = np.mean(numpys(org, pred))
    assert ism.correlation(org + offset, pred) == pytest.approx(expected, abs=1e-9)


def test_flat_bands_correlate_with_flat_ones_only(make_pair):
    org = make_pair(30, 20, 1)[0]
    flat = np.full_like(org, 7)
    assert ism.correlation(flat, flat * 2) == 1
    assert ism.correlation(org, flat) == ism.correlation(flat, org) == 0
