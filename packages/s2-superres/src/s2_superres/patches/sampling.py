"""Drawing patches out of one scene, which streams through memory by rows."""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from s2_superres.patches.degraded import Rows, ShiftedScene, read_degraded
from s2_superres.patches.distillation import TaughtScene
from s2_superres.patches.lattice import lattice_shifts, lattice_stride
from s2_superres.patches.patchset import DTYPE, PatchSettings
from s2_superres.patches.scene import SceneReader

#: Rows that are degraded at a time, in target pixels: bounds the memory for 10 m bands.
_CHUNK = 24
#: Candidate rows of patches that are looked at together, in patches.
_STRIP = 3
#: The same where networks need rows around it as well.
_TAUGHT_STRIP = 8


def cut_scene(
    scene: SceneReader | TaughtScene,
    settings: PatchSettings,
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Cut the patches of one scene into ``.npy`` files in a folder; return how many."""
    rng = np.random.default_rng([settings.seed, _hash(scene.facts.name)])
    size = settings.size
    drawn = _Smallest(settings.count)
    most = math.floor((1 - settings.measured) * size**2)
    height = scene.facts.shape[0]
    with contextlib.ExitStack() as stack:
        stack.enter_context(scene)
        files = {
            name: stack.enter_context((folder / f"{name}.raw").open("w+b"))
            for name in settings.arrays
        }
        views: list[ShiftedScene | TaughtScene]
        if isinstance(scene, TaughtScene):
            views = [scene]
        else:
            shifts = lattice_shifts(settings, scene.facts.shape)
            views = [ShiftedScene(scene, settings.resolution, *shift) for shift in shifts]
        for number, view in enumerate(views):
            for rows, top, places in _strips(view, settings):
                if settings.skip_clouds:
                    clear = ~view.clouds(top, len(rows.measured))
                    rows = replace(rows, measured=rows.measured & clear)
                gaps = _window_sums(~rows.measured, size)
                chances = rng.random(len(places))
                for (row, col), chance in zip(places, chances, strict=True):
                    if gaps[row, col] > most:
                        continue
                    slot = drawn.offer(float(chance))
                    if slot is not None:
                        for name, patch in _patch(rows, settings, row, col).items():
                            files[name].seek(slot * patch.nbytes)
                            files[name].write(patch.tobytes())
                if progress:
                    progress((number * height + top) // len(views))
        order = rng.permutation(len(drawn))
        for name, shape in settings.arrays.items():
            _write_shuffled(files[name], folder / f"{name}.npy", order, shape)
    for name in settings.arrays:
        (folder / f"{name}.raw").unlink()
    return len(drawn)


def _strips(
    scene: ShiftedScene | TaughtScene, settings: PatchSettings
) -> Iterator[tuple[Rows, int, list[tuple[int, int]]]]:
    """Yield strips of a scene, their first row, and where in them patches may begin."""
    size, (height, width) = settings.size, scene.facts.shape
    stride = lattice_stride(settings, scene.facts.shape)
    starts, cols = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    patches = _TAUGHT_STRIP if isinstance(scene, TaughtScene) else _STRIP
    per_strip = max(1, patches * size // stride)
    for first in range(0, len(starts), per_strip):
        strip = starts[first : first + per_strip]
        top = strip[0]
        rows = _read_strip(scene, settings, top, strip[-1] + size - top)
        yield rows, top, [(row - top, col) for row in strip for col in cols]


def _hash(text: str) -> int:
    """Return a number that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


class _Smallest:
    """Keeps the records with the smallest random numbers, each in a slot of its own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def offer(self, chance: float) -> int | None:
        """Return the slot to write a record to, None to leave it out."""
        if len(self._heap) < self.count:
            slot = len(self._heap)
            heapq.heappush(self._heap, (-chance, slot))
            return slot
        worst, slot = self._heap[0]
        if chance >= -worst:
            return None
        heapq.heapreplace(self._heap, (-chance, slot))
        return slot


def _read_strip(
    scene: ShiftedScene | TaughtScene, settings: PatchSettings, top: int, rows: int
) -> Rows:
    if isinstance(scene, TaughtScene):
        return scene.rows(top, rows).filled()
    parts = [
        read_degraded(
            scene, settings.resolution, row, min(_CHUNK, top + rows - row), settings.sigma
        )
        for row in range(top, top + rows, _CHUNK)
    ]
    return Rows(
        {r: np.concatenate([part.inputs[r] for part in parts], axis=1) for r in parts[0].inputs},
        np.concatenate([part.target for part in parts], axis=1),
        np.concatenate([part.measured for part in parts]),
    ).filled()


def _window_sums(mask: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Count what is true in every size x size window, by its upper left pixel."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    return sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]


def _patch(rows: Rows, settings: PatchSettings, row: int, col: int) -> dict[str, NDArray[np.int16]]:
    size = settings.size
    cut: dict[str, NDArray[Any]] = {
        "target": rows.target[:, row : row + size, col : col + size],
        "measured": rows.measured[None, row : row + size, col : col + size],
    }
    for r, image in rows.inputs.items():
        k = r // 10
        cut[f"x{r}"] = image[:, row // k : (row + size) // k, col // k : (col + size) // k]
    return {name: np.rint(np.moveaxis(cut[name], 0, -1)).astype(DTYPE) for name in settings.arrays}


def _write_shuffled(
    raw: BinaryIO, path: Path, order: NDArray[np.intp], shape: tuple[int, int, int]
) -> None:
    size = math.prod(shape) * DTYPE.itemsize
    header = {
        "descr": np.lib.format.dtype_to_descr(DTYPE),
        "fortran_order": False,
        "shape": (len(order), *shape),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for slot in order:
            raw.seek(int(slot) * size)
            file.write(raw.read(size))
