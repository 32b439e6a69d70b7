"""SSIM and UIQ against scikit-image and against loops over every window."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

import image_similarity_measures as ism
from image_similarity_measures.metrics.ssim import StructuralSimilarity

# Most images here are beyond the data range, or hold fill, on purpose.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(outside of the data range|stands for no data|values reach)"
)


def skimage_ssim(org, pred, data_range, window):
    """scikit-image in float64, per band, with the map cropped to complete windows."""
    gauss = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    maps = [
        structural_similarity(
            org[:, :, band].astype(float),
            pred[:, :, band].astype(float),
            data_range=data_range,
            full=True,
            **(gauss if window == "gaussian" else {"win_size": 7}),
        )[1]
        for band in range(org.shape[2])
    ]
    margin = 5 if window == "gaussian" else 3
    return np.stack(maps, 2)[margin:-margin, margin:-margin], margin


@pytest.mark.parametrize("window", ["gaussian", "uniform"])
@pytest.mark.parametrize("bands", [1, 3, 4, 9])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32", "float64"])
def test_ssim_and_its_map_agree_with_scikit_image(window, bands, dtype, make_pair):
    org, pred = make_pair(150, 171, bands, dtype=dtype)
    data_range = {"uint8": 255, "uint16": 4095}.get(dtype, 1.0)
    expected, margin = skimage_ssim(org, pred, data_range, window)
    scores, local = ism.ssim(
        org, pred, data_range=data_range, window=window, per_band=True, full=True
    )
    np.testing.assert_allclose(scores, expected.mean((0, 1)), rtol=1e-7)
    np.testing.assert_allclose(local[margin:-margin, margin:-margin], expected, atol=1e-4)
    assert np.isnan(local).sum() == local.size - expected.size


@pytest.mark.parametrize("offset", [0, 60_000])
@pytest.mark.parametrize("data_range", [10, 255, 65535])
def test_ssim_keeps_its_digits_far_from_zero(offset, data_range, make_pair):
    """Large values of little variance are where float32 moments would fail."""
    org, pred = make_pair(80, 150, 2)
    org, pred = offset + org / 200.0, offset + pred / 200.0
    expected, _ = skimage_ssim(org, pred, data_range, "gaussian")
    assert ism.ssim(org, pred, data_range=data_range) == pytest.approx(expected.mean(), abs=1e-6)


def test_ssim_of_flat_fields_with_a_step_keeps_its_digits():
    """Tiles half dark and half bright have no mean close to their pixels."""
    org = np.zeros((140, 260, 1), "uint16")
    org[:, 100:] = 60_000
    pred = org + np.random.default_rng(0).integers(0, 30, org.shape).astype("uint16")
    expected, margin = skimage_ssim(org, pred, 255, "gaussian")
    value, local = ism.ssim(org, pred, data_range=255, full=True)
    assert value == pytest.approx(expected.mean(), abs=1e-7)
    inside = local[margin:-margin, margin:-margin]
    np.testing.assert_allclose(inside, expected[:, :, 0], atol=1e-4)


def test_both_precisions_of_ssim_agree(monkeypatch, make_pair):
    images = make_pair(130, 140, 4)
    scores = []
    for trusted in (True, False):
        monkeypatch.setattr(StructuralSimilarity, "_trusted", lambda *_, t=trusted: t)
        scores.append(ism.ssim(*images))
    assert scores[0] != scores[1]
    assert scores[0] == pytest.approx(scores[1], abs=1e-7)


def naive_uiq(org, pred, size, step=1, valid=None):
    """The index of every window, by its definition."""
    rows, cols, bands = org.shape
    values = []
    for row, col in itertools.product(
        range(0, rows - size + 1, step), range(0, cols - size + 1, step)
    ):
        if valid is not None and not valid[row : row + size, col : col + size].all():
            continue
        for band in range(bands):
            x, y = (i[row : row + size, col : col + size, band].astype(float) for i in (org, pred))
            mx, my = x.mean(), y.mean()
            vx, vy = np.var(x), np.var(y)
            covariance = ((x - mx) * (y - my)).mean()
            luminance = 2 * mx * my / (mx**2 + my**2) if mx or my else 1.0
            flat = np.ptp(x) == 0 and np.ptp(y) == 0
            values.append(luminance * (1 if flat else 2 * covariance / (vx + vy)))
    return np.mean(values)


@pytest.mark.parametrize("largest", [4095, 4096, 65535])
def test_uiq_loses_no_digit_of_large_integers(largest, make_pair):
    """Around the values where sums outgrow 32 bits, integers score as the same floats do."""
    org, pred = make_pair(40, 30, 2, dtype="uint16")
    org[5:20], pred[5:20] = largest, largest - (pred[5:20] & 1)
    floats = org.astype(np.float64), pred.astype(np.float64)
    assert ism.uiq(org, pred) == pytest.approx(ism.uiq(*floats), rel=1e-12)
    assert ism.uiq(org, pred) == pytest.approx(naive_uiq(org, pred, 8), rel=1e-9)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(("size", "step"), [(8, 1), (8, 3), (5, 1), (1, 1), (11, 4)])
def test_uiq_agrees_with_a_loop_over_windows(dtype, size, step, make_pair):
    org, pred = make_pair(23, 26, 2, dtype=dtype)
    org[3:18, 4:16, 0] = org[0, 0, 0]
    pred[3:15, 2:16, 0] = pred[0, 0, 0]
    value = ism.uiq(org, pred, window_size=size, step=step)
    assert value == pytest.approx(naive_uiq(org, pred, size, step), rel=1e-10)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int16", "float32", "float64"])
@pytest.mark.parametrize(("a", "b"), [(0, 0), (7, 7), (3, 9), (0, 5), (0.1, 0.1), (0.1, 0.3)])
def test_uiq_of_flat_images_is_their_luminance_factor(dtype, a, b):
    """Also where rounding makes the variance of 64 equal values differ from zero."""
    org, pred = np.full((30, 40), a, dtype), np.full((30, 40), b, dtype)
    x, y = float(org[0, 0]), float(pred[0, 0])
    expected = 2 * x * y / (x * x + y * y) if x or y else 1.0
    assert ism.uiq(org, pred) == pytest.approx(expected, rel=1e-12)


def test_uiq_of_windows_with_zero_mean_keeps_their_structure():
    org = np.tile(np.array([[1, -1], [-1, 1]], "int16"), (10, 10))
    assert ism.uiq(org, org) == 1
    assert ism.uiq(org, -org) == -1


def test_one_huge_value_spoils_only_its_own_windows(make_pair):
    """Running sums of floating point would carry its rounding along."""
    org, pred = make_pair(60, 70, 1, dtype="float64")
    org[5, 5] = 1e20
    _, local = ism.uiq(org, pred, full=True)
    _, clean = ism.uiq(org[20:], pred[20:], full=True)
    np.testing.assert_allclose(local[30:], clean[10:], rtol=1e-6)


def test_the_map_of_uiq_holds_each_window_at_its_middle(make_pair):
    org, pred = make_pair(30, 33, 3)
    value, local = ism.uiq(org, pred, full=True)
    assert np.argwhere(np.isfinite(local)).min() == 3
    assert np.nanmean(local.astype(float)) == pytest.approx(value, rel=1e-6)
    assert local[3 + 10, 3 + 5] == pytest.approx(
        ism.uiq(org[10:18, 5:13], pred[10:18, 5:13]), rel=1e-6
    )
    _, steps = ism.uiq(org, pred, step=4, full=True)
    assert np.array_equal(
        np.argwhere(np.isfinite(steps)) % 4, np.argwhere(np.isfinite(steps)) * 0 + 3
    )


@given(st.integers(0, 2**32), st.sampled_from(["gaussian", "uniform", "uiq"]))
def test_windows_that_touch_a_masked_pixel_are_dropped(seed, what):
    rng = np.random.default_rng(seed)
    org = rng.integers(0, 4000, (40, 37, 2)).astype("uint16")
    pred = (org // 2 + rng.integers(0, 1500, org.shape)).astype("uint16")
    mask = np.ones(org.shape[:2], bool)
    mask[rng.integers(0, 40, 3), rng.integers(0, 37, 3)] = False
    spoilt = org.copy()
    spoilt[~mask] = 65535
    if what == "uiq":
        size, before = 8, 3
        value, local = ism.uiq(spoilt, pred, mask=mask, full=True)
        _, clean = ism.uiq(org, pred, full=True)
        assert value == pytest.approx(naive_uiq(org, pred, 8, valid=mask), rel=1e-10)
    else:
        size = 11 if what == "gaussian" else 7
        before = size // 2
        value, local = ism.ssim(spoilt, pred, data_range=4095, mask=mask, window=what, full=True)
        _, clean = ism.ssim(org, pred, window=what, full=True)
    whole = np.zeros(mask.shape, bool)
    for row, col in itertools.product(range(40 - size + 1), range(37 - size + 1)):
        whole[row + before, col + before] = mask[row : row + size, col : col + size].all()
    assert np.array_equal(np.isfinite(local), whole)
    np.testing.assert_allclose(local[whole], clean[whole], atol=1e-5)
    assert value == pytest.approx(clean[whole].mean(), abs=1e-5)


@given(st.integers(0, 2**32), st.sampled_from(["uint8", "uint16", "float32"]))
def test_range_symmetry_identity_and_bands(seed, dtype):
    rng = np.random.default_rng(seed)
    org, pred = (rng.integers(0, 255, (24, 21, 3)).astype(dtype) for _ in range(2))
    for metric in (lambda a, b, **k: ism.ssim(a, b, data_range=255, **k), ism.uiq):
        value = metric(org, pred)
        assert -1 <= value <= 1
        assert metric(pred, org) == pytest.approx(value, abs=1e-6)
        assert metric(org, org) == pytest.approx(1, abs=1e-12)
        turned = np.asarray(metric(org[:, :, ::-1], pred[:, :, ::-1], per_band=True))
        np.testing.assert_allclose(turned[::-1], metric(org, pred, per_band=True), atol=1e-7)


def test_published_values_of_the_example_pairs(example):
    name, images = example
    ssim, uiq = {"lafayette": (0.7651, 0.440), "singapore": (0.6492, 0.4607)}[name]
    assert ism.ssim(*images, data_range=4095) == pytest.approx(ssim, abs=5e-5)
    assert ism.uiq(*images) == pytest.approx(uiq, abs=5e-4)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("exponent", [-30, -12, -10, 10, 18, 30])
@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_ssim_does_not_see_the_unit(exponent, window, dtype, make_pair):
    """Also where float32 could not hold the powers of the values."""
    org, pred = (image.astype(dtype) for image in make_pair(60, 50, 2, dtype="float64"))
    unit = np.dtype(dtype).type(10.0**exponent)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        value = ism.ssim(org * unit, pred * unit, data_range=float(unit), window=window)
    assert value == pytest.approx(ism.ssim(org, pred, data_range=1, window=window), abs=1e-6)


@pytest.mark.parametrize("outlier", [1e15, 1e25, 1e38])
def test_a_value_far_beyond_the_data_range_spoils_only_its_own_windows_of_ssim(outlier, make_pair):
    org, pred = make_pair(60, 70, 1, dtype="float32")
    spoilt = org.copy()
    spoilt[5, 5] = outlier
    _, clean = ism.ssim(org, pred, data_range=1, full=True)
    with pytest.warns(ism.SimilarityWarning, match="outside of the data range") as caught:
        _, local = ism.ssim(spoilt, pred, data_range=1, full=True)
    assert len(caught) == 1
    np.testing.assert_allclose(local[11:], clean[11:], atol=1e-4)
    np.testing.assert_allclose(local[5:11, 5:11], 0, atol=1e-4)


@pytest.mark.parametrize("offset", [1e3, 1e5, 1e7, 1e9])
@pytest.mark.parametrize("dtype", ["int32", "float32", "float64"])
def test_uiq_keeps_its_digits_where_the_mean_is_large_against_the_variation(offset, dtype):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 300, (40, 36, 2))
    org = (offset + noise).astype(dtype)
    pred = (offset + noise + rng.normal(0, 150, noise.shape)).astype(dtype)
    assert ism.uiq(org, pred) == pytest.approx(naive_uiq(org, pred, 8), abs=1e-7)
    assert ism.uiq(org, org) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("masked", [False, True])
def test_uiq_keeps_its_digits_beside_a_high_step(masked):
    """No one value is close to all pixels of such a tile, valid or not."""
    rng = np.random.default_rng(3)
    org = 1e9 + rng.normal(size=(40, 44, 2))
    org[:, 20:] -= 1e9
    pred = org + 0.5 * rng.normal(size=org.shape)
    org[:9, :9] = pred[:9, :9] = 1e9
    mask = np.ones(org.shape[:2], bool)
    if masked:
        mask[12, 30] = mask[30, 12] = False
    value, local = ism.uiq(org, pred, mask=mask, full=True)
    assert value == pytest.approx(naive_uiq(org, pred, 8, valid=mask), abs=1e-7)
    assert local[3, 3] == 1


def direct(org, pred, data_range=None, window="gaussian"):
    """SSIM, or UIQ without a data range, of every window: two passes in the widest float there is.

    Returns the map of complete windows.
    """
    size = 8 if data_range is None else {"gaussian": 11, "uniform": 7}[window]
    line = np.ones(size, np.longdouble)
    if data_range is not None and window == "gaussian":
        line = np.exp(-0.5 * ((np.arange(size, dtype=np.longdouble) - 5) / 1.5) ** 2)
    weights = np.outer(line, line) / line.sum() ** 2
    x, y = (
        np.lib.stride_tricks.sliding_window_view(i.astype(np.longdouble), (size, size), axis=(0, 1))
        for i in (org, pred)
    )
    unbiased = size**2 / (size**2 - 1) if window == "uniform" else 1

    def mean(values):
        return (values * weights).sum(axis=(-1, -2))

    # From one of their pixels on: at 2^62 a mean has no digits left after the point.
    first_x, first_y = x[..., :1, :1], y[..., :1, :1]
    dx, dy = x - first_x, y - first_y
    mx, my = mean(dx), mean(dy)
    dx, dy = dx - mx[..., None, None], dy - my[..., None, None]
    mx, my = mx + first_x[..., 0, 0], my + first_y[..., 0, 0]
    # What rounding leaves of windows that are flat is no variance.
    flat = (np.ptp(x, axis=(-1, -2)) == 0) & (np.ptp(y, axis=(-1, -2)) == 0)
    spread = np.where(flat, 0, unbiased * (mean(dx * dx) + mean(dy * dy)))
    covariance = np.where(flat, 0, unbiased * mean(dx * dy))
    k1, k2 = ((np.longdouble(k) * (data_range or 0)) ** 2 for k in (0.01, 0.03))

    def ratio(a, b):
        return np.divide(a, b, out=np.ones_like(b), where=b > 0)

    luminance = ratio(2 * mx * my + k1, mx * mx + my * my + k1)
    return luminance * ratio(2 * covariance + k2, spread + k2)


FILLS = [-9999.0, 1e8, 1e15, 1e20, -3.4028234663852886e38, 9.969209968386869e36, 1.7e308, -1e200]


@given(
    st.integers(0, 2**32),
    st.sampled_from(FILLS),
    st.sampled_from(["margin", "half", "scattered", "stripes", "one image"]),
    st.sampled_from(["gaussian", "uniform", "uiq"]),
    st.sampled_from([1.0, 255.0, 10000.0]),
)
def test_values_of_another_magnitude_cost_no_digit_elsewhere(seed, fill, where, what, data_range):
    """What fills a margin undeclared, say: every window is the one that a direct sum gives."""
    rng = np.random.default_rng(seed)
    org, pred = rng.uniform(0, data_range, (2, 60, 52, 2))
    marks = np.zeros((60, 52), bool)
    marks[:, :20] = where == "margin"
    marks[:30] = where == "half"
    marks[::20] = where == "stripes"
    if where in ("scattered", "one image"):
        marks[rng.integers(0, 60, 4), rng.integers(0, 52, 4)] = True
    org[marks] = fill
    if where != "one image":
        pred[marks] = fill
    if what == "uiq":
        value, local = ism.uiq(org, pred, full=True, per_band=True)
        expected = direct(org, pred)
    else:
        value, local = ism.ssim(
            org, pred, data_range=data_range, window=what, full=True, per_band=True
        )
        expected = direct(org, pred, data_range, what)
    inside = local[np.isfinite(local).all(axis=2)].reshape(expected.shape)
    assert np.abs(inside).max() <= 1
    np.testing.assert_allclose(inside, expected.astype(float), atol=1e-4)
    np.testing.assert_allclose(value, expected.mean(axis=(0, 1)).astype(float), atol=1e-6)


@pytest.mark.parametrize("offset", [1e6, 1e9, 1e12, -1e12, 1e15])
@pytest.mark.parametrize("window", ["gaussian", "uniform"])
def test_ssim_keeps_its_digits_at_any_offset(offset, window):
    rng = np.random.default_rng(5)
    org, pred = offset + rng.uniform(0, 255, (2, 50, 43, 2))
    expected = direct(org, pred, 255, window).mean()
    assert ism.ssim(org, pred, data_range=255, window=window) == pytest.approx(
        float(expected), abs=1e-6
    )


def test_each_image_may_have_an_offset_of_its_own():
    rng = np.random.default_rng(5)
    org = rng.uniform(0, 255, (40, 43, 1))
    for pred in (org + 1e10, 1e10 - org):
        expected = direct(org, pred, 255)
        _, local = ism.ssim(org, pred, data_range=255, full=True)
        np.testing.assert_allclose(local[5:-5, 5:-5], expected[:, :, 0].astype(float), atol=1e-7)


@pytest.mark.parametrize("dtype", ["int64", "uint64"])
def test_integers_that_float64_cannot_tell_apart_keep_their_differences(dtype):
    """Above 2^53: for the errors, and for what windows vary by."""
    rng = np.random.default_rng(5)
    small = rng.integers(0, 255, (2, 40, 30, 2))
    org, pred = (np.array(2**62 + 2**30, dtype) + image.astype(dtype) for image in small)
    assert ism.rmse(org, pred) == pytest.approx(ism.rmse(*small), rel=1e-12)
    assert ism.rmse(pred, org) == pytest.approx(ism.rmse(*small), rel=1e-12)
    assert ism.psnr(org, pred, data_range=255) == pytest.approx(
        ism.psnr(*small, data_range=255), rel=1e-12
    )
    for value, expected in (
        (ism.ssim(org, pred, data_range=255), direct(org, pred, 255)),
        (ism.uiq(org, pred), direct(org, pred)),
    ):
        assert value == pytest.approx(float(expected.mean()), abs=1e-6)


def test_integers_without_a_common_type_are_noted_where_rounding_loses_some():
    org = np.full((20, 20), 2**60)
    pred = org.astype("uint64") + np.uint64(3)
    with pytest.warns(ism.SimilarityWarning, match=r"int64 and uint64 and .* 2\^53"):
        ism.rmse(org, pred)
    assert ism.rmse(org // 2**8, pred // 2**8) == 0


def test_values_whose_powers_no_float_holds_score_as_others_do(make_pair):
    org, pred = make_pair(40, 30, 2, dtype="float64")
    large = org * 1e200, pred * 1e200
    assert ism.uiq(*large) == pytest.approx(ism.uiq(org, pred), abs=1e-9)
    assert ism.ssim(*large, data_range=1e200) == pytest.approx(
        ism.ssim(org, pred, data_range=1), abs=1e-6
    )
    expected = direct(*large, 1).mean()
    assert ism.ssim(*large, data_range=1) == pytest.approx(float(expected), abs=1e-7)
