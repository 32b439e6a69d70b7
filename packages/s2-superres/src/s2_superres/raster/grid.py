"""The 10 m grid of a tile, and areas on it that all three resolutions share.

Everything is counted in 10 m pixels from the tile's upper left corner. The 10,
20 and 60 m grids share that corner, so an area whose offsets and sizes are
multiples of six 10 m pixels is whole pixels on each of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from s2_superres.errors import AreaError, InputError

#: 10 m pixels along the side of one 60 m pixel.
UNIT = 6
#: The finest pixel, in metres.
PIXEL = 10
#: Bounds are moved by reprojection in the last digits; a millimetre more or less
#: must not add a row of 60 m pixels.
TOLERANCE = 1e-3

#: Left, bottom, right, top.
Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class Area:
    """A rectangle of pixels: ``row`` and ``col`` of its upper left pixel, and its size.

    Raises
    ------
    AreaError
        If it has no pixels.
    """

    row: int
    col: int
    rows: int
    cols: int

    def __post_init__(self) -> None:
        if self.rows < 1 or self.cols < 1:
            raise AreaError(
                f"an area of {self.rows} x {self.cols} pixels is empty; give 1 or more of each"
            )

    @property
    def row_stop(self) -> int:
        """First row below the area."""
        return self.row + self.rows

    @property
    def col_stop(self) -> int:
        """First column right of the area."""
        return self.col + self.cols

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows, self.cols

    def __iter__(self) -> Iterator[int]:
        """Yield ``row, col, rows, cols``: ``reader.read(20, *area.at(20))``."""
        return iter((self.row, self.col, self.rows, self.cols))

    def is_aligned(self, unit: int = UNIT) -> bool:
        """Whether every edge lies on a multiple of ``unit``."""
        return not any(value % unit for value in self)

    def contains(self, other: Area) -> bool:
        """Whether every pixel of ``other`` is one of this area's."""
        return (
            self.row <= other.row
            and self.col <= other.col
            and other.row_stop <= self.row_stop
            and other.col_stop <= self.col_stop
        )

    def intersection(self, other: Area) -> Area | None:
        """Return the pixels of both, None if there are none."""
        row, col = max(self.row, other.row), max(self.col, other.col)
        rows = min(self.row_stop, other.row_stop) - row
        cols = min(self.col_stop, other.col_stop) - col
        return Area(row, col, rows, cols) if rows > 0 and cols > 0 else None

    def outward(self, ratio: int) -> Area:
        """Return the pixels, `ratio` times as long and wide, that hold any of it."""
        row, col = self.row // ratio, self.col // ratio
        return Area(row, col, -(-self.row_stop // ratio) - row, -(-self.col_stop // ratio) - col)

    def at(self, resolution: int) -> Area:
        """Return the same ground in pixels of ``resolution`` metres.

        Raises
        ------
        AreaError
            If an edge would cut through a pixel of that resolution.
        """
        ratio = resolution // PIXEL
        if not self.is_aligned(ratio):
            raise AreaError(
                f"{self} does not lie on whole pixels of {resolution} m; take multiples of {ratio}"
            )
        return Area(self.row // ratio, self.col // ratio, self.rows // ratio, self.cols // ratio)


@dataclass(frozen=True)
class Grid:
    """Where the 10 m pixels of a tile lie: CRS, upper left corner in metres, size.

    Attributes
    ----------
    crs : str
        ``EPSG:32633``, or any text that names a projected CRS in metres.
    left, top : float
        The outer corner of the upper left pixel.
    rows, cols : int
        Size in 10 m pixels.
    """

    crs: str
    left: float
    top: float
    rows: int
    cols: int

    @property
    def area(self) -> Area:
        """The whole of it."""
        return Area(0, 0, self.rows, self.cols)

    @property
    def bounds(self) -> Bounds:
        """Left, bottom, right, top in the CRS."""
        return (
            self.left,
            self.top - self.rows * PIXEL,
            self.left + self.cols * PIXEL,
            self.top,
        )

    def transform(self, resolution: int = PIXEL) -> tuple[float, float, float, float, float, float]:
        """Return the six coefficients ``a b c d e f`` of ``affine.Affine`` at a resolution."""
        return (float(resolution), 0.0, self.left, 0.0, -float(resolution), self.top)

    def crop(self, area: Area) -> Grid:
        """Return the grid of an area of this one."""
        return Grid(
            self.crs,
            self.left + area.col * PIXEL,
            self.top - area.row * PIXEL,
            area.rows,
            area.cols,
        )

    def cover(self, bounds: Bounds, unit: int = UNIT) -> Area:
        """Return the smallest aligned area of this grid that covers ``bounds``.

        Parameters
        ----------
        bounds : tuple of float
            Left, bottom, right, top in the grid's CRS. What lies outside the
            grid is cut off.
        unit : int
            Edges are moved outward to multiples of so many 10 m pixels.

        Raises
        ------
        AreaError
            If the bounds are empty, upside down, not finite, or miss the grid.
        """
        left, bottom, right, top = bounds
        if not all(math.isfinite(value) for value in bounds):
            raise AreaError(f"bounds {_text(bounds)} are not finite numbers; give four coordinates")
        if left >= right or bottom >= top:
            raise AreaError(
                f"bounds {_text(bounds)} are empty: give left bottom right top, "
                "with left < right and bottom < top"
            )
        rows = _snap(self.top - top, self.top - bottom, unit)
        cols = _snap(left - self.left, right - self.left, unit)
        found = Area(rows[0], cols[0], rows[1] - rows[0], cols[1] - cols[0]).intersection(self.area)
        if found is None:
            raise AreaError(
                f"bounds {_text(bounds)} lie outside the tile, which covers "
                f"{_text(self.bounds)} in {self.crs}; give an area within, or another product"
            )
        return found

    def halved_area(self, area: Area) -> Area:
        """Return where a window lies at half the resolution.

        Raises
        ------
        InputError
            If it cuts through a pixel of that.
        """
        for start, stop, end in (
            (area.row, area.row_stop, self.rows),
            (area.col, area.col_stop, self.cols),
        ):
            if start % 2 or (stop % 2 and stop != end):
                raise InputError(
                    f"{area} cuts through pixels of the first overview; give even rows and columns"
                )
        return area.outward(2)


def round_up(value: int, unit: int) -> int:
    """Return the smallest multiple of ``unit`` that is at least ``value``."""
    return -(-value // unit) * unit


def _snap(start: float, stop: float, unit: int) -> tuple[int, int]:
    """Turn a span in metres into pixels, moved outward to multiples of ``unit``, never empty."""
    step = unit * PIXEL
    first = math.floor((start + TOLERANCE) / step)
    last = max(math.ceil((stop - TOLERANCE) / step), first + 1)
    return first * unit, last * unit


def _text(bounds: Bounds) -> str:
    return " ".join(f"{value:.10g}" for value in bounds)
