"""The registry: what is promised about each metric."""

from __future__ import annotations

import math

import numpy as np
import pytest

import image_similarity_measures as ism
from image_similarity_measures.metrics import registry


def test_the_order_is_that_of_version_0_3():
    assert list(ism.METRICS) == ["fsim", "issm", "psnr", "rmse", "sam", "sre", "ssim", "uiq"]


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(ism.UsageError, match=r"'snr'.*fsim, issm, psnr, rmse, sam, sre, ssim, uiq"):
        registry.get("snr")


def test_names_may_be_capitals_and_joined_by_commas(pair):
    assert registry.select("PSNR") == ("psnr",)
    assert registry.select("psnr,ssim") == registry.select(["Psnr", " ssim"]) == ("psnr", "ssim")
    assert list(ism.compare(*pair, metrics="PSNR, sam").metrics) == ["psnr", "sam"]


def test_all_and_repeats_select_each_metric_once():
    assert registry.select(["ssim", "all", "ssim"])[0] == "ssim"
    assert sorted(registry.select("all")) == sorted(ism.METRICS)
    with pytest.raises(ism.UsageError, match="no metric"):
        registry.select([])


@pytest.mark.parametrize("name", ism.METRICS)
def test_identical_images_reach_the_ideal_value(name, pair):
    value = getattr(ism, name)(pair[0], pair[0])
    ideal = ism.METRICS[name].ideal
    if name == "issm":
        assert 0.85 < value < ideal
    else:
        assert value == ideal or math.isclose(value, ideal, rel_tol=1e-12)


@pytest.mark.parametrize("name", ism.METRICS)
def test_the_direction_is_right(name, pair):
    """More noise never looks better; ISSM's form does not promise that."""
    if name == "issm":
        pytest.skip("ISSM is not monotonic in noise")
    org = pair[0].astype(float)
    noise = np.random.default_rng(0).normal(size=org.shape)
    needs = {"data_range": 4095} if ism.METRICS[name].needs_range else {}
    scores = [getattr(ism, name)(org, org + s * noise, **needs) for s in (10, 100, 500)]
    assert scores == sorted(scores, reverse=ism.METRICS[name].higher_is_better)


@pytest.mark.parametrize("name", ism.METRICS)
def test_abilities_match_the_functions(name, pair):
    """Those with a map take full=True, the band-wise take per_band=True, the others refuse."""
    metric, function = ism.METRICS[name], getattr(ism, name)
    if metric.has_map:
        _, local = function(*pair, full=True)
        assert local.shape == pair[0].shape[:2]
        assert local.dtype == np.float32
    else:
        with pytest.raises(TypeError):
            function(*pair, full=True)
    if metric.band_wise:
        assert function(*pair, per_band=True).shape == (4,)
    else:
        with pytest.raises(TypeError):
            function(*pair, per_band=True)
