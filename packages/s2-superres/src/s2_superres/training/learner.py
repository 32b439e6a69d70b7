"""What learns: the network, its optimiser and the average of its weights, on any Keras backend."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError, TrainingError
from s2_superres.networks import support
from s2_superres.networks.family import family_of
from s2_superres.networks.graph import build_network
from s2_superres.networks.weights import Weights, apply_weights, variables_of
from s2_superres.patches.patchset import PatchSet
from s2_superres.raster.radiometry import SCALE
from s2_superres.training.batches import Batch, mirrored, validation_batches
from s2_superres.training.config import TrainingConfig

#: Steps between updates of the weights' average, which lives outside the graph.
_AVERAGE_EVERY = 4

Arrays = dict[str, NDArray[np.float32]]


class Learner:
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
        self._start = dict(self.average) if config.anchor else {}
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

    def result(self) -> Arrays:
        """Return the weights that are validated and saved: the average, drawn to the start."""
        share = np.float32(self.config.anchor)
        return {
            name: share * self._start[name] + (1 - share) * value if share else value
            for name, value in self.average.items()
        }

    def evaluate(self, sets: Sequence[PatchSet]) -> dict[str, float]:
        """Return the result's RMSE in DN, mean over bands, per validation scene."""
        result = self.result()
        for name, variable in variables_of(self._judge).items():
            variable.assign(result[name])
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
        least = support.least_size(self.config.spec)
        return [np.stack([mirrored(each, least * len(each) // rows) for each in x]) for x in inputs]

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return everything that a checkpoint must hold."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, value in self.weights().items():
            arrays[f"model/{name}"] = value
        for name, value in self.average.items():
            arrays[f"average/{name}"] = value
        for name, value in self._start.items():
            arrays[f"start/{name}"] = value
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
        for name in self._start:
            self._start[name] = arrays[f"start/{name}"]
        for index, variable in enumerate(self.optimizer.variables):
            variable.assign(arrays[f"{self.config.optimizer}/{index}"])


def _optimizer(config: TrainingConfig) -> Any:
    import keras

    from s2_superres.training.muon import Muon

    rate, clip = config.learning_rate, config.clip_norm or None
    if config.optimizer == "muon":
        tail_ratio = family_of(config.spec).tail_rate
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
