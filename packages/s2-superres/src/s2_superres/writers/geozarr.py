"""A Zarr store without pixels that says what it holds, where xarray, GDAL and others look for it.

Names and contents follow the conventions `proj`, `spatial` and `multiscales` of
https://github.com/zarr-conventions, CF's packing and grid mapping, and rioxarray's
``spatial_ref``.
"""

from __future__ import annotations

import base64
import math
import re
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from s2_superres.raster.grid import PIXEL, Grid
from s2_superres.writers.spec import Layer, RasterSpec
from s2_superres.writers.zarr_layout import Level, Options

#: Where a store says which of its arrays are bands, in order.
_BANDS = "bands"
_HOME = "https://github.com/zarr-conventions"
_RAW = "https://raw.githubusercontent.com/zarr-conventions"
_CONVENTIONS = {
    "multiscales": ("d35379db-88df-4056-af3a-620245f8e347", "Multiscale layout of zarr datasets"),
    "proj": (
        "f17cb550-5864-4468-aeb7-f3180cfb622f",
        "Coordinate reference system information for geospatial data",
    ),
    "spatial": ("689b58e2-cf7b-45e0-9fff-9cfc0883d6b4", "Spatial coordinate information"),
}


def create_store(path: Path, spec: RasterSpec, options: Options, found: Sequence[Level]) -> None:
    """Make a store without pixels."""
    import zarr

    version: Any = options.format
    about = root_attributes(spec, found)
    root: Any = zarr.open_group(path, mode="w", zarr_format=version, attributes=about)
    for level in found:
        group = root
        if level.number:
            placed = group_attributes(spec, level)
            group = root.create_group(level.group, attributes=placed)
        for layer in spec.layers:
            _create(
                group,
                layer.name,
                level.dimensions,
                band_attributes(spec, layer),
                shape=(level.rows, level.cols),
                dtype=spec.dtype,
                chunks=level.chunk,
                shards=level.shard if options.format == 3 else None,
                fill_value=spec.nodata if spec.nodata is not None else 0,
                compressors=options.compressor(),
                config={"write_empty_chunks": True},
            )
        for name, axis, values in zip(
            level.dimensions, ("y", "x"), level.coordinates(spec.grid), strict=True
        ):
            about = coordinate_attributes(axis)
            array = _create(group, name, (name,), about, shape=values.shape, dtype="float64",
                            chunks=values.shape, fill_value=math.nan, compressors=None)  # fmt: skip
            array[:] = values
        # Of Zarr 2 xarray would mask a fill value of 0.
        fill = 0 if options.format == 3 else None
        _create(group, "spatial_ref", (), mapping_attributes(spec, level), shape=(), dtype="int64",
                fill_value=fill, compressors=None)  # fmt: skip


def _create(
    group: Any, name: str, dimensions: Sequence[str], about: dict[str, Any], **how: Any
) -> Any:
    if group.metadata.zarr_format == 3:
        return group.create_array(name, attributes=about, dimension_names=dimensions, **how)
    # Zarr 2 has no names of dimensions, and xarray takes its fill value for no data.
    about = {"_ARRAY_DIMENSIONS": list(dimensions)} | about
    about.pop("_FillValue", None)
    return group.create_array(name, attributes=about, **how)


def told(root: Any) -> RasterSpec:
    """Return what an open store says that it is."""
    said = dict(root.attrs)
    y, x = (root[axis][:] for axis in ("y", "x"))
    layers = []
    for name in said[_BANDS]:
        about = root[name].attrs
        scale, offset = about.get("scale_factor", 1.0), about.get("add_offset", 0.0)
        layers.append(Layer(name, about.get("wavelength"), scale, offset))
    first = root[said[_BANDS][0]]
    crs = said.get("proj:code") or said.get("proj:wkt2", "")
    return RasterSpec(
        Grid(crs, float(x[0]) - PIXEL / 2, float(y[0]) + PIXEL / 2, len(y), len(x)),
        layers,
        dtype=str(first.dtype),
        nodata=float(first.fill_value),
        tags={name: str(value) for name, value in said.items()},
    )


def group_attributes(spec: RasterSpec, level: Level) -> dict[str, Any]:
    """Return where the arrays of a level lie, by the conventions."""
    left, bottom, right, top = spec.grid.bounds
    code, wkt = crs_of(spec.grid)
    projection = {"proj:code": code} if code else {"proj:wkt2": wkt}
    known = ("proj", "spatial") if wkt else ("spatial",)
    return {
        "zarr_conventions": [_convention(name) for name in known],
        **(projection if wkt else {}),
        "spatial:dimensions": list(level.dimensions),
        "spatial:bbox": [left, bottom, right, top],
        "spatial:transform": level.transform(spec.grid),
        "spatial:shape": [level.rows, level.cols],
        "spatial:registration": "pixel",
    }


def root_attributes(spec: RasterSpec, found: Sequence[Level]) -> dict[str, Any]:
    """Return what the store was made of, where it lies and what overviews it has."""
    placed = group_attributes(spec, found[0])
    made_of = {**spec.tags, _BANDS: [layer.name for layer in spec.layers]}
    if len(found) == 1:
        return {**made_of, **placed}
    # Where there are several resolutions, each says these for itself.
    del placed["spatial:transform"], placed["spatial:shape"]
    placed["zarr_conventions"].insert(0, _convention("multiscales"))
    # An array stands for the full resolution, which lies in no group, as in what GDAL writes.
    names = [spec.layers[0].name, *(level.group for level in found[1:])]
    layout: list[dict[str, Any]] = []
    for level, name in zip(found, names, strict=True):
        scale = 2.0 if level.number else 1.0
        entry: dict[str, Any] = {"asset": name}
        if level.number:
            entry["derived_from"] = names[level.number - 1]
        entry |= {
            "transform": {"scale": [scale, scale], "translation": [0.0, 0.0]},
            "spatial:shape": [level.rows, level.cols],
            "spatial:transform": level.transform(spec.grid),
        }
        layout.append(entry)
    multiscales = {"layout": layout, "resampling_method": "average"}
    return {**made_of, **placed, "multiscales": multiscales}


def _convention(name: str) -> dict[str, str]:
    uuid, description = _CONVENTIONS[name]
    return {
        "uuid": uuid,
        "schema_url": f"{_RAW}/{name}/refs/tags/v0.1/schema.json",
        "spec_url": f"{_HOME}/{name}/blob/v0.1/README.md",
        "name": name,
        "description": description,
    }


def crs_of(grid: Grid) -> tuple[str | None, str]:
    """Return a CRS's authority and code, if it has such, and its WKT; empty where there is none."""
    from rasterio.crs import CRS

    if not grid.crs:
        return None, ""
    crs = CRS.from_user_input(grid.crs)
    named = ":".join(crs.to_authority() or ())
    return named if re.fullmatch("[A-Z]+:[0-9]+", named) else None, crs.to_wkt(version="WKT2_2019")


def mapping_attributes(spec: RasterSpec, level: Level) -> dict[str, Any]:
    """Return what the variable ``spatial_ref`` says."""
    _, wkt = crs_of(spec.grid)
    a, b, c, d, e, f = level.transform(spec.grid)
    return {
        **({"crs_wkt": wkt, "spatial_ref": wkt} if wkt else {}),
        "GeoTransform": " ".join(map(repr, (c, a, b, f, d, e))),
    }


def coordinate_attributes(axis: str) -> dict[str, Any]:
    """Return what the coordinates of ``y`` or ``x`` say."""
    return {
        "standard_name": f"projection_{axis}_coordinate",
        "long_name": f"{axis} of pixels' centres",
        "units": "m",
        "axis": axis.upper(),
    }


def band_attributes(spec: RasterSpec, layer: Layer) -> dict[str, Any]:
    """Return what a band says: how its numbers become values, and which stands for no data."""
    said: dict[str, Any] = {
        "long_name": layer.name,
        "units": "1",
        "grid_mapping": "spatial_ref",
        # So that xarray knows it for a coordinate without being told to look for it.
        "coordinates": "spatial_ref",
    }
    if layer.wavelength is not None:
        said["wavelength"] = layer.wavelength
    if (layer.scale, layer.offset) != (1.0, 0.0):
        said |= {"scale_factor": layer.scale, "add_offset": layer.offset}
    if layer.classes:
        said["flag_values"] = list(layer.flags)
        said["flag_meanings"] = " ".join(layer.flags.values())
    if spec.nodata is not None:
        said["_FillValue"] = _fill(spec.nodata, spec.dtype)
    return said


def _fill(nodata: float, dtype: str) -> int | str:
    """Return no data as xarray writes it: JSON has no NaN."""
    if "int" in dtype:
        return int(nodata)
    return base64.standard_b64encode(struct.pack("<d", nodata)).decode()
