"""RMSE, PSNR, SRE and SAM against their definitions, pixel by pixel."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures.arrays import ArrayPair
from image_similarity_measures.engine.pixels import ErrorSums
from image_similarity_measures.engine.tiles import Span, Tile
from image_similarity_measures.metrics.sam import AngleSum

SHAPES = st.tuples(st.integers(1, 12), st.integers(1, 12), st.integers(2, 6))


@st.composite
def pairs(draw, dtype=None):
    kind = dtype or draw(st.sampled_from(["uint8", "uint16", "int16", "int32", "float64"]))
    kind = np.dtype(kind)
    if kind.kind == "f":
        values = st.floats(-1e4, 1e4, width=32, allow_subnormal=False)
    else:
        info = np.iinfo(kind)
        values = st.integers(max(info.min, -(2**20)), min(info.max, 2**20))
    shape = draw(SHAPES)
    return tuple(draw(hnp.arrays(kind, shape, elements=values)) for _ in range(2))


@given(pairs())
def test_errors_follow_their_definitions_for_every_type(images):
    """Differences never wrap, whatever the integer."""
    org, pred = (image.astype(np.longdouble) for image in images)
    mse = ((org - pred) ** 2).mean(axis=(0, 1))
    close = {"rtol": 1e-12, "atol": 1e-12}
    np.testing.assert_allclose(
        ism.rmse(*images, per_band=True), np.sqrt(mse).astype(float), **close
    )
    assert ism.rmse(*images) == pytest.approx(float(np.sqrt(mse).mean()), rel=1e-12)
    psnr = ism.psnr(*images, data_range=1000)
    if mse.any():
        assert psnr == pytest.approx(float(10 * np.log10(1e6 / mse.mean())), rel=1e-11)
    else:
        assert psnr == math.inf


def test_sre_is_relative_to_the_squared_mean_and_averaged_in_decibels(pair):
    org, pred = (image.astype(float) for image in pair)
    per_band = 10 * np.log10(org.mean((0, 1)) ** 2 / ((pred - org) ** 2).mean((0, 1)))
    np.testing.assert_allclose(ism.sre(*pair, per_band=True), per_band, rtol=1e-12)
    assert ism.sre(*pair) == pytest.approx(per_band.mean(), rel=1e-12)


def test_sre_supreme_is_relative_to_the_energy(pair):
    org, pred = (image.astype(float) for image in pair)
    expected = 10 * np.log10((org**2).sum((0, 1)) / ((pred - org) ** 2).sum((0, 1)))
    assert ism.sre(*pair, variant="supreme") == pytest.approx(expected.mean(), rel=1e-12)


def test_sre_does_not_drift_with_size(pair):
    """0.3's did: its norm was not squared."""
    twice = [np.tile(image, (2, 2, 1)) for image in pair]
    assert ism.sre(*twice) == pytest.approx(ism.sre(*pair), rel=1e-12)


def test_without_error_the_ratios_are_infinite():
    image = np.zeros((3, 3, 2), "uint8")
    assert ism.psnr(image, image) == math.inf
    assert ism.sre(image, image) == math.inf
    assert ism.sre(image, image + np.uint8(1)) == -math.inf


def test_infinite_ratios_of_both_signs_have_no_mean():
    """A band without error beside one whose original has mean 0: something is left, but no mean."""
    org = np.zeros((8, 8, 2))
    org[::2, :, 1], org[1::2, :, 1] = 1, -1
    pred = org + np.array([0, 1])
    with pytest.warns(ism.SimilarityWarning, match="inf in one band and -inf") as caught:
        assert np.isnan(ism.sre(org, pred))
    assert [warning.category for warning in caught] == [ism.SimilarityWarning]
    with pytest.warns(ism.SimilarityWarning):
        assert ism.sre(org, pred, per_band=True).tolist() == [np.inf, -np.inf]


def test_normalised_rmse_is_relative_to_the_range(pair):
    assert ism.rmse(*pair, normalized=True) == pytest.approx(ism.rmse(*pair) / 4095)
    assert ism.rmse(*pair, normalized=True, data_range=10) == pytest.approx(ism.rmse(*pair) / 10)


def naive_sam(org, pred):
    angles = []
    for x, y in zip(org.reshape(-1, org.shape[2]), pred.reshape(-1, org.shape[2]), strict=True):
        x, y = [float(v) for v in x], [float(v) for v in y]
        if any(x) and any(y):
            cosine = sum(a * b for a, b in zip(x, y, strict=True)) / math.hypot(*x) / math.hypot(*y)
            angles.append(math.acos(max(-1, min(1, cosine))))
    return math.degrees(sum(angles) / len(angles)) if angles else math.nan


@pytest.mark.filterwarnings("ignore:no valid pixel")
@given(pairs())
def test_sam_is_the_mean_arc_cosine_of_spectra_that_are_not_zero(images):
    expected = naive_sam(*images)
    assert ism.sam(*images) == pytest.approx(expected, abs=2e-6, nan_ok=True)
    radians = ism.sam(*images, degrees=False)
    assert math.degrees(radians) == pytest.approx(ism.sam(*images), rel=1e-12, nan_ok=True)


def test_sam_agrees_with_sewar(pair):
    sewar = pytest.importorskip("sewar.full_ref")
    org, pred = (image.astype(float) + 1 for image in pair)
    assert ism.sam(org, pred) == pytest.approx(math.degrees(sewar.sam(org, pred)), rel=1e-9)


@given(pairs("uint16"), st.integers(2, 9))
def test_sam_is_blind_to_brightness(images, factor):
    """To the last digits, where an arc cosine would leave 1e-6 degrees."""
    org = images[0] // 16 + 1
    assert ism.sam(org, org * np.uint16(factor)) < 1e-13


@given(pairs("uint16"), st.sampled_from([255, 4095, 65535]), st.integers(0, 3))
def test_sam_has_every_digit_of_angles_between_integers(images, top, difference):
    """However small: the sine's square is a ratio of integers, exact in Python's arithmetic."""
    org = np.maximum(images[0] % top, 5).astype(np.uint16)
    pred = (org - images[1] % (difference + 1)).astype(np.uint16)
    exact = []
    for x, y in zip(org.reshape(-1, org.shape[2]), pred.reshape(-1, org.shape[2]), strict=True):
        product = sum(int(a) * int(b) for a, b in zip(x, y, strict=True))
        whole = sum(int(a) ** 2 for a in x) * sum(int(b) ** 2 for b in y)
        exact.append(math.atan2(math.sqrt(whole - product**2), product))
    expected = math.degrees(math.fsum(exact) / len(exact))
    assert ism.sam(org, pred) == pytest.approx(expected, rel=1e-9, abs=1e-13)


def test_sam_spans_half_a_turn():
    org = np.array([[[1.0, 0.0]]])
    for pred, angle in (([1, 1], 45), ([0, 2], 90), ([-1, 1], 135), ([-3, 0], 180)):
        assert ism.sam(org, np.array([[pred]], float)) == pytest.approx(angle, rel=1e-14)


def test_the_map_of_sam_holds_the_angle_of_each_pixel(pair):
    org, pred = pair[0].copy(), pair[1]
    org[7, 9] = 0
    value, local = ism.sam(org, pred, full=True)
    assert np.isnan(local[7, 9])
    assert np.isnan(local).sum() == 1
    assert np.nanmean(local.astype(float)) == pytest.approx(value, rel=1e-6)
    assert local[3, 4] == pytest.approx(ism.sam(org[3:4, 4:5], pred[3:4, 4:5]), rel=1e-6)


@given(pairs(), st.data())
def test_a_mask_equals_deletion(images, data):
    org, pred = images
    mask = data.draw(hnp.arrays(bool, org.shape[:2]))
    if not mask.any():
        mask[0, 0] = True
    kept = org[mask][:, np.newaxis], pred[mask][:, np.newaxis]
    for metric in (ism.rmse, lambda a, b, **k: ism.psnr(a, b, data_range=99, **k)):
        assert metric(org, pred, mask=mask) == pytest.approx(metric(*kept), rel=1e-12, abs=1e-12)


@given(pairs("uint16"), st.randoms())
def test_any_partition_and_merge_order_give_the_whole(images, random):
    org, pred = images
    rows, cols, bands = org.shape
    whole = Tile(
        ArrayPair(org, pred).read(slice(0, rows), slice(0, cols)),
        0, 0, Span(0, rows), Span(0, cols), (rows, cols),
    )  # fmt: skip
    for empty, results in (
        (
            ErrorSums(bands, with_signal=True, with_power=True),
            lambda a: [*a.rmse(), *a.signal, *a.power],
        ),
        (AngleSum(), lambda a: [a.total, a.count]),
    ):
        once = empty.fresh()
        once.update(whole)
        parts = []
        for tile in whole.split(random.randint(1, rows), random.randint(1, cols)):
            parts.append(empty.fresh())
            parts[-1].update(tile)
        random.shuffle(parts)
        merged = empty.fresh()
        for part in parts:
            merged.merge(part)
        np.testing.assert_allclose(results(merged), results(once), rtol=1e-12, atol=1e-12)


@given(pairs())
def test_bands_may_change_places(images):
    turned = [image[:, :, ::-1] for image in images]
    assert ism.rmse(*turned) == pytest.approx(ism.rmse(*images), rel=1e-12)
    np.testing.assert_allclose(
        ism.rmse(*turned, per_band=True), ism.rmse(*images, per_band=True)[::-1], rtol=1e-12
    )


def test_published_values_of_the_example_pairs(example):
    name, images = example
    expected = {
        "lafayette": {"sam": 0.6198, "sre": 20.88, "supreme": 21.16, "psnr": 30.03},
        "singapore": {"sam": 0.5444, "sre": 18.01, "supreme": 19.39, "psnr": 23.88},
    }[name]
    assert ism.sam(*images) == pytest.approx(expected["sam"], abs=5e-5)
    assert ism.sre(*images) == pytest.approx(expected["sre"], abs=5e-3)
    assert ism.sre(*images, variant="supreme") == pytest.approx(expected["supreme"], abs=5e-3)
    assert ism.psnr(*images, data_range=4095) == pytest.approx(expected["psnr"], abs=5e-3)
    if name == "singapore":
        nrmse = ism.rmse(*images, normalized=True, data_range=4095)
        assert nrmse == pytest.approx(0.06367, abs=5e-6)
