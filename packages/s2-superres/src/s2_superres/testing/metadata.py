"""The XML files of a product: what they say follows from its `ProductSpec`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from xml.etree import ElementTree as ET

from s2_superres.raster.grid import PIXEL
from s2_superres.testing.spec import BAND_IDS, NODATA, SATURATED, ProductSpec

_PSD = "https://psd-14.sentinel2.eo.esa.int/PSD"


def _node(tag: str, *children: ET.Element, text: object = None, **attributes: object) -> ET.Element:
    node = ET.Element(tag, {key: str(value) for key, value in attributes.items()})
    node.text = None if text is None else str(text)
    node.extend(children)
    return node


def write_xml(path: Path, root: ET.Element) -> None:
    """Write a document, indented; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ET.indent(root)
    ET.ElementTree(root).write(path, encoding="UTF-8", xml_declaration=True)


def _stamp(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M:%S}.024Z"


def product_xml(spec: ProductSpec, files: list[str]) -> ET.Element:
    """Return the product's metadata, which name its image files."""
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


def tile_xml(spec: ProductSpec) -> ET.Element:
    """Return the granule's metadata: its grid."""
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


def manifest_xml(root: Path, spec: ProductSpec) -> ET.Element:
    """Return the manifest of the files that lie in a product's folder, with their checksums."""
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
