"""Crops as scenes to cut: native bands, or all at 60 m in the place of finer ones."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, INPUTS
from s2_superres.errors import InputError
from s2_superres.patches.scene import BRIGHTEST, Pixels, SceneFacts
from s2_superres.products.clouds import SCL_CLOUDS
from s2_superres.products.crops import masks_of, read_crop

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


class CropScene:
    """A scene of a ``.npz`` crop, held in memory while it is open.

    Keys are ``b10``, ``b20`` and ``b60`` with native pixels, or ``hr``, ``lr`` and ``scl``
    with every band at 60 m; digital numbers with the offset taken out, 0 is no data. Blurred,
    bands at 60 m also stand for a scene at 20 m. ``ok10``, ``ok20`` and ``ok60``, if they are
    there, are true where native pixels were measured and not interpolated.
    """

    def __init__(self, path: Path, resolution: int, index: dict[str, str]) -> None:
        self.path, self.resolution = path, resolution
        self._all_at_60m = False
        arrays = self._load()
        ratio = resolution // 10
        self.factors = dict.fromkeys(INPUTS[resolution], ratio)
        if self._all_at_60m:
            # The finer bands are already where degrading would bring them.
            self.factors = {r: r // 10 for r in self.factors}
        rows, cols = arrays[resolution].shape[1:]
        prefix = path.stem[:3] if path.stem[:3] in ("L1C", "L2A") else "unknown"
        level, split = index.get("level") or prefix, index.get("split")
        self.facts = SceneFacts(
            name=path.stem,
            place=index.get("place") or path.stem.removeprefix(f"{prefix}_"),
            level=level,
            split=split if split in ("train", "validation") else None,
            offset=0.0,
            source=path.name,
            shape=(rows, cols),
            stand_in=self._all_at_60m and resolution != 60,
        )
        self._arrays: dict[int, NDArray[Any]] | None = None

    def __enter__(self) -> Self:
        self._arrays = self._load()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._arrays = None

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """See `Scene`."""
        assert self._arrays is not None
        dn = self._arrays[resolution][:, row : row + rows]
        darkest = _CLIPPED if self._all_at_60m and resolution == 60 else 0
        valid = np.asarray(((dn > darkest) & (dn <= BRIGHTEST)).all(axis=0))
        mask = self._masks.get(resolution)
        measured = valid if mask is None else mask[row : row + rows]
        return Pixels(dn.astype(np.float32), valid, measured)

    def require_clouds(self) -> None:
        """See `Scene`."""
        if not self._all_at_60m:
            raise InputError(
                f"{self.path}: the crop has no cloud mask; cut crops without --skip-clouds, "
                "into a folder of their own"
            )

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """See `Scene`."""
        assert self._arrays is not None
        return np.isin(self._arrays[0][row : row + rows, : self.facts.shape[1]], SCL_CLOUDS)

    def _load(self) -> dict[int, NDArray[Any]]:
        """Read the arrays by resolution; the scene classification goes by 0."""
        found = read_crop(self.path)
        self._all_at_60m = "hr" in found and "b10" not in found
        self._masks = masks_of(self.path, found)
        arrays = self._at_60m(found) if self._all_at_60m else self._native(found)
        coarsest = arrays[self.resolution]
        for resolution, array in arrays.items():
            if resolution == 0:
                continue
            scale = 1 if self._all_at_60m else self.resolution // resolution
            bands = len(BY_RESOLUTION[resolution])
            # The grids share their upper left corner; the finer ones cover the coarsest.
            if (
                array.ndim != 3
                or array.shape[0] != bands
                or array.dtype.kind not in "iu"
                or coarsest.ndim != 3
                or array.shape[1] < coarsest.shape[1] * scale
                or array.shape[2] < coarsest.shape[2] * scale
            ):
                raise InputError(
                    f"{self.path}: the {resolution} m bands are {array.dtype} of {array.shape}; "
                    f"they must be whole digital numbers, ({bands}, rows, cols), on a grid that "
                    f"covers the {self.resolution} m bands of {coarsest.shape}"
                )
        return arrays

    def _native(self, found: dict[str, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        wanted = INPUTS[self.resolution]
        for resolution in wanted:
            if f"b{resolution}" not in found:
                raise InputError(
                    f"{self.path}: has no {resolution} m bands (key b{resolution}), which patches "
                    f"for {self.resolution} m need; leave it out, or add --skip-unusable"
                )
        return {resolution: found[f"b{resolution}"] for resolution in wanted}

    def _at_60m(self, found: dict[str, NDArray[Any]]) -> dict[int, NDArray[Any]]:
        missing = sorted({"hr", "lr", "scl"} - set(found))
        if missing or found["hr"].shape[:1] != (9,) or found["scl"].shape != found["lr"].shape[1:]:
            raise InputError(
                f"{self.path}: a crop with every band at 60 m needs hr (9 bands), lr (2 bands) "
                "and scl on one grid; it was made by something else"
            )
        arrays = {r: found["hr"][list(bands)] for r, bands in _AT_60M.items()}
        if self.resolution == 20:
            # With B8A in the place of B08, the truth would lie among what is given.
            arrays[10][3] = np.rint(sum(w * found["hr"][i] for i, w in _ABOUT_B08.items()))
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
