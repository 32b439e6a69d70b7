"""Writing EOPF stores in the form of ESA's: its processor's (Zarr 2), and GeoZarr (Zarr 3)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from s2_superres.bands import BANDS, Band
from s2_superres.raster.grid import PIXEL
from s2_superres.testing.products import Pixels
from s2_superres.testing.spec import ProductSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: The two forms, and the packed one of the second.
Form = Literal["cpm", "geozarr", "geozarr-packed"]


def write_store(path: str | Path | Any, spec: ProductSpec, pixels: Pixels, form: Form) -> None:
    """Write a product as a Zarr store.

    Parameters
    ----------
    path : path or zarr store
        A new folder, or a store such as `zarr.storage.ZipStore`.
    spec : ProductSpec
    pixels : callable or mapping
        As for `write_product`.
    form : {"cpm", "geozarr", "geozarr-packed"}
    """
    import zarr

    packed = form != "geozarr"
    group = zarr.open_group(path, mode="w", zarr_format=2 if form == "cpm" else 3)
    if form == "cpm":
        group.attrs.update(_discovery(spec))
    for band in BANDS:
        ratio = band.resolution // PIXEL
        shape = spec.grid.rows // ratio, spec.grid.cols // ratio
        values = pixels(band, *shape) if callable(pixels) else pixels[band.name]
        stored = np.where(values == 0, values, values + np.uint16(-spec.offset))
        _write(group, spec, band, stored, band.resolution, packed)
        if spec.level == "L2A" and band.resolution < 60:
            times = 60 // band.resolution
            mean = stored.reshape(shape[0] // times, times, -1, times).mean((1, 3))
            _write(group, spec, band, mean.round().astype(np.uint16), 60, packed)
    rows, cols = spec.grid.rows // 6, spec.grid.cols // 6
    if spec.level == "L2A":
        scl = np.full((rows * 3, cols * 3), 4, np.uint8)
        scl[:6] = 9
        _array(group, "conditions/mask/l2a_classification/r20m/scl", scl, spec, 20, {}, fill=None)
    classes = np.zeros((rows, cols), np.uint8)
    classes[:2], classes[2:4], classes[4:6] = 1, 2, 4
    meanings = {"flag_masks": [1, 2, 4], "flag_meanings": ["OPAQUE", "CIRRUS", "SNOW_ICE"]}
    name = "conditions/mask/l1c_classification/r60m/b00"
    _array(group, name, classes, spec, 60, meanings, fill=None)
    if form == "cpm":
        zarr.consolidate_metadata(group.store)


def _write(
    group: Any, spec: ProductSpec, band: Band, stored: NDArray[np.uint16], resolution: int,
    packed: bool,
) -> None:  # fmt: skip
    kind = "TOA" if spec.level == "L1C" else "BOA"
    attributes: dict[str, Any] = {
        "long_name": f"{kind} reflectance from MSI acquisition at spectral band "
        f"{band.name.lower()} {band.wavelength} nm",
    }
    values: NDArray[Any] = stored
    if packed:
        attributes |= {
            "scale_factor": 0.0001, "add_offset": spec.offset / 10000, "units": "digital_counts",
            "fill_value": 0, "valid_min": 1, "valid_max": 65535,
        }  # fmt: skip
    else:
        attributes |= {"units": "1", "grid_mapping": "spatial_ref"}
        reflectance = (stored * 0.0001 + spec.offset / 10000).astype(np.float32)
        values = np.where(stored == 0, np.float32(np.nan), reflectance)
    name = f"measurements/reflectance/r{resolution}m/{band.name.lower()}"
    _array(group, name, values, spec, resolution, attributes)


def _array(
    group: Any, name: str, values: NDArray[Any], spec: ProductSpec, resolution: int,
    attributes: dict[str, Any], *, fill: int | None = 0,
) -> None:  # fmt: skip
    place = {
        "proj:epsg": int(spec.grid.crs.removeprefix("EPSG:")),
        "proj:shape": list(values.shape),
        "proj:transform": [*spec.grid.transform(resolution), 0.0, 0.0, 1.0],
    }
    # The processor writes all chunks, also those of nothing but 0; what makes GeoZarr does not.
    options: dict[str, Any] = {
        "chunks": (64, 64), "fill_value": fill, "config": {"write_empty_chunks": True},
    }  # fmt: skip
    if group.metadata.zarr_format == 3:
        options = {"chunks": (32, 32), "shards": (64, 64), "dimension_names": ["y", "x"]}
        options["fill_value"] = np.nan if values.dtype.kind == "f" else 0
    array = group.create_array(name, shape=values.shape, dtype=values.dtype, **options)
    array[:] = values
    array.attrs.update(place | attributes)


def _discovery(spec: ProductSpec) -> dict[str, Any]:
    return {
        "other_metadata": {"horizontal_CRS_code": spec.grid.crs},
        "stac_discovery": {
            "id": f"{spec.name}.SAFE",
            "properties": {
                "eopf:baseline": spec.baseline,
                "platform": f"sentinel-2{spec.spacecraft.lower()}",
                "processing:level": spec.level,
                "processing:version": "",
                "sat:relative_orbit": spec.orbit,
                "datetime": None,
                "start_datetime": f"{spec.sensed:%Y-%m-%dT%H:%M:%S}.025000+00:00",
            },
        },
    }
