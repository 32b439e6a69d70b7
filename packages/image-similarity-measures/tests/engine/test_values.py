"""Values outside of the data range, and what looks like fill, never go unsaid."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import image_similarity_measures as ism


def decibels(seed: int) -> np.ndarray:
    """Two bands of radar backscatter in dB, -30 to -2."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(-14, 4, (60, 50, 2)), -30, -2)


@pytest.mark.parametrize("name", ["fsim", "issm"])
def test_what_clips_refuses_data_that_it_would_clip_away(name):
    """0 for all, they gave 1 to unrelated images."""
    with pytest.raises(ism.InputError, match=r"100 % of the original lie below.*data_range=\("):
        getattr(ism, name)(decibels(1), decibels(2), data_range=30)
    bright = decibels(1) + 100
    with pytest.raises(ism.InputError, match=r"100 % of the original lie above"):
        getattr(ism, name)(bright, bright, data_range=30)


@pytest.mark.parametrize("name", ["fsim", "psnr"])
@pytest.mark.parametrize("kind", ["float64", "int16"])
def test_the_declared_range_shifts_negative_data(name, kind):
    """Scores are those of the data moved to begin at zero."""
    org, pred = (np.rint(10 * decibels(seed)).astype(kind) for seed in (1, 2))
    shifted = [(image + 300).astype(kind) for image in (org, pred)]
    value = getattr(ism, name)(org, pred, data_range=(-300, 0))
    assert value == pytest.approx(getattr(ism, name)(*shifted, data_range=300), rel=1e-9)
    assert value < 0.9 or name == "psnr"


def test_int8_has_the_range_of_its_type():
    org, pred = (decibels(seed).astype("int8") for seed in (1, 2))
    both = [(image.astype(int) + 128).astype("uint8") for image in (org, pred)]
    for name in ("fsim", "psnr"):
        assert getattr(ism, name)(org, pred) == pytest.approx(getattr(ism, name)(*both), rel=1e-9)


@pytest.mark.parametrize("name", ["fsim", "issm", "psnr", "ssim"])
@pytest.mark.parametrize("low", [False, True])
def test_values_outside_of_the_range_are_noted_with_their_share(name, low, make_pair):
    org, pred = make_pair(50, 40, 2, dtype="float64")
    org[3, 4, 1] = -0.25 if low else 1.5
    end = "down to -0.25;" if low else "up to 1.5;"
    with pytest.warns(ism.SimilarityWarning, match=rf"0\.0125 % .*outside.* reach {end}") as caught:
        getattr(ism, name)(org, pred, data_range=1.0)
    assert len(caught) == 1
    mask = np.ones(org.shape[:2], bool)
    mask[3, 4] = False
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        getattr(ism, name)(org, pred, data_range=1.0, mask=mask)


def test_a_report_of_all_leaves_out_what_refuses_with_a_note():
    report = ism.compare(decibels(1), decibels(2), data_range=30)
    assert {"fsim", "issm"} & set(report.metrics) == set()
    assert "psnr" in report.metrics
    assert [note for note in report.notes if "fsim is left out: FSIM clips" in note]


FILLS = [-9999, -32768, -3.4028234663852886e38, 1e20, np.float32(9.96921e36)]


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        (dtype, fill)
        for dtype in ("float32", "float64", "int16")
        for fill in FILLS
        if dtype != "int16" or abs(fill) <= 2**15
    ],
)
def test_fill_that_nobody_declared_is_noted_with_its_count(fill, dtype, make_pair):
    org, pred = (image.astype(dtype) for image in make_pair(40, 50, 2))
    org[:3, :5, 0] = fill
    with pytest.warns(
        ism.SimilarityWarning, match="occurs 15 times in the original.*nodata="
    ) as caught:
        ism.rmse(org, pred)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ism.rmse(org, pred, nodata=fill)
        ism.rmse(pred, pred)


def test_values_among_others_are_no_fill():
    """-9999 in the depths of the sea, -32768 in noise over all of int16."""
    depths = np.linspace(-11000, 0, 400).reshape(20, 20)
    depths[3, 3] = -9999
    noise = np.arange(-(2**15), 2**15).astype("int16").reshape(256, 256)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ism.rmse(depths, depths)
        ism.rmse(noise, noise)


def test_a_score_that_rests_on_few_windows_says_so(pair):
    """94 % of the pixels may leave a handful of windows."""
    org, pred = pair
    mask = np.ones(org.shape[:2], bool)
    mask[5::10, 5::10] = False
    report = ism.compare(org, pred, mask=mask, metrics=["rmse", "ssim", "uiq", "sam"])
    assert report.valid_share > 0.98
    assert report["rmse"].share == report["sam"].share == report.valid_share
    windows = {"ssim": 11, "uiq": 8}
    for name, size in windows.items():
        rows, cols = (n - size + 1 for n in mask.shape)
        whole = sum(
            mask[r : r + size, c : c + size].all() for r in range(rows) for c in range(cols)
        )
        assert report[name].share == whole / (rows * cols) < 0.5
        if whole:
            (note,) = [note for note in report.notes if note.startswith(f"{name} rests on")]
            assert f"{whole} of {rows * cols} windows" in note
    assert report.to_dict()["details"]["uiq"]["share"] == report["uiq"].share
    full = ism.compare(org, pred)
    assert {result.share for result in full.results} == {1.0}


@pytest.mark.parametrize("step", [1, 3])
def test_the_share_counts_the_windows_that_a_step_leaves(step, pair):
    report = ism.compare(*pair, metrics="uiq", options=ism.Options(uiq_step=step))
    assert report["uiq"].share == 1


@pytest.mark.parametrize("data_range", [1e200, 1e-200, 1e308])
def test_a_data_range_whose_square_no_float_holds_is_as_good_as_any(data_range, make_pair):
    usual = make_pair(40, 50, 2, dtype="float64")
    org, pred = (image * data_range for image in usual)
    for name in ("ssim", "fsim", "issm"):
        value = getattr(ism, name)(org, pred, data_range=data_range)
        assert value == pytest.approx(getattr(ism, name)(*usual, data_range=1), rel=1e-6), name
    decades = ism.psnr(*usual, data_range=data_range) - ism.psnr(*usual, data_range=1)
    assert decades == pytest.approx(20 * np.log10(data_range), rel=1e-12)


def test_differences_whose_square_no_float_holds_are_noted():
    org = np.full((5, 5), 1e200)
    with pytest.warns(ism.SimilarityWarning, match="differences are too large"):
        assert ism.rmse(org, -org) == np.inf


def test_differences_whose_square_is_too_small_are_no_perfect_match():
    org = np.full((5, 5), 1e-200)
    for name, options in (("rmse", {}), ("psnr", {"data_range": 1.0}), ("ergas", {})):
        with pytest.warns(
            ism.SimilarityWarning, match=f"{name} is nan: the differences are too small"
        ):
            assert np.isnan(getattr(ism, name)(org, -org, **options))
    assert ism.rmse(org, org) == 0


@pytest.mark.parametrize("size", [1e200, 1e-200, 1e-310])
def test_what_does_not_see_the_unit_takes_any(size, make_pair):
    org, pred = make_pair(40, 30, 3, dtype="float64")
    large = org * size, pred * size
    close = {"rel": 1e-4 if size < 1e-300 else 1e-9}
    assert ism.sam(*large) == pytest.approx(ism.sam(org, pred), **close)
    assert ism.mae(*large) / size == pytest.approx(ism.mae(org, pred), **close)
    for name in ("correlation", "scc"):
        with pytest.warns(ism.SimilarityWarning, match="too large or too small"):
            assert np.isnan(getattr(ism, name)(*large))


def test_all_leaves_out_what_the_images_are_too_small_for(pair):
    org, pred = (image[:10, :10] for image in pair)
    report = ism.compare(org, pred, metrics="all")
    assert {"ssim", "issm"} & set(report.metrics) == set()
    assert {"uiq", "fsim", "rmse", "sam"} <= set(report.metrics)
    assert [note for note in report.notes if "ssim is left out" in note and "10 x 10" in note]
    with pytest.raises(ism.InputError, match="SSIM looks at 11 x 11"):
        ism.compare(org, pred, metrics=["all", "ssim"])
