"""An array or dataset of xarray's as an image: what its dimensions and bands are called."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from image_similarity_measures.checks import Array
from image_similarity_measures.errors import InputError

# Names that catalogues, netCDF files and rioxarray give to rows and columns.
_ROWS = frozenset({"y", "lat", "latitude", "row", "rows", "northing", "yc", "ydim", "line"})
_COLS = frozenset({"x", "lon", "longitude", "col", "cols", "easting", "xc", "xdim", "sample"})
# Centres may differ by this share of a pixel, as corners of rasters may.
TOLERANCE = 0.01
_NODATA = ("_FillValue", "missing_value", "nodata", "nodatavals")


def is_labelled(image: object) -> bool:
    """Whether it is an array or a dataset of xarray's, known by what it has."""
    # All else is known by the first of them, in next to no time.
    return hasattr(image, "dims") and all(hasattr(image, n) for n in ("coords", "attrs", "isel"))


def band_axis(image: Any) -> int | None:
    """Where the names of an array's dimensions put the bands; None if they do not say."""
    _, others = spatial(image.dims)
    return list(image.dims).index(others[0]) if len(others) == 1 else None


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image with names for its bands.

    Attributes
    ----------
    array : DataArray
        (rows, cols, bands), perhaps not yet computed.
    bands : tuple
        The bands' names, numbers from 1 where they have none.
    nodata : tuple of (float or None)
        Per band, the value that stands for no data.
    name : str
        What errors call it.
    """

    array: Any
    bands: tuple[Hashable, ...]
    nodata: tuple[float | None, ...]
    name: str

    @classmethod
    def of(cls, image: Any, name: str) -> Labelled:
        """Take an array of two or three dimensions, or a dataset whose variables are the bands.

        Raises
        ------
        InputError
            If its dimensions are others than rows, columns and bands.
        """
        nodata: list[float | None] = []
        if hasattr(image, "data_vars"):
            image, nodata = _stacked(image, name)
        if len(image.dims) > 3:
            image = image.squeeze([dim for dim in spatial(image.dims)[1] if image.sizes[dim] == 1])
        places, others = spatial(image.dims)
        if len(places) != 2 or len(others) > 1:
            raise InputError(
                f"{name} has the dimensions {', '.join(map(str, image.dims))}; give y, x and at "
                "most one more for the bands, for example with .isel(time=0)"
            )
        if not others:
            image, others = image.expand_dims("band"), ["band"]
        image = image.transpose(*places, others[0])
        if 0 in image.shape:
            raise InputError(f"{name} is empty, shape {image.shape}; give at least one pixel")
        if image.dtype.kind not in "iuf" or (image.dtype.kind == "f" and image.dtype.itemsize > 8):
            raise InputError(f"{name} has dtype {image.dtype}; give integers or floating point")
        names = _names(image, others[0])
        return cls(image, names, tuple(nodata or [_nodata(image)] * len(names)), name)

    def positions(self, bands: Sequence[Hashable]) -> list[int]:
        """Where these bands are, given by name or counted from 1.

        Raises
        ------
        InputError
            If one does not exist or is asked for twice.
        """
        known = {str(band): index for index, band in enumerate(self.bands)}
        where: list[int] = []
        for band in bands:
            index = known.get(str(band))
            if index is None and isinstance(band, int | np.integer) and 1 <= band <= len(known):
                index = int(band) - 1
            if index is None:
                listed = ", ".join(map(str, self.bands))
                raise InputError(f"{self.name} has no band {band}; its bands are {listed}")
            if index in where:
                raise InputError(
                    f"band {band} of {self.name} is asked for twice; name each band once"
                )
            where.append(index)
        if not where:
            raise InputError(f"no band of {self.name} is asked for; its bands are {self.bands}")
        return where

    def at(self, where: Sequence[int]) -> Labelled:
        """The same with the bands at these positions only."""
        return Labelled(
            self.array.isel({self.array.dims[2]: list(where)}),
            tuple(self.bands[index] for index in where),
            tuple(self.nodata[index] for index in where),
            self.name,
        )

    def centres(self, dim: int) -> Array | None:
        """Coordinates of the rows or columns; None where there are none."""
        name = self.array.dims[dim]
        if name not in self.array.coords:
            return None
        values = np.asarray(self.array.coords[name].values)
        return values.astype(np.float64) if values.dtype.kind in "iuf" else None

    @property
    def crs(self) -> str | None:
        """Coordinate reference system as WKT, where rioxarray or CF keep it."""
        for name in ("spatial_ref", self.array.encoding.get("grid_mapping", "")):
            if name in self.array.coords:
                attributes = self.array.coords[name].attrs
                found = attributes.get("crs_wkt") or attributes.get("spatial_ref")
                return str(found) if found else None
        return None

    @property
    def transform(self) -> tuple[float, float, float, float] | None:
        """Corner x and y, width and height of pixels; None where they lie on no regular grid."""
        ends = []
        for centres in (self.centres(1), self.centres(0)):
            if centres is None or len(centres) < 2:
                return None
            steps = np.diff(centres)
            step = float(steps.mean())
            if not step or np.abs(steps - step).max() > TOLERANCE * abs(step):
                return None
            ends.append((float(centres[0]) - step / 2, step))
        (x, width), (y, height) = ends
        return x, y, width, height


def spatial(dims: Sequence[Hashable]) -> tuple[list[Hashable], list[Hashable]]:
    """The dimensions of rows and of columns, in this order, and the others."""
    rows = [dim for dim in dims if str(dim).lower() in _ROWS]
    cols = [dim for dim in dims if str(dim).lower() in _COLS]
    return [*rows, *cols], [dim for dim in dims if dim not in rows and dim not in cols]


def _stacked(dataset: Any, name: str) -> tuple[Any, list[float | None]]:
    """A dataset's variables as the bands of one array, and the no data value of each."""
    chosen = [key for key, band in dataset.data_vars.items() if len(spatial(band.dims)[0]) == 2]
    if not chosen:
        raise InputError(f"{name} has no variable with rows and columns; give one with y and x")
    if len({tuple(dataset[key].sizes.items()) for key in chosen}) > 1:
        raise InputError(
            f"{name} has variables of different sizes; choose those of one grid, "
            f"for example {name}[{chosen[:1]!r}]"
        )
    stack = getattr(dataset[chosen], "to_dataarray", None) or dataset[chosen].to_array
    return stack(dim="band"), [_nodata(dataset[key]) for key in chosen]


def _names(image: Any, dim: Hashable) -> tuple[Hashable, ...]:
    """Labels of the bands: a coordinate, rioxarray's long_name, or numbers from 1."""
    count = image.sizes[dim]
    if dim in image.coords and image.coords[dim].ndim == 1:
        labels = image.coords[dim].values.tolist()
        if labels != list(range(1, count + 1)) and len(set(map(str, labels))) == count:
            return tuple(labels)
    long_names = image.attrs.get("long_name")
    if isinstance(long_names, list | tuple) and len(set(long_names)) == count == len(long_names):
        return tuple(long_names)
    return tuple(range(1, count + 1))


def _nodata(image: Any) -> float | None:
    """The value that encoding or attributes name; what xarray masked itself is NaN by now."""
    if {"scale_factor", "add_offset"} & set(image.encoding):
        return None  # of the packed values, which these no longer are
    for source in (image.encoding, image.attrs):
        for key in _NODATA:
            value = np.asarray(source.get(key, np.nan)).ravel()
            if value.size and value.dtype.kind in "iuf" and not np.isnan(value[0]):
                found: float = value[0].item()
                return found
    return None
