"""Where the pixels of a raster lie."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Self

import rasterio

# Corners may differ by this share of a pixel: writers round their transforms.
_GRID_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the pixels of a raster lie.

    Attributes
    ----------
    rows, cols : int
        Size.
    crs : rasterio.crs.CRS or None
        Coordinate reference system.
    transform : affine.Affine
        From (column, row) to coordinates.
    """

    rows: int
    cols: int
    crs: Any
    transform: Any

    @classmethod
    def unreferenced(cls, rows: int, cols: int) -> Self:
        """The grid of an image that lies nowhere."""
        return cls(rows, cols, None, rasterio.Affine.identity())

    @property
    def georeferenced(self) -> bool:
        """Whether the file says where it lies."""
        return self.crs is not None or not self.transform.is_identity

    def same_place(self, other: Grid) -> bool:
        """Whether both have one CRS and corners within a hundredth of a pixel."""
        if self.crs != other.crs:
            return False
        if not self.transform.determinant:
            return bool(self.transform == other.transform)
        to_pixels = ~self.transform
        corners = [(col, row) for col in (0, self.cols) for row in (0, self.rows)]
        return all(
            math.dist(corner, _at(to_pixels, *_at(other.transform, *corner))) <= _GRID_TOLERANCE
            for corner in corners
        )

    def __str__(self) -> str:
        if not self.georeferenced:
            return f"{self.rows} rows x {self.cols} columns, not georeferenced"
        t = self.transform
        return (
            f"{self.rows} rows x {self.cols} columns, {self.crs or 'no CRS'}, "
            f"corner ({t.c:.10g}, {t.f:.10g}), pixel ({t.a:.6g}, {t.e:.6g})"
        )


def _at(transform: Any, x: float, y: float) -> tuple[float, float]:
    """Apply an affine transform; its own operator for that is changing between versions."""
    t = transform
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f
