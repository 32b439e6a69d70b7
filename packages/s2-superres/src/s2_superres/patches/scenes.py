"""The scenes that sources hold: products with all their granules, crops, folders of crops."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, INPUTS
from s2_superres.errors import InputError, ProductError
from s2_superres.patches.scene import BRIGHTEST, Pixels, SceneFacts, SceneReader, split_of
from s2_superres.patches.stand_ins import StandInScene, is_stand_in
from s2_superres.products.crops import as_source, check_source
from s2_superres.products.openers import open_granules, open_reader
from s2_superres.products.product import Product
from s2_superres.products.reading import Reader
from s2_superres.products.remote import Sign
from s2_superres.raster.grid import Area


class ProductScene:
    """A scene of a product, streamed."""

    def __init__(self, product: Product, resolution: int) -> None:
        ratio = resolution // 10
        wanted = INPUTS[resolution]
        bands = [band for r in wanted for band in BY_RESOLUTION[r]]
        product.require(bands)
        self.product, self.resolution = product, resolution
        self.path = Path(product.path)
        self.factors = dict.fromkeys(wanted, ratio)
        self.facts = SceneFacts(
            name=product.name,
            place=product.tile,
            level=product.level,
            split=split_of(product.facts),
            offset=min(product.offsets[band.name] for band in bands),
            source=self.path.name,
            shape=(product.grid.rows // ratio, product.grid.cols // ratio),
        )
        self._reader: Reader | None = None

    def __enter__(self) -> Self:
        bands = [band for r in self.factors for band in BY_RESOLUTION[r]]
        self._reader = open_reader(self.product, bands)
        return self

    def __exit__(self, *details: object) -> None:
        if self._reader:
            self._reader.close()

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """See `SceneReader`."""
        assert self._reader is not None
        area = Area(row, 0, rows, self.product.grid.cols * 10 // resolution)
        dn = self._reader.read(BY_RESOLUTION[resolution], area)
        values = self.product.radiometry().known(dn, resolution)
        valid = np.asarray((values <= BRIGHTEST).all(axis=0))
        measured = self._reader.measured(area, resolution)
        return Pixels(values, valid, valid if measured is None else measured)

    def require_clouds(self) -> None:
        """See `SceneReader`."""
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
        """See `SceneReader`."""
        return self._clouds[row : row + rows, : self.facts.shape[1]]


def open_scenes(
    sources: Iterable[str | Path],
    resolution: int,
    *,
    offset: float | None = None,
    sign: Sign | None = None,
) -> tuple[list[SceneReader], list[str]]:
    """Open sources for cutting; pixels of products are not read yet.

    Parameters
    ----------
    sources : iterable of path
        Products with all their granules, ``.npz`` crops, or folders of such crops. An
        ``index.csv`` beside crops with the columns file, level, split and place describes them.
    resolution : {20, 60}
    offset : float, optional
        -1000 or 0: what to add to the digital numbers, where a catalogue contradicts itself.
    sign : callable, optional
        Makes the link to read of one in a catalogue.

    Returns
    -------
    scenes : list of SceneReader
    unusable : list of str
        Per source that lacks a band or cannot be read, why.

    Raises
    ------
    InputError
        If a source does not exist.
    """
    scenes: list[SceneReader] = []
    unusable: list[str] = []
    for path in _expand(sources):
        with _noted(unusable):
            if is_stand_in(path):
                scenes.append(StandInScene(Path(path), resolution))
                continue
            for product in open_granules(path, offset=offset, sign=sign):
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
        # macOS adds ._NAME.npz, which is no crop.
        crops = sorted(Path(source).glob("[!.]*.npz")) if folder else []
        found += crops or [source]
    return found
