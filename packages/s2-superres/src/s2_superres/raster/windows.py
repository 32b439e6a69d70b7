"""Cutting an area into windows: a core that is kept, and a halo that is thrown away.

A network's output near the edge of its input is wrong, so a window reads more
than it keeps. All windows of one plan have the same outer size, so that one
compiled function serves them all; near the area's edge the outer part may reach
outside the image, where the caller fills it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from s2_superres.errors import AreaError
from s2_superres.raster.grid import UNIT, Area, round_up


@dataclass(frozen=True)
class Window:
    """What one run of the network reads (outer) and what of it is kept (core).

    In 10 m pixels of the image; ``outer_row`` and ``outer_col`` may be negative.
    """

    core: Area
    outer_row: int
    outer_col: int
    outer_rows: int
    outer_cols: int

    @property
    def outer(self) -> Area:
        """The part that is read."""
        return Area(self.outer_row, self.outer_col, self.outer_rows, self.outer_cols)


@dataclass(frozen=True)
class Plan:
    """How an area is cut: iterate it for its windows, row by row from the top.

    Attributes
    ----------
    area : Area
        What the cores partition.
    halo : int
        Pixels on every side of a core, a multiple of ``unit``.
    core_rows, core_cols : int
        Size of the cores, multiples of ``unit``; those of the last row and
        column may be smaller.
    """

    area: Area
    halo: int
    core_rows: int
    core_cols: int

    @property
    def outer_shape(self) -> tuple[int, int]:
        """Rows and columns of every window's outer part."""
        return self.core_rows + 2 * self.halo, self.core_cols + 2 * self.halo

    @property
    def shape(self) -> tuple[int, int]:
        """How many windows there are, down and across."""
        return -(-self.area.rows // self.core_rows), -(-self.area.cols // self.core_cols)

    def __len__(self) -> int:
        down, across = self.shape
        return down * across

    def __iter__(self) -> Iterator[Window]:
        outer_rows, outer_cols = self.outer_shape
        for row in range(self.area.row, self.area.row_stop, self.core_rows):
            rows = min(self.core_rows, self.area.row_stop - row)
            for col in range(self.area.col, self.area.col_stop, self.core_cols):
                cols = min(self.core_cols, self.area.col_stop - col)
                yield Window(
                    Area(row, col, rows, cols),
                    row - self.halo,
                    col - self.halo,
                    outer_rows,
                    outer_cols,
                )


def plan(area: Area, tile: int, halo: int, unit: int = UNIT) -> Plan:
    """Cut ``area`` into windows of at most about ``tile`` pixels a side.

    Parameters
    ----------
    area : Area
        Edges on multiples of ``unit``.
    tile : int
        Wished outer size; rounded to the nearest multiple of twice the unit.
        Windows are made smaller where that covers the area with as many of
        them, so that nothing is computed for nothing.
    halo : int
        How far a network's output depends on its input; rounded up to ``unit``.
    unit : int
        6, so that windows are whole pixels at 10, 20 and 60 m; 2 for areas
        without 60 m bands.

    Returns
    -------
    Plan
        Its cores partition the area exactly; every outer part has the same
        shape, its edges on multiples of ``unit``, and reaches at least ``halo``
        beyond its core on each side.

    Raises
    ------
    AreaError
        If the area is not aligned, or the tile has no room inside the halo.
    """
    if halo < 0:
        raise AreaError(f"a halo of {halo} pixels: give 0 or more")
    if not area.is_aligned(unit):
        raise AreaError(
            f"{area} does not lie on multiples of {unit} pixels of 10 m; take an area that does"
        )
    halo = round_up(halo, unit)
    outer = max(1, round(tile / (2 * unit))) * 2 * unit
    core = outer - 2 * halo
    if core < unit:
        raise AreaError(
            f"a tile of {tile} pixels has no room inside a halo of {halo}: "
            f"take at least {round_up(2 * halo + unit, 2 * unit)}, better 256 or more"
        )
    return Plan(area, halo, _balanced(area.rows, core, unit), _balanced(area.cols, core, unit))


def _balanced(length: int, core: int, unit: int) -> int:
    """Return the smallest core that covers ``length`` in as few steps as ``core`` does."""
    steps = -(-length // core)
    return round_up(-(-length // steps), unit)
