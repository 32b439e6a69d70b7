"""Training a network on patches, on any Keras backend.

A run is a folder: ``config.json`` with every setting, ``checkpoint.npz`` to go on
from, ``best.npz`` and ``last.npz`` with weights, and the files of `training.log`.
Batches depend on the seed and the step alone and a checkpoint holds all the rest,
so a run that was killed and resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from s2_superres import __version__
from s2_superres.errors import InputError, OutputError, TrainingError, TrainingStopped
from s2_superres.files.atomic import write_text
from s2_superres.files.locks import sole_run
from s2_superres.files.paths import keep_out_of_products
from s2_superres.interrupts import stop_signals
from s2_superres.networks.compute import quiet_keras
from s2_superres.networks.graph import build_network
from s2_superres.networks.weights import (
    Weights,
    apply_weights,
    load_weights,
    mean_weights,
    save_weights,
    variables_of,
)
from s2_superres.patches.holdout import HELD_OUT
from s2_superres.patches.patchset import PatchSet
from s2_superres.raster.radiometry import SCALE
from s2_superres.training.batches import Batch, Prefetch, Sampler, mirrored, validation_batches
from s2_superres.training.checkpoints import State, load_checkpoint, save_checkpoint
from s2_superres.training.config import CONFIG, TrainingConfig, read_config
from s2_superres.training.log import CURVE, LOG, TrainingLog, board_files

CHECKPOINT, BEST, LAST = "checkpoint.npz", "best.npz", "last.npz"
#: Steps between updates of the weights' average, which lives outside the graph.
_AVERAGE_EVERY = 4

Arrays = dict[str, NDArray[np.float32]]


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
        _keep_what_is_there(folder, overwrite=overwrite)
    quiet_keras()
    sets = open_sets(config)
    sampler = Sampler(sets, config.sampling, config.spec.least_size)
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
    # A checkpoint replaces the weights to start from, and tells how they were made.
    start = None
    if config.init and state.origin is None:
        start = mean_weights([load_weights(path) for path in config.init])
    learner = _Learner(config, start)
    if state.origin is None:
        state.origin = {"init": {"sha256": start.sha256, **start.metadata}} if start else {}
    if found:
        learner.restore(found[1], checkpoint)
    with _started(folder, config, keep=resume):
        run = _Run(config, folder, sets, learner, state, steps)
        with Prefetch(sampler, state.step, steps) as batches, _stop_asked() as stop:
            for step, batch in batches:
                loss = run.advance(step, batch)
                score = None
                if state.step % config.validate_every == 0 or state.step == steps:
                    score = run.validate()
                # Before the report: its terminal may be the one that was closed.
                if stop() and state.step < steps:
                    run.checkpoint()
                    raise TrainingStopped(
                        f"stopped by {stop()} after step {state.step} of {steps}; "
                        f"go on with --resume --out {folder}",
                        signal.Signals[stop()].value,
                    )
                if report:
                    report(state.step, steps, loss, score)
        run.finish()
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


def total_steps(config: TrainingConfig, patches: int) -> int:
    """Return how many steps a run takes on so many training patches."""
    if config.epochs is None:
        return config.steps
    return max(1, math.ceil(config.epochs * patches / config.batch))


def turned_steps(config: TrainingConfig, steps: int) -> int:
    """Return after how many of a run's steps patches are turned no more.

    Raises
    ------
    TrainingError
        If not a single one is left before.
    """
    if config.upright_steps >= steps:
        raise TrainingError(
            f"upright_steps {config.upright_steps}: the run has no more than {steps} steps; give "
            "less, or turns none for a run that turns nothing"
        )
    return steps - config.upright_steps


def learning_rate(config: TrainingConfig, step: int, steps: int, factor: float = 1.0) -> float:
    """Return the rate of a step, counted from 0; `factor` is the plateau schedule's."""
    turned = turned_steps(config, steps)
    if step >= turned:
        part = replace(config, learning_rate=config.upright_rate, upright_steps=0)
        return learning_rate(part, step - turned, steps - turned, factor)
    steps = turned
    # A short run spends no more than a tenth on it.
    warmup = min(config.warmup, steps // 10)
    warm = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if config.schedule == "cosine":
        return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
    return max(config.learning_rate * factor, min(config.lowest_rate, config.learning_rate)) * warm


class _Learner:
    """The network, its optimiser and the average of its weights, as arrays."""

    def __init__(self, config: TrainingConfig, start: Weights | None) -> None:
        import keras

        self.config = config
        _distribute(config.batch)
        keras.utils.set_random_seed(config.seed)
        self.model = build_network(config.spec, config.precision)
        if start:
            apply_weights(self.model, start)
        self.optimizer = _optimizer(config)
        # XLA on CPUs is slower at convolutions than TensorFlow's own kernels.
        jit: bool | str = "auto" if keras.backend.backend() == "jax" else False
        self.trained, losses = self.model, [1.0]
        if config.consistent and config.unprojected:
            outputs = [self.model.output, self.model.get_layer("consistent").input[0]]
            self.trained = keras.Model(self.model.inputs, outputs)
            losses.append(config.unprojected)
        self.trained.compile(
            optimizer=self.optimizer,
            loss=["mean_absolute_error"] * len(losses),
            loss_weights=losses,
            jit_compile=jit,
        )
        self.optimizer.build(self.model.trainable_variables)
        self.variables = variables_of(self.model)
        self.average = self.weights()
        self._judge = build_network(config.spec, "float32")

    def weights(self) -> Arrays:
        """Return the current weights."""
        return {name: _array(variable) for name, variable in self.variables.items()}

    def step(self, batch: Batch, rate: float) -> float:
        """Take one step; return its loss, in DN."""
        self.optimizer.learning_rate = rate
        # Keras reports the mean since the last reset.
        self.trained.reset_metrics()
        targets = [batch.target] * len(self.trained.outputs)
        weights = [batch.weights] * len(targets)
        losses = self.trained.train_on_batch(batch.inputs, targets, weights)
        # Of several, the first is their sum and the second that of the output.
        return float(losses if len(targets) == 1 else losses[1]) * SCALE

    def update_average(self, step: int) -> None:
        """Bring the average up to date after `step` steps."""
        if not self.config.ema:
            self.average = self.weights()
        elif step % _AVERAGE_EVERY == 0:
            # A short memory at first, lest the random start weigh on it.
            decay = min(self.config.ema, (step + 1) / (step + 10)) ** _AVERAGE_EVERY
            for name, value in self.weights().items():
                self.average[name] = (
                    np.float32(decay) * self.average[name] + np.float32(1 - decay) * value
                )

    def evaluate(self, sets: Sequence[PatchSet]) -> dict[str, float]:
        """Return the averaged weights' RMSE in DN, mean over bands, per validation scene."""
        for name, variable in variables_of(self._judge).items():
            variable.assign(self.average[name])
        sums: dict[str, NDArray[np.float64]] = {}
        pixels: dict[str, int] = {}
        for name, batch in validation_batches(
            sets, self.config.batch, self.config.validation_patches
        ):
            rows, cols = batch.target.shape[1:3]
            output = self._judge.predict_on_batch(self._mirrored(batch.inputs, rows))
            output = np.asarray(output)[:, :rows, :cols]
            errors = (output - batch.target)[batch.measured].astype(np.float64)
            sums[name] = sums.get(name, 0.0) + (errors**2).sum(axis=0)
            pixels[name] = pixels.get(name, 0) + len(errors)
        return {
            name: float(np.sqrt(total / pixels[name]).mean() * SCALE)
            for name, total in sums.items()
        }

    def _mirrored(self, inputs: list[NDArray[np.float32]], rows: int) -> list[Any]:
        """Extend inputs of patches that are too small, as in training."""
        least = self.config.spec.least_size
        return [np.stack([mirrored(each, least * len(each) // rows) for each in x]) for x in inputs]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that a checkpoint must hold."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, value in self.weights().items():
            arrays[f"model/{name}"] = value
        for name, value in self.average.items():
            arrays[f"average/{name}"] = value
        for index, variable in enumerate(self.optimizer.variables):
            arrays[f"{self.config.optimizer}/{index}"] = _array(variable)
        return arrays

    def restore(self, arrays: dict[str, NDArray[Any]], path: Path) -> None:
        """Set everything from a checkpoint.

        Raises
        ------
        TrainingError
            If names or shapes are not those of `arrays`.
        """
        own = self.arrays()
        if set(own) != set(arrays) or any(own[n].shape != arrays[n].shape for n in own):
            raise TrainingError(
                f"{path}: does not fit the network and the optimiser {self.config.optimizer}; "
                "resume with the settings it was started with, or start another run from its "
                "last.npz with --init"
            )
        for name, variable in self.variables.items():
            variable.assign(arrays[f"model/{name}"])
            self.average[name] = arrays[f"average/{name}"]
        for index, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"{self.config.optimizer}/{index}"])


@dataclass
class _Run:
    """A run in its folder."""

    config: TrainingConfig
    folder: Path
    sets: list[PatchSet]
    learner: _Learner
    state: State
    steps: int

    def __post_init__(self) -> None:
        self._clock = time.monotonic()
        self._log = TrainingLog(self.folder)

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
        rate = learning_rate(self.config, state.step - 1, self.steps, state.factor)
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
            "loss": state.loss_sum / max(state.loss_count, 1),
        }
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
            with _folder_errors(self.folder):
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
            self.folder / name, self.config.spec, self.learner.average, metadata, "float32"
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


def _keep_what_is_there(folder: Path, *, overwrite: bool) -> None:
    """Check that nothing of a run is there, or nothing but a run."""
    if overwrite:
        # Many programs have a config.json; of ours every key is a setting's.
        if (folder / CONFIG).exists():
            known = set(TrainingConfig().to_dict())
            if not set(read_config(folder / CONFIG)) & known:
                raise OutputError(f"{folder / CONFIG}: is of no training run; take another folder")
        return
    with _folder_errors(folder):
        there = [name for name in (CHECKPOINT, BEST, LAST, CONFIG, LOG, CURVE)
                 if (folder / name).exists()]  # fmt: skip
    if there:
        resume = "go on with --resume, " if CHECKPOINT in there else ""
        raise OutputError(
            f"{folder}: holds {', '.join(there)} already; {resume}start again with --overwrite, or "
            "take another folder"
        )


@contextmanager
def _started(folder: Path, config: TrainingConfig, *, keep: bool) -> Iterator[None]:
    """Make the folder a run's own; weights of a run before stay until there are others."""
    with _folder_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_run(folder):
        if not keep:
            with _folder_errors(folder):
                for old in (
                    folder / CHECKPOINT,
                    folder / LOG,
                    folder / CURVE,
                    *board_files(folder),
                ):
                    old.unlink(missing_ok=True)
        text = json.dumps(config.to_dict(), indent=1) + "\n"
        write_text(folder / CONFIG, text, "take another folder")
        yield


@contextmanager
def _folder_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}); take another folder"
        ) from None


def _optimizer(config: TrainingConfig) -> Any:
    import keras

    from s2_superres.training.muon import Muon

    rate, clip = config.learning_rate, config.clip_norm or None
    if config.optimizer == "muon":
        tail_ratio = config.spec.kind.tail_rate
        return Muon(rate, body_ratio=config.body_ratio, tail_ratio=tail_ratio)
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(rate, weight_decay=config.weight_decay, clipnorm=clip)
    return keras.optimizers.Nadam(rate, clipnorm=clip)


def _distribute(batch: int) -> None:
    """Spread batches over the devices where Keras can, and there is more than one."""
    import keras

    if keras.backend.backend() != "jax":
        return
    devices = keras.distribution.list_devices()
    if len(devices) < 2:
        return
    if batch % len(devices):
        raise InputError(
            f"a batch of {batch} cannot be spread over {len(devices)} devices: take a multiple "
            f"of {len(devices)}"
        )
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))


def _array(variable: Any) -> NDArray[Any]:
    import keras

    # A copy: some backends hand out their own memory.
    return np.array(keras.ops.convert_to_numpy(variable))


@contextmanager
def _stop_asked() -> Iterator[Callable[[], str]]:
    """Note a signal to stop for the end of the step; a second one acts at once."""
    asked: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    before = {number: signal.getsignal(number) for number in stop_signals()}

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(signal.Signals(number).name)
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: asked[0] if asked else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
