"""Scenes by rows, degraded: what a network will be given, and the truth that it has to find.

The degraded bands have the grids of the networks' inputs, with a target pixel in the place of a
10 m pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.patches.scene import Pixels, SceneReader
from s2_superres.raster.degradation import degradation_taps, degrade, mostly
from s2_superres.raster.filling import fill_invalid


@dataclass(frozen=True)
class Rows:
    """Some rows of a scene, degraded.

    Attributes
    ----------
    inputs : dict of int to ndarray of float32
        Per resolution, ``(bands, rows / k, cols / k)`` with k the resolution / 10; NaN where
        a pixel that takes part is not valid.
    target : ndarray of float32, shape (bands, rows, cols)
        NaN where it is not valid.
    measured : ndarray of bool, shape (rows, cols)
        Where the target was measured, inputs are valid, and most of what each of their pixels
        is made of was measured.
    """

    inputs: dict[int, NDArray[np.float32]]
    target: NDArray[np.float32]
    measured: NDArray[np.bool_]

    def filled(self) -> Rows:
        """Return the same with the nearest valid pixel in the place of each NaN."""
        inputs = {r: fill_invalid(x, np.isfinite(x)) for r, x in self.inputs.items()}
        target = fill_invalid(self.target, np.isfinite(self.target))
        return Rows(inputs, target, self.measured)


def read_degraded(
    scene: SceneReader | ShiftedScene,
    resolution: int,
    row: int,
    rows: int,
    sigma: float | None = None,
) -> Rows:
    """Read and degrade some rows, the same as if the whole scene were degraded.

    Parameters
    ----------
    scene : SceneReader or ShiftedScene
    resolution : {20, 60}
    row, rows : int
        Target rows, multiples of the ratio.
    sigma : float, optional
        Point spread in fine pixels, see `degradation.degrade`.

    Returns
    -------
    Rows
    """
    ratio = resolution // 10
    reach = max(
        (len(degradation_taps(factor, sigma)) - factor) // 2
        for factor in scene.factors.values()
        if factor > 1
    )
    margin = ratio * math.ceil(reach / ratio)
    height, width = scene.facts.shape
    top, bottom = max(0, row - margin), min(height, row + rows + margin)
    inputs: dict[int, NDArray[np.float32]] = {}
    known = np.ones((rows, width), np.bool_)
    for finer, factor in scene.factors.items():
        per_row = factor * 10 // finer
        read = scene.read(finer, top * per_row, (bottom - top) * per_row)
        values, ok, measured = read.columns(0, width * per_row)
        if finer == resolution:
            own = slice(row - top, row - top + rows)
            target = np.where(ok[own], values[:, own], np.float32(np.nan))
            known &= (ok & measured)[own]
        if factor > 1:
            values = degrade(values, factor, sigma)
            ok = ~(degrade(~ok, factor, sigma) > 0)
            measured = mostly(measured, factor, sigma)
        repeat = finer // 10
        kept = slice((row - top) // repeat, (row - top + rows) // repeat)
        inputs[finer] = np.where(ok[kept], values[:, kept], np.float32(np.nan))
        known &= (ok & measured)[kept].repeat(repeat, axis=0).repeat(repeat, axis=1)
    return Rows(inputs, target, known)


class ShiftedScene:
    """A scene without its first target rows and columns: other pixels are averaged together.

    Parameters
    ----------
    scene : SceneReader
        An open scene; it stays open when this one is left.
    resolution : {20, 60}
    rows, cols : int
        How many target pixels are left out.
    """

    def __init__(self, scene: SceneReader, resolution: int, rows: int, cols: int) -> None:
        self._scene, self._rows, self._cols = scene, rows, cols
        self.factors = scene.factors
        ratio = resolution // 10
        height, width = scene.facts.shape
        shape = (height - rows) // ratio * ratio, (width - cols) // ratio * ratio
        self.facts = replace(scene.facts, shape=shape)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """See `SceneReader`."""
        finer = self.factors[resolution] * 10 // resolution
        read = self._scene.read(resolution, row + self._rows * finer, rows)
        return read.columns(self._cols * finer)

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """See `SceneReader`."""
        clouds = self._scene.clouds(row + self._rows, rows)
        return clouds[:, self._cols :][:, : self.facts.shape[1]]
