"""What a validation found: scores, comparisons, and the document that is written of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from s2_superres._version import __version__
from s2_superres.bands import BY_RESOLUTION
from s2_superres.validation.methods import Method
from s2_superres.validation.pictures import Pictures
from s2_superres.validation.scoring import DATA_RANGE, SCORED, SHARES, ErrorBars
from s2_superres.validation.settings import Settings

SCHEMA = "s2-superres-validation/1"


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
    bars : ErrorBars, optional
        What its error bars hold, if the method tells any.
    """

    method: str
    overall: Mapping[str, float]
    per_band: Mapping[str, tuple[float, ...]]
    agreement: tuple[float, ...] = ()
    bars: ErrorBars | None = None

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
            **_bars(self.bars),
        }


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
class Failure:
    """A source that could not be scored.

    Attributes
    ----------
    source : str
    error : str
        Why.
    """

    source: str
    error: str

    def __str__(self) -> str:
        return self.error if self.source in self.error else f"{self.source}: {self.error}"


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
        What was left out of a scene, and why.
    failed : tuple of Failure
        The sources that could not be scored.
    """

    methods: tuple[Method, ...]
    scenes: tuple[dict[str, Any], ...]
    comparisons: tuple[Comparison, ...]
    settings: Settings
    notes: tuple[str, ...] = field(default=())
    failed: tuple[Failure, ...] = ()

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
                "precision": self.settings.compute.precision,
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
            "notes": [*self.notes, *(f"left out: {failure}" for failure in self.failed)],
            "failed": [asdict(failure) for failure in self.failed],
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


def _bars(bars: ErrorBars | None) -> dict[str, Any]:
    """Return plain values of what error bars hold."""
    if bars is None:
        return {"coverage": None, "coverage_per_band": [], "half_width_per_band": []}
    return {
        "coverage": float(np.mean(bars.coverage)),
        "coverage_per_band": list(bars.coverage),
        "half_width_per_band": list(bars.half_width),
        "reliability": [list(pair) for pair in zip(SHARES, bars.reliability, strict=True)],
        "half_width_told_needed": [list(p) for p in zip(bars.told, bars.needed, strict=True)],
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if len(known) == len(values) else None
