"""What a run did, counted window by window."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION
from s2_superres.inference import blocks
from s2_superres.inference.plan import Prepared
from s2_superres.raster.grid import Area


@dataclass(frozen=True)
class Agreement:
    """How well one band, degraded back, agrees with what was measured.

    Attributes
    ----------
    rms : float
        Root mean square difference in digital numbers, before rounding.
    rms_without_projection : float
        The same of the network's output before the projection.
    """

    rms: float
    rms_without_projection: float


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    output : Path
    plan : dict
        As `Prepared.to_dict`.
    seconds : float
    pixels : int
        Of the area, at 10 m.
    valid_share : float
        Share of them that have data in every band that the networks make.
    agreement : dict of str to Agreement
        Per sharpened band.
    best_core : Area
        The window with the most data, nearest to the middle: for a quicklook.
    item : Path, optional
        The STAC item beside the output.
    """

    output: Path
    plan: dict[str, Any]
    seconds: float
    pixels: int
    valid_share: float
    agreement: dict[str, Agreement]
    best_core: Area
    item: Path | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        return {
            "output": str(self.output),
            **({"item": str(self.item)} if self.item else {}),
            **self.plan,
            "seconds": round(self.seconds, 3),
            "megapixels_per_second": round(self.pixels / self.seconds / 1e6, 5),
            "valid_share": round(self.valid_share, 6),
            "agreement": {
                name: {
                    "rms_dn": round(value.rms, 4),
                    "rms_dn_without_projection": round(value.rms_without_projection, 4),
                }
                for name, value in self.agreement.items()
            },
        }


#: Called after every window with the windows and the 10 m pixels done so far.
Progress = Callable[[int, int], None]


class Tally:
    """Counts what was done, window by window."""

    def __init__(self, run: Prepared, progress: Progress | None) -> None:
        self.run = run
        self.progress = progress
        self.windows = self.pixels = self.valid = 0
        self.residuals: dict[int, NDArray[np.float64]] = {}
        self.best: tuple[float, Area] | None = None

    def add(self, result: blocks.Result) -> None:
        """Count a window that was made."""
        self._count(result.core, result.pixels, result.residuals)

    def recall(self, core: Area, note: str) -> None:
        """Count a window that an earlier run has made, by what `note_of` said of it then."""
        facts = json.loads(note)
        residuals = {int(key): np.array(sums) for key, sums in facts["residuals"].items()}
        self._count(core, facts["pixels"], residuals)

    def _count(self, core: Area, pixels: int, residuals: dict[int, NDArray[np.float64]]) -> None:
        area = self.run.area
        self.windows += 1
        self.pixels += core.rows * core.cols
        self.valid += pixels
        for resolution, sums in residuals.items():
            self.residuals[resolution] = self.residuals.get(resolution, 0) + sums
        distance = abs(2 * (core.row - area.row) + core.rows - area.rows) + abs(
            2 * (core.col - area.col) + core.cols - area.cols
        )
        # Data first; among windows full of it, the one in the middle.
        worth = pixels / (core.rows * core.cols) - 1e-6 * distance
        if self.best is None or worth > self.best[0]:
            self.best = worth, core
        if self.progress is not None:
            self.progress(self.windows, self.pixels)

    def summary(self, output: Path, seconds: float) -> Summary:
        """Return what the run came to."""
        agreement = {}
        for resolution, (count, projected, raw) in self.residuals.items():
            for i, band in enumerate(BY_RESOLUTION[resolution]):
                if count[i] and band in self.run.bands:
                    agreement[band.name] = Agreement(
                        float(np.sqrt(projected[i] / count[i])), float(np.sqrt(raw[i] / count[i]))
                    )
        assert self.best is not None
        return Summary(
            output,
            self.run.to_dict(),
            seconds,
            self.pixels,
            self.valid / self.pixels,
            agreement,
            self.best[1],
        )


def note_of(result: blocks.Result) -> str:
    """Return what `Tally.recall` needs to count a window again."""
    residuals = {str(key): sums.tolist() for key, sums in result.residuals.items()}
    return json.dumps({"pixels": result.pixels, "residuals": residuals})
