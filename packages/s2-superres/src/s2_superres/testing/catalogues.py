"""Writing STAC items with their files, in the dialects of the catalogues that exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2_superres.bands import BANDS, Band
from s2_superres.raster.grid import PIXEL
from s2_superres.testing.products import Pixels
from s2_superres.testing.spec import ProductSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

COMMON = dict(
    zip(
        ("coastal", "blue", "green", "red", "rededge1", "rededge2", "rededge3", "nir", "nir08",
         "nir09", "swir16", "swir22"),
        ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12"),
        strict=True,
    )
)  # fmt: skip
#: The dialects that `write_item` knows.
DIALECTS = (
    "earthsearch-v0", "earthsearch-v1", "earthsearch-c1", "planetary", "stactools", "cdse", "aws",
)  # fmt: skip


#: Side of the COGs' blocks: small ones, so that small files hold several.
_BLOCK = 128


def write_cog(
    path: Path, values: NDArray[Any], spec: ProductSpec, resolution: int, block: int = _BLOCK
) -> None:
    """Write one band as a COG."""
    import rasterio
    from rasterio.transform import Affine

    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = values.shape
    with rasterio.open(
        path, "w", driver="COG", width=cols, height=rows, count=1, dtype=values.dtype,
        crs=spec.grid.crs, transform=Affine(*spec.grid.transform(resolution)),
        blocksize=block, compress="DEFLATE", nodata=0,
    ) as dataset:  # fmt: skip
        dataset.write(values, 1)


def write_item(
    folder: Path, spec: ProductSpec, pixels: Pixels, dialect: str, *, stored: int | None = None,
    block: int = _BLOCK,
) -> Path:  # fmt: skip
    """Write an item and its COGs.

    Parameters
    ----------
    folder : Path
        An existing folder.
    spec : ProductSpec
    pixels : callable or mapping
        As for `write_product`.
    dialect : str
        One of `DIALECTS`.
    stored : int, optional
        What the digital numbers are higher by; by default what the baseline says, and 0 for
        ``earthsearch-v1``, whose copies have it taken out.
    block : int
        Side of the COGs' blocks.

    Returns
    -------
    Path
        The item's JSON, with links relative to it.
    """
    if stored is None:
        stored = 0 if dialect == "earthsearch-v1" else -spec.offset
    assets: dict[str, Any] = {}
    for band in BANDS:
        ratio = band.resolution // PIXEL
        shape = spec.grid.rows // ratio, spec.grid.cols // ratio
        values = pixels(band, *shape) if callable(pixels) else pixels[band.name]
        values = np.where(values == 0, values, values + np.uint16(stored))
        _add(assets, folder, spec, band, values, dialect, band.resolution, block)
        if dialect in ("stactools", "cdse") and band.resolution < 60:
            times = 60 // band.resolution
            copy = values.reshape(shape[0] // times, times, -1, times).mean((1, 3))
            _add(assets, folder, spec, band, copy.astype(np.uint16), dialect, 60, block)
    scl = np.zeros((spec.grid.rows // 2, spec.grid.cols // 2), np.uint8) + 4
    scl[:6] = 9
    write_cog(folder / "SCL.tif", scl, spec, 20)
    assets["scl" if "earth" in dialect else "SCL"] = {"href": "./SCL.tif", "roles": ["data"]}
    assets["visual"] = {"href": "./TCI.tif", "roles": ["visual"]}
    path = folder / f"{dialect}.json"
    path.write_text(json.dumps(_item(spec, dialect, assets)))
    return path


def _add(
    assets: dict[str, Any], folder: Path, spec: ProductSpec, band: Band, values: NDArray[Any],
    dialect: str, resolution: int, block: int,
) -> None:  # fmt: skip
    name = f"R{resolution}m/{spec.tile}_{band.name}_{resolution}m.tif"
    if dialect in ("aws", "earthsearch-v0", "earthsearch-v1"):
        name = f"R{resolution}m/{band.name}.tif"
    write_cog(folder / name, values, spec, resolution, block)
    rows, cols = values.shape
    transform = list(spec.grid.transform(resolution))
    asset: dict[str, Any] = {"href": f"./{name}", "type": "image/tiff", "roles": ["data"]}
    key = {name: key for key, name in COMMON.items()}[band.name]
    if dialect != "cdse":
        asset |= {"proj:shape": [rows, cols], "proj:transform": transform}
    if dialect in ("earthsearch-v0", "planetary"):
        key = band.name
        asset["eo:bands"] = [{"name": band.name}]
    elif dialect == "cdse":
        key = f"{band.name}_{resolution}m"
        asset |= {"bands": [{"name": band.name}], "gsd": resolution, "proj:shape": [rows, cols]}
    else:
        told = {"scale": 0.0001, "offset": spec.offset / 10000, "nodata": 0}
        asset["raster:bands"] = [told]
        if resolution != band.resolution:
            key += f"_{resolution}m"
    assets[key] = asset


def _item(spec: ProductSpec, dialect: str, assets: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "datetime": f"{spec.sensed:%Y-%m-%dT%H:%M:%S}Z",
        "platform": f"sentinel-2{spec.spacecraft.lower()}",
        "constellation": "sentinel-2",
    }
    code = int(spec.grid.crs.removeprefix("EPSG:"))
    cdse = dialect == "cdse"
    properties |= {"proj:code": spec.grid.crs} if cdse else {"proj:epsg": code}
    uri = f"{spec.name}.SAFE"
    told: Any = {
        "earthsearch-v0": {"sentinel:product_id": spec.name},
        "earthsearch-v1": {
            "earthsearch:boa_offset_applied": True, "s2:processing_baseline": spec.baseline,
            "s2:product_uri": uri, "grid:code": f"MGRS-{spec.tile[1:]}",
        },
        "earthsearch-c1": {"s2:processing_baseline": spec.baseline, "s2:product_uri": uri},
        "planetary": {"s2:processing_baseline": spec.baseline, "s2:product_uri": uri},
        "stactools": {"s2:processing_baseline": spec.baseline, "s2:product_uri": uri},
        "cdse": {
            "processing:version": spec.baseline, "processing:level": "L2",
            "product:type": f"S2MSI{spec.level[1:]}", "grid:code": f"MGRS-{spec.tile[1:]}",
        },
        "aws": {
            "s2:processing_baseline": spec.baseline, "s2:product_type": f"S2MSI{spec.level[1:]}",
            "grid:code": f"MGRS-{spec.tile[1:]}",
        },
    }[dialect]  # fmt: skip
    return {
        "type": "Feature",
        "stac_version": "1.1.0" if dialect == "cdse" else "1.0.0",
        "id": f"S2{spec.spacecraft}_{spec.tile[1:]}_{spec.sensed:%Y%m%d}_0_{spec.level}",
        "properties": properties | told,
        "geometry": None,
        "links": [],
        "assets": assets,
    }
