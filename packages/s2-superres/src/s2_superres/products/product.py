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

from s2_superres.bands import BANDS, BY_RESOLUTION, Band
from s2_superres.errors import ProductError
from s2_superres.products import granules, images, layout, metadata
from s2_superres.products.containers import Container
from s2_superres.products.granules import Granule
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
    wavelengths : dict
        Central wavelength per band name in nanometres, of this satellite.
    granule : str
        The granule's folder within what was opened.
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
    wavelengths: dict[str, float] = field(default_factory=dict)
    granule: str = ""

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands that can be read, in ESA's order."""
        return tuple(band for band in BANDS if band.name in self.files)

    def require(self, bands: Iterable[Band]) -> None:
        """Check that the bands are there.

        Raises
        ------
        ProductError
            Naming the first one that is not and why, the others, and what can be made without.
        """
        lacking = [band for band in bands if band.name in self.missing]
        if not lacking:
            return
        first, *others = lacking
        also = f"; it lacks {' '.join(band.name for band in others)} too" if others else ""
        raise ProductError(f"{self.missing[first.name]}{also}; {self._possible()}")

    def _possible(self) -> str:
        """Say which bands can be sharpened with what is there."""
        there = [r for r in (10, 20, 60) if all(band in self.bands for band in BY_RESOLUTION[r])]
        if 10 not in there or 20 not in there:
            return "without all bands of 10 m and 20 m nothing can be sharpened"
        made = [band.name for band in BANDS if band.resolution in there and band.resolution > 10]
        return f"what there is serves --bands {','.join(made)}"

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
    return _open(found, granules.choose_granule(found.container.label, found.granules, wanted))


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
    return [_open(found, granule) for granule in found.granules if granule.folder]


@dataclass(frozen=True)
class _Found:
    """A product's metadata and granules, and which of them the user pointed at."""

    container: Container
    base: str
    root: Document
    granules: list[Granule]
    pointed_at: str | None


def _find(path: str | Path) -> _Found:
    container, inside = layout.locate(Path(path))
    described = layout.product_file(container, inside)
    root = Document(container, described)
    base = posixpath.dirname(described)
    there = granules.find_granules(container, base, root)
    return _Found(container, base, root, there, granules.granule_of(inside))


def _open(found: _Found, granule: Granule) -> Product:
    container, base, root = found.container, found.base, found.root
    described = granules.tile_file(container, granule)
    tile = Document(container, described) if described else None
    level = metadata.product_level(root)
    baseline = root.text("PROCESSING_BASELINE")
    name = root.text("PRODUCT_URI_2A" if level == "L2A" else "PRODUCT_URI", "PRODUCT_URI",
                     default=posixpath.basename(base) or Path(container.label).stem)  # fmt: skip
    # Outputs are named by it: nothing that leads to another folder.
    name = posixpath.basename(name.replace("\\", "/")).lstrip(".")
    name = name.removesuffix(".SAFE").removesuffix(".zip")
    tile_name = granules.check_identity(granule, tile, container.label, name)
    files, missing = images.band_files(container, base, granule, level)
    spacecraft = root.text("SPACECRAFT_NAME", default="Sentinel-2")
    return Product(
        path=container.label,
        name=name + granules.suffix(granule, found.granules),
        level=level,
        baseline=baseline,
        tile=tile_name,
        acquired=metadata.acquisition_time(root),
        spacecraft=spacecraft,
        orbit=int(root.number("SENSING_ORBIT_NUMBER", default=0)),
        grid=_grid(tile, files, container.label),
        quantification=metadata.quantification(root, level),
        offsets=metadata.offsets(root, baseline),
        nodata=metadata.special_value(root, "NODATA", 0),
        saturated=metadata.special_value(root, "SATURATED", 65535),
        files=files,
        missing=missing,
        wavelengths=metadata.wavelengths(root, spacecraft),
        granule=granule.folder,
    )


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
