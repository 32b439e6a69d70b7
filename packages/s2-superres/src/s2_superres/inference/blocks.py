"""The unit of work: one window of an image, from its pixels to its sharpened bands.

`load` reads, `compute` runs the networks, `finish` restores digital numbers.
`process` is all three, for executors that send windows elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, INPUTS, Band
from s2_superres.networks.engine import Prediction
from s2_superres.networks.sharpener import Sharpener
from s2_superres.products.masks import Mask
from s2_superres.raster import mosaic
from s2_superres.raster.degradation import degrade
from s2_superres.raster.filling import reach, read_mirrored
from s2_superres.raster.grid import UNIT, Area
from s2_superres.raster.radiometry import SCALE, Radiometry
from s2_superres.raster.windows import Window

#: What the networks made of a window, per resolution.
Predictions = dict[int, Prediction]


class Source(Protocol):
    """Something to read bands from: a product or arrays."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the whole image in 10 m pixels."""

    def read(self, bands: Sequence[Band], area: Area) -> NDArray[Any]:
        """Return ``(bands, rows, cols)`` of an area inside, in pixels of the bands."""


@dataclass(frozen=True)
class Job:
    """What all windows of a run have in common. Picklable.

    Attributes
    ----------
    sharpener : Sharpener
    outer : tuple of int
        Rows and columns of the windows' outer parts.
    radiometry : Radiometry
    masks : tuple of Mask
        What the product itself says of pixels, to be read along.
    """

    sharpener: Sharpener
    outer: tuple[int, int]
    radiometry: Radiometry
    masks: tuple[Mask, ...] = ()

    @property
    def resolutions(self) -> tuple[int, ...]:
        """Resolutions of the bands to read."""
        return self.sharpener.inputs

    def stages(self) -> Iterator[tuple[int, int, int]]:
        """Yield of each network its bands' resolution, its halo and its trim."""
        sharpener = self.sharpener
        return zip(sharpener.weights, sharpener.halos, sharpener.trims, strict=True)


@dataclass(frozen=True)
class Block:
    """One window with its pixels read.

    Attributes
    ----------
    window : Window
    scaled : dict of int to ndarray
        Networks' inputs ``(bands, rows, cols)`` over the outer part. Empty if
        no pixel of the core has data.
    measured : dict of int to ndarray
        Digital numbers ``(bands, rows, cols)`` over the core, at their own grids.
    valid : dict of int to ndarray
        Per network's resolution ``(bands, rows, cols)``, where at 10 m in the core
        its output has data: see `mosaic.valid_outputs`.
    masks : dict of str to ndarray
        Classes ``(rows, cols)`` of uint8 at 10 m in the core, 0 where there is no data.
    """

    window: Window
    scaled: dict[int, NDArray[np.float32]]
    measured: dict[int, NDArray[Any]]
    valid: dict[int, NDArray[np.bool_]]
    masks: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """One window's sharpened bands.

    Attributes
    ----------
    core : Area
    bands : dict of int to ndarray
        Per resolution 20 and 60 ``(bands, rows, cols)`` at 10 m, in digital
        numbers; per resolution 10 the measured bands.
    pixels : int
        How many pixels of the core have data in every sharpened band.
    residuals : dict of int to ndarray
        Per network's resolution ``(3, bands)``: how many coarse pixels were
        compared, and the sums over them of the squared difference, in digital
        numbers, between the measured band and the degraded output, with and
        without the projection. Empty unless asked for.
    errors : dict of int to ndarray
        Per network's resolution the error bars of the bands, see `mosaic.finish_errors`. Empty
        unless the job asks for them.
    masks : dict of str to ndarray
        As in `Block`.
    """

    core: Area
    bands: dict[int, NDArray[Any]]
    pixels: int
    residuals: dict[int, NDArray[np.float64]]
    errors: dict[int, NDArray[Any]] = field(default_factory=dict)
    masks: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


def load(source: Source, window: Window, job: Job) -> Block:
    """Read a window, fill what is missing, and bring it to the networks' scale."""
    measured, filled = {}, {}
    for resolution in job.resolutions:
        dn, filled[resolution] = _read(source, window, job, resolution)
        # A copy, so that what surrounds it can go.
        measured[resolution] = mosaic.cut(dn, window.outer, window.core, resolution).copy()
    valid = {
        resolution: mosaic.valid_outputs(measured, resolution, job.radiometry)
        for resolution, _, _ in job.stages()
    }
    scaled = {}
    if any(mask.any() for mask in valid.values()):
        for resolution, dn in filled.items():
            scaled[resolution] = job.radiometry.to_scaled(dn, resolution)
    seen = job.radiometry.valid(measured[10]).any(axis=0)
    masks = {mask.name: mask.read(source, window.core) * seen for mask in job.masks}
    return Block(window, scaled, measured, valid, masks)


def _read(
    source: Source, window: Window, job: Job, resolution: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Read the outer part of a window: as it is, and as the networks are to see it."""
    ratio = resolution // 10
    margin = reach(job.sharpener.halo) // ratio
    area = window.outer.at(resolution)

    def inside(row: int, col: int, rows: int, cols: int) -> NDArray[Any]:
        return source.read(BY_RESOLUTION[resolution], Area(row, col, rows, cols))

    wide = read_mirrored(
        inside,
        (source.size[0] // ratio, source.size[1] // ratio),
        area.row - margin,
        area.col - margin,
        area.rows + 2 * margin,
        area.cols + 2 * margin,
    )
    filled = job.radiometry.fill(wide, resolution, margin)
    outer = np.s_[:, margin : margin + area.rows, margin : margin + area.cols]
    return wide[outer], filled[outer]


def compute(block: Block, job: Job) -> Predictions:
    """Run the networks on a window; what they made of it, per resolution."""
    predictions: Predictions = {}
    window = block.window
    for resolution, halo, _ in job.stages():
        if block.valid[resolution].any():
            area = mosaic.around(window, halo)
            inputs = {
                r: mosaic.cut(block.scaled[r], window.outer, area, r) for r in INPUTS[resolution]
            }
            predictions[resolution] = job.sharpener.sharpen(resolution, inputs)
    return predictions


def finish(block: Block, predictions: Predictions, job: Job, residuals: bool = False) -> Result:
    """Trim the networks' outputs to the core and restore digital numbers."""
    core = block.window.core
    bands = {10: block.measured[10]}
    sums: dict[int, NDArray[np.float64]] = {}
    errors: dict[int, NDArray[Any]] = {}
    for resolution, halo, trim in job.stages():
        valid = block.valid[resolution]
        measured = block.measured[resolution]
        if resolution not in predictions:
            shape = (len(measured), *core.shape)
            bands[resolution] = job.radiometry.no_data(shape)
            mosaic.keep_nan(bands[resolution], block.measured, resolution, job.radiometry)
            if job.sharpener.errors:
                errors[resolution] = mosaic.no_errors(shape, job.radiometry)
            continue
        prediction = predictions[resolution]
        area = mosaic.around(block.window, halo - trim)
        values = mosaic.cut(prediction.values, area, core)
        bands[resolution] = mosaic.finish(values, resolution, measured, valid, job.radiometry)
        mosaic.keep_nan(bands[resolution], block.measured, resolution, job.radiometry)
        if prediction.half_width is not None:
            half_width = mosaic.cut(prediction.half_width, area, core)
            errors[resolution] = mosaic.finish_errors(
                half_width, resolution, measured, valid, job.radiometry
            )
        if residuals:
            sums[resolution] = _residuals(block, prediction, resolution, area)
    pixels = int(np.logical_and.reduce([v.all(axis=0) for v in block.valid.values()]).sum())
    return Result(core, bands, pixels, sums, errors, block.masks)


def _residuals(
    block: Block, prediction: Prediction, resolution: int, area: Area
) -> NDArray[np.float64]:
    core, ratio = block.window.core, resolution // 10
    # One coarse pixel more on every side than is compared: as far as degrading sees.
    margin = Area(core.row - ratio, core.col - ratio, core.rows + 2 * ratio, core.cols + 2 * ratio)
    target = mosaic.cut(block.scaled[resolution], block.window.outer, core, resolution)
    rows, cols = target.shape[1:]
    valid = block.valid[resolution].reshape(-1, rows, ratio, cols, ratio).all(axis=(2, 4))
    out = np.zeros((3, len(target)))
    out[0] = valid.sum(axis=(1, 2))
    for i, output in enumerate((prediction.values, prediction.raw)):
        fine = mosaic.cut(output, area, margin)
        difference = (degrade(fine, ratio)[:, 1:-1, 1:-1] - target) * SCALE
        out[i + 1] = np.square(difference, dtype=np.float64).sum(axis=(1, 2), where=valid)
    return out


def process(source: Source, window: Window, job: Job, residuals: bool = False) -> Result:
    """Load, compute and finish one window."""
    block = load(source, window, job)
    return finish(block, compute(block, job), job, residuals)


def unit_of(resolutions: Sequence[int]) -> int:
    """Return 10 m pixels per coarsest pixel among the resolutions that are read."""
    return UNIT if 60 in resolutions else 2
