"""Opening a Sentinel-2 product: what it is, and where its bands lie.

A product is a ``.SAFE`` folder, the zip it came in, or one of its metadata
files. Everything is taken from the metadata; where they are thin, band files
are found by the folders' naming convention and the grid in the rasters.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from s2_superres.bands import BANDS, Band
from s2_superres.errors import ProductError
from s2_superres.products import layout, metadata
from s2_superres.products.containers import Container
from s2_superres.products.metadata import Document, Level
from s2_superres.raster.grid import PIXEL, UNIT, Grid


@dataclass(frozen=True)
class Product:
    """What is known of a product before any pixel is read.

    Attributes
    ----------
    path : str
        What was opened: the ``.SAFE`` folder or the zip.
    name : str
        The product's id, without ``.SAFE``; where it holds several granules, with the tile.
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
    found = _find(path)
    wanted = granule or found.pointed_at
    return _open(found, layout.choose_granule(found.container.label, found.granules, wanted))


def open_granules(path: str | Path) -> list[Product]:
    """Open every granule of a product as a product of its own.

    Parameters
    ----------
    path : path
        As for `open_product`; a path in a granule stands for that one alone.

    Returns
    -------
    list of Product
        One, but for products before the end of 2016.

    Raises
    ------
    ProductError
        If there is no such file, it is no product, or it is damaged.
    """
    found = _find(path)
    if found.pointed_at is not None:
        return [open_product(path)]
    return [_open(found, granule) for granule in found.granules]


@dataclass(frozen=True)
class _Found:
    """A product's metadata and granules, and which of them the user pointed at."""

    container: Container
    base: str
    root: Document
    granules: list[layout.Granule]
    pointed_at: str | None


def _find(path: str | Path) -> _Found:
    container, inside = layout.locate(Path(path))
    described = layout.product_file(container, inside)
    root = Document(container, described)
    base = posixpath.dirname(described)
    granules = layout.find_granules(container, base, root)
    return _Found(container, base, root, granules, layout.granule_of(inside))


def _open(found: _Found, granule: layout.Granule) -> Product:
    container, base, root = found.container, found.base, found.root
    tile_file = layout.tile_file(container, granule.folder)
    tile = Document(container, tile_file) if tile_file else None
    level = metadata.product_level(root)
    baseline = root.text("PROCESSING_BASELINE")
    files, missing = layout.band_files(container, base, granule, level)
    name = root.text("PRODUCT_URI_2A" if level == "L2A" else "PRODUCT_URI", "PRODUCT_URI",
                     default=posixpath.basename(base) or Path(container.label).stem)  # fmt: skip
    # Outputs are named by it: nothing that leads to another folder.
    name = posixpath.basename(name.replace("\\", "/")).lstrip(".")
    name = name.removesuffix(".SAFE").removesuffix(".zip")
    tile_name = _tile_name(tile, granule, name)
    return Product(
        path=container.label,
        name=f"{name}_{tile_name}" if len(found.granules) > 1 else name,
        level=level,
        baseline=baseline,
        tile=tile_name,
        acquired=metadata.acquisition_time(root),
        spacecraft=root.text("SPACECRAFT_NAME", default="Sentinel-2"),
        orbit=int(root.number("SENSING_ORBIT_NUMBER", default=0)),
        grid=_grid(tile, files, container.label),
        quantification=metadata.quantification(root, level),
        offsets=metadata.offsets(root, baseline),
        nodata=metadata.special_value(root, "NODATA", 0),
        saturated=metadata.special_value(root, "SATURATED", 65535),
        files=files,
        missing=missing,
    )


def _tile_name(tile: Document | None, granule: layout.Granule, name: str) -> str:
    for text in (tile.text("TILE_ID", default="") if tile else "", granule.tile or "", name):
        found = layout.TILE.search(f"_{text}")
        if found:
            return f"T{found[1]}"
    return "unknown"


def _grid(tile: Document | None, files: Mapping[str, str], label: str) -> Grid:
    """Read the grid from the tile's metadata, or from a band if there are none."""
    grid = metadata.tile_grid(tile) if tile else _grid_of_raster(files, label)
    if grid.rows < UNIT or grid.cols < UNIT or grid.rows % UNIT or grid.cols % UNIT:
        raise ProductError(
            f"{label}: {grid.rows} x {grid.cols} pixels of 10 m are no whole number of 60 m "
            "pixels; cut the product on the 60 m grid"
        )
    return grid


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
