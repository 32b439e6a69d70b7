"""Areas of interest: the same ground, however it is given."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyogrio
import pytest
import shapely
from rasterio.warp import transform, transform_bounds

from s2_superres.errors import AreaError
from s2_superres.products.area import find_area, lonlat_bounds
from s2_superres.raster.grid import Area, Bounds, Grid

TILE = Grid("EPSG:32633", 300000.0, 6200040.0, 10980, 10980)
WANTED = Area(1200, 2400, 600, 960)


def write_vector(path: Path, shape: shapely.Geometry, crs: str | None, driver: str) -> None:
    pyogrio.raw.write(
        path, np.array([shapely.to_wkb(shape)], object), [], [], driver=driver, crs=crs,
        geometry_type=shape.geom_type,
    )  # fmt: skip


def inner(shrink: float = 5.0) -> Bounds:
    left, bottom, right, top = TILE.crop(WANTED).bounds
    return left + shrink, bottom + shrink, right - shrink, top - shrink


def test_nothing_asked_is_the_whole_tile() -> None:
    assert find_area(TILE) == TILE.area


def test_bounds_are_snapped_outward() -> None:
    """Bounds a few metres inside 60 m pixels give those pixels."""
    assert find_area(TILE, bounds=inner()) == WANTED


@pytest.mark.parametrize(
    ("driver", "crs"),
    [("GeoJSON", "EPSG:4326")]
    + [
        (driver, crs)
        for driver in ("GPKG", "ESRI Shapefile", "FlatGeobuf")
        for crs in ("EPSG:4326", "EPSG:32633", "EPSG:32634", "EPSG:3857")
    ],
)
def test_vector_file_of_any_kind_and_crs(tmp_path: Path, driver: str, crs: str) -> None:
    """The same polygon in lon/lat, this zone, its neighbour and web Mercator is one area."""
    box = shapely.segmentize(shapely.box(*inner()), 500)
    xs, ys = transform("EPSG:32633", crs, *shapely.get_coordinates(box).T)
    shape = shapely.Polygon(np.column_stack([xs, ys]))
    suffix = {"GeoJSON": "geojson", "GPKG": "gpkg", "ESRI Shapefile": "shp", "FlatGeobuf": "fgb"}
    path = tmp_path / f"aoi.{suffix[driver]}"
    write_vector(path, shape, crs, driver)
    assert find_area(TILE, aoi=path) == WANTED


def test_geojson_as_people_write_it(tmp_path: Path) -> None:
    """A bare geometry, longitude first, needs no CRS and no feature around it."""
    west, south, east, north = transform_bounds(TILE.crs, "EPSG:4326", *inner(100))
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    found = find_area(TILE, aoi=path)
    assert TILE.area.contains(found) and found.contains(Area(1206, 2406, 588, 948))


def test_bbox_covers_its_corners() -> None:
    """A box in degrees, bent in the projection, lies whole in the area, and little else does."""
    bbox = (12.5, 55.3, 12.9, 55.5)
    area = find_area(TILE, bbox=bbox)
    left, bottom, right, top = TILE.crop(area).bounds
    lon, lat = np.meshgrid(np.linspace(12.5, 12.9, 50), np.linspace(55.3, 55.5, 50))
    x, y = (np.asarray(v) for v in transform("EPSG:4326", TILE.crs, lon.ravel(), lat.ravel()))
    assert left <= x.min() + 0.01 and x.max() <= right + 0.01
    assert bottom <= y.min() + 0.01 and y.max() <= top + 0.01
    assert x.min() - left < 70 and right - x.max() < 70
    assert y.min() - bottom < 70 and top - y.max() < 70


@pytest.mark.parametrize("bbox", [(179.5, -17.0, -179.5, -16.5), (-180.5, -17.0, -179.5, -16.5)])
def test_bbox_across_the_antimeridian(bbox: Bounds) -> None:
    """West may be greater than east, or less than -180: tile T01KAB lies on both sides."""
    tile = Grid("EPSG:32701", 99960.0, 8200000.0, 10980, 10980)
    area = find_area(tile, bbox=bbox)
    west, south, east, north = lonlat_bounds(tile.crop(area))
    assert (west + 360) % 360 < 180 < east and abs(south + 17) < 0.05
    assert abs(east - 180.5) < 0.01 or area.col_stop == tile.cols
    assert -16.51 < north < -16.4


def test_part_outside_the_tile_is_cut_off() -> None:
    """An area of interest that reaches into the next tile gives this tile's part."""
    left, bottom, right, _ = TILE.bounds
    area = find_area(TILE, bounds=(left - 5000, bottom - 5000, right - 100000, bottom + 90))
    assert area == Area(10980 - 12, 0, 12, 984)


@pytest.mark.parametrize(
    ("bbox", "said"),
    [
        ((3.0, 45.0, 3.1, 45.1), "outside the tile"),
        ((-167.5, 55.3, -167.1, 55.5), "outside the tile"),
        ((12.5, 55.5, 12.9, 55.3), "south < north"),
        ((12.5, 55.3, 12.5, 55.5), "no area"),
        ((55.3, 12.5, 55.5, 12.9), "outside the tile"),
        ((300000.0, 55.0, 310000.0, 56.0), "--bounds"),
        ((float("nan"), 55.0, 13.0, 56.0), "no area"),
    ],
)
def test_bbox_elsewhere(bbox: Bounds, said: str) -> None:
    """Another place, swapped axes, metres for degrees: each is told, with where the tile is."""
    with pytest.raises(AreaError, match=said):
        find_area(TILE, bbox=bbox)


def test_file_in_another_zone(tmp_path: Path) -> None:
    """A polygon of another continent is outside, whatever its numbers are."""
    path = tmp_path / "far.gpkg"
    write_vector(path, shapely.box(*inner()), "EPSG:32719", "GPKG")
    with pytest.raises(AreaError, match=r"far\.gpkg: .*outside the tile"):
        find_area(TILE, aoi=path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        ("hello", "not a readable vector file"),
        ('{"type":"FeatureCollection","features":[]}', "holds no geometry"),
    ],
)
def test_bad_vector_file(tmp_path: Path, content: str | None, said: str) -> None:
    path = tmp_path / "bad.geojson"
    if content is not None:
        path.write_text(content)
    with pytest.raises(AreaError, match=rf"bad\.geojson: .*{said}"):
        find_area(TILE, aoi=path)


@pytest.mark.filterwarnings("ignore:'crs' was not provided")
def test_vector_file_without_crs(tmp_path: Path) -> None:
    """Guessing a CRS would put the area somewhere else."""
    path = tmp_path / "no.shp"
    write_vector(path, shapely.box(*inner()), None, "ESRI Shapefile")
    with pytest.raises(AreaError, match="no CRS"):
        find_area(TILE, aoi=path)


def test_one_way_at_a_time() -> None:
    with pytest.raises(AreaError, match="--bbox and --bounds exclude"):
        find_area(TILE, bbox=(12.5, 55.3, 12.9, 55.5), bounds=inner())
