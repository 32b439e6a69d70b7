"""Where a product lies, by its rasters alone."""

from __future__ import annotations

from collections.abc import Mapping

from s2_superres.bands import BANDS
from s2_superres.errors import ProductError
from s2_superres.products.decoding import BlockSource
from s2_superres.products.signing import UNSIGNED, Signer
from s2_superres.raster.grid import PIXEL, Grid


def raster_grid(files: Mapping[str, str], label: str, signer: Signer = UNSIGNED) -> Grid:
    """Return the grid of a band at 10 m, where no metadata tell it.

    Raises
    ------
    ProductError
        If there is no such band, or it does not tell either.
    """
    finest = [band for band in BANDS if band.resolution == PIXEL and band.name in files]
    if not finest:
        raise ProductError(
            f"{label}: nothing tells its grid, neither metadata nor a band at 10 m; download the "
            "complete product"
        )
    path = files[finest[0].name]
    with BlockSource(path, signer=signer) as source:
        dataset = source.dataset
        if dataset.crs is None:
            raise ProductError(
                f"{path}: has no CRS, and there are no metadata to tell it; download the "
                "complete product"
            )
        return Grid(
            dataset.crs.to_string(),
            dataset.transform.c,
            dataset.transform.f,
            dataset.height,
            dataset.width,
        )
