"""Windows: cores partition the area, halos surround them, on awkward sizes too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.errors import AreaError
from s2_superres.raster.grid import Area, round_up
from s2_superres.raster.mosaic import cut
from s2_superres.raster.windows import plan

units = st.sampled_from([2, 6])


@given(
    unit=units,
    row=st.integers(-50, 300), col=st.integers(-50, 300),
    rows=st.integers(1, 400), cols=st.integers(1, 400),
    tile=st.integers(1, 1500), halo=st.integers(0, 100),
)  # fmt: skip
def test_cores_partition_the_area_inside_their_halo(
    unit: int, row: int, col: int, rows: int, cols: int, tile: int, halo: int
) -> None:
    """Every pixel of the area is in exactly one core; every outer part is aligned, of one
    shape, no larger than the tile rounded, and at least the halo wider than its core."""
    area = Area(row * unit, col * unit, rows * unit, cols * unit)
    try:
        planned = plan(area, tile, halo, unit)
    except AreaError:
        assert tile < 2 * round_up(halo, unit) + 2 * unit
        return
    seen = np.zeros(area.shape, np.uint8)
    windows = list(planned)
    assert len(windows) == len(planned)
    for window in windows:
        core, outer = window.core, window.outer
        assert area.contains(core)
        seen[core.row - area.row : core.row_stop - area.row,
             core.col - area.col : core.col_stop - area.col] += 1  # fmt: skip
        assert core.is_aligned(unit) and outer.is_aligned(unit)
        assert outer.shape == planned.outer_shape
        assert max(outer.shape) <= max(tile + unit, 2 * unit)
        assert core.row - outer.row >= halo and outer.row_stop - core.row_stop >= halo
        assert core.col - outer.col >= halo and outer.col_stop - core.col_stop >= halo
    assert (seen == 1).all()


@given(
    unit=units, rows=st.integers(1, 300), cols=st.integers(1, 300),
    tile=st.integers(64, 700), halo=st.integers(0, 24),
)  # fmt: skip
def test_windows_come_row_by_row(unit: int, rows: int, cols: int, tile: int, halo: int) -> None:
    """A reader meets each row of windows once, left to right, from the top."""
    starts = [(w.core.row, w.core.col) for w in plan(Area(0, 0, rows * unit, cols * unit), tile,
                                                     halo, unit)]  # fmt: skip
    assert starts == sorted(starts)


@pytest.mark.parametrize("side", [6, 12, 330, 336, 342, 468, 474, 504, 672, 1008, 1014, 1344, 1800])
@pytest.mark.parametrize("tile", [96, 372, 512])
def test_mosaic_of_coordinates_is_the_image(side: int, tile: int) -> None:
    """Cropping coordinate-coded windows and placing their cores gives the coordinates back,
    also at multiples of the core, one unit over, and a single 60 m pixel."""
    area = Area(60, 30, side, side + 6)
    out = np.full((2, *area.shape), -1)
    for window in plan(area, tile, 14):
        outer = window.outer
        coded = np.stack(
            np.meshgrid(
                np.arange(outer.row, outer.row_stop),
                np.arange(outer.col, outer.col_stop),
                indexing="ij",
            )
        )
        core = window.core
        out[
            :,
            core.row - area.row : core.row_stop - area.row,
            core.col - area.col : core.col_stop - area.col,
        ] = cut(coded, outer, core)
    rows, cols = np.indices(area.shape)
    np.testing.assert_array_equal(out, [rows + area.row, cols + area.col])


def test_small_area_is_one_small_window() -> None:
    """An area below one tile costs its own size and the halo, not a whole tile."""
    assert plan(Area(0, 0, 60, 120), 512, 14).outer_shape == (96, 156)
    assert len(plan(Area(0, 0, 60, 120), 512, 14)) == 1


def test_windows_are_balanced() -> None:
    """600 pixels in tiles of 504 are two windows of 300, not one of 468 and one of 132."""
    planned = plan(Area(0, 0, 600, 600), 504, 18)
    assert (planned.core_rows, planned.core_cols, len(planned)) == (300, 300, 4)


def test_tile_without_room_for_the_halo_says_what_would_do() -> None:
    """The message names the smallest tile, and that tile works."""
    with pytest.raises(AreaError, match="at least 48"):
        plan(Area(0, 0, 60, 60), 36, 18)
    assert len(plan(Area(0, 0, 60, 60), 48, 18)) == 25


def test_unaligned_area_is_refused() -> None:
    """Windows of an area that cuts 60 m pixels would be off by one."""
    with pytest.raises(AreaError, match="multiples of 6"):
        plan(Area(2, 0, 60, 60), 512, 14)
    assert len(plan(Area(2, 0, 60, 60), 512, 14, unit=2)) == 1


def test_negative_halo_is_refused() -> None:
    """A network cannot depend on less than nothing."""
    with pytest.raises(AreaError, match="halo"):
        plan(Area(0, 0, 60, 60), 512, -1)
