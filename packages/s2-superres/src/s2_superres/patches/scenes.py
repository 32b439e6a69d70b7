"""Scenes that patches are cut from: products and crops, read and degraded by rows.

Everything is counted in target pixels: those of the bands at their measured
resolution, which serve as truth. The degraded bands then have the grids of the
networks' inputs, with a target pixel in the place of a 10 m pixel.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, INPUTS
from s2_superres.errors import InputError, ProductError
from s2_superres.products.clouds import SCL_CLOUDS
from s2_superres.products.crops import (
    as_source,
    check_source,
    is_crop,
    masks_of,
    read_crop,
    read_index,
)
from s2_superres.products.openers import open_granules, open_reader
from s2_superres.products.product import Product
from s2_superres.products.reading import Reader
from s2_superres.raster.degradation import degradation_taps, degrade, mostly
from s2_superres.raster.filling import fill_invalid
from s2_superres.raster.grid import Area

#: Brighter digital numbers do not fit the patches' int16: reflectance 3.3 and more.
BRIGHTEST = 32767
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


@dataclass(frozen=True)
class SceneFacts:
    """What is known of a scene before its pixels are read.

    Attributes
    ----------
    name : str
        Unique among the scenes of a set; becomes a folder's name.
    place : str
        What decides the split: MGRS tile, or the crop's place.
    level : str
        ``L1C``, ``L2A`` or ``unknown``.
    split : str or None
        ``train`` or ``validation`` where the source says so.
    offset : float
        What is added to the stored digital numbers, the lowest of the bands.
    source : str
        File name of the source.
    shape : tuple of int
        Target rows and columns; `ShiftedScene` cuts them to multiples of the ratio.
    stand_in : bool
        Coarser pixels stand for those of the resolution.
    """

    name: str
    place: str
    level: str
    split: str | None
    offset: float
    source: str
    shape: tuple[int, int]
    stand_in: bool = False


class Pixels(NamedTuple):
    """Some rows of the bands of one resolution.

    Attributes
    ----------
    values : ndarray of float32, shape (bands, rows, cols)
        Digital numbers without offset.
    valid : ndarray of bool, shape (rows, cols)
        Where all bands have a value.
    measured : ndarray of bool, shape (rows, cols)
        Where it is the sensor's own, and not interpolated.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    measured: NDArray[np.bool_]

    def columns(self, first: int, stop: int | None = None) -> Pixels:
        """Return some of their columns."""
        kept = slice(first, stop)
        return Pixels(self.values[..., kept], self.valid[:, kept], self.measured[:, kept])


class Scene(Protocol):
    """A scene; a context manager, within which it can be read."""

    #: The crop, or the product's folder or zip.
    path: Path
    facts: SceneFacts
    #: Per input resolution, how many times it is degraded.
    factors: dict[int, int]

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """Return some rows of the bands of a resolution."""

    def require_clouds(self) -> None:
        """Check that the source says where clouds are; an `S2SuperresError` if it does not."""

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """Return where the source says cloud, in target pixels."""


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
    scene: Scene | ShiftedScene, resolution: int, row: int, rows: int, sigma: float | None = None
) -> Rows:
    """Read and degrade some rows, the same as if the whole scene were degraded.

    Parameters
    ----------
    scene : Scene or ShiftedScene
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
    scene : Scene
        An open scene; it stays open when this one is left.
    resolution : {20, 60}
    rows, cols : int
        How many target pixels are left out.
    """

    def __init__(self, scene: Scene, resolution: int, rows: int, cols: int) -> None:
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
        """See `Scene`."""
        finer = self.factors[resolution] * 10 // resolution
        read = self._scene.read(resolution, row + self._rows * finer, rows)
        return read.columns(self._cols * finer)

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """See `Scene`."""
        clouds = self._scene.clouds(row + self._rows, rows)
        return clouds[:, self._cols :][:, : self.facts.shape[1]]


class ProductScene:
    """A scene of a product, streamed."""

    def __init__(self, product: Product, resolution: int) -> None:
        ratio = resolution // 10
        wanted = INPUTS[resolution]
        bands = [band for r in wanted for band in BY_RESOLUTION[r]]
        product.require(bands)
        rows, cols = (
            size // (ratio * ratio) * ratio for size in (product.grid.rows, product.grid.cols)
        )
        self.product, self.resolution = product, resolution
        self.path = Path(product.path)
        self.factors = dict.fromkeys(wanted, ratio)
        self.facts = SceneFacts(
            name=product.name,
            place=product.tile,
            level=product.level,
            split=None,
            offset=min(product.offsets[band.name] for band in bands),
            source=self.path.name,
            shape=(rows, cols),
        )
        self._reader: Reader | None = None

    def __enter__(self) -> Self:
        bands = [band for r in self.factors for band in BY_RESOLUTION[r]]
        self._reader = open_reader(self.product, bands)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._reader:
            self._reader.close()

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """See `Scene`."""
        assert self._reader is not None
        cols = self.product.grid.cols * 10 // resolution
        dn = self._reader.read(BY_RESOLUTION[resolution], Area(row, 0, rows, cols))
        radiometry = self.product.radiometry()
        values = radiometry.reflectance(dn, resolution)
        ok = radiometry.valid(dn) & ~radiometry.is_saturated(dn) & (values <= BRIGHTEST)
        valid = np.asarray(ok.all(axis=0))
        return Pixels(values, valid, valid)

    def require_clouds(self) -> None:
        """See `Scene`."""
        with open_reader(self.product, ()) as reader:
            reader.require_clouds()

    @cached_property
    def _clouds(self) -> NDArray[np.bool_]:
        ratio = self.resolution // 10
        grid = self.product.grid
        with open_reader(self.product, ()) as reader:
            whole = Area(0, 0, grid.rows // ratio, grid.cols // ratio)
            return reader.cloud_mask(whole, self.resolution)

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """See `Scene`."""
        return self._clouds[row : row + rows, : self.facts.shape[1]]


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


def open_scenes(sources: Iterable[str | Path], resolution: int) -> tuple[list[Scene], list[str]]:
    """Open sources for cutting; pixels of products are not read yet.

    Parameters
    ----------
    sources : iterable of path
        Products with all their granules, ``.npz`` crops, or folders of such crops. An
        ``index.csv`` beside crops with the columns file, level, split and place describes them.
    resolution : {20, 60}

    Returns
    -------
    scenes : list of Scene
    unusable : list of str
        Per source that lacks a band or cannot be read, why.

    Raises
    ------
    InputError
        If a source does not exist.
    """
    scenes: list[Scene] = []
    unusable: list[str] = []
    indexes: dict[Path, dict[str, dict[str, str]]] = {}

    def crop(path: Path) -> Scene:
        if path.parent not in indexes:
            indexes[path.parent] = read_index(path.parent)
        return CropScene(path, resolution, indexes[path.parent].get(path.name, {}))

    for path in _expand(sources):
        with _noted(unusable):
            if is_crop(path):
                scenes.append(crop(path))
                continue
            for product in open_granules(path):
                with _noted(unusable):
                    scenes.append(ProductScene(product, resolution))
    return scenes, unusable


@contextmanager
def _noted(reasons: list[str]) -> Iterator[None]:
    """Add why a source is unusable to the reasons."""
    try:
        yield
    except (InputError, ProductError) as error:
        reasons.append(str(error))


def _expand(sources: Iterable[str | Path]) -> list[str | Path]:
    """Return links and paths, with the crops in the place of their folders."""
    found: list[str | Path] = []
    for source in map(as_source, sources):
        check_source(source)
        folder = isinstance(source, Path) and source.is_dir()
        crops = sorted(Path(source).glob("*.npz")) if folder else []
        found += crops or [source]
    return found
