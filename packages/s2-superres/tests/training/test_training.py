"""Training: what is drawn, what is learnt, what is kept, and what is refused."""

from __future__ import annotations

import csv
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import laplace

from s2_superres.errors import InputError, OutputError, TrainingError, WeightsError
from s2_superres.networks import compute
from s2_superres.networks.graph import build_network
from s2_superres.networks.weights import (
    apply_weights,
    load_weights,
    save_weights,
    started_from,
    variables_of,
)
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.patchset import PatchSet, PatchSettings
from s2_superres.patches.split import Split
from s2_superres.raster.degradation import degrade
from s2_superres.training.batches import Sampler, Sampling, place_weights, validation_batches
from s2_superres.training.config import TrainingConfig, parse_settings, read_config
from s2_superres.training.run import open_sets, train
from s2_superres.training.schedule import learning_rate, total_steps


def scene(rows: int, seed: int) -> dict[str, NDArray[Any]]:
    """Smooth noise that all bands share, with detail that the 10 m bands tell of."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(500, 4000, (rows, rows)).repeat(6, axis=0).repeat(6, axis=1)
    detail = rng.uniform(-300, 300, base.shape)
    b10 = np.stack([base + k * detail for k in (1.0, 0.8, 0.6, 1.4)])
    fine = np.stack([base * 0.9 + k * detail for k in (0.5, 0.7, 0.9, 1.1, 1.3, 1.5)])
    b20 = degrade(fine, 2)
    b60 = degrade(fine[:2], 6)
    return {
        name: np.rint(np.maximum(values, 1)).astype(np.uint16)
        for name, values in (("b10", b10), ("b20", b20), ("b60", b60))
    }


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("crops")
    for seed, (level, place, rows) in enumerate(
        [("L2A", "hill", 12), ("L2A", "lake", 24), ("L2A", "town", 12)]
    ):
        np.savez(folder / f"{level}_{place}.npz", **scene(rows, seed))  # type: ignore[arg-type]
    return folder


def cut(crops: Path, out: Path, resolution: int, size: int, names: str = "*") -> Path:
    cut_patches(
        sorted(crops.glob(f"{names}.npz")),
        out,
        PatchSettings(resolution, size, 12),
        CutOptions(Split(("town",), 0.0) if names == "*" else Split(share=0.0)),
    )
    return out


@pytest.fixture(scope="module")
def data(crops: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patches for 20 m of three places, one of them for validation."""
    return cut(crops, tmp_path_factory.mktemp("data") / "p", 20, 12)


def tiny(folder: Path, **changes: Any) -> TrainingConfig:
    values = {
        "data": (str(folder),),
        "features": 8,
        "blocks": 1,
        "steps": 8,
        "batch": 2,
        "validate_every": 4,
        "validation_patches": 4,
        "precision": "float32",
    }
    return TrainingConfig().change({**values, **changes})


def test_batches_depend_on_seed_and_step_alone(data: Path) -> None:
    """In whatever order they are asked for, by however many samplers."""
    sampling = Sampling(4, seed=3, gain=0.2, band_gain=0.1, mix=0.5, spectral=0.5)
    one, other = Sampler([PatchSet(data)], sampling), Sampler([PatchSet(data)], sampling)
    wanted = {step: one.batch(step) for step in (0, 1, 2)}
    for step in (2, 0, 1):
        again = other.batch(step)
        np.testing.assert_array_equal(again.target, wanted[step].target)
        for a, b in zip(again.inputs, wanted[step].inputs, strict=True):
            np.testing.assert_array_equal(a, b)
    assert not np.array_equal(wanted[0].target, wanted[1].target)
    changed = Sampler([PatchSet(data)], replace(sampling, seed=4)).batch(0)
    assert not np.array_equal(changed.target, wanted[0].target)


@pytest.mark.parametrize("name", ["turns", "gain", "band_gain", "mix", "spectral", "to_l1c"])
def test_what_is_augmented_is_still_a_pair(data: Path, name: str) -> None:
    """The last input is the target degraded, whatever was done to both: every step of it is
    linear or symmetric."""
    strength: Any = "all" if name == "turns" else 0.9
    sampling = replace(Sampling(8, seed=0, turns="none"), **{name: strength})
    batch = Sampler([PatchSet(data)], sampling).batch(0)
    wanted = np.moveaxis(degrade(np.moveaxis(batch.target, -1, 1), 2), 1, -1)
    # Patch edges rest on neighbours that are not in the patch; the rest on whole numbers.
    difference = (wanted - batch.inputs[-1])[:, 1:-1, 1:-1] * 2000
    assert np.abs(difference).max() < 4
    plain = Sampler([PatchSet(data)], Sampling(8, seed=0, turns="none")).batch(0)
    assert not np.array_equal(plain.target, batch.target)


@pytest.mark.parametrize("resolution", [20, 60])
def test_l2a_seen_from_above_is_brighter_in_the_blue_and_has_less_contrast(
    crops: Path, tmp_path: Path, resolution: int
) -> None:
    data = cut(crops, tmp_path / "p", resolution, 12)
    below, above = (
        Sampler([PatchSet(data)], Sampling(1, seed=0, turns="none", to_l1c=share))
        for share in (0.0, 1.0)
    )
    for step in range(6):
        plain, changed = below.batch(step), above.batch(step)
        if resolution == 60:
            # What diffusion changes, by SciPy: B01 becomes sharper, B09 less sharp.
            change = np.stack(
                [share * laplace(plain.target[0, ..., band], mode="reflect")
                 for band, share in enumerate((-0.03, 0.045))], -1,
            )  # fmt: skip
            rows, cols, bands = plain.inputs[-1].shape[1:]
            plain.target[0] += change
            plain.inputs[-1][0] += change.reshape(rows, 6, cols, 6, bands).mean(axis=(1, 3))
        pairs = [*zip(plain.inputs, changed.inputs, strict=True), (plain.target, changed.target)]
        lines = []
        for before, after in pairs:
            # One gain and one offset per band.
            for band in range(before.shape[-1]):
                x, y = before[..., band].ravel(), after[..., band].ravel()
                slope, offset = np.polyfit(x, y, 1)
                np.testing.assert_allclose(y, slope * x + offset, atol=1e-4)
                assert 0 < slope < 1
                lines.append((slope, offset))
        bands = changed.target.shape[-1]
        # Those of the target are those of its degraded self.
        np.testing.assert_allclose(lines[-bands:], lines[-2 * bands : -bands], atol=2e-3)
        blue, infrared = lines[0], lines[3]
        assert blue[0] < infrared[0] and blue[1] > infrared[1] > 0


def test_l1c_stays_as_it_is(crops: Path, tmp_path: Path) -> None:
    shutil.copy(crops / "L2A_hill.npz", tmp_path / "L1C_hill.npz")
    data = cut_patches(
        sorted(tmp_path.glob("*.npz")),
        tmp_path / "p",
        PatchSettings(20, 12, 4),
        CutOptions(Split(share=0)),
    )
    plain, asked = (
        Sampler([data], Sampling(1, seed=0, to_l1c=share)).batch(0) for share in (0.0, 1.0)
    )
    np.testing.assert_array_equal(plain.target, asked.target)


def test_l1c_is_drawn_as_often_as_asked(crops: Path, tmp_path: Path) -> None:
    shutil.copy(crops / "L2A_hill.npz", tmp_path / "L1C_hill.npz")
    shutil.copy(crops / "L2A_lake.npz", tmp_path / "L2A_lake.npz")
    data = cut_patches(
        sorted(tmp_path.glob("*.npz")),
        tmp_path / "p",
        PatchSettings(20, 12, 30),
        CutOptions(Split(share=0), mixed_levels=True),
    )
    bright = np.asarray(data.maps["L1C_hill"]["target"])
    known = {patch.tobytes() for patch in bright.astype(np.float32) / np.float32(2000)}
    sampling = Sampling(400, seed=0, turns="none", l1c_weight=3.0, place_exponent=0.0)
    drawn = Sampler([data], sampling).batch(0)
    share = np.mean([target.tobytes() in known for target in drawn.target])
    assert share == pytest.approx(0.75, abs=0.08)


def test_validation_places_are_never_trained_on(data: Path) -> None:
    """And are validated on patch by patch, as they are."""
    patches = PatchSet(data)
    held = next(item for item in patches.scenes if item.split == "validation")
    assert held.place == "town"
    names = place_weights([patches], 0.6)[0]
    assert set(names) == {"L2A_hill", "L2A_lake"}
    drawn = list(validation_batches([patches], 5, 7))
    assert [len(batch.target) for _, batch in drawn] == [5, 2]
    assert {name for name, _ in drawn} == {"L2A_town"}
    stored = np.array(patches.maps["L2A_town"]["target"][:7], np.float32) / 2000
    np.testing.assert_array_equal(np.concatenate([b.target for _, b in drawn]), stored)


@given(exponent=st.floats(0, 1))
def test_places_are_drawn_by_their_area_to_a_power(data: Path, exponent: float) -> None:
    patches = PatchSet(data)
    weights = place_weights([patches], exponent)[0]
    count = {item.name: item.count for item in patches.scenes}
    ratio = count["L2A_lake"] / count["L2A_hill"]
    assert weights["L2A_lake"] / weights["L2A_hill"] == pytest.approx(ratio**exponent)


def test_two_sets_share_a_places_weight(crops: Path, data: Path, tmp_path: Path) -> None:
    """A place that is in both sets is not drawn twice as often."""
    more = cut(crops, tmp_path / "more", 20, 8, "L2A_hill")
    alone = place_weights([PatchSet(data)], 0.0)
    both = place_weights([PatchSet(data), PatchSet(more)], 0.0)
    assert sum(alone[0].values()) == pytest.approx(2)
    assert both[0]["L2A_hill"] + both[1]["L2A_hill"] == pytest.approx(1)
    assert both[0]["L2A_lake"] == pytest.approx(1)


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "nadam"])
def test_it_learns_a_few_patches_by_heart(crops: Path, tmp_path: Path, optimizer: str) -> None:
    """The error on the patches themselves falls under a third of where it began, which the
    regression that the network starts from does not reach."""
    data = cut(crops, tmp_path / "p", 20, 8, "L2A_hill")
    config = tiny(
        data, network="dsen2", features=16, steps=150, batch=4, validate_every=150,
        optimizer=optimizer, learning_rate=3e-3, turns="none", gain=0.0, band_gain=0.0, ema=0.0,
    )  # fmt: skip
    losses: list[float] = []
    train(config, tmp_path / "run", report=lambda step, steps, loss, score: losses.append(loss))
    assert len(losses) == 150
    assert np.mean(losses[-10:]) < np.mean(losses[:3]) / 3


def test_a_run_leaves_what_it_promises(data: Path, tmp_path: Path) -> None:
    """Settings, log, best and last weights; the best are those of the least error."""
    config = tiny(data, steps=12)
    result = train(config, tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "checkpoint.npz", "best.npz", "last.npz", "log.csv"} <= names
    assert not [name for name in names if name.startswith(".")]
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [4, 8, 12]
    errors = [float(row["validation"]) for row in rows]
    assert result.validation == pytest.approx(min(errors))
    weights = load_weights(result.weights)
    assert weights.spec == config.spec
    assert weights.metadata["step"] == result.step == 4 * (1 + int(np.argmin(errors)))
    assert weights.metadata["data"]["validation"] == ["L2A_town"]
    assert str(tmp_path) not in json.dumps(weights.metadata)
    read = TrainingConfig().change(read_config(tmp_path / "run" / "config.json"))
    assert read == config


@pytest.mark.parametrize(
    ("features", "chosen"), [({"avx2"}, "float32"), ({"avx2", "avx512_bf16"}, "bfloat16")]
)
def test_a_run_takes_the_faster_arithmetic_and_keeps_it(
    data: Path, tmp_path: Path, features: set[str], chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without instructions for bfloat16 it would take many times as long."""
    monkeypatch.setattr(compute, "cpu_features", lambda: frozenset(features))
    train(tiny(data, precision="auto", steps=1, validate_every=1), tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["precision"] == chosen
    assert load_weights(tmp_path / "best.npz").metadata["recipe"]["precision"] == chosen


def test_the_validation_error_is_that_of_the_saved_weights(data: Path, tmp_path: Path) -> None:
    """RMSE in DN per band, mean over bands, recomputed from best.npz."""
    from s2_superres.networks.weights import build_with_weights

    result = train(tiny(data), tmp_path / "run")
    model = build_with_weights(load_weights(result.weights))
    batches = [batch for _, batch in validation_batches([PatchSet(data)], 4, 4)]
    output = np.asarray(model(batches[0].inputs))
    errors = np.sqrt(((output - batches[0].target) ** 2).mean(axis=(0, 1, 2))) * 2000
    assert result.validation == pytest.approx(errors.mean(), rel=1e-4)


def test_patches_of_several_sizes_train_one_network(crops: Path, tmp_path: Path) -> None:
    """60 m, with crops too small for the patches of the larger ones."""
    large = cut(crops, tmp_path / "large", 60, 18, "L2A_lake")
    small = cut(crops, tmp_path / "small", 60, 12, "L2A_[ht]*")
    config = tiny(large, data=[str(large), str(small)], resolution=60, steps=6, validate_every=3)
    result = train(config, tmp_path / "run")
    assert result.validation is None and result.weights.name == "last.npz"
    assert load_weights(result.weights).spec.resolution == 60


@pytest.mark.parametrize("least", [5, 12, 40])
def test_a_mirrored_patch_is_still_a_pair(least: int) -> None:
    """Patches that are too small for a network's filters are extended, inputs and truth alike."""
    from s2_superres.training.batches import mirrored

    truth = np.random.default_rng(0).uniform(0, 1, (8, 8, 3)).astype(np.float32)
    size = max(least + least % 2, 8)
    wide = mirrored(truth, size)
    assert wide.shape == (size, size, 3)
    coarse = mirrored(np.moveaxis(degrade(np.moveaxis(truth, -1, 0), 2), 0, -1), size // 2)
    wanted = np.moveaxis(degrade(np.moveaxis(wide, -1, 0), 2), 0, -1)
    # The last row and column see the edge of the mirror's own copy.
    np.testing.assert_allclose(coarse[:-1, :-1], wanted[:-1, :-1], atol=1e-6)


def test_weights_to_start_from_are_taken_over(data: Path, tmp_path: Path) -> None:
    """And how they were made is told with what became of them."""
    first = train(tiny(data), tmp_path / "one")
    config = tiny(data, init=(str(first.weights),), steps=1, learning_rate=1e-12, ema=0.0)
    second = load_weights(train(config, tmp_path / "two").weights)
    for name, array in load_weights(first.weights).arrays.items():
        np.testing.assert_allclose(second.arrays[name], array, atol=1e-6)
    origin = second.metadata["init"]
    assert origin["recipe"]["steps"] == tiny(data).steps
    assert origin["sha256"] == load_weights(first.weights).sha256


def test_of_several_weights_to_start_from_the_mean_is_taken(data: Path, tmp_path: Path) -> None:
    """Of one network; what made each of them is told."""
    paths = [str(train(tiny(data, seed=n), tmp_path / f"{n}").weights) for n in range(3)]
    config = tiny(data, init=tuple(paths), steps=1, learning_rate=1e-12, ema=0.0)
    mean = load_weights(train(config, tmp_path / "mean").weights)
    parts = [load_weights(path) for path in paths]
    for name, array in mean.arrays.items():
        expected = np.mean([part.arrays[name] for part in parts], axis=0)
        np.testing.assert_allclose(array, expected, atol=1e-6)
    told = started_from(mean.metadata)
    assert [part["sha256"] for part in told.values()] == [part.sha256 for part in parts]
    assert [part["recipe"]["seed"] for part in told.values()] == [0, 1, 2]
    wider = train(tiny(data, features=12), tmp_path / "wider").weights
    with pytest.raises(WeightsError, match="different networks"):
        train(config.change({"init": [paths[0], str(wider)]}), tmp_path / "no")


def test_a_resumed_run_needs_the_weights_it_started_from_no_more(
    data: Path, tmp_path: Path
) -> None:
    """The checkpoint replaces them, and tells how they were made; an older one does not."""
    start = Path(shutil.copy(train(tiny(data), tmp_path / "one").weights, tmp_path / "start.npz"))
    config, run = tiny(data, init=(str(start),)), tmp_path / "two"
    train(config, run)
    origin = load_weights(run / "last.npz").metadata["init"]
    shutil.copytree(run, tmp_path / "old")
    older(tmp_path / "old" / "checkpoint.npz")
    train(config.change({"steps": 12}), tmp_path / "old", resume=True)
    start.unlink()
    train(config.change({"steps": 12}), run, resume=True)
    whole, old = load_weights(run / "last.npz"), load_weights(tmp_path / "old" / "last.npz")
    assert whole.metadata["init"] == old.metadata["init"] == origin
    for name, array in whole.arrays.items():
        np.testing.assert_array_equal(old.arrays[name], array)


def older(checkpoint: Path) -> None:
    """Turn a checkpoint into one from before the origin was kept in it."""
    with np.load(checkpoint) as file:
        arrays: dict[str, Any] = {name: file[name] for name in file.files}
    metadata = json.loads(str(arrays["metadata"]))
    del metadata["state"]["origin"]
    np.savez(checkpoint, **{**arrays, "metadata": np.array(json.dumps(metadata))})


@pytest.mark.parametrize("name", ["best.npz", "last.npz", "config.json", "log.csv", "curve.png"])
def test_no_file_of_a_run_is_replaced_unasked(data: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(OutputError, match=rf"holds {name} already; start again with --overwrite"):
        train(tiny(data), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


def test_a_run_may_start_again_from_its_own_weights(
    data: Path, crops: Path, tmp_path: Path
) -> None:
    """They stay until others are better, so a run that ends before has lost nothing."""
    run = tmp_path / "run"
    train(tiny(data), run)
    best = load_weights(run / "best.npz")
    (run / "checkpoint.npz").write_bytes(b"damaged")
    (run / "tensorboard").mkdir(exist_ok=True)
    curves = run / "tensorboard" / "events.out.tfevents.of_then"
    curves.touch()
    again = tiny(data, init=(str(run / "best.npz"),), seed=1)

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(again, run, overwrite=True, report=stop)
    kept = load_weights(run / "best.npz")
    assert kept.metadata["init"]["sha256"] == best.sha256
    for name, array in best.arrays.items():
        np.testing.assert_array_equal(kept.arrays[name], array)
    assert not curves.exists() and (run / "checkpoint.npz").read_bytes() != b"damaged"
    train(again, run, overwrite=True)
    assert load_weights(run / "last.npz").metadata["recipe"]["seed"] == 1
    # Without places for validation no weights are the best.
    alone = cut(crops, tmp_path / "alone", 20, 8, "L2A_hill")
    assert train(tiny(alone), run, overwrite=True).weights == run / "last.npz"
    assert not (run / "best.npz").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_two_runs_do_not_share_a_folder(data: Path, tmp_path: Path) -> None:
    """Whoever resumes a run that is still going is told so, and that run is not disturbed."""
    asked = []

    def meanwhile(step: int, *_: object) -> None:
        if step == 2:
            with pytest.raises(OutputError, match="another run is writing there"):
                train(tiny(data), tmp_path / "run", overwrite=True)
            asked.append(step)

    train(tiny(data), tmp_path / "run", report=meanwhile)
    assert asked == [2]
    train(tiny(data), tmp_path / "alone")
    alone = load_weights(tmp_path / "alone" / "last.npz")
    for name, array in load_weights(tmp_path / "run" / "last.npz").arrays.items():
        np.testing.assert_array_equal(array, alone.arrays[name])


def test_a_run_does_not_go_back(data: Path, tmp_path: Path) -> None:
    """Fewer steps than were taken are refused, and the settings stay as they were."""
    run = tmp_path / "run"
    train(tiny(data), run)
    before = {path.name: path.read_bytes() for path in run.glob("*.*")}
    with pytest.raises(TrainingError, match="has gone 8 steps already, and 4 are asked for"):
        train(tiny(data, steps=4), run, resume=True)
    assert {path.name: path.read_bytes() for path in run.glob("*.*")} == before


def test_a_loss_that_is_no_number_stops_the_run(data: Path, tmp_path: Path) -> None:
    """The last good checkpoint stays, and the message says what to change."""
    run = tmp_path / "run"
    train(tiny(data), run)
    before = (run / "checkpoint.npz").read_bytes()
    wild = tiny(data, steps=200, learning_rate=1e30, warmup=0)
    with pytest.raises(TrainingError, match=r"lower --learning-rate .*--resume"):
        train(wild, run, resume=True)
    assert (run / "checkpoint.npz").read_bytes() == before
    tame = train(tiny(data, steps=12), run, resume=True)
    assert tame.validation is not None and np.isfinite(tame.validation)


def test_checkpoints_that_do_not_fit_are_refused(data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    config = tiny(data)
    with pytest.raises(TrainingError, match="no such checkpoint"):
        train(config, run, resume=True)
    train(config, run)
    with pytest.raises(
        OutputError, match=r"holds checkpoint\.npz, .* already; go on with --resume"
    ):
        train(config, run)
    with pytest.raises(TrainingError, match=r"another network .*features=8.*features=4"):
        train(tiny(data, features=4), run, resume=True)
    with pytest.raises(TrainingError, match="the optimiser adamw"):
        train(tiny(data, optimizer="adamw"), run, resume=True)
    checkpoint = run / "checkpoint.npz"
    whole = checkpoint.read_bytes()
    for damage in (whole[: len(whole) // 2], b"", (run / "best.npz").read_bytes()):
        checkpoint.write_bytes(damage)
        with pytest.raises(TrainingError, match="not a training checkpoint, or damaged"):
            train(config, run, resume=True)
        assert checkpoint.read_bytes() == damage
    checkpoint.unlink()
    checkpoint.mkdir()
    with pytest.raises(TrainingError, match=r"checkpoint\.npz: cannot be read \(Is a directory\)"):
        train(config, run, resume=True)


def test_data_that_do_not_fit_are_refused(crops: Path, data: Path, tmp_path: Path) -> None:
    def refused(words: str, **changes: Any) -> None:
        with pytest.raises((TrainingError, InputError), match=words):
            open_sets(tiny(data, **changes))

    refused("name their folder with --data", data=[])
    refused("patches for 20 m cannot train a network for 60 m", resolution=60)
    refused("no such file", data=[str(tmp_path)])
    town = cut(crops, tmp_path / "town", 20, 12, "L2A_town")
    refused("town is for train here and for validation", data=[str(data), str(town)])
    other = tmp_path / "L1C_sea.npz"
    np.savez(other, **scene(12, 9))  # type: ignore[arg-type]
    cut_patches([other], tmp_path / "sea", PatchSettings(20, 12, 4))
    both = [str(data), str(tmp_path / "sea")]
    refused("different levels .*--mixed-levels", data=both)
    assert len(open_sets(tiny(data, data=both, mixed_levels=True))) == 2


def test_without_training_places_there_is_no_training(data: Path) -> None:
    patches = PatchSet(data)
    patches.scenes = tuple(replace(item, split="validation") for item in patches.scenes)
    with pytest.raises(TrainingError, match="no scene is for training"):
        Sampler([patches], Sampling(2, seed=0))


def test_the_rate_rises_then_falls_along_a_cosine_to_nothing() -> None:
    config = TrainingConfig(warmup=10, learning_rate=0.1)
    rates = [learning_rate(config, step, 1000) for step in range(1000)]
    assert rates[0] == pytest.approx(0.01, rel=1e-3)
    assert int(np.argmax(rates)) == 9
    assert rates[500] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-5
    assert np.all(np.diff(rates[10:]) < 0)


def test_the_plateau_rate_halves_down_to_its_lowest() -> None:
    config = TrainingConfig(schedule="plateau", warmup=0, learning_rate=1e-4)
    assert learning_rate(config, 5, 10, 0.5) == pytest.approx(5e-5)
    assert learning_rate(config, 5, 10, 2.0**-9) == pytest.approx(1e-5)


def test_epochs_count_the_patches() -> None:
    assert total_steps(TrainingConfig(epochs=2.5, batch=8), 33) == 11
    assert total_steps(TrainingConfig(steps=7), 33) == 7


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"network": "u-net"}, "choose one of compact, dsen2, vdsen2"),
        ({"steps": 0}, "1 or more"),
        ({"steps": 1.5}, "whole number"),
        ({"flips": 1}, "true or false"),
        ({"phased": True, "network": "dsen2"}, "dsen2: cannot be phased; take network compact"),
        ({"features": 0}, "give 1 or more and 0 or more"),
        ({"turns": "some"}, "choose one of all, half, none"),
        ({"upright_steps": -1}, "0 or more"),
        ({"learning_rate": 0}, "more than 0"),
        ({"learning_rate": float("inf")}, "finite number"),
        ({"gain": "much"}, "a number"),
        ({"mix": 2}, "mix 2: give 1 or less"),
        ({"mix": -0.5}, "mix -0.5: give 0 or more"),
        ({"ema": 1.0}, "less than 1"),
        ({"data": 3}, "list of paths"),
        ({"data": ["a", 3]}, "data 3: give text"),
        ({"momentum": 0.9}, "unknown setting 'momentum'"),
        ({"steps": 0, "seed": "x"}, "steps 0: .*; seed 'x': give a whole number"),
    ],
)
def test_impossible_settings_are_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(TrainingError, match=words):
        TrainingConfig().change(values)


def test_settings_come_from_json_toml_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('data = ["x"]\nsteps = 5\ngain = 1\n')
    (tmp_path / "a.json").write_text('{"data": "x", "steps": 5, "gain": 1.0}')
    made = {
        TrainingConfig().change(values)
        for values in (
            read_config(tmp_path / "a.toml"),
            read_config(tmp_path / "a.json"),
            parse_settings(["data=x", "steps=5", "gain=1"]),
        )
    }
    assert made == {TrainingConfig(data=("x",), steps=5, gain=1.0)}
    for name, text in (("b.toml", "steps ="), ("b.json", "[1]"), ("c.json", "{")):
        (tmp_path / name).write_text(text)
        with pytest.raises(TrainingError, match=name):
            read_config(tmp_path / name)
    with pytest.raises(TrainingError, match=r"a\.toml: steps 0"):
        TrainingConfig().change({"steps": 0}, tmp_path / "a.toml")
    with pytest.raises(TrainingError, match="batch 0"):
        TrainingConfig(batch=0)
    with pytest.raises(TrainingError, match=r"none\.json: cannot be read"):
        read_config(tmp_path / "none.json")
    with pytest.raises(TrainingError, match="NAME=VALUE"):
        parse_settings(["steps"])


@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (16, 16)])
def test_orthogonalising_brings_singular_values_near_one(shape: tuple[int, int]) -> None:
    """And keeps the singular vectors: the result times the matrix transposed is symmetric."""
    from s2_superres.training.muon import orthogonalize

    matrix = np.random.default_rng(0).normal(0, 3, shape).astype(np.float32)
    found = np.asarray(orthogonalize(matrix), np.float64)
    values = np.linalg.svd(found, compute_uv=False)
    assert values.max() < 1.3
    assert np.median(values) > 0.6
    product = found @ matrix.T
    np.testing.assert_allclose(product, product.T, atol=1e-3 * np.abs(product).max())


def test_muon_moves_the_body_by_the_momentum_and_the_rest_by_adam() -> None:
    """Two steps of a body kernel and of a bias against the formulas in NumPy."""
    import keras

    from s2_superres.training.muon import Muon, orthogonalize

    rng = np.random.default_rng(0)
    gradients = [
        (rng.normal(size=(3, 3, 2, 4)).astype("f4"), rng.normal(size=4).astype("f4"))
        for _ in range(2)
    ]
    kernel = keras.Variable(np.zeros((3, 3, 2, 4), "f4"), name="block0_kernel")
    bias = keras.Variable(np.zeros(4, "f4"), name="bias")
    optimizer = Muon(0.01, body_ratio=10)
    for pair in gradients:
        optimizer.apply([keras.ops.convert_to_tensor(g) for g in pair], [kernel, bias])
    momentum, moved = np.zeros((18, 4)), np.zeros((18, 4))
    first, second, shifted = np.zeros(4), np.zeros(4), np.zeros(4)
    for step, (g, h) in enumerate(gradients, 1):
        flat = g.reshape(18, 4)
        momentum = 0.95 * momentum + flat
        moved -= 0.1 * np.asarray(orthogonalize((flat + 0.95 * momentum).astype("f4")))
        first, second = 0.9 * first + 0.1 * h, 0.99 * second + 0.01 * h * h
        shifted -= 0.01 * (first / (1 - 0.9**step)) / np.sqrt(second / (1 - 0.99**step))
    np.testing.assert_allclose(np.asarray(kernel).reshape(18, 4), moved, atol=1e-5)
    np.testing.assert_allclose(np.asarray(bias), shifted, atol=1e-5)


def test_the_level_before_the_projection_is_learnt_too(data: Path, tmp_path: Path) -> None:
    """The projection forgives any offset; a share of the loss before it does not."""
    config = tiny(data, steps=60, learning_rate=0.02, ema=0.0, validate_every=60)
    arrays = {name: v.numpy() for name, v in variables_of(build_network(config.spec)).items()}
    arrays["tail/bias"] = np.ones_like(arrays["tail/bias"])
    start = tmp_path / "start.npz"
    save_weights(start, config.spec, arrays, {}, "float32")
    batch = Sampler([PatchSet(data)], Sampling(8, seed=1)).batch(0)
    error = {}
    for weight in (0.0, 1.0):
        run = tmp_path / str(weight)
        train(config.change({"init": str(start), "unprojected": weight}), run)
        trained = load_weights(run / "last.npz")
        model = build_network(replace(trained.spec, consistent=False))
        apply_weights(model, trained)
        error[weight] = abs(float(np.mean(model(batch.inputs) - batch.target)))
    assert error[1.0] < 0.3 * error[0.0]
