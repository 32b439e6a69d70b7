"""A part of a place for validation, where there is one place only."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.patches.patchset import PatchSettings
from s2_superres.patches.scene import Pixels, SceneReader

#: Behind a place's name, for the part of it that is held out.
HELD_OUT = " (held out)"


class ScenePart:
    """Some rows of a scene, which see nothing of the others.

    Parameters
    ----------
    scene : SceneReader
    first, rows : int
        Target rows.
    held_out : bool
        Whether they are for validation.
    """

    def __init__(self, scene: SceneReader, first: int, rows: int, *, held_out: bool) -> None:
        self._scene, self._first = scene, first
        self.path, self.factors = scene.path, scene.factors
        facts = replace(scene.facts, shape=(rows, scene.facts.shape[1]))
        if held_out:
            facts = replace(
                facts,
                name=f"{facts.name}_held_out",
                place=facts.place + HELD_OUT,
                split="validation",
            )
        self.facts = facts

    def __enter__(self) -> Self:
        self._scene.__enter__()
        return self

    def __exit__(self, *details: object) -> None:
        self._scene.__exit__(*details)

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """See `SceneReader`."""
        finer = self.factors[resolution] * 10 // resolution
        return self._scene.read(resolution, row + self._first * finer, rows)

    def require_clouds(self) -> None:
        """See `SceneReader`."""
        self._scene.require_clouds()

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """See `SceneReader`."""
        return self._scene.clouds(row + self._first, rows)


def hold_out(
    scenes: Sequence[SceneReader], share: float, settings: PatchSettings
) -> list[SceneReader]:
    """Divide scenes of one place by rows: the last are for validation, the others for training.

    Parameters
    ----------
    scenes : sequence of SceneReader
    share : float
        How much of the rows is held out; a patch's at least.
    settings : PatchSettings

    Returns
    -------
    list of SceneReader
        Per scene its two parts, or the scene as it is if it has no room for two.
    """
    parts: list[SceneReader] = []
    for scene in scenes:
        rows, ratio = scene.facts.shape[0], settings.ratio
        first = rows - max(math.ceil(share * rows), settings.size)
        first = max(first, settings.size) // ratio * ratio
        if first < settings.size or rows - first < settings.size:
            parts.append(scene)
            continue
        parts.append(ScenePart(scene, 0, first, held_out=False))
        parts.append(ScenePart(scene, first, rows - first, held_out=True))
    return parts
