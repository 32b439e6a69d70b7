"""What a run starts from, and that it ends with nothing worse."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import Weights, find_weights, load_weights
from s2_superres.patches.cutting import cut_patches
from s2_superres.patches.patchset import PatchSettings
from s2_superres.training.config import TrainingConfig, read_config
from s2_superres.training.presets import PRESETS
from s2_superres.training.run import train
from s2_superres.training.start import shaped


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patches of one scene, a part of which is held out."""
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    base = rng.uniform(500, 4000, (48, 20)).repeat(4, axis=0).repeat(4, axis=1)
    b10 = np.rint(np.stack([base * k for k in (1.0, 0.8, 0.6, 1.4)])).astype(np.uint16)
    b20 = np.stack([b10[0, ::2, ::2] * k for k in (0.5, 0.7, 0.9, 1.1, 1.3, 1.5)])
    np.savez(folder / "L2A_hill.npz", b10=b10, b20=np.rint(b20).astype(np.uint16))
    cut_patches([folder / "L2A_hill.npz"], folder / "patches", PatchSettings(20, 16, 12))
    return folder / "patches"


def adapted(data: Path, **changes: object) -> TrainingConfig:
    few = {"data": (str(data),), "batch": 1, "precision": "float32", "validation_patches": 2}
    return TrainingConfig().change({**PRESETS["adapt"], **few, **changes})


def test_the_network_is_that_of_the_weights(data: Path, tmp_path: Path) -> None:
    """The weights that ship, whatever is special of their network; the run says which."""
    shipped = find_weights(20, "L2A", "compact")
    result = train(adapted(data, steps=1), tmp_path / "run")
    made = load_weights(result.weights)
    assert made.spec == shipped.spec
    assert made.metadata["init"]["sha256"] == shipped.sha256


def test_settings_that_say_what_the_network_is_hold() -> None:
    spec = NetworkSpec("compact", 20, 8, 2, phased=True)
    open_, said = TrainingConfig(), TrainingConfig(phased=False, features=4)
    start = Weights(spec, {})
    assert shaped(open_, start).spec == spec
    assert shaped(said, start).spec == replace(spec, phased=False, features=4)


@pytest.fixture(scope="module")
def small(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small network."""
    size = {"features": 4, "blocks": 1, "phased": True}
    config = adapted(data, init=(), anchor=0.0, steps=6, learning_rate=1e-3, **size)
    return train(config, tmp_path_factory.mktemp("small") / "run").weights


def test_the_best_is_no_worse_than_the_start(data: Path, small: Path, tmp_path: Path) -> None:
    """Of a run that only does harm, the best weights are those that it started from."""
    harm = {
        "init": (str(small),),
        "anchor": 0.0,
        "learning_rate": 30.0,
        "optimizer": "adamw",
        "ema": 0.0,
    }
    config = adapted(data, **harm, steps=4, validate_every=2, unprojected=0.0)
    result = train(config, tmp_path / "two")
    assert result.step == 0
    before, after = load_weights(small), load_weights(result.weights)
    assert after.spec == before.spec
    for name, array in before.arrays.items():
        np.testing.assert_array_equal(after.arrays[name], array)
    rows = list(csv.DictReader((tmp_path / "two" / "log.csv").open()))
    assert [row["step"] for row in rows] == ["0", "2", "4"]
    assert float(rows[-1]["validation"]) > float(rows[0]["validation"]) == result.validation


def test_half_of_the_way_is_gone(data: Path, small: Path, tmp_path: Path) -> None:
    """With an anchor, what is saved lies between the start and where the steps led; a resumed run
    needs the start no more."""
    start = tmp_path / "start.npz"
    start.write_bytes(small.read_bytes())
    config = adapted(data, init=(str(start),), steps=2, learning_rate=1e-3, ema=0.0)
    paths = {share: tmp_path / f"{share}" for share in (0.0, 0.75)}
    for share, path in paths.items():
        train(replace(config, anchor=share), path)
    start.unlink()
    saved = TrainingConfig().change(read_config(paths[0.75] / "config.json"))
    assert (saved.features, saved.phased) == (4, True)
    for path in paths.values():
        train(replace(saved, anchor=float(path.name), steps=3), path, resume=True)
    before = load_weights(small).arrays
    free, held = (load_weights(path / "last.npz").arrays for path in paths.values())
    for name, array in held.items():
        wanted = 0.75 * before[name] + 0.25 * free[name]
        np.testing.assert_allclose(array, wanted, rtol=1e-5, atol=1e-6)
    assert any(np.abs(free[name] - before[name]).max() > 1e-3 for name in free)
