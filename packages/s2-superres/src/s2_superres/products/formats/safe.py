"""Products as ESA delivers them: a ``.SAFE`` folder, its zip, or one of its metadata files.

Everything is taken from the metadata; where they are thin, band files are found by the folders'
naming convention and the grid in the rasters.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.bands import SATURATED, Band
from s2_superres.errors import ProductError
from s2_superres.products import granules, images, layout, metadata
from s2_superres.products.containers import Container
from s2_superres.products.granules import Granule
from s2_superres.products.metadata import Document
from s2_superres.products.openers import Opener, Request
from s2_superres.products.placing import raster_grid
from s2_superres.products.product import Product
from s2_superres.products.reading import RasterReader
from s2_superres.products.signing import Signer
from s2_superres.raster.grid import UNIT, Area, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def _open_one(source: Any, request: Request) -> Product:
    found = _find(source, request)
    wanted = request.granule or found.pointed_at
    granule = granules.choose_granule(found.container.label, found.granules, wanted)
    return _open(found, granule, request.offset)


def _open_all(source: Any, request: Request) -> list[Product]:
    found = _find(source, request)
    if found.pointed_at is not None:
        return [_open_one(source, request)]
    return [_open(found, granule, request.offset) for granule in found.granules if granule.folder]


class SafeReader(RasterReader):
    """Reads the images of a ``.SAFE`` product, and the masks that lie beside them."""

    def __init__(self, product: Product, bands: Iterable[Band]) -> None:
        super().__init__(product, bands)
        self._clouds: dict[int, NDArray[np.bool_]] = {}

    def cloud_mask(self, area: Area, resolution: int) -> NDArray[np.bool_]:
        """See `Reader`."""
        from s2_superres.products import clouds

        # Of one run, whose windows ask for parts of it many times.
        if resolution not in self._clouds:
            self._clouds[resolution] = clouds.cloud_mask(self.product, resolution)
        mask = self._clouds[resolution]
        return mask[area.row : area.row_stop, area.col : area.col_stop]

    def require_clouds(self) -> None:
        """See `Reader`."""
        from s2_superres.products import clouds

        clouds.find_mask(self.product)

    @cached_property
    def classification(self) -> str:
        """See `Reader`."""
        from s2_superres.products import clouds

        return clouds.find_classification(self.product)


def _reader(product: Product, bands: Iterable[Band]) -> SafeReader:
    return SafeReader(product, bands)


@dataclass(frozen=True)
class _Found:
    """A product's metadata and granules, and which of them the user pointed at."""

    container: Container
    base: str
    root: Document
    granules: list[Granule]
    pointed_at: str | None
    signer: Signer


def _find(path: str | Path, request: Request) -> _Found:
    signer = Signer(request.sign)
    container, inside = layout.locate(path, signer)
    described = layout.product_file(container, inside)
    root = Document(container, described)
    base = posixpath.dirname(described)
    there = granules.find_granules(container, base, root)
    return _Found(container, base, root, there, granules.granule_of(inside), signer)


def _open(found: _Found, granule: Granule, offset: float | None) -> Product:
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
    tile_name = granules.check_identity(
        granule, tile, container.label, name, len(found.granules) == 1
    )
    files, missing = images.band_files(container, base, granule, level)
    offsets = metadata.offsets(root, baseline)
    decided = {}
    if offset is not None:
        decided["offset"] = f"{offset:g}, as asked for"
        offsets = dict.fromkeys(offsets, offset)
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
        grid=_grid(tile, files, container.label, found.signer),
        quantification=metadata.quantification(root, level),
        offsets=offsets,
        nodata=metadata.special_value(root, "NODATA", 0),
        saturated=metadata.special_value(root, "SATURATED", SATURATED),
        files=files,
        format="safe",
        missing=missing,
        wavelengths=metadata.wavelengths(root, spacecraft),
        granule=granule.folder,
        decided=decided,
        signer=found.signer,
    )


def _grid(tile: Document | None, files: Mapping[str, str], label: str, signer: Signer) -> Grid:
    """Read the grid from the tile's metadata, or from a band if there are none."""
    grid = metadata.tile_grid(tile) if tile else raster_grid(files, label, signer)
    if grid.rows < UNIT or grid.cols < UNIT or grid.rows % UNIT or grid.cols % UNIT:
        raise ProductError(
            f"{label}: {grid.rows} x {grid.cols} pixels of 10 m are no whole number of 60 m "
            "pixels; cut the product on the 60 m grid"
        )
    return grid


OPENER = Opener(
    name="safe",
    accepts="a .SAFE folder, its .zip or a link to that, its MTD_MSIL1C.xml or MTD_MSIL2A.xml, or "
    "a folder that holds one product",
    recognises=layout.is_product,
    open=_open_one,
    read=_reader,
    open_all=_open_all,
    checksums=True,
)
