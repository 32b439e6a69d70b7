"""Crops with every band at 60 m: scenes for 60 m, and stand-ins for scenes of 20 m."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import INPUTS
from s2_superres.choices import LEVELS
from s2_superres.errors import InputError
from s2_superres.patches.scene import BRIGHTEST, Pixels, SceneFacts, split_of
from s2_superres.products.clouds import SCL_CLOUDS
from s2_superres.products.crops import crop_headers, read_crop, read_index

#: Bands of the crops that hold everything at 60 m, by the resolution they stand for.
#: B8A stands for B08, which products do not hold at 60 m.
_AT_60M = {10: (0, 1, 2, 6), 20: (3, 4, 5, 6, 7, 8)}
#: Where B8A is what is looked for, some of B07 and more of it stand for B08.
_ABOUT_B08 = {5: 0.4, 6: 0.6}
#: Means over 60 m are sharper than what the sensor sees in pixels of 20 m, or in means of its 10 m
#: pixels: standard deviations of the Gaussians between them in pixels, short-wave infrared last.
_BLUR_AS_20M = {10: (0.37,) * 4, 20: (0.51,) * 4 + (0.61,) * 2}
#: In the 60 m copies, what Sen2Cor clips negative reflectance to.
_CLIPPED = 1


def is_stand_in(source: str | Path) -> bool:
    """Whether a source is a crop that holds every band at 60 m, and none at 10 m."""
    path = Path(source)
    if path.suffix.lower() != ".npz":
        return False
    names = crop_headers(path)
    return "hr" in names and "b10" not in names


class StandInScene:
    """A scene of a ``.npz`` crop with ``hr``, ``lr`` and ``scl``, held in memory while it is open.

    Digital numbers with the offset taken out, 0 is no data. Blurred, the bands also stand for a
    scene at 20 m.
    """

    def __init__(self, path: Path, resolution: int) -> None:
        self.path, self.resolution = path, resolution
        # The finer bands are already where degrading would bring them.
        self.factors = {r: r // 10 for r in INPUTS[resolution]}
        index = read_index(path.parent).get(path.name, {})
        prefix = path.stem[:3] if path.stem[:3] in LEVELS else "unknown"
        rows, cols = self._load()[resolution].shape[1:]
        self.facts = SceneFacts(
            name=path.stem,
            place=index.get("place") or path.stem.removeprefix(f"{prefix}_"),
            level=index.get("level") or prefix,
            split=split_of(index),
            offset=0.0,
            source=path.name,
            shape=(rows, cols),
            stand_in=resolution != 60,
        )
        self._arrays: dict[int, NDArray[Any]] | None = None

    def __enter__(self) -> Self:
        self._arrays = self._load()
        return self

    def __exit__(self, *details: object) -> None:
        self._arrays = None

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """See `SceneReader`."""
        assert self._arrays is not None
        dn = self._arrays[resolution][:, row : row + rows]
        darkest = _CLIPPED if resolution == 60 else 0
        valid = np.asarray(((dn > darkest) & (dn <= BRIGHTEST)).all(axis=0))
        return Pixels(dn.astype(np.float32), valid, valid)

    def require_clouds(self) -> None:
        """See `SceneReader`: it always does."""

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """See `SceneReader`."""
        assert self._arrays is not None
        return np.isin(self._arrays[0][row : row + rows, : self.facts.shape[1]], SCL_CLOUDS)

    def _load(self) -> dict[int, NDArray[Any]]:
        """Read the arrays by resolution; the scene classification goes by 0."""
        found = read_crop(self.path)
        grids = {name: found[name].shape[-2:] for name in ("hr", "lr", "scl") if name in found}
        if (
            len(grids) < 3
            or len(set(grids.values())) > 1
            or [found[name].shape[:-2] for name in grids] != [(9,), (2,), ()]
            or any(found[name].dtype.kind not in "iu" for name in grids)
        ):
            raise InputError(
                f"{self.path}: a crop with every band at 60 m needs hr (9 bands), lr (2 bands) "
                "and scl, whole numbers on one grid; it was made by something else"
            )
        hr = found["hr"]
        arrays = {r: hr[list(bands)] for r, bands in _AT_60M.items()}
        if self.resolution == 20:
            # With B8A in the place of B08, the truth would lie among what is given.
            arrays[10][3] = np.rint(sum(w * hr[i] for i, w in _ABOUT_B08.items()))
            seen = {r: _blurred(arrays[r], sigmas) for r, sigmas in _BLUR_AS_20M.items()}
            return {**seen, 0: found["scl"]}
        return {**arrays, 60: found["lr"], 0: found["scl"]}


def _blurred(bands: NDArray[np.uint16], sigmas: tuple[float, ...]) -> NDArray[np.uint16]:
    """Blur (bands, rows, cols); what no data touches is no data."""
    from scipy.ndimage import gaussian_filter, maximum_filter

    reach = 2
    missing = maximum_filter((bands == 0).any(axis=0), 2 * reach + 1)
    blurred = [
        gaussian_filter(band.astype(np.float32), sigma, radius=reach)
        for band, sigma in zip(bands, sigmas, strict=True)
    ]
    return np.where(missing, 0, np.rint(blurred)).astype(bands.dtype)
