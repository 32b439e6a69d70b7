"""Training a network on patches, on any Keras backend.

A run is a folder: ``config.json`` with every setting, ``checkpoint.npz`` to go on
from, ``best.npz`` and ``last.npz`` with weights, and the files of `training.log`.
Batches depend on the seed and the step alone and a checkpoint holds all the rest,
so a run that was killed and resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from s2_superres._version import __version__
from s2_superres.errors import TrainingError, TrainingStopped
from s2_superres.files.paths import keep_out_of_products
from s2_superres.interrupts import stop_asked
from s2_superres.networks import support
from s2_superres.networks.compute import quiet_keras, resolve_precision
from s2_superres.networks.weights import save_weights
from s2_superres.patches.holdout import HELD_OUT
from s2_superres.patches.patchset import PatchSet
from s2_superres.training.batches import Batch, Prefetch, Sampler
from s2_superres.training.checkpoints import State, load_checkpoint, save_checkpoint
from s2_superres.training.config import TrainingConfig
from s2_superres.training.folder import (
    BEST,
    CHECKPOINT,
    LAST,
    complaints,
    keep_what_is_there,
    started,
)
from s2_superres.training.learner import Learner
from s2_superres.training.log import TrainingLog
from s2_superres.training.schedule import learning_rate, total_steps, turned_steps
from s2_superres.training.start import shaped, start_weights


class Report(Protocol):
    """Called after every step with the loss and, if there was one, the validation, in DN."""

    def __call__(self, step: int, steps: int, loss: float, score: float | None) -> None:
        """Take note of a step."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run came to.

    Attributes
    ----------
    weights : Path
        The best weights by validation, or the last where there is no validation.
    step : int
        When they were made.
    validation : float or None
        Their error: mean over scenes of the mean over bands of the RMSE, in DN.
    scenes : dict
        The same per scene.
    """

    weights: Path
    step: int
    validation: float | None
    scenes: dict[str, float]

    def summary(self) -> str:
        """Return the weights' path and their errors, a line per scene."""
        if self.validation is None:
            return f"{self.weights}  step {self.step}, no scene for validation"
        lines = [f"{name}  {value:.2f} DN" for name, value in sorted(self.scenes.items())]
        best = f"{self.weights}  step {self.step}, validation RMSE {self.validation:.2f} DN"
        return "\n".join([*lines, best])


def train(
    config: TrainingConfig,
    folder: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    report: Report | None = None,
) -> TrainingResult:
    """Train a network.

    Parameters
    ----------
    config : TrainingConfig
    folder : path
        Where the run is kept; made if it is not there.
    resume : bool
        Go on from the folder's checkpoint. Settings that differ from those it was started
        with hold from there on; the network must be the same.
    overwrite : bool
        Start again in a folder that holds files of a run. Its weights are kept until the first
        validation, so they may be those to start from.
    report : callable, optional
        Called after every step, see `Report`.

    Returns
    -------
    TrainingResult

    Raises
    ------
    TrainingError
        If the data or the checkpoint do not fit, or the loss is not a finite number.
    TrainingStopped
        On SIGINT, SIGTERM or SIGHUP, after a checkpoint.
    OutputError
        If the folder holds a file of a run, or cannot be written.
    """
    folder = Path(folder)
    keep_out_of_products(folder)
    if not resume:
        keep_what_is_there(folder, overwrite=overwrite)
    quiet_keras()
    # Decided once: the run goes on with it, on whatever machine.
    config = replace(config, precision=resolve_precision(config.precision))
    sets = open_sets(config)
    start = None if resume else start_weights(config, sets)
    if start:
        config = shaped(config, start)
    sampler = Sampler(sets, config.sampling, support.least_size(config.spec))
    steps = total_steps(config, sampler.count)
    sampler.turned = turned_steps(config, steps)
    checkpoint = folder / CHECKPOINT
    found = load_checkpoint(checkpoint, config.spec.to_dict()) if resume else None
    state = found[0] if found else State()
    if state.step > steps:
        raise TrainingError(
            f"{checkpoint}: has gone {state.step} steps already, and {steps} are asked for; "
            "give more, or another --out"
        )
    # A checkpoint replaces the weights to start from, and tells how they were made; an older one
    # does not tell.
    if found and state.origin is None:
        start = start_weights(config, sets)
    learner = Learner(config, start)
    if state.origin is None:
        state.origin = {"init": {"sha256": start.sha256, **start.metadata}} if start else {}
    if found:
        learner.restore(found[1], checkpoint)
    with started(folder, config, keep=resume):
        run = _Run(config, folder, sets, learner, state, steps)
        if start and not found:
            # The best may be what was there before.
            run.validate()
        run.take_steps(sampler, report)
        run.finish()
    return _result(folder, state)


def _result(folder: Path, state: State) -> TrainingResult:
    if state.best is None:
        return TrainingResult(folder / LAST, state.step, None, {})
    return TrainingResult(folder / BEST, state.best_step, state.best, dict(state.scores))


def open_sets(config: TrainingConfig) -> list[PatchSet]:
    """Open the folders of patches and check that they fit each other and the network.

    Raises
    ------
    TrainingError
        If there is none, their resolution is another, or levels are mixed unasked.
    """
    if not config.data:
        raise TrainingError("no patches to train on: name their folder with --data")
    sets = [PatchSet(folder) for folder in config.data]
    sides: dict[str, str] = {}
    for patches in sets:
        if patches.settings.resolution != config.resolution:
            raise TrainingError(
                f"{patches.folder}: patches for {patches.settings.resolution} m cannot train a "
                f"network for {config.resolution} m; cut them with --resolution "
                f"{config.resolution}"
            )
        for scene in patches.scenes:
            if sides.setdefault(scene.place, scene.split) != scene.split:
                raise TrainingError(
                    f"{patches.folder}: {scene.place} is for {scene.split} here and for "
                    f"{sides[scene.place]} in another folder; cut one of them again with "
                    "--validation to keep a place on one side"
                )
        _ = patches.maps
    _check_held_out(sets)
    levels = {scene.level: patches.folder for patches in sets for scene in patches.scenes}
    if len(levels) > 1 and not config.mixed_levels:
        listed = ", ".join(f"{level} in {folder}" for level, folder in sorted(levels.items()))
        raise TrainingError(
            f"the patches are of different levels ({listed}); train one level, or add "
            "--mixed-levels for one network for both"
        )
    return sets


def _check_held_out(sets: Sequence[PatchSet]) -> None:
    """Check that no folder trains on what another has held out."""
    held = {s.place for patches in sets for s in patches.scenes if s.place.endswith(HELD_OUT)}
    for patches in sets:
        places = {scene.place for scene in patches.scenes}
        for place in places:
            if place + HELD_OUT in held - places:
                raise TrainingError(
                    f"{patches.folder}: {place} is whole here, and a part of it is held out in "
                    "another folder; cut that one again with --validation-share 0"
                )


@dataclass
class _Run:
    """A run in its folder."""

    config: TrainingConfig
    folder: Path
    sets: list[PatchSet]
    learner: Learner
    state: State
    steps: int

    def __post_init__(self) -> None:
        self._clock = time.monotonic()
        self._log = TrainingLog(self.folder)

    def take_steps(self, sampler: Sampler, report: Report | None) -> None:
        """Take those that are left.

        Raises
        ------
        TrainingStopped
            On a signal, after a checkpoint.
        """
        state, steps = self.state, self.steps
        with Prefetch(sampler, state.step, steps) as batches, stop_asked() as stop:
            for step, batch in batches:
                loss = self.advance(step, batch)
                score = None
                if state.step % self.config.validate_every == 0 or state.step == steps:
                    score = self.validate()
                # Before the report: its terminal may be the one that was closed.
                if stop() and state.step < steps:
                    self.checkpoint()
                    raise TrainingStopped(
                        f"stopped by {stop()} after step {state.step} of {steps}; "
                        f"go on with --resume --out {self.folder}",
                        signal.Signals[stop()].value,
                    )
                if report:
                    report(state.step, steps, loss, score)

    def advance(self, step: int, batch: Batch) -> float:
        """Take a step; return its loss in DN."""
        rate = learning_rate(self.config, step, self.steps, self.state.factor)
        loss = self.learner.step(batch, rate)
        if not math.isfinite(loss):
            raise self._diverged(f"the loss is {loss}")
        self.state.step = step + 1
        self.state.loss_sum += loss
        self.state.loss_count += 1
        self.learner.update_average(self.state.step)
        return loss

    def validate(self) -> float | None:
        """Score the averaged weights, keep them if they are the best, write a checkpoint."""
        state = self.state
        scenes = self.learner.evaluate(self.sets)
        score = sum(scenes.values()) / len(scenes) if scenes else None
        if score is not None and not math.isfinite(score):
            raise self._diverged(f"the validation error is {score}")
        improved = score is not None and (state.best is None or score < state.best)
        rate = learning_rate(self.config, max(0, state.step - 1), self.steps, state.factor)
        if improved:
            state.best, state.scores, state.best_step, state.waited = score, scenes, state.step, 0
        elif score is not None:
            state.waited += 1
            if self.config.schedule == "plateau" and state.waited >= self.config.patience:
                state.factor, state.waited = state.factor / 2, 0
        self._tick()
        row: dict[str, Any] = {
            "step": state.step,
            "seconds": round(state.seconds, 1),
            "learning_rate": rate,
        }
        if state.loss_count:
            row["loss"] = state.loss_sum / state.loss_count
        if score is not None:
            row["validation"] = score
            row |= {f"validation/{name}": value for name, value in scenes.items()}
        state.loss_sum, state.loss_count = 0.0, 0
        state.history.append(row)
        if improved:
            self._save(BEST, scenes)
        self._save(LAST, scenes)
        if state.best is None:
            # Of a run that was here before; this one has weights now, and none are the best.
            with complaints(self.folder):
                (self.folder / BEST).unlink(missing_ok=True)
        self.checkpoint()
        self._log.write(state.history)
        return score

    def checkpoint(self) -> None:
        """Write what `resume` needs, unless it is spoilt already."""
        self._tick()
        arrays = self.learner.arrays()
        if not all(np.isfinite(array).all() for array in arrays.values()):
            raise self._diverged("the weights are not finite")
        save_checkpoint(self.folder / CHECKPOINT, self.config.spec.to_dict(), self.state, arrays)

    def finish(self) -> None:
        """Draw the curve and close the files."""
        self._log.draw(self.state.history)
        self._log.close()

    def _tick(self) -> None:
        now = time.monotonic()
        self.state.seconds += now - self._clock
        self._clock = now

    def _save(self, name: str, scenes: dict[str, float]) -> None:
        recipe = self.config.to_dict() | {"data": [patches.folder.name for patches in self.sets]}
        facts = [scene for patches in self.sets for scene in patches.scenes]
        metadata = {
            "version": __version__,
            "recipe": recipe,
            "data": {
                "levels": sorted({scene.level for scene in facts}),
                "train": sorted({scene.name for scene in facts if scene.split == "train"}),
                "validation": sorted({scene.name for scene in facts if scene.split != "train"}),
                "patches": sum(scene.count for scene in facts if scene.split == "train"),
                "teachers": {
                    patches.folder.name: patches.settings.teachers
                    for patches in self.sets
                    if patches.settings.teachers
                },
            },
            "step": self.state.step,
            "seconds": round(self.state.seconds, 1),
            "validation_rmse": scenes,
            **(self.state.origin or {}),
        }
        save_weights(
            self.folder / name, self.config.spec, self.learner.result(), metadata, "float32"
        )

    def _diverged(self, what: str) -> TrainingError:
        kept = self.folder / CHECKPOINT
        rate = self.config.learning_rate
        cure = f"lower --learning-rate (it is {rate:g}) or take --precision float32"
        if kept.exists():
            return TrainingError(
                f"step {self.state.step + 1}: {what}; {cure}, then go on from the last good "
                f"checkpoint {kept} with --resume"
            )
        return TrainingError(
            f"step {self.state.step + 1}: {what}; {cure} and start again with --overwrite"
        )
