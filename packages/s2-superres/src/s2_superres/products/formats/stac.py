"""STAC items: a file, a link, a dictionary or a pystac object, of any catalogue's dialect.

Assets are told by their keys (``B05``, ``B05_20m``, ``rededge1``), by the band they name, or by
their files' names; of several resolutions the native one is taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from s2_superres.bands import BANDS, BY_NAME, SATURATED, Band, central_wavelengths
from s2_superres.errors import ProductError
from s2_superres.products import metadata
from s2_superres.products.granules import IMAGE, tile_in
from s2_superres.products.items import Item, is_item, load_item
from s2_superres.products.metadata import Document
from s2_superres.products.offsets import DARK, Claim, decide
from s2_superres.products.openers import Opener, Request, find_opener
from s2_superres.products.placing import raster_grid
from s2_superres.products.product import Level, Product
from s2_superres.products.reading import RasterReader
from s2_superres.products.remote import fetch, gdal_path, is_url, peek_json, resolve
from s2_superres.products.signing import Signer
from s2_superres.raster.grid import PIXEL, Grid

#: Keys of assets by what the bands show: the EO extension's common names, of 1 and 2.
_COMMON = {
    "coastal": "B01", "blue": "B02", "green": "B03", "red": "B04", "rededge1": "B05",
    "rededge2": "B06", "rededge3": "B07", "nir": "B08", "nir08": "B8A", "nir09": "B09",
    "swir16": "B11", "swir22": "B12", "rededge071": "B05", "rededge075": "B06",
    "rededge078": "B07",
}  # fmt: skip
_KEY = re.compile(r"(?P<name>.+?)(?:_(?P<metres>10|20|60)m)?(?P<jp2>-jp2)?")
_BASELINE = re.compile(r"_N(\d\d)\.?(\d\d)(?:_|\.|$)")
_LEVEL = re.compile(r"MSI_?L(1C|2A)|S2MSI(1C|2A)|(?<![a-z0-9])L(1C|2A)(?![a-z0-9])", re.IGNORECASE)
_ORBIT = re.compile(r"_R(\d{3})_")
_NO_BANDS = {"visual", "overview", "thumbnail", "metadata"}


def _recognises(source: Any) -> bool:
    if is_item(source):
        return True
    if is_url(source):
        path = str(source).partition("?")[0].lower()
        return path.endswith((".json", ".geojson")) or (
            "/items/" in path and not path.endswith(".zip")
        )
    found = peek_json(source)
    return "stac_version" in found or "assets" in found


def _open(source: Any, request: Request) -> Product:
    item = load_item(source, request)
    assets = _band_assets(item)
    if not assets:
        return _open_zip(item, request)
    signer = Signer(request.sign)
    files = {
        band: gdal_path(resolve(str(asset["href"]), item.base)) for band, asset in assets.items()
    }
    missing = {
        band.name: f"{item.label}: has no asset of {band.name} at {band.resolution} m"
        for band in BANDS
        if band.name not in files
    }
    described, note = _product_metadata(item, request)
    baseline = described.text("PROCESSING_BASELINE") if described else _baseline(item)
    spacecraft = _spacecraft(item)
    scl = _classification(item)
    product = Product(
        path=item.base or item.label,
        name=_name(item),
        level=_level(item, assets),
        baseline=baseline or "unknown",
        tile=_tile(item),
        acquired=_time(item),
        spacecraft=spacecraft,
        orbit=_orbit(item),
        grid=_grid(item, assets) or raster_grid(files, item.label, signer),
        quantification=10000,
        offsets={},
        nodata=0,
        saturated=SATURATED,
        files=files,
        missing=missing,
        wavelengths=metadata.wavelengths(described, spacecraft)
        if described
        else central_wavelengths(spacecraft),
        format="stac",
        signer=signer,
        clouds=gdal_path(resolve(scl, item.base)) if scl else "",
    )
    return _with_offsets(product, item, assets, described, note, request)


def _open_zip(item: Item, request: Request) -> Product:
    """Open the product of an item whose bands all lie in one zip."""
    zips = {
        key: resolve(str(asset.get("href")), item.base)
        for key, asset in item.assets.items()
        if "zip" in str(asset.get("type"))
        or str(asset.get("href")).partition("?")[0].lower().endswith(".zip")
    }
    if not zips:
        raise ProductError(f"{item.label}: none of its assets is a band of Sentinel-2; "
                           f"it has {', '.join(list(item.assets)[:8])}")  # fmt: skip
    for href in zips.values():
        if href.partition("?")[0].lower().endswith(".zip"):
            return find_opener(href).open(href, request)
    key, href = next(iter(zips.items()))
    raise ProductError(
        f"{item.label}: its bands lie in {key}, a zip whose link does not end in .zip ({href}); "
        "download it and give the file"
    )


def _with_offsets(
    product: Product,
    item: Item,
    assets: Mapping[str, Mapping[str, Any]],
    described: Document | None,
    note: str,
    request: Request,
) -> Product:
    claims = []
    if described is not None:
        told = set(metadata.offsets(described, product.baseline).values())
        if len(told) == 1:
            claims.append(Claim("the product's metadata", told.pop()))
    applied = item.properties.get("earthsearch:boa_offset_applied")
    baseline = product.baseline if re.fullmatch(r"\d\d\.\d\d", product.baseline) else None
    if applied is True:
        claims.append(Claim("earthsearch:boa_offset_applied (true)", 0.0))
    elif applied is False and baseline:
        prescribed = metadata.prescribed_offset(baseline)
        claims.append(Claim("earthsearch:boa_offset_applied (false)", prescribed))
    claims += _raster_claims(item, assets)
    if baseline:
        claims.append(Claim(f"baseline {baseline}", metadata.prescribed_offset(baseline)))
    names = [band.name for band in BANDS]

    def pixels() -> RasterReader:
        as_stored = replace(product, offsets=dict.fromkeys(names, 0.0))
        return RasterReader(as_stored, DARK)

    offset, text = decide(item.label, claims, request.offset, pixels)
    decided = {"offset": text, **({"product's metadata": note} if note else {})}
    return replace(product, offsets=dict.fromkeys(names, offset), decided=decided)


def _raster_claims(item: Item, assets: Mapping[str, Mapping[str, Any]]) -> list[Claim]:
    """Return what the raster extension says of the bands, where it says one thing."""
    offsets = set()
    for asset in assets.values():
        for field in ("raster:bands", "bands"):
            for band in asset.get(field) or []:
                scale = band.get("scale", band.get("raster:scale"))
                offset = band.get("offset", band.get("raster:offset"))
                if scale is None and offset is None:
                    continue
                scale = 1e-4 if scale is None else float(scale)
                if abs(scale * 10000 - 1) > 1e-6:
                    raise ProductError(
                        f"{item.label}: the scale of its bands is {scale:g}; only 0.0001 is "
                        "supported, digital numbers of reflectance * 10000"
                    )
                offsets.add(float(round(float(offset or 0) / scale)))
    if len(offsets) > 1:
        raise ProductError(
            f"{item.label}: its bands have several offsets ({sorted(offsets)}); take the product "
            "as .SAFE"
        )
    return [Claim("raster:bands", offset) for offset in offsets]


def _band_assets(item: Item) -> dict[str, Mapping[str, Any]]:
    """Return the asset of each band at its native resolution.

    Raises
    ------
    ProductError
        If several are left for a band, which nothing tells apart.
    """
    found: dict[str, dict[str, Mapping[str, Any]]] = {}
    for key, asset in item.assets.items():
        band = _band_of(key, asset)
        if band is None or _resolution(key, asset) not in (None, band.resolution):
            continue
        found.setdefault(band.name, {})[key] = asset
    chosen = {}
    for name in (band.name for band in BANDS if band.name in found):
        there = found[name]
        # The same pixels twice: the COG is read by windows, JPEG 2000 by large blocks.
        keys = [key for key in there if not key.endswith("-jp2")] or list(there)
        told = [key for key in keys if _resolution(key, there[key]) is not None]
        keys = told or keys
        if len({str(there[key].get("href")) for key in keys}) > 1:
            raise ProductError(
                f"{item.label}: the assets {', '.join(keys)} are all {name} at its resolution; "
                "leave all but one out"
            )
        chosen[name] = there[keys[0]]
    return chosen


def _band_of(key: str, asset: Mapping[str, Any]) -> Band | None:
    """Return the band that an asset is, by its key, what it says itself, or its file's name."""
    if _NO_BANDS & {str(role) for role in asset.get("roles") or ()}:
        return None
    match = _KEY.fullmatch(key)
    name = (match["name"] if match else key).upper()
    if name in BY_NAME:
        return BY_NAME[name]
    if name.lower() in _COMMON:
        return BY_NAME[_COMMON[name.lower()]]
    for field in ("eo:bands", "bands"):
        told = [str(band.get("name", "")).upper() for band in asset.get(field) or []]
        if len(told) == 1 and told[0] in BY_NAME:
            return BY_NAME[told[0]]
    file = IMAGE.search(str(asset.get("href", "")).partition("?")[0].rpartition("/")[2])
    return BY_NAME.get(file[1].upper()) if file else None


def _resolution(key: str, asset: Mapping[str, Any]) -> int | None:
    """Return the metres of an asset's pixels, None if nothing tells."""
    match = _KEY.fullmatch(key)
    if match and match["metres"]:
        return int(match["metres"])
    path = str(asset.get("href", "")).partition("?")[0]
    file = IMAGE.search(path.rpartition("/")[2])
    folder = re.search(r"/R(10|20|60)m/", path)
    if (file and file[2]) or folder:
        return int(file[2] if file and file[2] else folder[1] if folder else 0)
    transform = asset.get("proj:transform")
    if isinstance(transform, list) and transform:
        return round(float(transform[0]))
    told = asset.get("gsd") or asset.get("spatial_resolution")
    return round(float(told)) if isinstance(told, int | float) else None


def _classification(item: Item) -> str:
    """Return the link of the scene classification at 20 m, empty if there is none."""
    for key in ("scl", "SCL", "SCL_20m", "scl-jp2"):
        if key in item.assets:
            return str(item.assets[key].get("href", ""))
    return ""


def _level(item: Item, assets: Mapping[str, Mapping[str, Any]]) -> Level:
    """Return the level that the item's names tell, or else those of its bands' files."""
    own = f"{item.words()}\n{item.values.get('collection')}"
    links = "\n".join(str(asset.get("href")) for asset in assets.values())
    for text in (own, links):
        found = {(match[1] or match[2] or match[3]).upper() for match in _LEVEL.finditer(text)}
        if found == {"1C"}:
            return "L1C"
        if found == {"2A"}:
            return "L2A"
        if found:
            raise ProductError(
                f"{item.label}: tells of both levels, L1C and L2A; give its bands as a mapping "
                "with their level"
            )
    raise ProductError(
        f"{item.label}: does not tell its level; give its bands as a mapping with L1C or L2A"
    )


def _baseline(item: Item) -> str | None:
    for key in ("s2:processing_baseline", "processing:version"):
        text = str(item.properties.get(key) or "")
        if re.fullmatch(r"\d\d\.\d\d", text):
            return text
    found = _BASELINE.search(item.words().replace("\n", " _"))
    return f"{found[1]}.{found[2]}" if found else None


def _product_metadata(item: Item, request: Request) -> tuple[Document | None, str]:
    """Return the product's own metadata, if there is such an asset and it can be had."""
    for key, asset in item.assets.items():
        if key.replace("-", "_") == "product_metadata" and asset.get("href"):
            href = resolve(str(asset["href"]), item.base)
            try:
                return Document.parsed(fetch(href, request.sign), href), ""
            except ProductError as error:
                return None, f"not used: {error}"
    return None, ""


def _grid(item: Item, assets: Mapping[str, Mapping[str, Any]]) -> Grid | None:
    """Return the grid of an asset at 10 m, None where the item is too thin to tell it."""
    for name, asset in assets.items():
        told = {**item.properties, **asset}
        transform, shape = told.get("proj:transform"), told.get("proj:shape")
        code = told.get("proj:code") or (
            f"EPSG:{told['proj:epsg']}" if told.get("proj:epsg") else None
        )
        if BY_NAME[name].resolution == PIXEL and transform and shape and code:
            rows, cols = (int(size) for size in shape)
            return Grid(str(code), float(transform[2]), float(transform[5]), rows, cols)
    return None


def _tile(item: Item) -> str:
    code = str(item.properties.get("grid:code") or "").removeprefix("MGRS-")
    code = code or str(item.properties.get("s2:mgrs_tile") or "")
    told = [tile_in(text) for text in (f"T{code}", *item.words().split("\n"))]
    return next((tile for tile in told if tile), "unknown")


def _spacecraft(item: Item) -> str:
    found = re.search(r"2([A-D])$", str(item.properties.get("platform") or ""), re.IGNORECASE)
    return f"Sentinel-2{found[1].upper()}" if found else "Sentinel-2"


def _orbit(item: Item) -> int:
    told = item.properties.get("sat:relative_orbit")
    if isinstance(told, int | float):
        return int(told)
    found = _ORBIT.search(item.words())
    return int(found[1]) if found else 0


def _time(item: Item) -> datetime | None:
    text = item.properties.get("datetime") or item.properties.get("start_datetime")
    if not text:
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise ProductError(
            f"{item.label}: the time {text!r} cannot be read; correct the item's datetime"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _name(item: Item) -> str:
    text = item.properties.get("s2:product_uri") or item.properties.get("sentinel:product_id")
    name = str(text or item.values.get("id") or "item").replace("\\", "/").rpartition("/")[2]
    return name.lstrip(".").removesuffix(".SAFE") or "item"


OPENER = Opener(
    name="stac",
    accepts="a STAC item, as .json, a link to one, or in Python",
    recognises=_recognises,
    open=_open,
    read=RasterReader,
)
