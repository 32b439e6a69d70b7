"""Teaching trained weights to tell their errors, and measuring how far to believe them.

The network stays as it is. A head (`s2_superres.networks.errorbar`) learns the scale b of its
errors on the training places, by the likelihood of a Laplace density. Then the errors on places
kept for validation, divided by b, tell which multiple of b holds 90 % of them: normalised split
conformal prediction (Lei et al. 2018, doi 10.1080/01621459.2017.1307116). Pixels of one place are
alike, so places and not pixels are what new ones are like: each weighs the same, and what is told
of coverage is measured on each place with the multiple from all others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError, TrainingError
from s2_superres.networks import support
from s2_superres.networks.compute import quiet_keras
from s2_superres.networks.weights import ERROR_FACTOR, ERROR_SHARE, Weights, variables_of
from s2_superres.patches.patchset import PatchSet
from s2_superres.training.batches import Batch, Prefetch, Sampler, Sampling, validation_batches

Array = NDArray[np.float32]
#: With fewer places than this, what holds on them may not hold on others.
ENOUGH_PLACES = 10
#: Places that are too few even for a warning: each is to be told of by others.
_LEAST_PLACES = 3
#: Of a patch, so many pixels teach the head: neighbours are alike.
_PIXELS = 100
#: Steps of its training, over pixels of all places mixed, and pixels in each.
_LEARNING_STEPS, _LEARNING_BATCH = 2500, 2048
#: Their brightness is changed by up to this power of e: errors grow with what a head looks at, and
#: new land may be brighter than all that taught it.
_GAIN = 0.5
#: What never varies is left as it is.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class CalibrationSettings:
    """How a head is trained.

    Attributes
    ----------
    steps, batch, seed : int
        So many times, so many patches are drawn, whose pixels teach it.
    learning_rate : float
        At its highest; it falls along a cosine to 0.
    patches : int
        Most patches per validation scene.
    """

    steps: int = 500
    batch: int = 4
    seed: int = 0
    learning_rate: float = 3e-3
    patches: int = 64

    def __post_init__(self) -> None:
        if min(self.steps, self.batch, self.patches) < 1 or self.seed < 0:
            raise InputError(
                "calibration: give 1 or more for steps, batch and patches, 0 or more for the seed"
            )
        if not 0 < self.learning_rate < math.inf:
            raise InputError(f"calibration: learning rate {self.learning_rate}: give more than 0")


@dataclass(frozen=True)
class PlaceErrors:
    """Errors on one place, per pixel and band, in reflectance / 0.2.

    Attributes
    ----------
    errors, scales : ndarray of float32, shape (pixels, bands)
        Absolute errors, and what the head says of them.
    """

    errors: Array
    scales: Array


@dataclass(frozen=True)
class Calibration:
    """How far a head is to be believed.

    Attributes
    ----------
    factors : tuple of float
        Per band, what the scale is multiplied by to hold `ERROR_SHARE` of the pixels.
    coverage : mapping of str to tuple of float
        Per place and band, the share that it holds with factors from all other places.
    width_by_rmse : tuple of float
        Per band, the mean half-width over the RMSE, both in the mean over places.
    """

    factors: tuple[float, ...]
    coverage: Mapping[str, tuple[float, ...]]
    width_by_rmse: tuple[float, ...]

    @property
    def by_place(self) -> dict[str, float]:
        """Coverage per place, mean over bands."""
        return {place: float(np.mean(values)) for place, values in self.coverage.items()}

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for the weights' metadata."""
        by_place = self.by_place
        worst = min(by_place, key=lambda place: by_place[place])
        return {
            "level": ERROR_SHARE,
            "places": len(by_place),
            "coverage": float(np.mean(list(by_place.values()))),
            "coverage_by_place": by_place,
            "worst_place": worst,
            "width_by_rmse": list(self.width_by_rmse),
        }


def calibrate(
    weights: Weights,
    data: Sequence[str],
    settings: CalibrationSettings | None = None,
    *,
    report: Callable[[int, int], None] | None = None,
    warn: Callable[[str], None] = lambda text: None,
) -> tuple[Weights, Calibration]:
    """Add to weights a head that tells their errors.

    Parameters
    ----------
    weights : Weights
        A head that they have is replaced.
    data : sequence of str
        Folders of patches: places for training, and for validation, which the weights and the
        head have not seen.
    settings : CalibrationSettings, optional
    report : callable, optional
        Called after each step with the step and the steps in all.
    warn : callable, optional
        Called with a line if places are few.

    Returns
    -------
    Weights, Calibration

    Raises
    ------
    TrainingError
        If the data do not fit, or places for validation are too few.
    WeightsError
        If the weights have no body.
    """
    settings = settings or CalibrationSettings()
    sets = [PatchSet(folder) for folder in data]
    for patches in sets:
        if patches.settings.resolution != weights.spec.resolution:
            raise TrainingError(
                f"{patches.folder}: patches for {patches.settings.resolution} m tell nothing of "
                f"weights for {weights.spec.resolution} m; cut others"
            )
    places = {s.place for patches in sets for s in patches.scenes if s.split == "validation"}
    if len(places) < _LEAST_PLACES:
        raise TrainingError(
            f"{len(places)} places for validation are too few to calibrate by: cut patches with "
            f"{_LEAST_PLACES} or more, better {ENOUGH_PLACES}, see --validation"
        )
    if len(places) < ENOUGH_PLACES:
        warn(
            f"calibrated by {len(places)} places: on others, error bars may hold much less or more "
            f"than {ERROR_SHARE:.0%} of the pixels; take {ENOUGH_PLACES} or more"
        )
    model, head = _train_head(weights, sets, settings, report)
    found = measure(place_errors(model, sets, settings), ERROR_SHARE)
    arrays = {**weights.body, **head, ERROR_FACTOR: np.array(found.factors, np.float32)}
    metadata = {**weights.metadata, "error": found.to_dict()}
    return replace(weights, arrays=arrays, metadata=metadata), found


def _train_head(
    weights: Weights,
    sets: Sequence[PatchSet],
    settings: CalibrationSettings,
    report: Callable[[int, int], None] | None,
) -> tuple[Any, dict[str, Any]]:
    """Return a model from inputs to the output and log b, one tensor's channels, and the head."""
    from s2_superres.networks.weights import build_with_weights

    keras = quiet_keras()
    from s2_superres.networks import errorbar

    keras.utils.set_random_seed(settings.seed)
    network = build_with_weights(weights)
    seen = errorbar.seen(network, weights.spec)
    pixels, errors = _look(
        keras.Model(network.inputs, [network.output, seen]), weights, sets, settings, report
    )
    mean, spread = pixels.mean(axis=0), pixels.std(axis=0) + _LEAST_SPREAD
    learnt = _learn((pixels - mean) / spread, errors, weights, settings)
    arrays = errorbar.rescaled(learnt, mean, spread)
    log_scale = errorbar.head(seen, weights.spec)
    both = keras.layers.Concatenate(dtype="float32")([network.output, log_scale])
    model = keras.Model(network.inputs, both)
    errorbar.set_head(model, replace(weights, arrays=arrays))
    return model, arrays


def _look(
    model: Any,
    weights: Weights,
    sets: Sequence[PatchSet],
    settings: CalibrationSettings,
    report: Callable[[int, int], None] | None,
) -> tuple[Array, Array]:
    """Return what a head sees at pixels of the training places, and the absolute errors there."""
    sampling = Sampling(settings.batch, settings.seed, turns="none", gain=_GAIN)
    sampler = Sampler(sets, sampling, support.least_size(weights.spec))
    rng = np.random.default_rng(settings.seed)
    pixels, errors = [], []
    with Prefetch(sampler, 0, settings.steps) as batches:
        for step, batch in batches:
            output, seen = (np.asarray(array) for array in model.predict_on_batch(batch.inputs))
            where = np.argwhere(batch.measured)
            at = tuple(rng.permutation(where)[: _PIXELS * settings.batch].T)
            pixels.append(seen[at])
            errors.append(np.abs(output[at] - batch.target[at]))
            if report:
                report(step + 1, settings.steps)
    return np.concatenate(pixels), np.concatenate(errors)


def _learn(
    pixels: Array, errors: Array, weights: Weights, settings: CalibrationSettings
) -> dict[str, Any]:
    """Return the variables of a head, trained on pixels of all places mixed."""
    import keras

    from s2_superres.networks import errorbar

    x = keras.Input((1, 1, pixels.shape[-1]))
    model = keras.Model(x, errorbar.head(x, weights.spec))
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    model.compile(optimizer=optimizer, loss=_likelihood)
    rng = np.random.default_rng(settings.seed)
    for step in range(_LEARNING_STEPS):
        progress = step / _LEARNING_STEPS
        optimizer.learning_rate = settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))
        some = rng.integers(len(pixels), size=_LEARNING_BATCH)
        model.reset_metrics()
        loss = float(model.train_on_batch(pixels[some, None, None], errors[some, None, None]))
        if not math.isfinite(loss):
            raise TrainingError(
                f"the error head's loss is {loss} at step {step + 1}; lower the learning rate"
            )
    return {name: np.asarray(variable) for name, variable in variables_of(model).items()}


def _likelihood(errors: Any, log_scale: Any) -> Any:
    """Return the negative logarithm of Laplace's density, mean over bands, but for log 2."""
    from keras import ops

    # Beyond a thousand scales it is no error but damage, and would rule the head.
    distance = ops.minimum(errors * ops.exp(-log_scale), 1e3)
    return ops.mean(log_scale + distance, axis=-1)


def place_errors(
    model: Any, sets: Sequence[PatchSet], settings: CalibrationSettings
) -> dict[str, PlaceErrors]:
    """Return the errors on each place for validation, and what a head says of them."""
    place_of = {scene.name: scene.place for patches in sets for scene in patches.scenes}
    parts: dict[str, list[tuple[Array, Array]]] = {}

    def run(batch: Batch) -> tuple[Array, Array]:
        both = np.asarray(model.predict_on_batch(batch.inputs))
        bands = both.shape[-1] // 2
        errors = np.abs(both[..., :bands] - batch.target)[batch.measured]
        return errors, np.exp(both[..., bands:])[batch.measured]

    for name, batch in validation_batches(sets, settings.batch, settings.patches):
        parts.setdefault(place_of[name], []).append(run(batch))
    return {
        place: PlaceErrors(*(np.concatenate(arrays) for arrays in zip(*found, strict=True)))
        for place, found in parts.items()
    }


def measure(places: Mapping[str, PlaceErrors], level: float = ERROR_SHARE) -> Calibration:
    """Find the factors that hold a share of the pixels, and how they do on places left out.

    Parameters
    ----------
    places : mapping of str to PlaceErrors
        Two or more.
    level : float
    """
    ratios = {place: found.errors / found.scales for place, found in places.items()}
    factors = _quantiles(list(ratios.values()), level)
    coverage = {}
    for place, own in ratios.items():
        others = [ratio for other, ratio in ratios.items() if other != place]
        held = own <= _quantiles(others, level)
        coverage[place] = tuple(float(share) for share in held.mean(axis=0))
    scales = [found.scales.mean(axis=0, dtype=np.float64) for found in places.values()]
    squares = [np.square(found.errors, dtype=np.float64).mean(axis=0) for found in places.values()]
    widths = factors * np.mean(scales, axis=0) / np.mean(np.sqrt(squares), axis=0)
    return Calibration(tuple(float(f) for f in factors), coverage, tuple(float(w) for w in widths))


def _quantiles(groups: Sequence[Array], level: float) -> NDArray[np.float64]:
    """Return per column what a share of all does not exceed, where groups weigh alike."""
    values = np.concatenate(groups)
    weights = np.concatenate([np.full(len(g), 1 / (len(g) * len(groups))) for g in groups])
    out = []
    for column in values.T:
        order = np.argsort(column)
        total = np.cumsum(weights[order])
        out.append(column[order][min(np.searchsorted(total, level), len(column) - 1)])
    return np.array(out, np.float64)
