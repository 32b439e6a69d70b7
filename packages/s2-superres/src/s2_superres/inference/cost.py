"""What a run will cost on this machine."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

import numpy as np

from s2_superres.bands import BANDS, BY_RESOLUTION
from s2_superres.inference import blocks
from s2_superres.inference.plan import Prepared

#: What GDAL takes while it makes the output of the windows, its block cache above all.
_GDAL_WHILE_WRITING = 128 * 2**20


@dataclass(frozen=True)
class Estimate:
    """What a run will cost on this machine.

    Attributes
    ----------
    seconds : float
        From one window that was timed.
    memory : int
        Peak of the process in bytes.
    per_window : float
        The window's seconds.
    """

    seconds: float
    memory: int
    per_window: float


def estimate(run: Prepared) -> Estimate:
    """Time one window, made up, and reckon with the rest."""
    window = next(iter(run.windows))
    outer = window.outer
    block = blocks.Block(
        window,
        {
            resolution: np.full((len(bands), *outer.at(resolution).shape), 0.5, np.float32)
            for resolution, bands in BY_RESOLUTION.items()
            if resolution in run.job.resolutions
        },
        {},
        {
            resolution: np.ones((1, *window.core.shape), bool)
            for resolution in run.job.sharpener.weights
        },
    )
    blocks.compute(block, run.job)
    start = time.perf_counter()
    blocks.compute(block, run.job)
    seconds = time.perf_counter() - start
    # Two rows of JPEG 2000 blocks, and the windows on their way.
    decoded = sum(
        2 * 2 * 1024 * min(run.area.cols * 10 // band.resolution + 1024, 10980)
        for band in run.sources
    )
    windows = 3 * outer.rows * outer.cols * 4 * len(BANDS)
    memory = peak_memory() + decoded + windows + _GDAL_WHILE_WRITING
    return Estimate(seconds * len(run.windows), memory, seconds)


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; 0 where unknown."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
