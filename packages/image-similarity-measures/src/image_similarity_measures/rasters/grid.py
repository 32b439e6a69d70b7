"""Where the pixels of a raster lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.io import DatasetReader

# Places may differ by this share of a pixel: writers round their transforms.
_GRID_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a raster lie.

    Attributes
    ----------
    rows, cols : int
        Size.
    crs : rasterio.crs.CRS or None
        Coordinate reference system, of the ground control points where these place the raster.
    transform : affine.Affine
        From (column, row) to coordinates.
    gcps : tuple of rasterio.control.GroundControlPoint
        What places a raster that has no transform, such as radar as it was taken.
    rpcs : rasterio.rpc.RPC or None
        What places one that has neither, such as a satellite's view before orthorectification.
    """

    rows: int
    cols: int
    crs: Any
    transform: Any
    gcps: tuple[Any, ...] = ()
    rpcs: Any = None

    @classmethod
    def of(cls, dataset: DatasetReader) -> Self:
        """The grid of an open file."""
        size = dataset.height, dataset.width
        # GDAL reports as PNM's transform whatever lay in the memory; the format has none.
        transform = rasterio.Affine.identity() if dataset.driver == "PNM" else dataset.transform
        gcps, crs_of_gcps = dataset.gcps
        # GDAL's order: a transform is the first to count.
        if not transform.is_identity:
            return cls(*size, dataset.crs, transform)
        if gcps:
            return cls(*size, crs_of_gcps or dataset.crs, transform, gcps=tuple(gcps))
        return cls(*size, dataset.crs, transform, rpcs=dataset.rpcs)

    @classmethod
    def unreferenced(cls, rows: int, cols: int) -> Self:
        """The grid of an image that lies nowhere."""
        return cls(rows, cols, None, rasterio.Affine.identity())

    @property
    def georeferenced(self) -> bool:
        """Whether the file says where it lies."""
        placed = self.crs is not None or bool(self.gcps) or self.rpcs is not None
        return placed or not self.transform.is_identity

    def same_place(self, other: Grid) -> bool:
        """Whether both have one CRS and lie within a hundredth of a pixel of each other.

        By their corners, their ground control points or their RPCs; what is placed by different
        ones of these is not known to lie alike.
        """
        if self.crs != other.crs:
            return False
        if self.gcps or other.gcps:
            return self._same_points(other)
        if self.rpcs is not None or other.rpcs is not None:
            return _numbers(self.rpcs) == _numbers(other.rpcs)
        if not self.transform.determinant:
            return bool(self.transform == other.transform)
        to_pixels = ~self.transform
        corners = [(col, row) for col in (0, self.cols) for row in (0, self.rows)]
        return all(
            math.dist(corner, _at(to_pixels, *_at(other.transform, *corner))) <= _GRID_TOLERANCE
            for corner in corners
        )

    def _same_points(self, other: Grid) -> bool:
        if len(self.gcps) != len(other.gcps):
            return False
        spread = [np.ptp([getattr(point, of) for point in self.gcps]) for of in ("x", "y")]
        pixel = max(spread) / max(self.rows, self.cols)
        return all(
            math.dist((a.col, a.row), (b.col, b.row)) <= _GRID_TOLERANCE
            and math.dist((a.x, a.y), (b.x, b.y)) <= _GRID_TOLERANCE * pixel
            for a, b in zip(self.gcps, other.gcps, strict=True)
        )

    def __str__(self) -> str:
        size = f"{self.rows} rows x {self.cols} columns"
        if not self.georeferenced:
            return f"{size}, not georeferenced"
        crs = self.crs or "no CRS"
        if self.gcps:
            first = self.gcps[0]
            return (
                f"{size}, {crs}, {len(self.gcps)} ground control points, "
                f"the first at ({first.x:.10g}, {first.y:.10g})"
            )
        if self.rpcs is not None:
            return (
                f"{size}, RPCs around longitude {self.rpcs.long_off:.10g}, "
                f"latitude {self.rpcs.lat_off:.10g}"
            )
        t = self.transform
        return f"{size}, {crs}, corner ({t.c:.10g}, {t.f:.10g}), pixel ({t.a:.6g}, {t.e:.6g})"


def _numbers(rpcs: Any) -> dict[str, Any] | None:
    """What RPCs compute with: all but their errors."""
    if rpcs is None:
        return None
    return {name: value for name, value in rpcs.to_dict().items() if not name.startswith("err_")}


def _at(transform: Any, x: float, y: float) -> tuple[float, float]:
    """Apply an affine transform; its own operator for that is changing between versions."""
    t = transform
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
