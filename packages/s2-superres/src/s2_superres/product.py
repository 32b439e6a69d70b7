"""Opening a Sentinel-2 product: what it is, and where its bands lie.

A product is a ``.SAFE`` folder, the zip it came in, or one of its metadata
files. Everything is taken from the metadata; where they are thin, band files
are found by the folders' naming convention and the grid in the rasters.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal
from xml.etree.ElementTree import Element, ParseError

import defusedxml.ElementTree
from defusedxml.common import DefusedXmlException

from s2_superres.bands import BANDS, BY_NAME, Band
from s2_superres.containers import Container, Folder, Zip
from s2_superres.errors import ProductError
from s2_superres.grid import PIXEL, UNIT, Grid

Level = Literal["L1C", "L2A"]

_PRODUCT_FILE = re.compile(r"(?:MTD_MSI|S2._OPER_MTD_SAF|S2._USER_MTD_SAF)L(?:1C|2A).*\.xml")
_TILE_FILE = re.compile(r"(?:MTD_TL|S2._(?:OPER|USER)_MTD_L(?:1C|2A)_TL_.*)\.xml")
_TILE = re.compile(r"_T(\d{2}[A-Z]{3})")
_IMAGE = re.compile(r"_(B(?:0[1-9]|1[0-2]|8A))(?:_(10|20|60)m)?\.jp2", re.IGNORECASE)
#: Which band a ``band_id`` of the offsets stands for, where the metadata do not say it.
_BAND_IDS = (*(band.name for band in BANDS[:10]), "B10", "B11", "B12")
_EXPECTED = (
    "a Sentinel-2 L1C or L2A product is a .SAFE folder, its .zip, or its "
    "MTD_MSIL1C.xml or MTD_MSIL2A.xml"
)


@dataclass(frozen=True)
class Product:
    """What is known of a product before any pixel is read.

    Attributes
    ----------
    path : str
        What was opened: the ``.SAFE`` folder or the zip.
    name : str
        The product's id, without ``.SAFE``.
    level : str
        ``L1C`` (top of the atmosphere) or ``L2A`` (bottom).
    baseline : str
        Processing baseline, such as ``05.09``.
    tile : str
        MGRS tile, such as ``T33UUB``.
    acquired : datetime
        Start of the acquisition, UTC.
    spacecraft : str
        ``Sentinel-2A``, ``-2B`` or ``-2C``.
    orbit : int
        Relative orbit number.
    grid : Grid
        CRS, upper left corner and size in 10 m pixels.
    quantification : float
        Reflectance = (DN + offset) / quantification.
    offsets : dict
        Offset per band name, in DN: -1000 from baseline 04.00 on, else 0.
    nodata, saturated : int
        The digital numbers with a meaning of their own.
    files : dict
        Per band name, what GDAL opens; bands that the product lacks are absent.
    missing : dict
        Per absent band, what is wrong with it.
    """

    path: str
    name: str
    level: Level
    baseline: str
    tile: str
    acquired: datetime
    spacecraft: str
    orbit: int
    grid: Grid
    quantification: float
    offsets: dict[str, float]
    nodata: int
    saturated: int
    files: dict[str, str]
    missing: dict[str, str] = field(default_factory=dict)

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands that can be read, in ESA's order."""
        return tuple(band for band in BANDS if band.name in self.files)

    def require(self, bands: Iterable[Band]) -> None:
        """Check that the bands are there.

        Raises
        ------
        ProductError
            Naming the first one that is not, and why.
        """
        for band in bands:
            if band.name in self.missing:
                raise ProductError(self.missing[band.name])

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        values = asdict(self)
        values["acquired"] = self.acquired.isoformat().replace("+00:00", "Z")
        values["bounds"] = list(self.grid.bounds)
        return values


def open_product(path: str | Path, granule: str | None = None) -> Product:
    """Open a product, whole or in its zip.

    Parameters
    ----------
    path : path
        A ``.SAFE`` folder, its zip, its ``MTD_MSIL1C.xml``/``MTD_MSIL2A.xml``,
        a granule's folder or its ``MTD_TL.xml``, or a folder that holds
        exactly one product.
    granule : str, optional
        Tile (``T33UUB``) or name of the granule, for products before the end
        of 2016 that hold several.

    Returns
    -------
    Product

    Raises
    ------
    ProductError
        If there is no such file, it is no product, it is damaged, or it holds
        several granules and none was chosen.
    """
    container, inside = _locate(Path(path))
    metadata = _product_file(container, inside)
    root = _Document(container, metadata)
    base = posixpath.dirname(metadata)
    chosen = _granule(container, base, root, granule or _granule_of(inside))
    tile_file = _tile_file(container, chosen.folder)
    tile = _Document(container, tile_file) if tile_file else None
    level = _level(root)
    baseline = root.text("PROCESSING_BASELINE")
    files, missing = _band_files(container, base, chosen, level)
    name = root.text("PRODUCT_URI_2A" if level == "L2A" else "PRODUCT_URI", "PRODUCT_URI",
                     default=posixpath.basename(base) or Path(container.label).stem)  # fmt: skip
    return Product(
        path=container.label,
        name=name.removesuffix(".SAFE").removesuffix(".zip"),
        level=level,
        baseline=baseline,
        tile=_tile_name(tile, chosen, name),
        acquired=_time(root),
        spacecraft=root.text("SPACECRAFT_NAME", default="Sentinel-2"),
        orbit=int(root.number("SENSING_ORBIT_NUMBER", default=0)),
        grid=_grid(tile, files, container.label),
        quantification=root.number(
            *(("QUANTIFICATION_VALUE",) if level == "L1C" else _L2A_QUANTIFICATION),
            default=10000,
        ),
        offsets=_offsets(root, baseline),
        nodata=_special(root, "NODATA", 0),
        saturated=_special(root, "SATURATED", 65535),
        files=files,
        missing=missing,
    )


_L2A_QUANTIFICATION = (
    "BOA_QUANTIFICATION_VALUE",
    "L2A_BOA_QUANTIFICATION_VALUE",
    "QUANTIFICATION_VALUE",
)


@dataclass(frozen=True)
class _Granule:
    """One granule: its id, its folder, and the images the metadata list for it."""

    identifier: str
    folder: str
    images: tuple[str, ...]

    @property
    def tile(self) -> str | None:
        found = _TILE.search(f"{self.identifier} {self.folder}")
        return f"T{found[1]}" if found else None


class _Document:
    """A metadata file, parsed, with errors that name it."""

    def __init__(self, container: Container, name: str) -> None:
        self.where = container.where(name)
        try:
            self.root: Element = defusedxml.ElementTree.fromstring(
                container.read(name), forbid_dtd=True
            )
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
        try:
            return float(text)
        except ValueError:
            raise ProductError(f"{self.where}: {tags[0]} is {text!r}, not a number") from None


def _locate(path: Path) -> tuple[Container, str]:
    """Return where the files lie, and which of them the user pointed at ("" for all)."""
    if not path.exists():
        raise ProductError(f"{path}: no such file or folder; {_EXPECTED}")
    if path.is_file() and path.suffix.lower() == ".xml":
        folder, inside = path.absolute().parent, path.name
        if _TILE_FILE.fullmatch(path.name):
            return Folder(folder.parent.parent), f"GRANULE/{folder.name}/{inside}"
        if not _PRODUCT_FILE.fullmatch(path.name):
            raise ProductError(f"{path}: not a product's metadata file; {_EXPECTED}")
        return Folder(path.parent), inside
    if path.is_file():
        # A download cut off in its middle has lost the directory at its end, not its first bytes.
        with path.open("rb") as file:
            is_zip = file.read(4).startswith(b"PK") or path.suffix.lower() == ".zip"
        if not is_zip:
            raise ProductError(f"{path}: not a product; {_EXPECTED}")
        return Zip(path), ""
    if not path.is_dir():
        raise ProductError(f"{path}: neither a file nor a folder; {_EXPECTED}")
    if path.absolute().parent.name == "GRANULE":
        path = path.absolute()
        return Folder(path.parent.parent), f"GRANULE/{path.name}/"
    # The parent of a product is not searched any deeper than that: it may be a whole archive.
    if not _metadata_in(path):
        below = sorted(child for child in path.iterdir() if child.is_dir() and _metadata_in(child))
        if len(below) > 1:
            raise ProductError(
                f"{path}: holds {len(below)} products ({below[0].name}, {below[1].name}"
                f"{', ...' if len(below) > 2 else ''}); give one of them"
            )
        if below:
            path = below[0]
    return Folder(path), ""


def _metadata_in(folder: Path) -> bool:
    try:
        return any(_PRODUCT_FILE.fullmatch(child.name) for child in folder.iterdir())
    except PermissionError:
        return False


def _product_file(container: Container, inside: str) -> str:
    """Find the one metadata file that describes the product."""
    if inside and _PRODUCT_FILE.fullmatch(inside):
        return inside
    found = sorted(
        name for name in container.names if _PRODUCT_FILE.fullmatch(posixpath.basename(name))
    )
    # Old L2A products keep a copy of the L1C metadata deeper down.
    depth = min((name.count("/") for name in found), default=0)
    top = [name for name in found if name.count("/") == depth]
    if not top:
        raise ProductError(
            f"{container.label}: has no MTD_MSIL1C.xml or MTD_MSIL2A.xml; {_EXPECTED}"
        )
    if len(top) > 1:
        raise ProductError(
            f"{container.label}: holds {len(top)} products ({top[0]}, {top[1]}"
            f"{', ...' if len(top) > 2 else ''}); give one product at a time"
        )
    return top[0]


def _level(root: _Document) -> Level:
    text = root.text("PROCESSING_LEVEL")
    if text.startswith("Level-1C"):
        return "L1C"
    if text.startswith("Level-2A"):
        return "L2A"
    raise ProductError(f"{root.where}: its level is {text!r}; only L1C and L2A are supported")


def _granule_of(inside: str) -> str | None:
    """Name of the granule that a path within the product lies in."""
    parts = inside.split("/")
    return parts[1] if len(parts) > 1 and parts[0] == "GRANULE" else None


def _granule(container: Container, base: str, root: _Document, wanted: str | None) -> _Granule:
    """Choose the granule, from the metadata and the folders there are."""
    below = posixpath.join(base, "GRANULE") + "/"
    folders = sorted({
        name[len(below):].split("/")[0]
        for name in container.names
        if name.startswith(below) and _is_granule_file(name)
    })  # fmt: skip
    listed = [_listed(element) for tag in ("Granule", "Granules") for element in root.all(tag)]
    granules = []
    for identifier, images in listed:
        folder = _granule_folder(identifier, images, folders)
        place = posixpath.join(below, folder) if folder else ""
        granules.append(
            _Granule(identifier, place, tuple(posixpath.join(base, image) for image in images))
        )
    if not granules:
        granules = [_Granule(name, posixpath.join(below, name), ()) for name in folders]
    if not granules:
        raise ProductError(f"{container.label}: has no granule; the product is not complete")
    if wanted is not None:
        key = wanted.upper().removeprefix("T")
        chosen = [
            granule
            for granule in granules
            if wanted in (granule.identifier, posixpath.basename(granule.folder))
            or granule.tile == f"T{key}"
        ]
    else:
        chosen = granules
    if len(chosen) == 1:
        return chosen[0]
    names = ", ".join(sorted(granule.tile or granule.identifier for granule in granules))
    if not chosen:
        raise ProductError(f"{container.label}: has no granule {wanted}; it has {names}")
    raise ProductError(
        f"{container.label}: holds {len(granules)} granules ({names}); choose one with --granule"
    )


def _listed(element: Element) -> tuple[str, list[str]]:
    """Return a granule's id and its images as the product's metadata list them."""
    tags = ("IMAGE_FILE", "IMAGE_FILE_2A", "IMAGE_ID", "IMAGE_ID_2A")
    images = [
        node.text.strip() for tag in tags for node in element.iterfind(f"{{*}}{tag}") if node.text
    ]
    return element.get("granuleIdentifier", ""), images


def _granule_folder(identifier: str, images: list[str], folders: list[str]) -> str:
    """Find a granule's folder: named by its images, by its id, or the only one of its tile."""
    for image in images:
        parts = image.split("/")
        if len(parts) > 2 and parts[0] == "GRANULE":
            return parts[1]
    if identifier in folders:
        return identifier
    found = _TILE.search(identifier)
    same = [name for name in folders if found and f"_T{found[1]}" in name]
    if len(same) == 1:
        return same[0]
    return folders[0] if len(folders) == 1 else ""


def _is_granule_file(name: str) -> bool:
    return bool(_TILE_FILE.fullmatch(posixpath.basename(name)) or _IMAGE.search(name))


def _tile_file(container: Container, folder: str) -> str | None:
    found = sorted(
        name
        for name in container.names
        if posixpath.dirname(name) == folder and _TILE_FILE.fullmatch(posixpath.basename(name))
    )
    return found[0] if found else None


def _band_files(
    container: Container, base: str, granule: _Granule, level: Level
) -> tuple[dict[str, str], dict[str, str]]:
    """Find every band's file at its native resolution, and say what is wrong with the others."""
    listed = _by_band((f"{image.removesuffix('.jp2')}.jp2" for image in granule.images), level)
    images = posixpath.join(granule.folder, "IMG_DATA") + "/"
    lying = _by_band((name for name in container.names if name.startswith(images)), level)
    files, missing = {}, {}
    for band in BANDS:
        name = listed.get(band.name)
        if name is None or name not in container.names:
            name = lying.get(band.name, name)
        if name is None:
            missing[band.name] = (
                f"{container.label}: has no {band.name} ({band.resolution} m); download the "
                "complete product"
            )
            continue
        if not _inside(base, name):
            raise ProductError(
                f"{container.label}: its metadata place {band.name} at {name!r}, outside the "
                "product; do not trust this file, download the product again"
            )
        fault = _fault(container, name)
        if fault:
            missing[band.name] = f"{container.where(name)}: {fault}; download the product again"
        else:
            files[band.name] = container.gdal_path(name)
    return files, missing


def _by_band(names: Iterable[str], level: Level) -> dict[str, str]:
    """Map bands to names, leaving out copies at other resolutions than the native one."""
    found: dict[str, str] = {}
    for name in sorted(names):
        match = _IMAGE.search(name)
        if not match or not name.endswith(match[0]) or match[1].upper() not in BY_NAME:
            continue
        band = BY_NAME[match[1].upper()]
        resolution = int(match[2]) if match[2] else _folder_resolution(name)
        if resolution in (None, band.resolution) and (resolution or level == "L1C"):
            found.setdefault(band.name, name)
    return found


def _folder_resolution(name: str) -> int | None:
    folder = re.fullmatch(r"R(10|20|60)m", posixpath.basename(posixpath.dirname(name)))
    return int(folder[1]) if folder else None


def _inside(base: str, name: str) -> bool:
    path = posixpath.normpath(name)
    return not path.startswith(("/", "..")) and (not base or path.startswith(base + "/"))


def _fault(container: Container, name: str) -> str | None:
    """Say what keeps a JPEG 2000 file from being read, as far as its head tells."""
    if name not in container.names:
        return "the file is missing"
    size = container.size(name)
    if size == 0:
        return "the file is empty"
    whole = _jp2_size(container.head(name, 2**16))
    if whole is None:
        return "not a JPEG 2000 file"
    if whole > size:
        return f"cut off after {size} of {whole} bytes"
    return None


def _jp2_size(head: bytes) -> int | None:
    """Return how long a JPEG 2000 file must be at least, None if it is none.

    Walks the boxes (ISO 15444-1, annex I) up to the code stream, as far as the
    bytes given hold them.
    """
    if head[4:8] != b"jP  ":
        # A bare code stream has no length to compare with.
        return 0 if head.startswith(b"\xff\x4f\xff\x51") else None
    position = 0
    while position + 16 <= len(head):
        length = int.from_bytes(head[position : position + 4])
        if length == 1:
            length = int.from_bytes(head[position + 8 : position + 16])
        elif length == 0:
            # The last box may leave its length open.
            return position + 8
        if length < 8:
            return None
        if head[position + 4 : position + 8] == b"jp2c":
            return position + length
        position += length
    return position


def _tile_name(tile: _Document | None, granule: _Granule, name: str) -> str:
    for text in (tile.text("TILE_ID", default="") if tile else "", granule.tile or "", name):
        found = _TILE.search(f"_{text}")
        if found:
            return f"T{found[1]}"
    return "unknown"


def _time(root: _Document) -> datetime:
    text = root.text("DATATAKE_SENSING_START", "PRODUCT_START_TIME")
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ProductError(f"{root.where}: the time {text!r} cannot be read") from None
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _offsets(root: _Document, baseline: str) -> dict[str, float]:
    """Return the offset of every band, as the metadata give them.

    Metadata that are too thin to hold them get what the baseline prescribes.
    """
    names = dict(enumerate(_BAND_IDS))
    for element in root.all("Spectral_Information"):
        band, number = element.get("physicalBand", ""), element.get("bandId", "")
        if band.startswith("B") and number.isdigit():
            names[int(number)] = band if band == "B8A" else f"B{int(band[1:]):02d}"
    found: dict[str, float] = {}
    for tag in ("RADIO_ADD_OFFSET", "BOA_ADD_OFFSET"):
        for element in root.all(tag):
            try:
                found[names[int(element.get("band_id", ""))]] = float(element.text or "")
            except (ValueError, KeyError):
                raise ProductError(
                    f"{root.where}: a {tag} cannot be read; download the product again"
                ) from None
    # Baselines of 99.99 are users' own runs of the processor, which write what they apply.
    prescribed = -1000.0 if not found and "04.00" <= baseline < "90" else 0.0
    return {band.name: found.get(band.name, prescribed) for band in BANDS}


def _special(root: _Document, name: str, default: int) -> int:
    for element in root.all("Special_Values"):
        if (element.findtext("{*}SPECIAL_VALUE_TEXT") or "").strip() == name:
            text = (element.findtext("{*}SPECIAL_VALUE_INDEX") or "").strip()
            if text.isdigit():
                return int(text)
    return default


def _grid(tile: _Document | None, files: Mapping[str, str], label: str) -> Grid:
    """Read the grid from the tile's metadata, or from a band if there are none."""
    if tile is None:
        grid = _grid_of_raster(files, label)
    else:
        size = _at_resolution(tile, "Size")
        place = _at_resolution(tile, "Geoposition")
        try:
            grid = Grid(
                tile.text("HORIZONTAL_CS_CODE"),
                float(place["ULX"]),
                float(place["ULY"]),
                int(size["NROWS"]),
                int(size["NCOLS"]),
            )
        except (KeyError, ValueError):
            raise ProductError(f"{tile.where}: its Tile_Geocoding is not complete") from None
    if grid.rows < UNIT or grid.cols < UNIT or grid.rows % UNIT or grid.cols % UNIT:
        raise ProductError(
            f"{label}: {grid.rows} x {grid.cols} pixels of 10 m are no whole number of 60 m "
            "pixels; cut the product on the 60 m grid"
        )
    return grid


def _at_resolution(tile: _Document, tag: str) -> dict[str, str]:
    for element in tile.all(tag):
        if element.get("resolution") == str(PIXEL):
            return {child.tag.rpartition("}")[2]: child.text or "" for child in element}
    return {}


def _grid_of_raster(files: Mapping[str, str], label: str) -> Grid:
    import rasterio
    from rasterio.errors import RasterioError

    finest = [band for band in BANDS if band.resolution == PIXEL and band.name in files]
    if not finest:
        raise ProductError(f"{label}: has no MTD_TL.xml; download the complete product")
    path = files[finest[0].name]
    try:
        with rasterio.open(path) as dataset:
            if dataset.crs is None:
                raise ProductError(f"{path}: has no CRS, and there is no MTD_TL.xml to tell it")
            return Grid(
                dataset.crs.to_string(),
                dataset.transform.c,
                dataset.transform.f,
                dataset.height,
                dataset.width,
            )
    except RasterioError as error:
        raise ProductError(f"{path}: cannot be read ({error})") from None
