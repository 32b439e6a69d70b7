"""Writing Sentinel-2 products: for tests, benches, and the sample that ships.

The folders are laid out and described like ESA's (SAFE compact format), so that
this package, GDAL and other tools read them as real products. The pixels come
from the caller.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import numpy as np

from s2_superres.bands import BANDS, Band
from s2_superres.errors import InputError, OutputError
from s2_superres.raster.grid import PIXEL, UNIT, Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: L1C holds the cirrus band too; this package only carries it along.
B10 = Band("B10", 60, 1373.5)
#: What a band id in the metadata stands for.
BAND_IDS = (*BANDS[:10], B10, *BANDS[10:])
NODATA = 0
SATURATED = 65535
_PSD = "https://psd-14.sentinel2.eo.esa.int/PSD"
#: Blocks of the JPEG 2000 files, per resolution.
_BLOCK = {10: 1024, 20: 1024, 60: 192}

#: ``(band, rows, cols) -> uint16`` or one array per band name, at native resolution.
Pixels = Callable[[Band, int, int], "NDArray[np.uint16]"] | Mapping[str, "NDArray[np.uint16]"]


_WHOLE_TILE = Grid("EPSG:32633", 300000.0, 6200040.0, 10980, 10980)


@dataclass(frozen=True)
class ProductSpec:
    """What a product to be written is.

    Attributes
    ----------
    level : str
        ``L1C`` or ``L2A``.
    baseline : str
        Processing baseline such as ``05.09``; from ``04.00`` on, digital
        numbers are stored 1000 higher and the metadata says so.
    grid : Grid
        CRS as ``EPSG:326xx`` or ``EPSG:327xx``; a size of whole 60 m pixels.
    tile : str
        MGRS tile with its ``T``.
    sensed : datetime
        Time of acquisition, UTC.
    spacecraft : str
        ``A``, ``B`` or ``C``.
    orbit : int
        Relative orbit, 1 to 143.
    """

    level: str = "L1C"
    baseline: str = "05.09"
    grid: Grid = _WHOLE_TILE
    tile: str = "T33UUB"
    sensed: datetime = datetime(2023, 6, 15, 10, 20, 21, tzinfo=UTC)
    spacecraft: str = "A"
    orbit: int = 65

    def __post_init__(self) -> None:
        if self.level not in ("L1C", "L2A"):
            raise InputError(f"level {self.level!r}: give L1C or L2A")
        if self.grid.rows % UNIT or self.grid.cols % UNIT:
            raise InputError(
                f"a product of {self.grid.rows} x {self.grid.cols} pixels of 10 m: "
                f"take multiples of {UNIT}, which are whole 60 m pixels"
            )

    @property
    def offset(self) -> int:
        """What the metadata says to add to a digital number."""
        return -1000 if self.baseline >= "04.00" else 0

    @property
    def name(self) -> str:
        """The product's name, without ``.SAFE``."""
        stamp = f"{self.sensed:%Y%m%dT%H%M%S}"
        return (
            f"S2{self.spacecraft}_MSI{self.level}_{stamp}_N{self.baseline.replace('.', '')}"
            f"_R{self.orbit:03d}_{self.tile}_{stamp}"
        )

    @property
    def granule(self) -> str:
        """Name of the granule's folder."""
        return f"{self.level}_{self.tile}_A012345_{self.sensed:%Y%m%dT%H%M%S}"

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands such a product holds, in ESA's order."""
        return BAND_IDS if self.level == "L1C" else BANDS

    def image(self, band: Band, resolution: int | None = None) -> str:
        """Return a band file's path within the product, without ``.jp2``."""
        folder = f"GRANULE/{self.granule}/IMG_DATA"
        name = f"{self.tile}_{self.sensed:%Y%m%dT%H%M%S}_{band.name}"
        if self.level == "L1C":
            return f"{folder}/{name}"
        resolution = resolution or band.resolution
        return f"{folder}/R{resolution}m/{name}_{resolution}m"


def write_product(
    folder: str | Path,
    spec: ProductSpec,
    pixels: Pixels,
    *,
    copies: bool = False,
) -> Path:
    """Write a product as ``folder/<name>.SAFE``, JPEG 2000 without loss.

    Parameters
    ----------
    folder : path
        An existing folder.
    spec : ProductSpec
        Level, baseline, grid and names.
    pixels : callable or mapping
        Reflectance x 10000 per band at native resolution, uint16; the writer
        adds the 1000 of newer baselines, but not to 0 (no data) and 65535
        (saturated). Bands that a mapping lacks are left out, and the metadata
        does not name them.
    copies : bool
        Add the coarser copies of finer bands that real L2A products hold.

    Returns
    -------
    Path
        The ``.SAFE`` folder.

    Raises
    ------
    OutputError
        If that folder exists already.
    """
    root = Path(folder) / f"{spec.name}.SAFE"
    try:
        root.mkdir()
    except FileExistsError:
        raise OutputError(f"{root} exists already; remove it or choose another folder") from None
    files = list(_write_images(root, spec, pixels, copies and spec.level == "L2A"))
    _write_xml(root / f"MTD_MSI{spec.level}.xml", _product_xml(spec, files))
    _write_xml(root / "GRANULE" / spec.granule / "MTD_TL.xml", _tile_xml(spec))
    _write_xml(root / "manifest.safe", _manifest_xml(root, spec))
    return root


def zip_product(safe: str | Path, path: str | Path, *, compress: bool = False) -> Path:
    """Pack a ``.SAFE`` folder as it is distributed, the folder's name leading each member."""
    safe, path = Path(safe), Path(path)
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(safe.rglob("*")):
            archive.write(file, file.relative_to(safe.parent))
    return path


def coordinates(band: Band, rows: int, cols: int) -> NDArray[np.uint16]:
    """Return pixels that tell their band, row and column apart: shifts and swaps show.

    Values lie in 1 to 60000; neighbours differ, and so do all pixels of one
    band within 240 rows and columns.
    """
    index = BAND_IDS.index(band)
    row, col = np.ogrid[:rows, :cols]
    values: NDArray[np.uint16] = ((row * 241 + col + index * 4441) % 60000 + 1).astype(np.uint16)
    return values


def landscape(band: Band, rows: int, cols: int) -> NDArray[np.uint16]:
    """Return smooth fields with sharp edges, the same ground at every resolution.

    Quick to make and to pack, so that whole tiles can be written for benches.
    Values lie between about 500 and 4500.
    """
    index = BAND_IDS.index(band)
    step = band.resolution / PIXEL
    y = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(step)
    x = (np.arange(cols, dtype=np.float32) + 0.5) * np.float32(step)
    waves = np.sin(y / 61 + index)[:, None] + np.sin(x / 83 - index)[None, :]
    fields = ((y // 37) % 3)[:, None] * ((x // 53) % 4)[None, :]
    values: NDArray[np.uint16] = (1500 + 300 * waves + (250 + 10 * index) * fields).astype(
        np.uint16
    )
    return values


def _write_images(root: Path, spec: ProductSpec, pixels: Pixels, copies: bool) -> Iterator[str]:
    """Write every band, yielding the metadata's names of the files."""
    for band in spec.bands:
        ratio = band.resolution // PIXEL
        rows, cols = spec.grid.rows // ratio, spec.grid.cols // ratio
        if callable(pixels):
            values = pixels(band, rows, cols)
        elif band.name in pixels:
            values = pixels[band.name]
        else:
            continue
        if values.shape != (rows, cols) or values.dtype != np.uint16:
            raise InputError(
                f"{band.name}: {values.dtype} pixels of shape {values.shape}; "
                f"give uint16 of {(rows, cols)}"
            )
        special = (values == NODATA) | (values == SATURATED)
        stored = np.where(special, values, values + np.uint16(-spec.offset))
        yield spec.image(band)
        _write_jp2(root / f"{spec.image(band)}.jp2", stored, spec.grid, band.resolution)
        for coarser in (20, 60) if copies else ():
            times = coarser // band.resolution
            if times > 1:
                mean = stored.reshape(rows // times, times, cols // times, times).mean((1, 3))
                yield spec.image(band, coarser)
                path = root / f"{spec.image(band, coarser)}.jp2"
                _write_jp2(path, mean.round().astype(np.uint16), spec.grid, coarser)


def _write_jp2(path: Path, values: NDArray[np.uint16], grid: Grid, resolution: int) -> None:
    import rasterio
    from rasterio.transform import Affine

    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = values.shape
    block = _BLOCK[resolution]
    options: dict[str, Any] = {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        width=cols,
        height=rows,
        count=1,
        dtype="uint16",
        crs=grid.crs,
        transform=Affine(*grid.transform(resolution)),
        blockxsize=block,
        blockysize=block,
        **options,
    ) as dataset:
        dataset.write(values, 1)


def _node(tag: str, *children: ET.Element, text: object = None, **attributes: object) -> ET.Element:
    node = ET.Element(tag, {key: str(value) for key, value in attributes.items()})
    node.text = None if text is None else str(text)
    node.extend(children)
    return node


def _write_xml(path: Path, root: ET.Element) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def _stamp(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.024Z"


def _product_xml(spec: ProductSpec, files: list[str]) -> ET.Element:
    kind = {"L1C": "Level-1C", "L2A": "Level-2A"}[spec.level]
    stamp = _stamp(spec.sensed)
    tag = f"{{{_PSD}/User_Product_{kind}.xsd}}"
    ET.register_namespace("n1", f"{_PSD}/User_Product_{kind}.xsd")
    return _node(
        f"{tag}{kind}_User_Product",
        _node(
            f"{tag}General_Info",
            _node(
                "Product_Info",
                _node("PRODUCT_START_TIME", text=stamp),
                _node("PRODUCT_STOP_TIME", text=stamp),
                _node("PRODUCT_URI", text=f"{spec.name}.SAFE"),
                _node("PROCESSING_LEVEL", text=kind),
                _node("PRODUCT_TYPE", text="S2MSI1C" if spec.level == "L1C" else "S2MSI2A"),
                _node("PROCESSING_BASELINE", text=spec.baseline),
                _node("GENERATION_TIME", text=stamp),
                _node("PREVIEW_IMAGE_URL", text="Not applicable"),
                _node(
                    "Datatake",
                    _node("SPACECRAFT_NAME", text=f"Sentinel-2{spec.spacecraft}"),
                    _node("DATATAKE_TYPE", text="INS-NOBS"),
                    _node("DATATAKE_SENSING_START", text=stamp),
                    _node("SENSING_ORBIT_NUMBER", text=spec.orbit),
                    _node("SENSING_ORBIT_DIRECTION", text="DESCENDING"),
                    datatakeIdentifier=f"GS2{spec.spacecraft}_{spec.sensed:%Y%m%dT%H%M%S}"
                    f"_012345_N{spec.baseline}",
                ),
                _node(
                    "Query_Options",
                    _node("PRODUCT_FORMAT", text="SAFE_COMPACT"),
                    completeSingleTile="true",
                ),
                _node(
                    "Product_Organisation",
                    _node(
                        "Granule_List",
                        _node(
                            "Granule",
                            *(_node("IMAGE_FILE", text=file) for file in files),
                            granuleIdentifier=_tile_id(spec),
                            imageFormat="JPEG2000",
                        ),
                    ),
                ),
            ),
            _node("Product_Image_Characteristics", *_radiometry(spec)),
        ),
        _node(f"{tag}Geometric_Info", _footprint(spec)),
        _node(
            f"{tag}Quality_Indicators_Info",
            _node("Cloud_Coverage_Assessment", text="0.0"),
        ),
    )


def _radiometry(spec: ProductSpec) -> Iterator[ET.Element]:
    for name, value in (("NODATA", NODATA), ("SATURATED", SATURATED)):
        yield _node(
            "Special_Values",
            _node("SPECIAL_VALUE_TEXT", text=name),
            _node("SPECIAL_VALUE_INDEX", text=value),
        )
    if spec.level == "L1C":
        yield _node("QUANTIFICATION_VALUE", text=10000, unit="none")
        offsets = ("Radiometric_Offset_List", "RADIO_ADD_OFFSET")
    else:
        quantification = _node("BOA_QUANTIFICATION_VALUE", text=10000, unit="none")
        yield _node("QUANTIFICATION_VALUES_LIST", quantification)
        offsets = ("BOA_ADD_OFFSET_VALUES_LIST", "BOA_ADD_OFFSET")
    if spec.offset:
        ids = range(len(BAND_IDS))
        yield _node(offsets[0], *(_node(offsets[1], text=spec.offset, band_id=i) for i in ids))
    yield _node("Reflectance_Conversion", _node("U", text="1.0"))
    yield _node(
        "Spectral_Information_List",
        *(
            _node(
                "Spectral_Information",
                _node("RESOLUTION", text=band.resolution),
                _node("Wavelength", _node("CENTRAL", text=band.wavelength, unit="nm")),
                bandId=number,
                physicalBand=band.name.replace("B0", "B"),
            )
            for number, band in enumerate(BAND_IDS)
        ),
    )


def _footprint(spec: ProductSpec) -> ET.Element:
    from rasterio.warp import transform

    left, bottom, right, top = spec.grid.bounds
    xs, ys = [left, right, right, left, left], [top, top, bottom, bottom, top]
    lons, lats = transform(spec.grid.crs, "EPSG:4326", xs, ys)
    corners = " ".join(f"{lat:.9f} {lon:.9f}" for lon, lat in zip(lons, lats, strict=True))
    outline = _node("Global_Footprint", _node("EXT_POS_LIST", text=corners))
    return _node("Product_Footprint", _node("Product_Footprint", outline))


def _tile_id(spec: ProductSpec) -> str:
    stamp = f"{spec.sensed:%Y%m%dT%H%M%S}"
    return (
        f"S2{spec.spacecraft}_OPER_MSI_{spec.level}_TL_SYNT_{stamp}_A012345_{spec.tile}"
        f"_N{spec.baseline}"
    )


def _tile_xml(spec: ProductSpec) -> ET.Element:
    kind = {"L1C": "Level-1C", "L2A": "Level-2A"}[spec.level]
    tag = f"{{{_PSD}/S2_PDI_{kind}_Tile_Metadata.xsd}}"
    ET.register_namespace("n1", f"{_PSD}/S2_PDI_{kind}_Tile_Metadata.xsd")
    grid = spec.grid
    code = int(grid.crs.removeprefix("EPSG:"))
    geocoding = [
        _node("HORIZONTAL_CS_NAME", text=f"WGS84 / UTM zone {code % 100}{_hemisphere(code)}"),
        _node("HORIZONTAL_CS_CODE", text=grid.crs),
    ]
    for resolution in (10, 20, 60):
        ratio = resolution // PIXEL
        geocoding.append(
            _node(
                "Size",
                _node("NROWS", text=grid.rows // ratio),
                _node("NCOLS", text=grid.cols // ratio),
                resolution=resolution,
            )
        )
    for resolution in (10, 20, 60):
        geocoding.append(
            _node(
                "Geoposition",
                _node("ULX", text=f"{grid.left:.10g}"),
                _node("ULY", text=f"{grid.top:.10g}"),
                _node("XDIM", text=resolution),
                _node("YDIM", text=-resolution),
                resolution=resolution,
            )
        )
    return _node(
        f"{tag}{kind}_Tile_ID",
        _node(
            f"{tag}General_Info",
            _node("TILE_ID", text=_tile_id(spec), metadataLevel="Brief"),
            _node("SENSING_TIME", text=_stamp(spec.sensed), metadataLevel="Standard"),
        ),
        _node(f"{tag}Geometric_Info", _node("Tile_Geocoding", *geocoding, metadataLevel="Brief")),
    )


def _hemisphere(code: int) -> str:
    return "N" if code < 32700 else "S"


def _checksum(file: Path, spec: ProductSpec) -> ET.Element:
    """The checksum of a file, by the method of the product's time."""
    name, method = ("SHA3-256", "sha3_256") if spec.baseline >= "04.00" else ("MD5", "md5")
    digest = hashlib.new(method, file.read_bytes(), usedforsecurity=False)
    return _node("checksum", text=digest.hexdigest(), checksumName=name)


def _manifest_xml(root: Path, spec: ProductSpec) -> ET.Element:
    tag = "{urn:ccsds:schema:xfdu:1}"
    ET.register_namespace("xfdu", "urn:ccsds:schema:xfdu:1")
    objects = []
    for file in sorted(path for path in root.rglob("*") if path.is_file()):
        name = file.relative_to(root).as_posix()
        image = file.suffix == ".jp2"
        objects.append(
            _node(
                "dataObject",
                _node(
                    "byteStream",
                    _node("fileLocation", locatorType="URL", href=f"./{name}"),
                    _checksum(file, spec),
                    mimeType="application/octet-stream" if image else "text/xml",
                    size=file.stat().st_size,
                ),
                ID=file.stem,
            )
        )
    kind = f"Product_Level-{spec.level[1:]}"
    return _node(
        f"{tag}XFDU",
        _node("informationPackageMap", _node(f"{tag}contentUnit", unitType=kind)),
        _node("metadataSection"),
        _node("dataObjectSection", *objects),
        version=f"esa/safe/sentinel/1.1/sentinel-2/msi/archive_{spec.level.lower()}_user_product",
    )
