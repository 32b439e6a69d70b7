"""Areas and grids: integers that hold for all three resolutions."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.errors import AreaError
from s2_superres.raster.grid import UNIT, Area, Grid, round_up

TILE = Grid("EPSG:32633", 399960.0, 4200000.0, 10980, 10980)
metres = st.floats(-200_000, 200_000, allow_nan=False)


@given(metres, metres, st.floats(0.01, 150_000), st.floats(0.01, 150_000))
def test_cover_is_aligned_inside_the_grid_and_covers_the_bounds(
    x: float, y: float, width: float, height: float
) -> None:
    """The area has its edges on 60 m, holds all of the bounds that the tile has, and no 60 m
    row or column that they do not touch."""
    left, top = TILE.left + x, TILE.top - y
    bounds = (left, top - height, left + width, top)
    tile = TILE.bounds
    shared = (
        max(bounds[0], tile[0]),
        max(bounds[1], tile[1]),
        min(bounds[2], tile[2]),
        min(bounds[3], tile[3]),
    )
    try:
        area = TILE.cover(bounds)
    except AreaError:
        assert shared[2] - shared[0] < 0.002 or shared[3] - shared[1] < 0.002
        return
    assert area.is_aligned(UNIT)
    assert TILE.area.contains(area)
    got = TILE.crop(area).bounds
    slack = 0.0021
    assert got[0] <= shared[0] + slack and got[1] <= shared[1] + slack
    assert got[2] >= shared[2] - slack and got[3] >= shared[3] - slack
    assert shared[0] - got[0] <= 60 + slack and got[2] - shared[2] <= 60 + slack
    assert shared[1] - got[1] <= 60 + slack and got[3] - shared[3] <= 60 + slack


@given(
    st.integers(0, 1829), st.integers(0, 1829), st.integers(1, 1830), st.integers(1, 1830),
    st.floats(-1e-4, 1e-4),
)  # fmt: skip
def test_bounds_of_an_aligned_area_give_it_back(
    row: int, col: int, rows: int, cols: int, noise: float
) -> None:
    """Cropping and covering are inverse, also when reprojection left noise in the bounds."""
    area = Area(row * 6, col * 6, min(rows, 1830 - row) * 6, min(cols, 1830 - col) * 6)
    left, bottom, right, top = TILE.crop(area).bounds
    assert TILE.cover((left + noise, bottom - noise, right - noise, top + noise)) == area


@pytest.mark.parametrize("resolution", [10, 20, 60])
def test_at_counts_native_pixels(resolution: int) -> None:
    """An area covers the same ground at each resolution."""
    area = Area(12, 60, 600, 1200)
    ratio = resolution // 10
    assert tuple(area.at(resolution)) == (
        12 // ratio, 60 // ratio, 600 // ratio, 1200 // ratio
    )  # fmt: skip


def test_at_refuses_to_cut_a_pixel() -> None:
    """An area that is no whole number of 60 m pixels has no 60 m twin."""
    assert Area(2, 0, 6, 6).at(20) == Area(1, 0, 3, 3)
    with pytest.raises(AreaError, match="60 m"):
        Area(2, 0, 6, 6).at(60)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        ((400000.0, 4190000.0, 400000.0, 4195000.0), "empty"),
        ((400000.0, 4195000.0, 410000.0, 4190000.0), "empty"),
        ((math.nan, 4190000.0, 410000.0, 4195000.0), "finite"),
        ((-math.inf, 4190000.0, 410000.0, 4195000.0), "finite"),
        ((100000.0, 4190000.0, 200000.0, 4195000.0), "outside the tile"),
        ((399000.0, 4190000.0, 399960.0, 4195000.0), "outside the tile"),
    ],
)
def test_bad_bounds_say_what_is_wrong(bounds: tuple[float, float, float, float], said: str) -> None:
    """Empty, swapped, not finite and distant bounds are told apart."""
    with pytest.raises(AreaError, match=said):
        TILE.cover(bounds)


def test_empty_area_is_refused() -> None:
    """There is no area without pixels."""
    with pytest.raises(AreaError, match="empty"):
        Area(0, 0, 0, 6)


@given(st.integers(-1000, 1000), st.integers(1, 60))
def test_round_up(value: int, unit: int) -> None:
    """The result is the next multiple, not the one after."""
    up = round_up(value, unit)
    assert up % unit == 0 and value <= up < value + unit
