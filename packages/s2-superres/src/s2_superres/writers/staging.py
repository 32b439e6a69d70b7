"""Windows of pixels in uncompressed rasters with overviews, until the output is made of them.

The full resolution and the first overview, which is half of it, are written window by
window from memory. Coarser overviews are made of the first at the end: a quarter of what
reading everything back would be.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.raster.grid import PIXEL, Area, Grid
from s2_superres.writers.spec import RasterSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Side of the rasters' blocks, and of the largest raster that needs no overview.
BLOCK = 512
#: GDAL's block cache while overviews are made and copied, in bytes.
CACHE = 128 * 2**20


class StagedRaster:
    """Uncompressed rasters: the full resolution, and its overviews as GDAL finds them.

    Parameters
    ----------
    path : Path
        Of the full resolution; the overviews' begin with the same name.
    spec : RasterSpec
    grid : Grid
        In place of the spec's, for a rehearsal.
    overviews : bool
        Whether to make them.
    """

    def __init__(self, path: Path, spec: RasterSpec, grid: Grid, *, overviews: bool) -> None:
        self.path, self.spec, self.grid = path, spec, grid
        self._saturated = False
        self._full = _create(path, spec, grid)
        _describe(self._full, spec)
        self._levels = 0
        while overviews and max(grid.rows, grid.cols) / 2**self._levels > BLOCK:
            self._levels += 1
        self._half = _create(_below(path), spec, _halved(grid)) if self._levels else None

    def write(self, area: Area, values: NDArray[Any]) -> None:
        """Write a window that begins on an even row and column."""
        _put(self._full, area, values)
        if self._half is None:
            return
        where = self.grid.halved_area(area)
        half = self.spec.halve(values)
        if self.spec.saturated is not None and not self._saturated:
            self._saturated = bool((half == self.spec.saturated).any())
        _put(self._half, where, half)

    def finish(self) -> None:
        """Make the coarser overviews; nothing can be written any more."""
        import rasterio
        from rasterio.enums import Resampling

        self.close()
        if self._levels < 2:
            return
        first = _below(self.path)
        if self._saturated or self.spec.has_classes:
            self._finish_by_hand(first)
            return
        with rasterio.open(first, "r+") as dataset:
            factors = [2 ** (level + 1) for level in range(self._levels - 1)]
            dataset.build_overviews(factors, Resampling.average)
        for level in range(len(factors)):
            _check_whole(first, level)

    def _finish_by_hand(self, finer: Path) -> None:
        """Make coarser overviews band by band: GDAL would make means of what has none."""
        import rasterio

        grid = _halved(self.grid)
        for _ in range(self._levels - 1):
            coarser, grid = _below(finer), _halved(grid)
            with rasterio.open(finer) as source, _create(coarser, self.spec, grid) as target:
                for band in source.indexes:
                    layer = self.spec.layers[band - 1]
                    values = self.spec.halve(source.read([band]), [layer])
                    target.write(values[0], band)
            _check_whole(coarser)
            finer = coarser

    def close(self) -> None:
        """Close the files, if they are open, and check that they are whole.

        Raises
        ------
        OSError
            If a block did not reach the disk: a write that fails when a file is closed is no
            error to GDAL.
        """
        for dataset, path in ((self._full, self.path), (self._half, _below(self.path))):
            if dataset is not None and not dataset.closed:
                dataset.close()
                _check_whole(path)

    def abandon(self) -> None:
        """Close the files, whatever comes of it."""
        for dataset in (self._full, self._half):
            if dataset is not None:
                with suppress(Exception):
                    dataset.close()


def largest_file(spec: RasterSpec) -> int:
    """Return how large a file may become on the way: whole blocks, overviews and a header."""
    import numpy as np

    rows, cols, blocks = spec.grid.rows, spec.grid.cols, 0
    while True:
        blocks += -(-rows // BLOCK) * -(-cols // BLOCK)
        if max(rows, cols) <= BLOCK:
            break
        rows, cols = -(-rows // 2), -(-cols // 2)
    return blocks * len(spec.layers) * (BLOCK**2 * np.dtype(spec.dtype).itemsize + 64) + 2**20


def _below(path: Path) -> Path:
    """Return where GDAL looks for a raster's overview: the overview of an overview, too."""
    return path.with_name(f"{path.name}.ovr")


def _halved(grid: Grid) -> Grid:
    return Grid(grid.crs, grid.left, grid.top, -(-grid.rows // 2), -(-grid.cols // 2))


def _put(dataset: Any, area: Area, values: NDArray[Any]) -> None:
    from rasterio.windows import Window

    dataset.write(values, window=Window(area.col, area.row, area.cols, area.rows))


def _create(path: Path, spec: RasterSpec, grid: Grid) -> Any:
    import rasterio
    from rasterio.transform import Affine

    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=grid.cols,
        height=grid.rows,
        count=len(spec.layers),
        dtype=spec.dtype,
        nodata=spec.nodata,
        crs=grid.crs or None,
        transform=Affine(*grid.transform(PIXEL)),
        tiled=True,
        blockxsize=BLOCK,
        blockysize=BLOCK,
        # GDAL makes overviews of bands that lie apart several times faster.
        interleave="band",
        bigtiff="IF_SAFER",
        # Every block is written, so that one that lacks is one that failed.
        sparse_ok=False,
        photometric="MINISBLACK",
    )


def _check_whole(path: Path, level: int | None = None) -> None:
    """Check that every block of a closed raster, or of an overview in it, lies in its file."""
    import rasterio

    size = path.stat().st_size
    chosen = {} if level is None else {"overview_level": level}
    with rasterio.open(path) as dataset, rasterio.open(path, **chosen) as image:
        for band in image.indexes:
            for (row, col), _ in image.block_windows(band):
                start, length = (
                    int(dataset.get_tag_item(f"BLOCK_{what}_{col}_{row}", "TIFF", band, level) or 0)
                    for what in ("OFFSET", "SIZE")
                )
                if not start or start + length > size:
                    raise OSError(errno.EIO, "a part of it did not reach the disk")


def _describe(dataset: Any, spec: RasterSpec) -> None:
    """Say in the file what its bands are, where other programs look for it."""
    dataset.update_tags(**spec.tags)
    dataset.descriptions = tuple(layer.name for layer in spec.layers)
    dataset.scales = tuple(layer.scale for layer in spec.layers)
    dataset.offsets = tuple(layer.offset for layer in spec.layers)
    for number, layer in enumerate(spec.layers, 1):
        if layer.wavelength is not None:
            # The first pair is what QGIS's spectral tools read, the second GDAL's own.
            dataset.update_tags(number, wavelength=f"{layer.wavelength:g}", wavelength_units="nm")
            micrometres = f"{layer.wavelength / 1000:.4f}"
            dataset.update_tags(number, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=micrometres)
        if layer.classes:
            meanings = "; ".join(f"{value}: {name}" for value, name in layer.classes.items())
            dataset.update_tags(number, CLASSES=meanings)
