"""What a product's XML files say.

They are read with entities and document types refused, and namespaces ignored,
which differ between the processor's versions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from s2_superres.bands import BANDS, central_wavelengths
from s2_superres.errors import ProductError
from s2_superres.products.containers import Container
from s2_superres.products.product import Level
from s2_superres.raster.grid import PIXEL, Grid

#: Which band a ``band_id`` of the offsets stands for, where the metadata do not say it.
_BAND_IDS = (*(band.name for band in BANDS[:10]), "B10", "B11", "B12")
_LARGEST_DN = 65535
#: WGS 84, north or south; every tile of Sentinel-2 has one of them.
_UTM = re.compile(r"EPSG:32[67](?:0[1-9]|[1-5]\d|60)")
#: What the networks were trained on.
_QUANTIFICATION = 10000
_L2A_QUANTIFICATION = (
    "BOA_QUANTIFICATION_VALUE",
    "L2A_BOA_QUANTIFICATION_VALUE",
    "QUANTIFICATION_VALUE",
)


class Document:
    """A metadata file, parsed, with errors that name it."""

    def __init__(self, container: Container, name: str) -> None:
        self._parse(container.read(name), container.where(name))

    @classmethod
    def parsed(cls, text: bytes, where: str) -> Document:
        """Return what a file says that was read already."""
        document = cls.__new__(cls)
        document._parse(text, where)
        return document

    def _parse(self, text: bytes, where: str) -> None:
        self.where = where
        try:
            self.root: Element = defusedxml.ElementTree.fromstring(text, forbid_dtd=True)
        except DefusedXmlException:
            raise ProductError(
                f"{self.where}: declares XML entities or a document type, which Sentinel-2 "
                "metadata never do; do not trust this file, download the product again"
            ) from None
        except (ParseError, ValueError) as error:
            raise ProductError(
                f"{self.where}: not readable XML ({error}); download the product again"
            ) from None

    def all(self, tag: str) -> Iterator[Element]:
        """Every element of a name, whatever its namespace."""
        return self.root.iterfind(f".//{{*}}{tag}")

    def text(self, *tags: str, default: str | None = None) -> str:
        """Text of the first of these elements that has any."""
        for tag in tags:
            for element in self.all(tag):
                if element.text and element.text.strip():
                    return element.text.strip()
        if default is None:
            raise ProductError(f"{self.where}: has no {tags[0]}; it is not complete")
        return default

    def number(self, *tags: str, default: float | None = None) -> float:
        """Value of the first of these elements that has any."""
        text = self.text(*tags, default=None if default is None else str(default))
        return self.finite(tags[0], text)

    def finite(self, name: str, text: str) -> float:
        """Read a number; neither NaN nor infinite, which Python would read too."""
        with suppress(ValueError):
            number = float(text)
            if math.isfinite(number):
                return number
        raise ProductError(
            f"{self.where}: {name} is {text!r}, not a number; download the product again"
        )


def product_level(root: Document) -> Level:
    """Return the level; other levels than two are refused."""
    text = root.text("PROCESSING_LEVEL")
    if text.startswith("Level-1C"):
        return "L1C"
    if text.startswith("Level-2A"):
        return "L2A"
    raise ProductError(f"{root.where}: its level is {text!r}; only L1C and L2A are supported")


def quantification(root: Document, level: Level) -> float:
    """Return what digital numbers are divided by to give reflectance."""
    tags = ("QUANTIFICATION_VALUE",) if level == "L1C" else _L2A_QUANTIFICATION
    value = root.number(*tags, default=_QUANTIFICATION)
    if value != _QUANTIFICATION:
        raise ProductError(
            f"{root.where}: its quantification value is {value:g}; only {_QUANTIFICATION} is "
            "supported, which every product of ESA's archive has"
        )
    return value


def acquisition_time(root: Document) -> datetime:
    """Return the start of the acquisition, UTC."""
    text = root.text("DATATAKE_SENSING_START", "PRODUCT_START_TIME")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ProductError(
            f"{root.where}: the time {text!r} cannot be read; download the product again"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def offsets(root: Document, baseline: str) -> dict[str, float]:
    """Return the offset of every band, as the metadata give them.

    Metadata that are too thin to hold them get what the baseline prescribes; those that hold
    them for some of the bands only are refused.
    """
    names = dict(enumerate(_BAND_IDS))
    for number, band, _ in _spectral_information(root):
        names[number] = band
    found: dict[str, float] = {}
    for tag in ("RADIO_ADD_OFFSET", "BOA_ADD_OFFSET"):
        for element in root.all(tag):
            text = element.get("band_id", "")
            if not text.isdecimal() or int(text) not in names:
                raise ProductError(
                    f"{root.where}: a {tag} is of no known band; download the product again"
                )
            value = root.finite(tag, element.text or "")
            if value > 0 or value != round(value):
                raise ProductError(
                    f"{root.where}: {tag} is {value:g}, which no product has (-1000 or 0); "
                    "download the product again"
                )
            found[names[int(text)]] = value
    lacking = [band.name for band in BANDS if band.name not in found]
    if found and lacking:
        raise ProductError(
            f"{root.where}: has offsets of some bands, but none of {', '.join(lacking)}; "
            "download the product again"
        )
    prescribed = prescribed_offset(baseline)
    return {band.name: found.get(band.name, prescribed) for band in BANDS}


def prescribed_offset(baseline: str) -> float:
    """Return what a baseline prescribes: -1000 from 04.00 on, 0 before.

    Baselines of 99.99 are users' own runs of the processor, which write what they apply.
    """
    return -1000.0 if "04.00" <= baseline < "90" else 0.0


def wavelengths(root: Document, spacecraft: str) -> dict[str, float]:
    """Return every band's central wavelength in nanometres, as the metadata give it.

    Metadata that are too thin to hold them get those of the satellite.
    """
    found = {}
    for _, band, element in _spectral_information(root):
        text = element.findtext(".//{*}CENTRAL")
        if text is not None:
            found[band] = root.finite("CENTRAL", text)
    return {name: found.get(name, nm) for name, nm in central_wavelengths(spacecraft).items()}


def _spectral_information(root: Document) -> Iterator[tuple[int, str, Element]]:
    """Yield a band id, the name of its band, and what is said of it."""
    for element in root.all("Spectral_Information"):
        band, number = element.get("physicalBand", ""), element.get("bandId", "")
        if re.fullmatch(r"B(\d{1,2}|8A)", band) and number.isdecimal():
            yield int(number), band if band == "B8A" else f"B{int(band[1:]):02d}", element


def special_value(root: Document, name: str, default: int) -> int:
    """Return the digital number of ``NODATA`` or ``SATURATED``."""
    for element in root.all("Special_Values"):
        if (element.findtext("{*}SPECIAL_VALUE_TEXT") or "").strip() == name:
            text = (element.findtext("{*}SPECIAL_VALUE_INDEX") or "").strip()
            if text.isdecimal() and int(text) <= _LARGEST_DN:
                return int(text)
            raise ProductError(
                f"{root.where}: {name} is {text!r}, no 16-bit number; download the product again"
            )
    return default


def tile_grid(tile: Document) -> Grid:
    """Return the 10 m grid that a tile's metadata describe."""
    size = _at_resolution(tile, "Size")
    place = _at_resolution(tile, "Geoposition")
    try:
        rows, cols = int(size["NROWS"]), int(size["NCOLS"])
        left, top = (tile.finite(name, place[name]) for name in ("ULX", "ULY"))
    except (KeyError, ValueError):
        raise ProductError(
            f"{tile.where}: its Tile_Geocoding is not complete; download the product again"
        ) from None
    crs = tile.text("HORIZONTAL_CS_CODE")
    if not _UTM.fullmatch(crs):
        raise ProductError(
            f"{tile.where}: HORIZONTAL_CS_CODE is {crs!r}, not a UTM zone such as EPSG:32633; "
            "download the product again"
        )
    return Grid(crs, left, top, rows, cols)


def _at_resolution(tile: Document, tag: str) -> dict[str, str]:
    for element in tile.all(tag):
        if element.get("resolution") == str(PIXEL):
            return {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    return {}
