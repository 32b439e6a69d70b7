"""Written products: GDAL's own Sentinel-2 driver is the judge of their form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import rasterio

from s2_superres.bands import BANDS, BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.errors import InputError, OutputError
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import coordinates, landscape, write_product
from s2_superres.testing.spec import B10, ProductSpec

GRID = Grid("EPSG:32719", 499980.0, 7400020.0, 120, 180)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("baseline", ["02.07", "03.01", "04.00", "05.09"])
def test_gdal_reads_what_was_written(tmp_path: Path, level: str, baseline: str) -> None:
    """Pixels, CRS and corner come back through GDAL's SENTINEL2 driver, and its metadata tell
    baseline and offset."""
    spec = ProductSpec(level, baseline, GRID)
    safe = write_product(tmp_path, spec, coordinates)
    metadata = safe / f"MTD_MSI{level}.xml"
    for resolution, bands in ((10, BANDS_10M), (20, BANDS_20M), (60, BANDS_60M)):
        name = f"SENTINEL2_{level}:{metadata}:{resolution}m:EPSG_32719"
        with rasterio.open(name) as dataset:
            assert dataset.crs.to_epsg() == 32719
            assert dataset.transform[:6] == GRID.transform(resolution)
            assert dataset.tags()["PROCESSING_BASELINE"] == baseline
            for band in bands:
                index = next(
                    number
                    for number, text in enumerate(dataset.descriptions, 1)
                    if text.startswith(band.name.replace("B0", "B") + ",")
                )
                rows, cols = GRID.rows * 10 // resolution, GRID.cols * 10 // resolution
                np.testing.assert_array_equal(
                    dataset.read(index), coordinates(band, rows, cols) + np.uint16(-spec.offset)
                )


def test_no_data_and_saturation_are_not_shifted(tmp_path: Path) -> None:
    """The 1000 of newer baselines is added to reflectance only."""
    values = np.full((120, 180), 700, np.uint16)
    values[0, 0], values[0, 1] = 0, 65535
    safe = write_product(tmp_path, ProductSpec("L1C", "05.09", GRID), {"B02": values})
    with rasterio.open(next(safe.rglob("*_B02.jp2"))) as dataset:
        assert dataset.read(1)[0, :3].tolist() == [0, 65535, 1700]


@pytest.mark.parametrize("band", [*BANDS, B10])
def test_coordinates_tell_pixels_apart(band: object) -> None:
    """No two pixels of one band are the same within 240 rows and columns."""
    values = coordinates(band, 240, 240)  # type: ignore[arg-type]
    assert np.unique(values).size == values.size and values.min() > 0 and values.max() < 64535


def test_landscape_is_the_same_ground_at_each_resolution() -> None:
    """The edges between fields lie at the same place on the ground in all bands."""
    fine, coarse = landscape(BANDS_10M[0], 720, 720), landscape(BANDS_60M[0], 120, 120)

    def edges(values: np.ndarray) -> np.ndarray:
        steps = np.abs(np.diff(values.astype(float), axis=1))
        return np.flatnonzero(steps.max(0) > 200)

    assert edges(coarse).size == 13
    nearest = np.abs((edges(coarse)[:, None] + 1) * 6 - (edges(fine)[None] + 1)).min(1)
    assert (nearest <= 3).all()


def test_existing_product_is_kept(tmp_path: Path) -> None:
    """Writing twice does not mix two products."""
    write_product(tmp_path, ProductSpec("L1C", "05.09", GRID), {})
    with pytest.raises(OutputError, match="exists"):
        write_product(tmp_path, ProductSpec("L1C", "05.09", GRID), {})


def test_impossible_products_are_refused(tmp_path: Path) -> None:
    """Unknown levels, sizes off the 60 m grid and pixels of another shape are no products."""
    with pytest.raises(InputError, match="L1B"):
        ProductSpec("L1B")
    with pytest.raises(InputError, match="multiples of 6"):
        ProductSpec("L1C", grid=Grid("EPSG:32633", 0.0, 0.0, 100, 120))
    with pytest.raises(InputError, match="B02"):
        write_product(
            tmp_path, ProductSpec("L1C", "05.09", GRID), {"B02": np.zeros((5, 5), np.uint16)}
        )
