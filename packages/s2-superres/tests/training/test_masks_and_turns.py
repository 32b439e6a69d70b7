"""What was not measured teaches nothing, and patches are turned as asked and for as long."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from s2_superres.errors import TrainingError
from s2_superres.networks.weights import build_with_weights, load_weights
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.patchset import PatchSet, PatchSettings
from s2_superres.patches.split import Split
from s2_superres.raster.degradation import degrade
from s2_superres.training.batches import Batch, Sampler, Sampling, validation_batches
from s2_superres.training.config import TrainingConfig
from s2_superres.training.run import train
from s2_superres.training.schedule import learning_rate

NONSENSE = 30000


def scene(seed: int, lost: float) -> dict[str, NDArray[np.generic]]:
    """Detail that the 10 m bands tell of; lost pixels of the 20 m bands hold nonsense."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(1500, 4000, (12, 12)).repeat(6, axis=0).repeat(6, axis=1)
    detail = rng.uniform(-300, 300, base.shape)
    b10 = np.stack([base + k * detail for k in (1.0, 0.8, 0.6, 1.4)])
    b20 = degrade(np.stack([base + k * detail for k in (0.5, 0.7, 0.9, 1.1, 1.3, 1.5)]), 2)
    ok20 = np.random.default_rng(seed + 99).random(b20.shape[1:]) >= lost
    return {"b10": np.rint(b10).astype("u2"), "b20": np.rint(b20).astype("u2"), "ok20": ok20}


def cut(folder: Path, lost: float, *, nonsense: bool = False) -> PatchSet:
    for name, seed in (("hill", 1), ("town", 2)):
        arrays = scene(seed, lost)
        np.savez(folder / f"L2A_{name}.npz", **arrays)  # type: ignore[arg-type]
    settings = PatchSettings(20, 12, 16, measured=0.1)
    patches = cut_patches([folder], folder / "p", settings, CutOptions(Split(("town",), 0.0)))
    if nonsense:
        for each in patches.scenes:
            target = np.load(folder / "p" / each.name / "target.npy")
            measured = np.load(folder / "p" / each.name / "measured.npy")
            np.save(folder / "p" / each.name / "target.npy", np.where(measured, target, NONSENSE))
    return PatchSet(folder / "p")


def config(patches: PatchSet, **changes: object) -> TrainingConfig:
    values = {
        "data": str(patches.folder), "features": 8, "blocks": 1, "steps": 1, "batch": 4,
        "validate_every": 1, "precision": "float32", "ema": 0.0, "learning_rate": 1e-12,
        "unprojected": 0.0,
    }  # fmt: skip
    return TrainingConfig().change({**values, **changes})


def test_the_loss_and_the_score_are_those_of_the_measured_pixels(tmp_path: Path) -> None:
    """Both against a naive sum over them: nonsense elsewhere changes nothing."""
    patches = cut(tmp_path, 0.5, nonsense=True)
    run = config(patches)
    losses: list[float] = []
    result = train(run, tmp_path / "run", report=lambda *told: losses.append(told[2]))
    model = build_with_weights(load_weights(result.weights))

    def errors(batch: Batch) -> list[NDArray[np.floating]]:
        output = np.asarray(model(batch.inputs)) - batch.target
        return [output[i, r, c] for i, r, c in np.argwhere(batch.measured)]

    first = Sampler([patches], run.sampling).batch(0)
    assert 0.2 < first.measured.mean() < 0.5
    assert losses[0] == pytest.approx(np.abs(errors(first)).mean() * 2000, rel=1e-3)
    found = [error for _, batch in validation_batches([patches], 4, 64) for error in errors(batch)]
    wanted = np.sqrt(np.square(found).mean(axis=0)).mean() * 2000
    assert result.validation == pytest.approx(wanted, rel=1e-3) and wanted < 2000


def test_half_of_the_pixels_teach_as_well_as_all(tmp_path: Path) -> None:
    """Two runs on one scene, of which the one sees half of the truth, at random."""
    scores = []
    for lost in (0.0, 0.5):
        folder = tmp_path / str(lost)
        folder.mkdir()
        run = config(cut(folder, lost), steps=120, validate_every=120, learning_rate=2e-3)
        scores.append(train(run, folder / "run").validation)
    untrained = train(config(PatchSet(tmp_path / "0.0/p")), tmp_path / "untrained").validation
    assert untrained is not None and scores[0] is not None and scores[1] is not None
    assert scores[0] < 0.9 * untrained
    assert scores[1] == pytest.approx(scores[0], rel=0.08)


def test_masks_are_turned_and_mixed_with_their_patches(tmp_path: Path) -> None:
    """Nonsense stays under the mask, whatever is done to a patch; a blend of two was measured
    where both were."""
    patches = cut(tmp_path, 0.3, nonsense=True)
    shares = []
    for mix in (0.0, 1.0):
        sampling = Sampling(16, seed=3, mix=mix, gain=0.1, band_gain=0.1)
        batch = Sampler([patches], sampling).batch(0)
        assert batch.target[batch.measured].max() * 2000 < 6000
        assert batch.weights.mean() == pytest.approx(1, rel=1e-5)
        shares.append(batch.measured.mean())
    assert shares[1] < 0.8 * shares[0]


@pytest.mark.parametrize(("turns", "ways"), [("all", 8), ("half", 2), ("none", 1)])
def test_patches_are_turned_in_as_many_ways(tmp_path: Path, turns: str, ways: int) -> None:
    patches = cut(tmp_path, 0.0)
    sampler = Sampler([patches], Sampling(64, seed=0, turns=turns))
    known = np.asarray(patches.maps["L2A_hill"]["target"]).astype(np.float32) / np.float32(2000)
    seen: set[tuple[int, bool]] = set()
    for target in sampler.batch(0).target:
        for quarter in range(4):
            for mirrored in (False, True):
                back = np.rot90(target[:, ::-1] if mirrored else target, -quarter)
                if (known == back).all(axis=(1, 2, 3)).any():
                    seen.add((quarter, mirrored))
    assert len(seen) == ways
    assert turns != "half" or seen == {(0, False), (2, False)}


def test_the_last_steps_turn_nothing_at_a_rate_of_their_own(tmp_path: Path) -> None:
    patches = cut(tmp_path, 0.0)
    run = config(
        patches, steps=30, upright_steps=10, upright_rate=0.01, learning_rate=0.1, warmup=2
    )
    sampler = Sampler([patches], run.sampling)
    sampler.turned = 20
    upright = Sampler([patches], config(patches, turns="none").sampling)
    same = [
        np.array_equal(sampler.batch(step).target, upright.batch(step).target)
        for step in range(16, 24)
    ]
    assert same[4:] == [True] * 4 and not any(same[:4])
    rates = [learning_rate(run, step, 30) for step in range(30)]
    assert max(rates[:20]) == pytest.approx(0.1, rel=0.05) and rates[19] < 0.001
    assert max(rates[20:]) == pytest.approx(0.01, rel=0.1) and rates[29] < 0.001
    with pytest.raises(TrainingError, match="upright_steps 30: the run has no more than 30 steps"):
        train(config(patches, steps=30, upright_steps=30), tmp_path / "run")


@pytest.mark.parametrize(("flips", "turns"), [(True, "all"), (False, "none")])
def test_settings_of_older_versions_are_read(flips: bool, turns: str) -> None:
    """They said flips."""
    assert TrainingConfig().change({"flips": flips}).turns == turns
