"""A crop of training data is a product like any other, but that it lies nowhere on earth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from typer.testing import CliRunner

from s2_superres import superresolve
from s2_superres.bands import BANDS_60M, BY_RESOLUTION
from s2_superres.cli.app import app
from s2_superres.errors import AreaError, ProductError
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.products.openers import open_product, open_reader
from s2_superres.products.summary import summarize
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import landscape
from s2_superres.writers.formats import choose_format


def arrays(rows: int = 120, cols: int = 132) -> dict[str, NDArray[np.uint16]]:
    return {
        f"b{r}": np.stack([landscape(b, rows * 10 // r, cols * 10 // r) for b in bands])
        for r, bands in BY_RESOLUTION.items()
    }


def write(path: Path, **changes: NDArray[Any] | None) -> Path:
    values = {name: array for name, array in {**arrays(), **changes}.items() if array is not None}
    np.savez(path, **values)  # type: ignore[arg-type]
    return path


@pytest.fixture
def crop(tmp_path: Path) -> Path:
    return write(tmp_path / "L1C_made_up.npz")


def test_what_a_crop_is_stands_in_its_name_and_index(crop: Path) -> None:
    """The index beside it counts more than its name, and what was asked for most."""
    product = open_product(crop)
    assert (product.level, product.tile, product.name) == ("L1C", "made_up", "L1C_made_up")
    assert (product.grid.rows, product.grid.cols) == (120, 132)
    crop.with_name("index.csv").write_text(
        "file,level,place,licence\nL1C_made_up.npz,L2A,Malm\u00f6,CC0\n", encoding="utf-8"
    )
    product = open_product(crop)
    assert (product.level, product.tile) == ("L2A", "Malm\u00f6")
    assert open_product(crop, level="L1C").level == "L1C"
    told = summarize(product)
    assert "licence" in told and "CC0" in told and "lies nowhere" in told


def test_a_crop_is_sharpened_as_its_arrays_are(crop: Path, tmp_path: Path) -> None:
    """Without a place on earth, but on pixels of 10 m."""
    done = CliRunner().invoke(
        app, ["predict", str(crop), str(tmp_path / "out.tif"), "--network", "none", "-q"]
    )
    assert done.exit_code == 0, done.output
    by_hand = superresolve(*arrays().values(), level="L1C", network="none")
    assert by_hand.b60 is not None
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.crs is None and file.res == (10, 10)
        found = dict(zip(file.descriptions, file.read(), strict=True))
    for bands, values in ((BY_RESOLUTION[20], by_hand.b20), (BANDS_60M, by_hand.b60)):
        for band, plane in zip(bands, values, strict=True):
            # Whole numbers that are neither below 0 nor that of no data.
            assert np.abs(found[band.name] - plane.clip(1)).max() <= 0.51


def test_a_crop_is_written_as_zarr(crop: Path, tmp_path: Path) -> None:
    """Without a CRS; a second run takes what is there for its own."""
    zarr = pytest.importorskip("zarr")
    options = Options(network="none", bands="B05")
    predict(crop, tmp_path / "out.zarr", options)
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert "proj:code" not in group.attrs and "crs_wkt" not in group["spatial_ref"].attrs
    found = choose_format(None, tmp_path / "out.zarr").recall(tmp_path / "out.zarr")
    assert found is not None and found.grid == Grid("", 0.0, 0.0, 120, 132)


def test_a_crop_without_60_m_bands_needs_no_whole_60_m_pixels(tmp_path: Path) -> None:
    small = arrays(rows=110, cols=94)
    path = write(tmp_path / "L2A_a.npz", b10=small["b10"], b20=small["b20"], b60=None)
    options = Options(bands="B05,B12", network="none")
    assert predict(path, tmp_path / "out.tif", options).valid_share == 1
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.shape == (110, 94)
    with pytest.raises(ProductError, match=r"L2A_a\.npz: has no 60 m bands.*serves --bands B05"):
        predict(path, tmp_path / "other.tif", Options(network="none"))


def test_pixels_that_no_16_bits_hold_are_no_data_or_saturated(tmp_path: Path) -> None:
    b20 = arrays()["b20"].astype(np.int32)
    b20[0, 0, 0], b20[0, 0, 1] = -5, 70000
    path = write(tmp_path / "L2A_a.npz", b20=b20)
    with open_reader(open_product(path), BY_RESOLUTION[20]) as reader:
        dn = reader.read(BY_RESOLUTION[20], Area(0, 0, 60, 66))
    assert dn.dtype == np.uint16 and dn[0, 0, :2].tolist() == [0, 65535]
    np.testing.assert_array_equal(dn.ravel()[2:], b20.ravel()[2:])


def test_where_pixels_were_measured_is_told_of_any_window(tmp_path: Path) -> None:
    ok20 = np.random.default_rng(0).random((60, 66)) > 0.3
    with open_reader(open_product(write(tmp_path / "L2A_a.npz", ok20=ok20))) as reader:
        found = reader.measured(Area(5, 7, 20, 30), 20)
        assert reader.measured(Area(0, 0, 12, 12), 10) is None
    assert found is not None
    np.testing.assert_array_equal(found, ok20[5:25, 7:37])


def test_a_crop_has_no_coordinates_to_choose_an_area_by(crop: Path, tmp_path: Path) -> None:
    with pytest.raises(AreaError, match="--bbox: a crop has no coordinates"):
        predict(crop, tmp_path / "out.tif", Options(bbox=(0, 0, 1, 1), network="none"))


def test_a_crop_of_an_unknown_level_is_not_sharpened(tmp_path: Path) -> None:
    path = write(tmp_path / "somewhere.npz")
    assert open_product(path).level == "unknown"
    with pytest.raises(ProductError, match=r"somewhere\.npz: its level is not known; name it L1C"):
        predict(path, tmp_path / "out.tif", Options(network="none"))


def test_an_npz_of_something_else_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "weights.npz", kernel=np.zeros(3))
    with pytest.raises(ProductError, match=r"weights\.npz: holds no b10 and b20"):
        open_product(tmp_path / "weights.npz")
