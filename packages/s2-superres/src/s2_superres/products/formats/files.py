"""One file for each band: a mapping of names to files, in Python or as JSON.

``{"level": "L2A", "offset": -1000, "B02": "B02.tif", ...}``; in JSON, paths are relative to the
file. What else is known may be added: name, acquired, tile, spacecraft, baseline, clouds (an SCL).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from s2_superres.bands import BANDS, OFFSETS, SATURATED, central_wavelengths, find_band
from s2_superres.errors import ProductError
from s2_superres.products.offsets import Claim, decide
from s2_superres.products.openers import Opener, Request
from s2_superres.products.placing import raster_grid
from s2_superres.products.product import Product
from s2_superres.products.reading import RasterReader
from s2_superres.products.remote import gdal_path, peek_json, resolve
from s2_superres.products.signing import Signer

_EXAMPLE = '{"level": "L2A", "offset": -1000, "B02": "B02.tif", "B05": "B05.tif", ...}'
_KEYS = {
    "level", "offset", "name", "acquired", "tile", "spacecraft", "baseline", "clouds",
}  # fmt: skip


def _names(source: Mapping[str, Any]) -> dict[str, str]:
    """Return the files by the names of their bands."""
    found = {}
    for key, value in source.items():
        try:
            found[find_band(str(key)).name] = str(value)
        except KeyError:
            continue
    return found


def _recognises(source: Any) -> bool:
    found = peek_json(source)
    return "assets" not in found and bool(_names(found))


def _open(source: Any, request: Request) -> Product:
    given = peek_json(source)
    base = None if isinstance(source, Mapping) else str(Path(source).absolute())
    files = _names(given)
    label = "the mapping of bands" if base is None else str(source)
    unknown = [str(key) for key in given if key not in _KEYS and not _names({key: ""})]
    if unknown:
        raise ProductError(
            f"{label}: {unknown[0]!r} is no band and no key; choose bands and "
            f"{', '.join(sorted(_KEYS))}"
        )
    level = given.get("level")
    if level not in ("L1C", "L2A"):
        raise ProductError(f"{label}: level is {level!r}; say L1C or L2A, as in {_EXAMPLE}")
    signer = Signer(request.sign)
    hrefs = {
        band.name: gdal_path(resolve(files[band.name], base))
        for band in BANDS
        if band.name in files
    }
    missing = {
        band.name: f"{label}: names no file for {band.name} ({band.resolution} m)"
        for band in BANDS
        if band.name not in files
    }
    offset, decided = decide(label, _claims(label, given), request.offset, _no_pixels)
    spacecraft = str(given.get("spacecraft", "Sentinel-2"))
    first = next(iter(hrefs.values()))
    clouds = given.get("clouds")
    return Product(
        path=base or first,
        name=str(given.get("name") or (Path(base).stem if base else Path(first).parent.name)),
        level=level,
        baseline=str(given.get("baseline", "unknown")),
        tile=str(given.get("tile", "unknown")),
        acquired=_time(label, given.get("acquired")),
        spacecraft=spacecraft,
        orbit=0,
        grid=raster_grid(hrefs, label, signer),
        quantification=10000,
        offsets=dict.fromkeys((band.name for band in BANDS), offset),
        nodata=0,
        saturated=SATURATED,
        files=hrefs,
        missing=missing,
        wavelengths=central_wavelengths(spacecraft),
        format="files",
        clouds=gdal_path(resolve(str(clouds), base)) if clouds else "",
        decided={"offset": decided},
        signer=signer,
    )


def _claims(label: str, given: Mapping[str, Any]) -> list[Claim]:
    if "offset" not in given:
        return []
    offset = given["offset"]
    if isinstance(offset, bool) or offset not in OFFSETS:
        raise ProductError(f"{label}: offset is {offset!r}; say -1000 or 0")
    return [Claim("the mapping", float(offset))]


def _no_pixels() -> RasterReader:
    raise AssertionError("one source cannot disagree with itself")


def _time(label: str, text: object) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        raise ProductError(
            f"{label}: acquired is {text!r}; give a time such as 2024-06-01T10:30:00Z"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


OPENER = Opener(
    name="files",
    accepts="a mapping of band names to files with level and offset, also as .json",
    recognises=_recognises,
    open=_open,
    read=RasterReader,
)
