"""Wald's protocol: how well a sharpener restores bands that were degraded on purpose.

Every band is degraded by the ratio, 2 for the 20 m bands and 6 for the 60 m
bands, with the point spread of `s2_superres.raster.degradation`. The degraded bands
are sharpened, and the originals are the truth (Wald, Ranchin, Mangolini 1997).
At full scale there is no truth; there the sharpened bands are degraded and
compared with the measured ones.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import INPUTS
from s2_superres.errors import InputError
from s2_superres.inference.arrays import ArraySource, sharpen
from s2_superres.raster import mosaic
from s2_superres.raster.bicubic import bicubic
from s2_superres.raster.degradation import degrade, mostly
from s2_superres.raster.filling import fill_invalid
from s2_superres.raster.radiometry import Radiometry
from s2_superres.validation.methods import Method
from s2_superres.validation.pictures import Pictures, square
from s2_superres.validation.results import Comparison, Score
from s2_superres.validation.scenes import Scene
from s2_superres.validation.scoring import error_bars, score
from s2_superres.validation.settings import Settings

#: The metrics' windows, up to 11 x 11 pixels, should have some room in the truth.
SMALLEST_TRUTH = 16
#: Digital numbers without offset, NaN where there is none.
_RADIOMETRY = Radiometry.uniform(0.0, None, None, np.float32)
#: A degraded pixel is valid if the pixels with data that it is made of weigh as much as
#: this: a part that is smaller than the rest changes it by less than a tenth of a DN.
_WHOLE = 1 - 1e-5

_T = TypeVar("_T", bound=np.generic)
Image = NDArray[np.float32]
Bands = Mapping[int, Image]
#: ``(text)``: what is being done.
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Trial:
    """What methods are put to: a scene at one resolution, degraded.

    Attributes
    ----------
    scene : Scene
    resolution : {20, 60}
        Of the bands to restore.
    inputs, degraded : mapping of int to ndarray
        The bands of each input resolution as measured, and degraded by the ratio.
    truth : ndarray of float32, shape (bands, rows, cols)
        The measured bands, on the grid that the finest degraded ones have.
    valid : ndarray of bool, shape (rows, cols)
        Where the truth counts.
    """

    scene: Scene
    resolution: int
    inputs: Bands
    degraded: Bands
    truth: Image
    valid: NDArray[np.bool_]

    @property
    def ratio(self) -> int:
        """By how much the bands were degraded."""
        return self.resolution // 10


def compare(
    scene: Scene,
    resolution: int,
    methods: Sequence[Method],
    settings: Settings | None = None,
    progress: Progress = lambda text: None,
) -> Comparison:
    """Score methods on one scene at one resolution, for which there is no `hindrance`.

    Raises
    ------
    InputError
        If no pixel of the scene counts.
    """
    settings = settings or Settings()
    trial = prepare(scene, resolution, settings.sigma)
    scores, predictions = [], {}
    for method in methods:
        found, predicted = _tried(trial, method, settings, progress)
        scores.append(found)
        if settings.pictures:
            predictions[method.name] = square(predicted, trial.ratio)
    pictures = None
    if settings.pictures:
        pictures = Pictures(
            square(np.where(trial.valid, trial.truth, np.float32(np.nan)), trial.ratio),
            square(trial.degraded[resolution], trial.ratio, trial.ratio),
            predictions,
        )
    rows, cols = trial.valid.shape
    share = float(trial.valid.mean())
    return Comparison(
        scene.name, scene.level, resolution, (rows, cols), share, tuple(scores), pictures
    )


def prepare(scene: Scene, resolution: int, sigma: float | None = None) -> Trial:
    """Degrade a scene, and find where its truth counts.

    Raises
    ------
    InputError
        If it does so nowhere.
    """
    ratio = resolution // 10
    inputs = {r: scene.bands[r] for r in INPUTS[resolution]}
    whole = {r: _cut(bands, ratio * ratio * 10 // r, scene.size, r) for r, bands in inputs.items()}
    truth = whole[resolution]
    degraded = {r: degrade_valid(bands, ratio, sigma) for r, bands in whole.items()}
    valid = np.isfinite(truth).all(axis=0) & mosaic.valid_inputs(
        dict(degraded), tuple(degraded), _RADIOMETRY
    )
    if not valid.any():
        raise InputError(
            f"{scene.source}: no pixel has data in every band at {resolution} m; "
            "choose another area or scene"
        )
    measured = {r: mask for r, mask in scene.measured.items() if r in inputs}
    valid &= known_truth(measured, resolution, scene.size, sigma)
    if not valid.any():
        raise InputError(
            f"{scene.source}: by its masks, no pixel with data was measured at {resolution} m; "
            "leave it out"
        )
    return Trial(scene, resolution, inputs, degraded, truth, valid)


def _tried(
    trial: Trial, method: Method, settings: Settings, progress: Progress
) -> tuple[Score, Image]:
    """Return what a method reached, and what it made of the degraded bands."""
    scene, resolution = trial.scene, trial.resolution
    where = f"{scene.name}, {resolution} m, {method.name}"
    progress(where)
    told: dict[int, Image] | None = {} if method.tells_errors(resolution, scene.level) else None
    predicted = predict(method, trial.degraded, resolution, scene.level, settings, told)
    overall, per_band = score(trial.truth, predicted, trial.valid)
    agreement: tuple[float, ...] = ()
    if settings.full_scale:
        progress(f"{where}, full scale")
        full = predict(method, trial.inputs, resolution, scene.level, settings)
        target = trial.inputs[resolution]
        if resolution in scene.measured:
            target = np.where(scene.measured[resolution], target, np.float32(np.nan))
        agreement = agreement_with(target, full, trial.ratio, settings.sigma)
    bars = error_bars(trial.truth, predicted, trial.valid, told[resolution]) if told else None
    return Score(method.name, overall, per_band, agreement, bars), predicted


def known_truth(
    measured: Mapping[int, NDArray[np.bool_]],
    resolution: int,
    size: tuple[int, int],
    sigma: float | None = None,
) -> NDArray[np.bool_]:
    """Return where the truth was measured, and so was most of what each input is made of.

    Parameters
    ----------
    measured : mapping of int to ndarray of bool
        Per resolution of the inputs; one that is not there was measured everywhere.
    resolution : {20, 60}
    size : tuple of int
        Rows and columns of the scene at 10 m.
    sigma : float, optional

    Returns
    -------
    ndarray of bool
        On the grid of the truth, cut to whole degraded pixels.
    """
    ratio = resolution // 10
    rows, cols = (side // ratio**2 * ratio for side in size)
    known = np.ones((rows, cols), np.bool_)
    for r, mask in measured.items():
        [whole] = _cut(mask[None], ratio * ratio * 10 // r, size, r)
        if r == resolution:
            known &= whole
        most = mostly(whole, ratio, sigma)
        known &= most.repeat(r // 10, axis=0).repeat(r // 10, axis=1)
    return known


def predict(
    method: Method,
    inputs: Bands,
    resolution: int,
    level: str,
    settings: Settings,
    errors: dict[int, Image] | None = None,
) -> Image:
    """Bring the bands of a resolution to the grid of the finest input.

    Parameters
    ----------
    errors : dict, optional
        Filled with the error bars, by resolution.

    Returns
    -------
    ndarray of float32, shape (bands, rows, cols)
        Digital numbers without offset; NaN where a network has no valid input.
    """
    if method.is_interpolation:
        coarse = inputs[resolution]
        return bicubic(fill_invalid(coarse, np.isfinite(coarse)), resolution // 10)
    from s2_superres.networks.sharpener import sharpener

    network = method.networks[resolution, level]
    made = sharpener((network,), settings.compute.ready(), errors is not None)
    results, told = sharpen(ArraySource(inputs), made, _RADIOMETRY)
    if errors is not None:
        errors.update(told)
    return results[resolution]


def degrade_valid(bands: Image, ratio: int, sigma: float | None = None) -> Image:
    """Degrade bands; a pixel that any pixel without data takes part in is NaN."""
    valid = np.isfinite(bands)
    if valid.all():
        return degrade(bands, ratio, sigma)
    coarse = degrade(fill_invalid(bands, valid), ratio, sigma)
    coarse[degrade(valid, ratio, sigma) < _WHOLE] = np.nan
    return coarse


def agreement_with(
    measured: Image,
    fine: Image,
    ratio: int,
    sigma: float | None = None,
) -> tuple[float, ...]:
    """RMSE per band between the measured bands and the degraded output, in DN."""
    difference = degrade_valid(fine, ratio, sigma) - measured
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # A band without any pair is NaN.
        square = np.nanmean(np.square(difference, dtype=np.float64), axis=(1, 2))
    return tuple(float(value) for value in np.sqrt(square))


def hindrance(scene: Scene, resolution: int) -> str:
    """Return why a scene cannot be scored at a resolution; empty if it can."""
    if resolution not in scene.bands:
        return "holds no 60 m bands; ask for --resolution 20"
    ratio = resolution // 10
    unit = ratio * ratio
    rows, cols = (side // unit * ratio for side in scene.size)
    if min(rows, cols) < SMALLEST_TRUTH:
        least = -(-SMALLEST_TRUTH // ratio) * unit
        return (
            f"{scene.size[0]} x {scene.size[1]} pixels are too few to degrade by {ratio}; "
            f"{least} x {least} is the least"
        )
    return ""


def _cut(bands: NDArray[_T], unit: int, size: tuple[int, int], resolution: int) -> NDArray[_T]:
    """Cut bands at the lower right to multiples of ``unit`` of their own pixels."""
    rows, cols = (side * 10 // resolution // unit * unit for side in size)
    return bands[:, :rows, :cols]
