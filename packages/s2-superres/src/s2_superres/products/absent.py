"""Files of a Zarr store that are not there: left out, since they hold no data, or lost.

Zarr reads both alike. A writer may leave out what lies outside the swath; but all bands end there
together, but for some hundred metres. So where a band has measured more of a file's ground than
that, the file was lost on its way.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2_superres.bands import BY_RESOLUTION, Band
from s2_superres.errors import ProductError
from s2_superres.raster.grid import PIXEL, Area

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from s2_superres.products.product import Product
    from s2_superres.products.stores import Store

#: By how much bands end apart at most, in metres.
APART = 1200


@dataclass(frozen=True)
class Completeness:
    """Tells files that a store's writer left out from those that were lost.

    Attributes
    ----------
    store : Store
    product : Product
        Whose bands tell where data should be.
    """

    store: Store
    product: Product

    def require_data(self, name: str, area: Area, values: NDArray[Any]) -> None:
        """Check that what was read as no data was left out of a store, and not lost.

        It costs next to nothing: only where nothing but 0 was read, a file is asked for.

        Parameters
        ----------
        name : str
            The array that was read.
        area : Area
            What was read of it.
        values : ndarray
            The pixels, 0 for no data.

        Raises
        ------
        ProductError
            If a file is not there, and a band has data on its ground.
        """
        for file, whole in self.store.files(name, area):
            part = whole.intersection(area)
            assert part is not None
            row, col = part.row - area.row, part.col - area.col
            if not values[row : row + part.rows, col : col + part.cols].any():
                self._require(name, file, part, whole)

    def require_classes(self, name: str, values: NDArray[Any]) -> None:
        """Check that what was read as clear was left out of a raster of classes, and not lost.

        A writer may leave out files of clear sky alone. It did not where the array has no fill
        value, or where another of its files is of clear sky alone.

        Parameters
        ----------
        name : str
            The array.
        values : ndarray
            All of its pixels, 0 for clear.

        Raises
        ------
        ProductError
            If a file is not there that the writer did not leave out.
        """
        clear = [
            (file, whole)
            for file, whole in self.store.files(name, self.store.whole(name))
            if not values[whole.row : whole.row_stop, whole.col : whole.col_stop].any()
        ]
        may_lack = self.store.array(name).metadata.fill_value is not None
        if may_lack and not any(self.store.has(file) for file, _ in clear):
            return
        for file, whole in clear:
            self._require(name, file, whole, whole)

    def _require(self, name: str, file: str, part: Area, whole: Area) -> None:
        """Check that a file is there, or that no band has data around a part of its ground."""
        if self.store.has(file):
            return
        resolution = self.product.grid.rows * PIXEL // self.store.whole(name).rows
        witness = self._witness(name, _around(part, whole, resolution), resolution)
        if witness is not None:
            raise ProductError(
                f"{self.store.path}: {file} is missing, and {witness.name} has data there; the "
                "store is not complete, download it again"
            )

    def _witness(self, name: str, ground: Area, resolution: int) -> Band | None:
        """Return a band that has measured the ground of an array's pixels, if there is one.

        Of each resolution, one band that has files there is read; the coarsest first, which is
        the least to read.
        """
        for other in (60, 20, 10):
            area = _within(ground, resolution, other)
            if area is None:
                continue
            for band in BY_RESOLUTION[other]:
                there = self.product.files.get(band.name, name)
                if there != name and any(map(self.store.has, self._files(there, area))):
                    if _is_swath(_known(self.store.read(there, area)), other):
                        return band
                    break
        return None

    def _files(self, name: str, area: Area) -> Iterator[str]:
        return (file for file, _ in self.store.files(name, area))


def _around(area: Area, whole: Area, resolution: int) -> Area:
    """Return an area, and around it as much as bands may end apart, as far as a file goes."""
    more = APART // resolution
    grown = Area(area.row - more, area.col - more, area.rows + 2 * more, area.cols + 2 * more)
    found = grown.intersection(whole)
    assert found is not None
    return found


def _within(area: Area, resolution: int, other: int) -> Area | None:
    """Return the pixels of another resolution that lie in an area, None if there are none."""
    top, left = (-(-edge * resolution // other) for edge in (area.row, area.col))
    bottom, right = (edge * resolution // other for edge in (area.row_stop, area.col_stop))
    return Area(top, left, bottom - top, right - left) if top < bottom and left < right else None


def _known(values: NDArray[Any]) -> NDArray[np.bool_]:
    import numpy as np

    return np.asarray(np.isfinite(values) if values.dtype.kind == "f" else values != 0)


def _is_swath(known: NDArray[np.bool_], resolution: int) -> bool:
    """Whether what a band has measured is more than others may lack at the edge of a swath.

    It is where a whole square of `APART` is known, or all there is of a smaller one.
    """
    import numpy as np

    rows, cols = (min(APART // resolution, size) for size in known.shape)
    sums = np.pad(known.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    squares = sums[rows:, cols:] - sums[:-rows, cols:] - sums[rows:, :-cols] + sums[:-rows, :-cols]
    return bool((squares == rows * cols).any())
