"""Folders of training patches: their format, and reading them.

A folder holds one folder per scene with ``x10.npy``, ``x20.npy``, for 60 m
``x60.npy``, and ``target.npy``: int16 digital numbers without offset (negative
reflectance stays negative), ``(patches, rows, cols, bands)``, in random order, so
that a batch is a few reads through a memory map. ``measured.npy``, where it is there,
is 1 where the target counts and 0 elsewhere. ``manifest.json`` is written last
and tells what they are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import INPUTS
from s2_superres.errors import InputError
from s2_superres.raster.degradation import degradation_taps

MANIFEST = "manifest.json"
SCENE = "scene.json"
DTYPE = np.dtype("<i2")
_FORMAT = 1


@dataclass(frozen=True)
class PatchSettings:
    """How patches are cut.

    Attributes
    ----------
    resolution : {20, 60}
    size : int
        Rows and columns of a patch in pixels of `resolution`, of 10 m if there are teachers.
    count : int
        Most patches per scene.
    seed : int
    sigma : float or None
        Point spread of the degradation in fine pixels; None is 1 / ratio.
    skip_clouds : bool
        Whether patches with clouds are left out.
    measured : float
        Least share of a patch's pixels that must be measured; unless it is 1, patches have an
        array that says where they are.
    teachers : str
        Networks whose output is the truth, nothing being degraded; none if empty.
    """

    resolution: int
    size: int
    count: int
    seed: int = 0
    sigma: float | None = None
    skip_clouds: bool = False
    teachers: str = ""
    measured: float = 1.0

    def __post_init__(self) -> None:
        if self.resolution not in (20, 60):
            raise InputError(
                f"resolution {self.resolution}: give 20 or 60, patches are cut for these"
            )
        if self.size < self.ratio or self.size % self.ratio:
            raise InputError(
                f"patches of {self.size} pixels: take a multiple of {self.ratio}, such as "
                f"{32 if self.ratio == 2 else 96}"
            )
        if self.count < 1:
            raise InputError(f"{self.count} patches per scene: take 1 or more")
        if not 0 < self.measured <= 1:
            raise InputError(f"measured share {self.measured}: give more than 0, up to 1")
        if self.seed < 0:
            raise InputError(f"seed {self.seed}: take 0 or more")
        degradation_taps(self.ratio, self.sigma)

    @property
    def ratio(self) -> int:
        """How many times the bands are degraded."""
        return self.resolution // 10

    @property
    def arrays(self) -> dict[str, tuple[int, int, int]]:
        """Per array, rows, columns and bands of a patch."""
        bands = {10: 4, 20: 6, 60: 2}
        shapes = {
            f"x{r}": (self.size * 10 // r, self.size * 10 // r, bands[r])
            for r in INPUTS[self.resolution]
        }
        shapes["target"] = (self.size, self.size, bands[self.resolution])
        return shapes if self.measured == 1 else {**shapes, "measured": (self.size, self.size, 1)}


@dataclass(frozen=True)
class PatchScene:
    """The patches of one scene.

    Attributes
    ----------
    name, place, level, split, source : str
    offset : float
        What was added to the stored digital numbers, in DN.
    count : int
        How many patches there are.
    """

    name: str
    place: str
    level: str
    split: str
    offset: float
    source: str
    count: int


class PatchSet:
    """A folder of patches, opened for reading.

    Parameters
    ----------
    folder : path
        As written by ``s2-superres patches``.

    Raises
    ------
    InputError
        If it is no such folder, is not finished, or a file does not fit its manifest.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        path = self.folder / MANIFEST
        try:
            manifest = json.loads(path.read_text(encoding="utf-8"))
            newer = manifest["format"] > _FORMAT
            if not newer:
                self.settings = PatchSettings(**manifest["settings"])
                self.scenes = tuple(PatchScene(**scene) for scene in manifest["scenes"])
        except FileNotFoundError:
            raise InputError(
                f"{path}: no such file; cut patches with `s2-superres patches`, or run it again "
                "if it did not finish"
            ) from None
        except OSError as error:
            raise _unreadable(path, error) from None
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not a manifest of patches, or damaged ({error}); cut them again"
            ) from None
        if newer:
            raise InputError(f"{path}: written by a newer version; update s2-superres")

    @cached_property
    def maps(self) -> dict[str, dict[str, NDArray[np.int16]]]:
        """Per scene and array, the memory-mapped patches."""
        return {scene.name: self._open(scene) for scene in self.scenes}

    def summary(self) -> str:
        """Return what there is, in a line per side of the split."""
        lines = []
        for split in ("train", "validation"):
            scenes = [scene for scene in self.scenes if scene.split == split]
            places = len({scene.place for scene in scenes})
            count = sum(scene.count for scene in scenes)
            lines.append(f"{split}: {count} patches, {len(scenes)} scenes, {places} places")
        return "\n".join(lines)

    def _open(self, scene: PatchScene) -> dict[str, NDArray[np.int16]]:
        opened: dict[str, NDArray[np.int16]] = {}
        for name, shape in self.settings.arrays.items():
            path = self.folder / scene.name / f"{name}.npy"
            try:
                array = np.load(path, mmap_mode="r", allow_pickle=False)
            except (FileNotFoundError, ValueError, EOFError) as error:
                reason = getattr(error, "strerror", None) or error
                raise InputError(
                    f"{path}: cannot be read ({reason}); cut the patches again"
                ) from None
            except OSError as error:
                raise _unreadable(path, error) from None
            if array.shape != (scene.count, *shape) or array.dtype != DTYPE:
                raise InputError(
                    f"{path}: holds {array.dtype} of {array.shape}, the manifest tells of "
                    f"{DTYPE} of {(scene.count, *shape)}; cut the patches again"
                )
            opened[name] = array
        return opened

    def read(self, scene: PatchScene, index: int) -> list[NDArray[np.int16]]:
        """Return the inputs and the target of one patch, (rows, cols, bands) each."""
        maps = self.maps[scene.name]
        return [maps[name][index] for name in self.settings.arrays if name != "measured"]

    def measured(self, scene: PatchScene, index: int) -> NDArray[np.bool_]:
        """Return where the target of one patch was measured, (rows, cols, 1)."""
        mask = self.maps[scene.name].get("measured")
        if mask is None:
            return np.ones((self.settings.size, self.settings.size, 1), np.bool_)
        return np.asarray(mask[index] > 0)


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(
        f"{path}: cannot be read ({error.strerror or error}); check its permissions and the disk"
    )


def manifest_text(settings: PatchSettings, scenes: list[PatchScene]) -> str:
    """Return the text of a manifest."""
    values: dict[str, Any] = {
        "format": _FORMAT,
        "settings": asdict(settings),
        "scenes": [asdict(scene) for scene in scenes],
    }
    return json.dumps(values, indent=1) + "\n"
