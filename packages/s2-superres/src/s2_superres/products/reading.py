"""Windows of pixels: what every reader of a product does, and the one of files that GDAL opens."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Any, Self

from s2_superres.bands import BANDS, Band
from s2_superres.errors import AreaError, ProductError
from s2_superres.products.decoding import BlockSource
from s2_superres.raster.grid import PIXEL, Area

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from s2_superres.products.product import Product

#: Bands that are read at a time; more would take more of a server's connections, for little.
_THREADS = 4


class Reader:
    """Reads windows of a product's bands; a context manager. One class for each kind of pixels.

    A form of product derives from it and reads one band (`_read_band`); what is common, the checks
    and the order of the bands, is here. One thread at a time may read; others wait.

    Parameters
    ----------
    product : Product
    bands : iterable of Band
        The bands that will be read.

    Raises
    ------
    ProductError
        If one of them is missing.
    """

    def __init__(self, product: Product, bands: Iterable[Band] = BANDS) -> None:
        self.product = product
        wanted = set(bands)
        self.bands = tuple(band for band in BANDS if band in wanted)
        product.require(self.bands)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def close(self) -> None:
        """Close what is open."""

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns in 10 m pixels."""
        return self.product.grid.rows, self.product.grid.cols

    def bands_at(self, resolution: int) -> tuple[Band, ...]:
        """Return those of the bands that have a resolution, in ESA's order."""
        return tuple(band for band in self.bands if band.resolution == resolution)

    def read(self, bands: Sequence[Band], area: Area) -> NDArray[Any]:
        """Read a window of bands of one resolution.

        Parameters
        ----------
        bands : sequence of Band
            All of one resolution, in the order of the result.
        area : Area
            In pixels of that resolution; it lies within the product.

        Returns
        -------
        ndarray of uint16
            Digital numbers as stored, ``(bands, rows, cols)``.

        Raises
        ------
        AreaError
            If the window reaches outside the product.
        ProductError
            If a file cannot be decoded.
        """
        import numpy as np

        ratio = bands[0].resolution // PIXEL
        whole = Area(0, 0, self.size[0] // ratio, self.size[1] // ratio)
        if not whole.contains(area):
            raise AreaError(
                f"{area} at {bands[0].resolution} m reaches outside the product's {whole}; ask "
                "for less"
            )
        out = np.empty((len(bands), *area.shape), np.uint16)
        with self._lock:
            self._read_bands(bands, area, out)
        return out

    def _read_bands(self, bands: Sequence[Band], area: Area, out: NDArray[np.uint16]) -> None:
        for band, plane in zip(bands, out, strict=True):
            self._read_band(band, area, plane)

    def _read_band(self, band: Band, area: Area, out: NDArray[np.uint16]) -> None:
        raise NotImplementedError

    def measured(self, area: Area, resolution: int) -> NDArray[np.bool_] | None:
        """Return where pixels were measured and not interpolated; None if all were.

        Parameters
        ----------
        area : Area
            In pixels of the resolution.
        resolution : {10, 20, 60}
        """
        return None

    def require_clouds(self) -> None:
        """Check that the product tells where clouds are.

        Raises
        ------
        ProductError
            If it does not.
        """
        raise ProductError(
            f"{self.product.path}: has no cloud mask; leave --skip-clouds or --with cloud out, "
            "or take the product as .SAFE"
        )

    def cloud_mask(self, area: Area, resolution: int) -> NDArray[np.bool_]:
        """Return where the product itself says cloud, cloud shadow or cirrus.

        Parameters
        ----------
        area : Area
            In pixels of the resolution.
        resolution : {20, 60}
            A pixel is cloudy where any part of it is.

        Raises
        ------
        ProductError
            If it says nothing of clouds, or that cannot be read.
        """
        self.require_clouds()
        raise NotImplementedError

    @property
    def classification(self) -> str:
        """What holds the scene classification, in the reader's terms; empty if nothing does."""
        return ""

    def require_classification(self) -> None:
        """Check that there is a scene classification, or raise a `ProductError`."""
        if not self.classification:
            cure = (
                "level 1C never does, take its L2A product, or --with cloud"
                if self.product.level == "L1C"
                else "leave --with scl out, or download the complete product"
            )
            raise ProductError(f"{self.product.path}: has no scene classification; {cure}")

    def scene_classification(self, area: Area) -> NDArray[np.uint8]:
        """Return Sen2Cor's classes of an area in 10 m pixels, by nearest.

        Raises
        ------
        ProductError
            If there are none, or they cannot be read.
        """
        self.require_classification()
        raise NotImplementedError


class RasterReader(Reader):
    """Reads files that GDAL opens, one for each band, several of them at a time.

    Memory is bounded by the blocks that one row of windows touches, about two
    rows of 1024 pixels over the width that is read.

    Raises
    ------
    ProductError
        If a band is missing, unreadable, or not of the size that the metadata
        tell.
    """

    def __init__(self, product: Product, bands: Iterable[Band] = BANDS) -> None:
        super().__init__(product, bands)
        self._sources: dict[Band, BlockSource] = {}
        self._threads = ThreadPoolExecutor(_THREADS, "bands")
        try:
            for band in self.bands:
                self._sources[band] = _open_band(product, band)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the files and forget the blocks."""
        self._threads.shutdown(cancel_futures=True)
        for source in self._sources.values():
            source.close()

    def _read_bands(self, bands: Sequence[Band], area: Area, out: NDArray[np.uint16]) -> None:
        # A file each: one that waits for its disk or server keeps no other waiting.
        started = [
            self._threads.submit(self._sources[band].read, area, plane)
            for band, plane in zip(bands, out, strict=True)
        ]
        try:
            for each in started:
                each.result()
        finally:
            # After a fault or Ctrl-C, too, no thread is left at work on what is closed next.
            for each in started:
                each.cancel()
            wait(started)

    def require_clouds(self) -> None:
        """See `Reader`."""
        if not self.product.clouds:
            super().require_clouds()

    def cloud_mask(self, area: Area, resolution: int) -> NDArray[np.bool_]:
        """See `Reader`."""
        from s2_superres.products.clouds import classified_clouds

        self.require_clouds()
        mask = classified_clouds(self.product, resolution)
        return mask[area.row : area.row_stop, area.col : area.col_stop]

    @property
    def classification(self) -> str:
        """See `Reader`."""
        return self.product.clouds

    def scene_classification(self, area: Area) -> NDArray[np.uint8]:
        """See `Reader`."""
        from s2_superres.products.clouds import read_classes

        self.require_classification()
        return read_classes(self.classification, self.size, area, self.product.signer)


def _open_band(product: Product, band: Band) -> BlockSource:
    """Open a band's file, and check that it is of the size and place that the metadata tell of."""
    source = BlockSource(product.files[band.name], signer=product.signer)
    try:
        _check(source, product, band)
    except BaseException:
        source.close()
        raise
    return source


def _check(source: BlockSource, product: Product, band: Band) -> None:
    ratio = band.resolution // PIXEL
    expected = product.grid.rows // ratio, product.grid.cols // ratio
    found = source.dataset.count, source.dataset.dtypes[0], *source.dataset.shape
    if found != (1, "uint16", *expected):
        raise ProductError(
            f"{source.path}: {found[0]} band(s) of {found[1]}, {found[2]} x {found[3]} pixels, "
            f"but the metadata tell of one of uint16, {expected[0]} x {expected[1]}; "
            "download the product again"
        )
    # Where a file says its place: that of a neighbouring tile is as large.
    transform, crs = source.dataset.transform, source.dataset.crs
    place = transform.c - product.grid.left, transform.f - product.grid.top
    epsg = crs.to_epsg() if crs else None
    if (not transform.is_identity and max(map(abs, place)) > band.resolution / 2) or (
        epsg is not None and f"EPSG:{epsg}" != product.grid.crs
    ):
        raise ProductError(
            f"{source.path}: lies at {transform.c:.10g} {transform.f:.10g} in {crs}, but the "
            f"metadata tell of {product.grid.left:.10g} {product.grid.top:.10g} in "
            f"{product.grid.crs}; it is another tile's, download the product again"
        )
