"""The weights that ship: whole, for both levels and resolutions, and as good as their card says."""

from __future__ import annotations

import json

import numpy as np
import pytest

from s2_superres.networks.shipped import SHIPPED, shipped_index
from s2_superres.networks.weights import find_weights, load_weights
from s2_superres.products.sample import sample_path
from s2_superres.training.config import TrainingConfig
from s2_superres.validation.methods import choose_methods
from s2_superres.validation.run import validate
from s2_superres.validation.scenes import read_scene
from s2_superres.validation.settings import Settings

FILES = sorted(shipped_index())


@pytest.mark.parametrize("resolution", [20, 60])
@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_each_level_and_resolution_has_its_weights(level: str, resolution: int) -> None:
    default = find_weights(resolution, level)
    families = {find_weights(resolution, level, f).name for f in ("compact", "dsen2")}
    assert default.name in families
    assert len(families) == 2


@pytest.mark.parametrize("name", FILES)
def test_they_score_what_their_card_says(name: str) -> None:
    """On the product that ships, by Wald's protocol, and far better than interpolation."""
    entry = shipped_index()[name]
    resolution = entry["resolution"]
    methods = choose_methods(resolutions=(resolution,), weights=[str(SHIPPED / name)])
    settings = Settings((resolution,), full_scale=False)
    [comparison] = validate([read_scene(sample_path())], methods, settings).comparisons
    bicubic, ours = (score.overall["rmse"] for score in comparison.scores)
    assert ours == pytest.approx(entry["sample_rmse"], rel=0.005)
    assert ours < 0.4 * bicubic
    told = comparison.scores[1].bars
    # The sample is one place, and its scene was trained on at 20 m.
    assert (told is not None) == entry["default"]
    assert told is None or 0.8 < np.mean(told.coverage) < 0.98


@pytest.mark.parametrize("name", FILES)
def test_their_settings_lie_beside_them(name: str) -> None:
    recipe = json.loads((SHIPPED / name).with_suffix(".json").read_text())
    config = TrainingConfig().change(recipe)
    weights = load_weights(SHIPPED / name)
    assert weights.metadata["recipe"] == recipe
    assert config.spec == weights.spec
