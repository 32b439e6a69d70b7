"""ESA's EOPF products: Zarr stores, in the form of its processor (Zarr 2) or as GeoZarr (Zarr 3).

A folder, a zip or a link. Only the bands at their native resolution are read: stores of L2A hold
resampled ones beside them. Packed stores keep digital numbers; those of floats keep reflectance,
which becomes digital numbers again, exactly.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.bands import BANDS, SATURATED, Band, central_wavelengths
from s2_superres.errors import ProductError, S2SuperresError
from s2_superres.products import metadata
from s2_superres.products.absent import Completeness
from s2_superres.products.openers import Opener, Request
from s2_superres.products.product import Level, Product
from s2_superres.products.reading import Reader
from s2_superres.products.remote import is_url, patiently
from s2_superres.products.signing import Signer
from s2_superres.products.stores import ROOTS, Store, open_group, reason_of, unreadable
from s2_superres.raster.grid import Area, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_REFLECTANCE = "measurements/reflectance"
_SCL = "conditions/mask/l2a_classification/r20m/scl"
_CLASSES = "conditions/mask/l1c_classification/r60m/b00"
#: Opaque clouds and cirrus, of the flags of the raster of classes.
_OPAQUE_OR_CIRRUS = 1 | 2
_NAME = re.compile(
    r"S2([A-D])_MSIL(1C|2A)_(\d{8}T\d{6})_N(\d\d)(\d\d)_R(\d{3})_(T\d\d[A-Z]{3})_\w+"
)


def _recognises(source: Any) -> bool:
    if not isinstance(source, str | Path):
        return False
    path = str(source).partition("?")[0].rstrip("/").lower()
    if is_url(source) or path.endswith((".zarr", ".zarr.zip")):
        return path.endswith((".zarr", ".zarr.zip"))
    try:
        return any((Path(source) / root).is_file() for root in ROOTS)
    except OSError:
        return False


def _open(source: Any, request: Request) -> Product:
    path = str(source).rstrip("/")
    signer = Signer(request.sign)
    group = open_group(path, signer)
    try:
        product = patiently(lambda: _described(path, group, request), path)
    except (ImportError, S2SuperresError):
        raise
    except Exception as error:  # As above.
        raise unreadable(path, "its metadata", signer.hide(reason_of(error))) from None
    return replace(product, signer=signer)


def _described(path: str, group: Any, request: Request) -> Product:
    if "S2_SUPERRES_VERSION" in group.attrs:
        made_of = group.attrs.get("PRODUCT_ID", "a product")
        raise ProductError(
            f"{path}: is no product but what s2-superres made of {made_of}; give the product itself"
        )
    if _REFLECTANCE not in group:
        raise ProductError(f"{path}: has no {_REFLECTANCE}; only Sentinel-2's L1C and L2A are read")
    files, missing = {}, {}
    for band in BANDS:
        name = f"{_REFLECTANCE}/r{band.resolution}m/{band.name.lower()}"
        if name in group:
            files[band.name] = name
        else:
            missing[band.name] = f"{path}: has no {name} ({band.name} at {band.resolution} m)"
    if not files:
        raise ProductError(f"{path}: holds no band at its native resolution; download it again")
    return _product(path, group, files, missing, request)


def _product(
    path: str, group: Any, files: dict[str, str], missing: dict[str, str], request: Request
) -> Product:
    stac = group.attrs.get("stac_discovery") or {}
    told = stac.get("properties") or {}
    texts = (str(stac.get("id") or ""), Path(path.partition("?")[0]).name)
    named = next((found for text in texts if (found := _NAME.match(text))), None)
    arrays = {name: group[file] for name, file in files.items()}
    baseline = str(told.get("eopf:baseline") or told.get("processing:version") or "")
    if not re.fullmatch(r"\d\d\.\d\d", baseline):
        baseline = f"{named[4]}.{named[5]}" if named else "unknown"
    platform = str(told.get("platform") or "")[-1:].upper() or (named[1] if named else "")
    spacecraft = f"Sentinel-2{platform}"
    offsets, decided = _offsets(path, arrays, baseline, request)
    masks = [_SCL, _CLASSES] if _level(path, named, arrays) == "L2A" else [_CLASSES]
    return Product(
        path=path,
        name=named[0].removesuffix(".SAFE") if named else Path(path).name.partition(".")[0],
        level=_level(path, named, arrays),
        baseline=baseline,
        tile=named[7] if named else "unknown",
        acquired=_time(told, named),
        spacecraft=spacecraft,
        orbit=int(told.get("sat:relative_orbit") or (named[6] if named else 0)),
        grid=_grid(path, arrays),
        quantification=10000,
        offsets=offsets,
        nodata=0,
        saturated=SATURATED,
        files=files,
        missing=missing,
        wavelengths=_wavelengths(spacecraft, arrays),
        format="eopf",
        clouds=next((name for name in masks if name in group), ""),
        decided=decided,
    )


def _attributes(array: Any) -> dict[str, Any]:
    """Return an array's attributes, those of the processor among them."""
    own = dict(array.attrs)
    return {**(own.get("_eopf_attrs") or {}), **own}


def _offsets(
    path: str, arrays: Mapping[str, Any], baseline: str, request: Request
) -> tuple[dict[str, float], dict[str, str]]:
    """Return each band's offset and where it comes from."""
    offsets = {}
    sources = set()
    for name, array in arrays.items():
        attributes = _attributes(array)
        if array.dtype.kind == "f":
            # Reflectance proper: what is written again is as the baseline prescribes.
            offsets[name] = metadata.prescribed_offset(baseline)
            sources.add("reflectance is stored; its digital numbers as the baseline's")
            continue
        scale = float(attributes.get("scale_factor", 0))
        if array.dtype != "uint16" or abs(scale * 10000 - 1) > 1e-6:
            raise ProductError(
                f"{path}: {name} is {array.dtype} with the scale {scale:g}; only uint16 with "
                "0.0001 is supported, or reflectance as floats"
            )
        offsets[name] = float(round(float(attributes.get("add_offset", 0)) / scale))
        sources.add("scale_factor and add_offset of the arrays")
    if request.offset is not None and "scale_factor and add_offset of the arrays" in sources:
        offsets = dict.fromkeys(offsets, request.offset)
        sources = {"asked for"}
    if len(set(offsets.values())) > 1 or any(value > 0 for value in offsets.values()):
        raise ProductError(
            f"{path}: its bands have the offsets {sorted(set(offsets.values()))}, which no product "
            "has; say --offset -1000 or --offset 0"
        )
    value = next(iter(offsets.values()))
    every = {band.name: offsets.get(band.name, value) for band in BANDS}
    return every, {"offset": f"{value:g}, by {' and '.join(sorted(sources))}"}


def _level(path: str, named: re.Match[str] | None, arrays: Mapping[str, Any]) -> Level:
    if named:
        return "L1C" if named[2] == "1C" else "L2A"
    told = {str(_attributes(array).get("long_name", ""))[:3] for array in arrays.values()}
    if told == {"TOA"}:
        return "L1C"
    if told == {"BOA"}:
        return "L2A"
    raise ProductError(
        f"{path}: does not tell its level; give it its name back, such as S2A_MSIL2A_...zarr"
    )


def _time(told: Mapping[str, Any], named: re.Match[str] | None) -> datetime | None:
    text = told.get("start_datetime") or told.get("datetime") or (named[3] if named else None)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _grid(path: str, arrays: Mapping[str, Any]) -> Grid:
    """Return the 10 m grid, which every band's own attributes and shape must agree with."""
    grids = {}
    for name, array in arrays.items():
        attributes = _attributes(array)
        transform, epsg = attributes.get("proj:transform"), attributes.get("proj:epsg")
        if not transform or not epsg:
            raise ProductError(f"{path}: {name} does not tell its place; download it again")
        ratio = round(float(transform[0])) // 10
        rows, cols = (size * ratio for size in array.shape)
        grids[name] = Grid(f"EPSG:{epsg}", float(transform[2]), float(transform[5]), rows, cols)
    if len(set(grids.values())) > 1:
        one, other = list(dict.fromkeys(grids.values()))[:2]
        raise ProductError(
            f"{path}: its bands lie on several grids ({one} and {other}); give one tile"
        )
    return next(iter(grids.values()))


def _wavelengths(spacecraft: str, arrays: Mapping[str, Any]) -> dict[str, float]:
    """Return the wavelengths in the arrays' long names, or else the satellite's."""
    found = central_wavelengths(spacecraft)
    for name, array in arrays.items():
        told = re.search(r"([\d.]+) nm$", str(_attributes(array).get("long_name", "")))
        if told:
            found[name] = float(told[1])
    return found


class EopfReader(Reader):
    """Reads windows of the arrays of a store."""

    def __init__(self, product: Product, bands: Iterable[Band] = BANDS) -> None:
        super().__init__(product, bands)
        self._store = Store(product.path, product.signer)
        self._complete = Completeness(self._store, product)
        for band in self.bands:
            self._store.array(product.files[band.name])

    def _read_band(self, band: Band, area: Area, out: NDArray[np.uint16]) -> None:
        import numpy as np

        name = self.product.files[band.name]
        values = self._store.read(name, area)
        if values.dtype.kind != "f":
            out[:] = values
        else:
            offset = self.product.offsets[band.name]
            numbers = np.rint(values.astype(np.float64) * 10000 - offset)
            known = np.isfinite(numbers)
            out[:] = np.where(known, np.clip(numbers, 1, SATURATED), 0)
        self._complete.require_data(name, area, out)

    def require_clouds(self) -> None:
        """See `Reader`."""
        if not self.product.clouds:
            super().require_clouds()

    def cloud_mask(self, area: Area, resolution: int) -> NDArray[np.bool_]:
        """See `Reader`."""
        from s2_superres.products.clouds import resample

        shape = (self.size[0] * 10 // resolution, self.size[1] * 10 // resolution)
        mask = resample(self._clouds, shape, f"{self.product.path}/{self.product.clouds}")
        return mask[area.row : area.row_stop, area.col : area.col_stop]

    @cached_property
    def _clouds(self) -> NDArray[np.bool_]:
        """Where clouds are in the whole product, read once."""
        import numpy as np

        from s2_superres.products.clouds import SCL_CLOUDS

        self.require_clouds()
        name = self.product.clouds
        whole = self._store.whole(name)
        classes = self._store.read(name, whole)
        if name == _SCL:
            self._complete.require_data(name, whole, classes)
            return np.isin(classes, SCL_CLOUDS)
        self._complete.require_classes(name, classes)
        return np.asarray((classes & _OPAQUE_OR_CIRRUS) > 0)

    @property
    def classification(self) -> str:
        """See `Reader`."""
        return self.product.clouds if self.product.clouds == _SCL else ""

    def scene_classification(self, area: Area) -> NDArray[np.uint8]:
        """See `Reader`."""
        from s2_superres.products.clouds import nearest, whole_ratio

        self.require_classification()
        name = self.classification
        shape = self._store.array(name).shape
        ratio = whole_ratio(shape, self.size, f"{self.product.path}/{name}")
        around = area.outward(ratio)
        classes = self._store.read(name, around)
        self._complete.require_data(name, around, classes)
        return nearest(classes, around, ratio, area)


OPENER = Opener(
    name="eopf",
    accepts="an EOPF product, as .zarr, .zarr.zip or a link to one",
    recognises=_recognises,
    open=_open,
    read=EopfReader,
)
