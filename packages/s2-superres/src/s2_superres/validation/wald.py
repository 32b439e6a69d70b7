"""Wald's protocol: how well a sharpener restores bands that were degraded on purpose.

Every band is degraded by the ratio, 2 for the 20 m bands and 6 for the 60 m
bands, with the point spread of `s2_superres.raster.degradation`. The degraded bands
are sharpened, and the originals are the truth (Wald, Ranchin, Mangolini 1997).
At full scale there is no truth; there the sharpened bands are degraded and
compared with the measured ones.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from s2_superres import __version__
from s2_superres.bands import BY_RESOLUTION, INPUTS
from s2_superres.errors import InputError
from s2_superres.inference.arrays import ArraySource, sharpen
from s2_superres.networks.compute import Compute
from s2_superres.raster import mosaic
from s2_superres.raster.bicubic import bicubic
from s2_superres.raster.degradation import degrade, mostly
from s2_superres.raster.filling import fill_invalid
from s2_superres.raster.radiometry import Radiometry
from s2_superres.validation.methods import RESOLUTIONS, Method
from s2_superres.validation.scenes import Scene

SCHEMA = "s2-superres-validation/1"
#: Digital numbers of reflectance 1: the data range of the metrics that need one.
DATA_RANGE = 10000.0
#: The metrics of a report.
SCORED = ("fsim", "issm", "psnr", "rmse", "sam", "sre", "ssim", "uiq")
_CLIPPING = ("fsim", "issm")
#: The metrics' windows, up to 11 x 11 pixels, should have some room in the truth.
SMALLEST_TRUTH = 16
#: Pixels of the truth along the side of a report's pictures.
PICTURE_SIDE = 200
#: Digital numbers without offset, NaN where there is none.
_RADIOMETRY = Radiometry.uniform(0.0, None, None, np.float32)
#: A degraded pixel is valid if the pixels with data that it is made of weigh as much as
#: this: a part that is smaller than the rest changes it by less than a tenth of a DN.
_WHOLE = 1 - 1e-5

_T = TypeVar("_T", bound=np.generic)
Bands = Mapping[int, NDArray[np.float32]]
#: ``(text)``: what is being done.
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Settings:
    """How to validate.

    Attributes
    ----------
    resolutions : tuple of int
        20, 60 or both.
    required : bool
        Whether a scene that cannot be scored at a resolution is an error; else
        it is left out with a note.
    sigma : float, optional
        Point spread in pixels of the finer grid, ``1 / ratio`` by default.
    full_scale : bool
        Whether to compare with the measured bands at full scale, too.
    pictures : bool
        Whether to keep images for a report.
    precision : {"float32", "bfloat16", "auto"}
    tile : int, optional
    threads : int, optional
    device : str
    """

    resolutions: tuple[int, ...] = RESOLUTIONS
    required: bool = False
    sigma: float | None = None
    full_scale: bool = True
    pictures: bool = False
    precision: str = "float32"
    tile: int | None = None
    threads: int | None = None
    device: str = "auto"

    def compute(self) -> Compute:
        """Return how the networks are to run."""
        return Compute(self.precision, self.tile, self.threads, self.device)


@dataclass(frozen=True)
class Score:
    """What one method reached on one scene.

    Attributes
    ----------
    method : str
    overall : mapping of str to float
        Every metric of image-similarity-measures by name; RMSE in DN, its mean
        over the bands.
    per_band : mapping of str to tuple of float
        The same per band; SAM has none.
    agreement : tuple of float
        Per band, the RMSE in DN between the measured band and the degraded
        output at full scale. Empty if it was not asked for.
    coverage, half_width : tuple of float
        Per band, the share of pixels whose truth lies within the error bars, and half of their
        width in DN, in the mean. Empty if the method tells none.
    """

    method: str
    overall: Mapping[str, float]
    per_band: Mapping[str, tuple[float, ...]]
    agreement: tuple[float, ...] = ()
    coverage: tuple[float, ...] = ()
    half_width: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold: what is not finite becomes None."""
        return {
            "method": self.method,
            "overall": {name: _finite(value) for name, value in self.overall.items()},
            "per_band": {
                name: [_finite(value) for value in values] for name, values in self.per_band.items()
            },
            "agreement": _finite(float(np.mean(self.agreement))) if self.agreement else None,
            "agreement_per_band": [_finite(value) for value in self.agreement],
            "coverage": float(np.mean(self.coverage)) if self.coverage else None,
            "coverage_per_band": list(self.coverage),
            "half_width_per_band": list(self.half_width),
        }


@dataclass(frozen=True)
class Pictures:
    """A square of each image, ``(bands, rows, cols)``, for a report.

    Attributes
    ----------
    truth, degraded : ndarray of float32
        The measured band, and what the methods were given.
    predictions : mapping of str to ndarray
        By method.
    """

    truth: NDArray[np.float32]
    degraded: NDArray[np.float32]
    predictions: Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True)
class Comparison:
    """All methods on one scene at one resolution.

    Attributes
    ----------
    scene, level : str
    resolution : int
        Of the bands restored: 20 or 60 m.
    shape : tuple of int
        Rows and columns of the truth.
    valid_share : float
        Share of its pixels that count.
    scores : tuple of Score
    pictures : Pictures, optional
    """

    scene: str
    level: str
    resolution: int
    shape: tuple[int, int]
    valid_share: float
    scores: tuple[Score, ...]
    pictures: Pictures | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values, without the pictures."""
        return {
            "scene": self.scene,
            "level": self.level,
            "resolution": self.resolution,
            "rows": self.shape[0],
            "cols": self.shape[1],
            "valid_share": self.valid_share,
            "bands": [band.name for band in BY_RESOLUTION[self.resolution]],
            "results": [score.to_dict() for score in self.scores],
        }


@dataclass(frozen=True)
class Validation:
    """What a validation found.

    Attributes
    ----------
    methods : tuple of Method
    scenes : tuple of dict
        Name, source, level, size and facts of each.
    comparisons : tuple of Comparison
    settings : Settings
    notes : tuple of str
        What was left out, and why.
    """

    methods: tuple[Method, ...]
    scenes: tuple[dict[str, Any], ...]
    comparisons: tuple[Comparison, ...]
    settings: Settings
    notes: tuple[str, ...] = field(default=())

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the pictures; the documentation describes the keys."""
        import image_similarity_measures as ism

        comparisons = [comparison.to_dict() for comparison in self.comparisons]
        return {
            "schema": SCHEMA,
            "versions": {
                "s2-superres": __version__,
                "image-similarity-measures": ism.__version__,
            },
            "protocol": {
                "name": "Wald",
                "sigma": self.settings.sigma,
                "data_range": DATA_RANGE,
                "precision": self.settings.precision,
            },
            "metrics": {
                name: {
                    "title": metric.title,
                    "unit": "DN" if metric.unit == "dn" else metric.unit,
                    "better": "higher" if metric.higher_is_better else "lower",
                }
                for name, metric in ((name, ism.METRICS[name]) for name in SCORED)
            },
            "methods": [method.to_dict() for method in self.methods],
            "scenes": list(self.scenes),
            "comparisons": comparisons,
            "means": means(comparisons),
            "notes": list(self.notes),
        }


def means(comparisons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Average every method's scores over the scenes that it was scored on.

    A value that is None in any scene has no mean.
    """
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for comparison in comparisons:
        for result in comparison["results"]:
            groups.setdefault((comparison["resolution"], result["method"]), []).append(result)
    return [
        {
            "resolution": resolution,
            "method": method,
            "scenes": len(results),
            "overall": {
                name: _mean([result["overall"].get(name) for result in results])
                for name in results[0]["overall"]
            },
            "agreement": _mean([result["agreement"] for result in results]),
            "coverage": _mean([result.get("coverage") for result in results]),
        }
        for (resolution, method), results in sorted(groups.items(), key=lambda item: item[0][0])
    ]


def validate(
    scenes: Iterable[Scene],
    methods: Sequence[Method],
    settings: Settings | None = None,
    progress: Progress = lambda text: None,
) -> Validation:
    """Score methods on scenes.

    Parameters
    ----------
    scenes : iterable of Scene
        Taken one at a time.
    methods : sequence of Method
    settings : Settings, optional
    progress : callable, optional
        Called with a few words before each step.

    Returns
    -------
    Validation

    Raises
    ------
    InputError
        If a scene cannot be scored at any resolution, or at one that was
        required, or two have one name.
    """
    settings = settings or Settings()
    settings.compute()
    described: list[dict[str, Any]] = []
    comparisons: list[Comparison] = []
    notes: list[str] = []
    for scene in scenes:
        if any(scene.name == other["name"] for other in described):
            raise InputError(f"{scene.source}: a second scene named {scene.name}; leave one out")
        if scene.note:
            notes.append(f"{scene.name}: {scene.note}")
        found, reasons = [], []
        for resolution in settings.resolutions:
            serving = [m for m in methods if m.serves(resolution, scene.level)]
            if _only_interpolate(serving) and not _only_interpolate(methods):
                continue
            reason = _hindrance(scene, resolution)
            if reason:
                reasons.append(f"{scene.source}: {reason}")
                continue
            if not _only_interpolate(serving):
                # Once counts; here, so that a source that cannot be read is told before
                # TensorFlow starts.
                settings.compute().ready()
            found.append(compare(scene, resolution, serving, settings, progress))
        if reasons and (settings.required or not found):
            raise InputError(reasons[0])
        if not found:
            raise InputError(
                f"{scene.source}: none of the weights serve {scene.level} at "
                f"{' or '.join(map(str, settings.resolutions))} m; name others, or leave it out"
            )
        notes += reasons
        comparisons += found
        described.append(_described(scene))
    if not described:
        raise InputError("nothing to validate: name a product or an array file")
    return Validation(tuple(methods), tuple(described), tuple(comparisons), settings, tuple(notes))


def compare(
    scene: Scene,
    resolution: int,
    methods: Sequence[Method],
    settings: Settings | None = None,
    progress: Progress = lambda text: None,
) -> Comparison:
    """Score methods on one scene at one resolution, which `validate` has found fit."""
    settings = settings or Settings()
    ratio = resolution // 10
    inputs = {r: scene.bands[r] for r in INPUTS[resolution]}
    whole = {r: _cut(bands, ratio * ratio * 10 // r, scene.size, r) for r, bands in inputs.items()}
    truth = whole[resolution]
    degraded = {r: degrade_valid(bands, ratio, settings.sigma) for r, bands in whole.items()}
    valid = np.isfinite(truth).all(axis=0) & mosaic.valid_inputs(
        dict(degraded), tuple(degraded), _RADIOMETRY
    )
    if not valid.any():
        raise InputError(
            f"{scene.source}: no pixel has data in every band at {resolution} m; "
            "choose another area or scene"
        )
    measured = {r: mask for r, mask in scene.measured.items() if r in inputs}
    valid &= known_truth(measured, resolution, scene.size, settings.sigma)
    if not valid.any():
        raise InputError(
            f"{scene.source}: by its masks, no pixel with data was measured at {resolution} m; "
            "leave it out"
        )
    predictions, scores = {}, []
    for method in methods:
        where = f"{scene.name}, {resolution} m, {method.name}"
        progress(where)
        tells = method.tells_errors(resolution, scene.level)
        told: dict[int, NDArray[np.float32]] = {}
        predicted = predict(
            method, degraded, resolution, scene.level, settings, told if tells else None
        )
        overall, per_band = score(truth, predicted, valid)
        agreement: tuple[float, ...] = ()
        if settings.full_scale:
            progress(f"{where}, full scale")
            full = predict(method, inputs, resolution, scene.level, settings)
            target = inputs[resolution]
            if resolution in measured:
                target = np.where(measured[resolution], target, np.float32(np.nan))
            agreement = agreement_with(target, full, ratio, settings.sigma)
        held = error_bars(truth, predicted, valid, told.get(resolution))
        scores.append(Score(method.name, overall, per_band, agreement, *held))
        if settings.pictures:
            predictions[method.name] = _square(predicted, ratio)
    pictures = None
    if settings.pictures:
        pictures = Pictures(
            _square(np.where(valid, truth, np.float32(np.nan)), ratio),
            _square(degraded[resolution], ratio, ratio),
            predictions,
        )
    rows, cols = truth.shape[1:]
    return Comparison(
        scene.name, scene.level, resolution, (rows, cols), float(valid.mean()), tuple(scores),
        pictures,
    )  # fmt: skip


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
    errors: dict[int, NDArray[np.float32]] | None = None,
) -> NDArray[np.float32]:
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
    made = sharpener((network,), settings.compute().ready(), errors is not None)
    results, told = sharpen(ArraySource(inputs), made, _RADIOMETRY)
    if errors is not None:
        errors.update(told)
    return results[resolution]


def degrade_valid(
    bands: NDArray[np.float32], ratio: int, sigma: float | None = None
) -> NDArray[np.float32]:
    """Degrade bands; a pixel that any pixel without data takes part in is NaN."""
    valid = np.isfinite(bands)
    if valid.all():
        return degrade(bands, ratio, sigma)
    coarse = degrade(fill_invalid(bands, valid), ratio, sigma)
    coarse[degrade(valid, ratio, sigma) < _WHOLE] = np.nan
    return coarse


def score(
    truth: NDArray[np.float32], predicted: NDArray[np.float32], valid: NDArray[np.bool_]
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """All metrics of image-similarity-measures, overall and per band.

    Parameters
    ----------
    truth, predicted : ndarray of float32, shape (bands, rows, cols)
    valid : ndarray of bool, shape (rows, cols)
    """
    import image_similarity_measures as ism

    images = [np.ascontiguousarray(np.moveaxis(image, 0, -1)) for image in (truth, predicted)]
    overall: dict[str, float] = {}
    per_band: dict[str, tuple[float, ...]] = {}
    # Those that clip to the data range refuse where much of an image lies outside, as dark water
    # does at 60 m, in the least below 0.
    inside = [np.clip(image, 0, DATA_RANGE) for image in images]
    for names, pair in (([n for n in SCORED if n not in _CLIPPING], images), (_CLIPPING, inside)):
        with warnings.catch_warnings():
            # What it warns of, such as values beyond the data range, is expected here.
            warnings.simplefilter("ignore", ism.SimilarityWarning)
            report = ism.compare(*pair, metrics=names, data_range=DATA_RANGE, mask=valid)
        overall |= report.metrics
        per_band |= report.per_band
    return {n: overall[n] for n in SCORED}, {n: per_band[n] for n in SCORED if n in per_band}


def error_bars(
    truth: NDArray[np.float32],
    predicted: NDArray[np.float32],
    valid: NDArray[np.bool_],
    half_width: NDArray[np.float32] | None,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return per band what share of pixels error bars hold, and half of their mean width in DN.

    Parameters
    ----------
    truth, predicted : ndarray of float32, shape (bands, rows, cols)
    valid : ndarray of bool, shape (rows, cols)
    half_width : ndarray of float32, shape (bands, rows, cols), or None
        None gives empty tuples.
    """
    if half_width is None:
        return (), ()
    told = half_width[:, valid]
    held = np.abs(predicted - truth)[:, valid] <= told
    widths = told.mean(axis=1, dtype=np.float64)
    return tuple(map(float, held.mean(axis=1))), tuple(map(float, widths))


def agreement_with(
    measured: NDArray[np.float32],
    fine: NDArray[np.float32],
    ratio: int,
    sigma: float | None = None,
) -> tuple[float, ...]:
    """RMSE per band between the measured bands and the degraded output, in DN."""
    difference = degrade_valid(fine, ratio, sigma) - measured
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # A band without any pair is NaN.
        square = np.nanmean(np.square(difference, dtype=np.float64), axis=(1, 2))
    return tuple(float(value) for value in np.sqrt(square))


def _only_interpolate(methods: Sequence[Method]) -> bool:
    return all(method.is_interpolation for method in methods)


def _hindrance(scene: Scene, resolution: int) -> str:
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


def _square(bands: NDArray[np.float32], ratio: int, coarser: int = 1) -> NDArray[np.float32]:
    """Copy the middle of an image, which on a coarser grid is the same ground."""
    side = PICTURE_SIDE // ratio * ratio // coarser
    step = ratio // coarser
    rows, cols = (min(side, length) for length in bands.shape[1:])
    row, col = (
        (whole - part) // 2 // step * step
        for whole, part in zip(bands.shape[1:], (rows, cols), strict=True)
    )
    return bands[:, row : row + rows, col : col + cols].copy()


def _described(scene: Scene) -> dict[str, Any]:
    return {
        "name": scene.name,
        "source": scene.source,
        "level": scene.level,
        "rows": scene.size[0],
        "cols": scene.size[1],
        "facts": dict(scene.facts),
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None
