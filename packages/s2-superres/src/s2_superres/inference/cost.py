"""What a run will cost on this machine."""

from __future__ import annotations

import os
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2_superres.bands import BANDS, BY_RESOLUTION
from s2_superres.inference import blocks
from s2_superres.inference.plan import Prepared
from s2_superres.products.remote import NETWORK_CACHE, network_options

#: What GDAL takes while it makes the output of the windows, its block cache above all.
_GDAL_WHILE_WRITING = 128 * 2**20
#: Where Linux says what a container may take: cgroups 2, and 1.
_CGROUPS = (
    Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)  # fmt: skip


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
    remote = any(network_options(path) for path in run.product.files.values())
    cache = _GDAL_WHILE_WRITING + (NETWORK_CACHE if remote else 0)
    memory = peak_memory() + decoded + windows + cache
    return Estimate(seconds * len(run.windows), memory, seconds)


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; 0 where unknown."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def memory_limit() -> int:
    """Return how much memory this machine, or this container, has in bytes; 0 where unknown."""
    limits = []
    for path in _CGROUPS:
        with suppress(OSError, ValueError):  # No such group, or "max": no limit.
            limits.append(int(path.read_text()))
    with suppress(AttributeError, OSError, ValueError):  # Not on every system.
        limits.append(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return min(limits, default=0)
