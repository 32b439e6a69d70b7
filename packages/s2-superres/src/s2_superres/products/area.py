"""The area of interest as users give it: lon/lat, the product's CRS, or a vector file.

Coordinates are always x then y, longitude then latitude, whatever order the
CRS's authority prescribes.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.errors import AreaError
from s2_superres.files.gdal import check_proj
from s2_superres.raster.grid import UNIT, Area, Bounds, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Points added to each edge before it is bent into another CRS.
_DENSIFY = 21


def find_area(
    grid: Grid,
    *,
    bbox: Bounds | None = None,
    bounds: Bounds | None = None,
    aoi: str | Path | None = None,
    unit: int = UNIT,
) -> Area:
    """Return the pixels to work on, snapped outward to the 60 m grid.

    Parameters
    ----------
    grid : Grid
        The product's.
    bbox : tuple of float, optional
        West, south, east, north in degrees (EPSG:4326). West may be greater
        than east where the box crosses the antimeridian.
    bounds : tuple of float, optional
        Left, bottom, right, top in the product's CRS.
    aoi : path, optional
        A vector file (GeoJSON, GeoPackage, Shapefile...) whose features'
        common bounds are meant.
    unit : int
        10 m pixels that edges are multiples of.

    Returns
    -------
    Area
        The whole grid if nothing was given; what lies outside is cut off.

    Raises
    ------
    AreaError
        If more than one was given, the area misses the grid, or the file
        cannot be read.
    """
    given = [
        name
        for name, value in (("--bbox", bbox), ("--bounds", bounds), ("--aoi", aoi))
        if value is not None
    ]
    if len(given) > 1:
        raise AreaError(f"{' and '.join(given)} exclude each other: give one of them")
    if given and not grid.crs:
        raise AreaError(f"{given[0]}: a crop has no coordinates; leave it out, or give a product")
    if bbox is not None or aoi is not None:
        check_proj()
    if bbox is not None:
        return grid.cover(_project_bbox(grid, bbox), unit)
    if bounds is not None:
        return grid.cover(bounds, unit)
    if aoi is not None:
        return _cover_file(grid, Path(aoi), unit)
    return grid.area


def lonlat_bounds(grid: Grid) -> Bounds:
    """Return west, south, east, north of a grid in degrees; east may exceed 180."""
    from rasterio.warp import transform_bounds

    west, south, east, north = transform_bounds(
        grid.crs, "EPSG:4326", *grid.bounds, densify_pts=_DENSIFY
    )
    return west, south, east + 360 if east < west else east, north


def _project_bbox(grid: Grid, bbox: Bounds) -> Bounds:
    """Bring a box in degrees into the grid's CRS, after checking that it is one near it."""
    from rasterio.warp import transform_bounds

    west, south, east, north = bbox
    if not all(math.isfinite(value) for value in bbox) or not -90 <= south < north <= 90:
        raise AreaError(
            f"bbox {_text(bbox)} is no area: give west south east north in degrees, "
            "with south < north within -90 and 90"
        )
    if not (-360 <= west <= 360 and -360 <= east <= 360) or west == east:
        raise AreaError(
            f"bbox {_text(bbox)} is no area in degrees; for metres of the product's CRS "
            "use --bounds"
        )
    if east < west:
        east += 360
    # Far from its meridian a UTM projection is meaningless, so compare in degrees first,
    # and hand over only the part near the tile.
    tile = lonlat_bounds(grid)
    for turn in (-360, 0, 360):
        box = (
            max(west + turn, tile[0] - 1),
            max(south, tile[1] - 1),
            min(east + turn, tile[2] + 1),
            min(north, tile[3] + 1),
        )
        if box[0] < tile[2] and tile[0] < box[2] and box[1] < tile[3] and tile[1] < box[3]:
            projected = transform_bounds("EPSG:4326", grid.crs, *box, densify_pts=_DENSIFY)
            return projected[0], projected[1], projected[2], projected[3]
    raise AreaError(
        f"bbox {_text(bbox)} lies outside the tile, which covers {_text(tile)} "
        "(west south east north); give an area within, or another product"
    )


def find_shapes(grid: Grid, path: str | Path) -> NDArray[np.object_]:
    """Return a vector file's features as shapely's geometries in the grid's CRS.

    Raises
    ------
    AreaError
        If the file cannot be read, or holds nothing near the grid.
    """
    import numpy as np
    import pyogrio
    import shapely
    from pyogrio.errors import DataSourceError
    from rasterio.crs import CRS
    from rasterio.errors import RasterioError
    from rasterio.warp import transform

    if not os.access(path, os.R_OK):
        raise AreaError(f"{path}: no such file, or no permission to read it; check the path")
    try:
        meta, _, geometry, _ = pyogrio.raw.read(path, columns=[], force_2d=True)
    except (DataSourceError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise AreaError(
            f"{path}: not a readable vector file ({reason}); give GeoJSON or GeoPackage"
        ) from None
    shapes = shapely.from_wkb([] if geometry is None else geometry)
    shapes = shapes[~shapely.is_empty(shapes) & ~shapely.is_missing(shapes)]
    if not len(shapes):
        raise AreaError(f"{path}: holds no geometry; give a file with a polygon or a point")
    if meta["crs"] is None:
        raise AreaError(f"{path}: has no CRS; set one, or give its bounds with --bounds")
    # Straight edges bend when projected: vertices every few hundredths of their length.
    extent = shapely.total_bounds(shapes)
    step = max(extent[2] - extent[0], extent[3] - extent[1]) / 100
    if step > 0:
        shapes = shapely.segmentize(shapes, step)
    points = shapely.get_coordinates(shapes)
    try:
        xs, ys = transform(
            CRS.from_user_input(meta["crs"]), CRS.from_user_input(grid.crs), *points.T
        )
    except RasterioError as error:
        raise AreaError(
            f"{path}: its CRS cannot be used ({error}); set it right, or give --bounds"
        ) from None
    placed = np.column_stack([xs, ys])
    if not np.isfinite(placed).all():
        raise AreaError(
            f"{path}: lies far outside the tile, which is in {grid.crs}; check its CRS, or take "
            "another product"
        )
    found: NDArray[np.object_] = shapely.set_coordinates(shapes, placed)
    return found


def find_polygons(grid: Grid, path: str | Path) -> tuple[dict[str, Any], ...]:
    """Return the polygons among a vector file's features, as GeoJSON in the grid's CRS.

    Raises
    ------
    AreaError
        If there are none, or the file cannot be read.
    """
    import shapely
    from shapely.geometry import mapping

    shapes = find_shapes(grid, path)
    found = tuple(mapping(shape) for shape in shapes if shapely.area(shape) > 0)
    if not found:
        raise AreaError(f"{path}: holds no polygon, so nothing lies inside; leave the mask out")
    return found


def _cover_file(grid: Grid, path: Path, unit: int) -> Area:
    """Cover the bounds of a vector file's features."""
    import shapely

    left, bottom, right, top = (
        float(edge) for edge in shapely.total_bounds(find_shapes(grid, path))
    )
    # A point or a line along the grid still has a pixel around it.
    half = 0.5 if left == right or bottom == top else 0.0
    try:
        return grid.cover((left - half, bottom - half, right + half, top + half), unit)
    except AreaError as error:
        raise AreaError(f"{path}: {error}") from None


def _text(bounds: Bounds) -> str:
    return " ".join(f"{value:.8g}" for value in bounds)
