"""SCC is the correlation of what a Laplacian leaves."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import convolve2d

import image_similarity_measures as ism

LAPLACIAN = np.array([[-1, -1, -1], [-1, 8, -1], [-1, -1, -1]])


def naive(org, pred, used=None):
    values = []
    for band in range(org.shape[2]):
        x, y = (
            convolve2d(image[:, :, band].astype(float), LAPLACIAN, mode="valid")
            for image in (org, pred)
        )
        used = np.ones(x.shape, bool) if used is None else used
        values.append(np.corrcoef(x[used], y[used])[0, 1])
    return values


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_it_correlates_the_details(dtype, make_pair):
    org, pred = make_pair(150, 90, 3, dtype=dtype)
    expected = naive(org, pred)
    np.testing.assert_allclose(ism.scc(org, pred, per_band=True), expected, rtol=1e-9)
    assert ism.scc(org, pred) == pytest.approx(np.mean(expected), rel=1e-9)


def test_windows_that_touch_an_invalid_pixel_are_left_out(make_pair):
    org, pred = make_pair(40, 50, 2)
    mask = np.ones((40, 50), bool)
    mask[::9, 7] = mask[20, 11] = False
    spoilt = org.copy()
    spoilt[~mask] = 65535
    used = np.lib.stride_tricks.sliding_window_view(mask, (3, 3)).all(axis=(2, 3))
    report = ism.compare(spoilt, pred, mask=mask, metrics="scc")
    assert report["scc"].value == pytest.approx(np.mean(naive(org, pred, used)), rel=1e-9)
    assert report["scc"].share == used.mean()


def test_it_is_blind_to_brightness_and_slopes(make_pair):
    org = make_pair(40, 50, 2, dtype="float64")[0]
    slope = np.linspace(0, 9, 50)[None, :, None]
    assert ism.scc(org, 3 * org + 1e6 + slope) == pytest.approx(1, abs=1e-7)


def test_a_high_pass_by_windows_as_sewar_has_it_is_another_number(make_pair):
    """It averages the coefficients of 8 x 8 windows, edges of the image included."""
    sewar = pytest.importorskip("sewar.full_ref")
    org, pred = make_pair(64, 64, 2, dtype="float64")
    assert ism.scc(org, pred) != pytest.approx(sewar.scc(org, pred), abs=1e-3)
