"""The STAC item of an output: what catalogues need to know of it, beside it as JSON.

STAC 1.1 with the extensions projection, eo, raster, processing and file; mlm for the weights, which
are named by their hash; classification for masks.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from s2_superres._version import __version__
from s2_superres.bands import BY_RESOLUTION, Band
from s2_superres.files.atomic import write_text
from s2_superres.inference.outputs import check_item, format_of, item_path, raster_spec
from s2_superres.inference.plan import Prepared
from s2_superres.inference.planes import Plane, Planes
from s2_superres.networks.weights import Weights
from s2_superres.raster.grid import PIXEL, Grid
from s2_superres.writers.geozarr import crs_of
from s2_superres.writers.spec import RasterSpec

_EXTENSIONS = "https://stac-extensions.github.io/{}/schema.json"
#: Names of the EO extension for what bands show.
_COMMON = {
    "B01": "coastal", "B02": "blue", "B03": "green", "B04": "red", "B05": "rededge071",
    "B06": "rededge075", "B07": "rededge078", "B08": "nir", "B8A": "nir08", "B09": "nir09",
    "B11": "swir16", "B12": "swir22",
}  # fmt: skip


def write_item(run: Prepared, output: Path) -> Path | None:
    """Write the item of a finished output, if one is asked for; return where."""
    path = item_path(run, output)
    if path is not None:
        text = json.dumps(describe(run, output, path), indent=2, allow_nan=False)
        write_text(path, f"{text}\n")
    return path


def complete(run: Prepared, output: Path) -> None:
    """Write the item of an output that an earlier run has made, unless it is there."""
    path = item_path(run, output)
    if path is not None and not path.exists():
        check_item(run, output)
        write_item(run, output)


def describe(run: Prepared, output: Path, path: Path) -> dict[str, Any]:
    """Return the item.

    Parameters
    ----------
    run : Prepared
    output : Path
        Finished; its size is told.
    path : Path
        Of the item: links are relative to it.
    """
    product, spec = run.product, raster_spec(run, output)
    networks = [weights for weights in run.job.sharpener.weights.values() if weights.sha256]
    used = ["projection/v2.0.0", "eo/v2.0.0", "raster/v2.0.0", "processing/v1.2.0", "file/v2.1.0"]
    used += ["mlm/v1.4.0"] if networks else []
    used += ["classification/v2.0.0"] if spec.has_classes else []
    geometry, bbox = footprint(run.grid)
    data: dict[str, Any] = {
        "href": _relative(output, path),
        "type": format_of(run, output).media_type,
        "title": "Sentinel-2's bands at 10 m",
        "roles": ["data", "reflectance"],
        "bands": [_band(plane, spec) for plane in Planes.of(run).planes],
    }
    if output.is_file():
        data["file:size"] = output.stat().st_size
    assert product.acquired is not None
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": output.stem,
        # First what tells that this is no product, and may be replaced.
        "properties": {
            "processing:software": {"s2-superres": __version__},
            "processing:level": product.level,
            "processing:lineage": f"20 m and 60 m bands of {product.name} brought to 10 m",
            "datetime": _time(product.acquired),
            "created": _time(datetime.now(UTC)),
            "platform": product.spacecraft.lower(),
            "constellation": "sentinel-2",
            "instruments": ["msi"],
            "gsd": PIXEL,
            **_place(run.grid),
            **_model(run, networks),
            **{
                f"s2_superres:{name.lower()}": value
                for name, value in spec.tags.items()
                if name != "S2_SUPERRES_VERSION"
            },
        },
        "geometry": geometry,
        "bbox": bbox,
        "links": [
            {"rel": "derived_from", "href": _origin(product.path, path), "title": product.name}
        ],
        "assets": {"data": data, **dict(_weights(networks))},
        "stac_extensions": [_EXTENSIONS.format(one) for one in used],
    }


def footprint(grid: Grid) -> tuple[dict[str, Any], list[float]]:
    """Return a grid's outline in degrees as GeoJSON, and its bounds.

    Across the antimeridian the outline is in two parts, and west is east of east (RFC 7946).
    """
    from rasterio.warp import transform
    from shapely import Polygon, box
    from shapely.affinity import translate
    from shapely.geometry import mapping
    from shapely.geometry.polygon import orient

    left, bottom, right, top = grid.bounds
    steps = [step / 8 for step in range(8)]
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    ring = [
        (x + (to_x - x) * step, y + (to_y - y) * step)
        for (x, y), (to_x, to_y) in pairwise(corners)
        for step in steps
    ]
    lon, lat = transform(grid.crs, "EPSG:4326", *zip(*ring, strict=True))
    # In one piece first, whatever meridian it crosses.
    outline = Polygon(
        (round(lon[0] + (x - lon[0] + 180) % 360 - 180, 7), round(y, 7))
        for x, y in zip(lon, lat, strict=True)
    )
    world = box(-180, -90, 180, 90)
    # From west to east.
    parts = [translate(outline, turn).intersection(world) for turn in (0, 360, -360)]
    parts = sorted((part for part in parts if part.area), key=lambda part: -part.bounds[2])
    rings = [mapping(orient(part))["coordinates"] for part in parts]
    south, north = outline.bounds[1], outline.bounds[3]
    bbox = [parts[0].bounds[0], south, parts[-1].bounds[2], north]
    if len(parts) == 1:
        return {"type": "Polygon", "coordinates": rings[0]}, bbox
    return {"type": "MultiPolygon", "coordinates": rings}, bbox


def _place(grid: Grid) -> dict[str, Any]:
    code, wkt = crs_of(grid)
    return {
        **({"proj:code": code} if code else {"proj:code": None, "proj:wkt2": wkt}),
        "proj:shape": [grid.rows, grid.cols],
        "proj:transform": list(grid.transform(PIXEL)),
        "proj:bbox": list(grid.bounds),
    }


def _band(plane: Plane, spec: RasterSpec) -> dict[str, Any]:
    layer = plane.layer
    told: dict[str, Any] = {
        "name": layer.name,
        "data_type": spec.dtype,
        "nodata": "nan" if spec.nodata != spec.nodata else spec.nodata,
        "raster:scale": layer.scale,
        "raster:offset": layer.offset,
        "raster:spatial_resolution": PIXEL,
    }
    if plane.band is not None and not plane.error:
        told["eo:common_name"] = _COMMON[plane.band.name]
    if layer.wavelength is not None:
        told["eo:center_wavelength"] = round(layer.wavelength / 1000, 6)
    if plane.error and plane.band is not None:
        told["description"] = (
            f"half the width of an interval that holds {plane.band.name} in 90 % of pixels"
        )
    if layer.classes:
        told["classification:classes"] = [
            {"value": value, "name": name, "description": layer.classes[value]}
            for value, name in layer.flags.items()
        ]
    return told


def _model(run: Prepared, networks: list[Weights]) -> dict[str, Any]:
    """Describe the networks, one input and one output for each."""
    if not networks:
        return {}
    sides = list(run.job.outer)
    inputs, outputs = [], []
    for weights in networks:
        resolution = weights.spec.resolution
        names = [band.name for r in weights.spec.inputs for band in BY_RESOLUTION[r]]
        made = len(weights.spec.bands)
        order = ["batch", "channel", "height", "width"]
        inputs.append({
            "name": f"bands for {resolution} m",
            "bands": names,
            "input": {"shape": [1, len(names), *sides], "dim_order": order,
                      "data_type": "float32"},
            "description": "Each band at its own resolution; the shape is that at 10 m.",
        })  # fmt: skip
        outputs.append({
            "name": f"bands of {resolution} m at 10 m",
            "tasks": ["super-resolution"],
            "result": {"shape": [1, made, *sides], "dim_order": order, "data_type": "float32"},
        })  # fmt: skip
    families = list(dict.fromkeys(weights.spec.family for weights in networks))
    return {
        # What the inputs below name.
        "bands": [_measured(run, band) for band in run.sources],
        "mlm:name": f"s2-superres {' '.join(families)}",
        "mlm:architecture": " ".join(families),
        "mlm:tasks": ["super-resolution"],
        "mlm:framework": "Keras",
        "mlm:input": inputs,
        "mlm:output": outputs,
    }


def _measured(run: Prepared, band: Band) -> dict[str, Any]:
    return {
        "name": band.name,
        "gsd": band.resolution,
        "eo:common_name": _COMMON[band.name],
        "eo:center_wavelength": round(run.product.wavelengths[band.name] / 1000, 6),
    }


def _weights(networks: list[Weights]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the weights as assets, each named by its hash alone (RFC 6920), wherever it lies."""
    for weights in networks:
        digest = bytes.fromhex(weights.sha256)
        name = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        yield (
            f"weights_{weights.spec.resolution}m",
            {
                "href": f"ni:///sha-256;{name}",
                "type": "application/octet-stream; framework=keras",
                "title": f"{weights.name}, of the network for {weights.spec.resolution} m",
                "roles": ["mlm:model", "mlm:weights"],
                "mlm:artifact_type": "weights of s2-superres",
                # A multihash: SHA-256 of 32 bytes.
                "file:checksum": f"1220{weights.sha256}",
            },
        )


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _relative(target: Path, item: Path) -> str:
    try:
        href = os.path.relpath(target.absolute(), item.absolute().parent)
    except ValueError:  # On another drive.
        return target.absolute().as_uri()
    href = quote(Path(href).as_posix())
    return href if href.startswith("../") else f"./{href}"


def _origin(path: str, item: Path) -> str:
    """Return the link to a product: a URL without the signature that it may have."""
    if "://" in path or path.startswith("/vsi"):
        return path.partition("?")[0]
    return _relative(Path(path), item)
