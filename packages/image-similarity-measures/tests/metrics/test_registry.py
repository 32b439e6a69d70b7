"""The registry: what is promised about each metric."""

from __future__ import annotations

import importlib
import inspect
import math

import numpy as np
import pytest

import image_similarity_measures as ism
from image_similarity_measures import metrics as registry

# Most images here are beyond the data range, or hold fill, on purpose.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(outside of the data range|stands for no data|values reach)"
)


def test_the_metrics_are_the_modules_of_the_folder():
    assert list(ism.METRICS) == sorted(ism.METRICS)
    assert {"ergas", "fsim", "issm", "psnr", "rmse", "sam", "sre", "ssim", "uiq"} <= set(
        ism.METRICS
    )
    for name, metric in ism.METRICS.items():
        assert metric.name == name
        assert metric is importlib.import_module(f"image_similarity_measures.metrics.{name}").METRIC
        assert getattr(ism, name).__name__ == name
        assert name in dir(ism)
    assert "snr" not in ism.METRICS
    assert len(ism.METRICS) == len(list(ism.METRICS))


def test_an_unknown_name_is_answered_with_the_names_there_are():
    with pytest.raises(ism.UsageError, match=r"'snr'.*fsim, issm, .*sre, ssim, uiq"):
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
    # Ever larger and ever brighter: what bias looks at grows as well.
    noisy = [org + s * noise + s / 10 for s in (10, 100, 500)]
    scores = [getattr(ism, name)(org, image, **needs) for image in noisy]
    metric = ism.METRICS[name]
    if metric.better == "zero":
        scores = [abs(score) for score in scores]
    assert scores == sorted(scores, reverse=metric.higher_is_better)
    assert metric.reaches(scores[0], scores[1])
    assert not metric.reaches(scores[1], scores[0])
    assert not metric.reaches(math.nan, scores[1])


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


@pytest.mark.parametrize("name", ism.METRICS)
def test_what_a_metric_says_of_itself_is_complete(name):
    """Documentation, tables and options are made of it."""
    metric, function = ism.METRICS[name], getattr(ism, name)
    assert metric.title
    assert metric.summary
    assert metric.blind
    assert metric.values
    assert metric.source
    parameters = inspect.signature(function).parameters
    assert list(parameters)[:2] == ["org_img", "pred_img"]
    assert {"mask", "nodata", "axis"} <= set(parameters)
    assert ("data_range" in parameters) == (metric.needs_range or name == "rmse")
    assert ("per_band" in parameters) == metric.band_wise
    assert ("full" in parameters) == metric.has_map
    settings = {} if metric.settings is None else dict(vars(metric.settings)["__annotations__"])
    for setting in settings:
        assert parameters[setting].default == getattr(metric.settings(), setting)
    for section in ("Parameters", "Returns", "Raises", "Notes"):
        assert f"{section}\n" in inspect.getdoc(function)


class TestOptions:
    """One value holds the variants of all metrics."""

    def test_each_is_named_after_its_metric(self):
        options = ism.Options(ssim_window="uniform", normalized=True, data_range=7)
        assert (options.ssim_window, options.rmse_normalized, options.normalized) == (
            "uniform", True, True,
        )  # fmt: skip
        assert options.uiq_window_size == 8
        assert options.with_data_range(9).data_range == 9
        assert options.with_data_range(9).ssim_window == "uniform"
        assert options.with_data_range(7) == options
        assert hash(options.with_data_range(7)) == hash(options)
        assert options != ism.Options()
        assert eval(repr(options), {"Options": ism.Options}) == options

    def test_one_that_does_not_exist_is_answered_with_those_there_are(self):
        with pytest.raises(ism.UsageError, match=r"'ssim_windows'.*ssim_window, uiq_window_size"):
            ism.Options(ssim_windows="uniform")
        with pytest.raises(AttributeError):
            getattr(ism.Options(), "colour")  # noqa: B009
        with pytest.raises(ism.UsageError, match="gaussian, uniform"):
            ism.Options(ssim_window="hann")
