"""Opening products: what the metadata say is what a Product says."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s2_superres.bands import BANDS, central_wavelengths
from s2_superres.products.openers import open_granules, open_product
from s2_superres.products.product import Product
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import coordinates, write_product, zip_product
from s2_superres.testing.spec import ProductSpec

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)


def pixels(product: Product, band: str) -> np.ndarray:
    with rasterio.open(product.files[band]) as dataset:
        return dataset.read(1)


@pytest.mark.parametrize("uri", ["../../evil.SAFE", "..\\evil.SAFE", "/tmp/.evil.SAFE"])
def test_a_name_leads_to_no_other_folder(l1c: Path, tmp_path: Path, uri: str) -> None:
    """Outputs are named by the product; its metadata may come from anywhere."""
    safe = Path(shutil.copytree(l1c, tmp_path / l1c.name))
    file = safe / "MTD_MSIL1C.xml"
    text = re.sub(r"(<PRODUCT_URI>)[^<]*", lambda found: found[1] + uri, file.read_text())
    file.write_text(text)
    assert open_product(safe).name == "evil"


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize(("baseline", "offset"), [("02.04", 0), ("03.01", 0), ("05.11", -1000)])
def test_product_says_what_was_written(
    tmp_path: Path, level: str, baseline: str, offset: int
) -> None:
    """Level, baseline, offsets, grid, time and bands of a product are those it was made of."""
    spec = ProductSpec(
        level, baseline, Grid("EPSG:32756", 399960.0, 6700000.0, 60, 120), "T56JMM",
        datetime(2018, 6, 29, 0, 2, 41, tzinfo=UTC), "B", 30,
    )  # fmt: skip
    product = open_product(write_product(tmp_path, spec, coordinates))
    assert (product.level, product.baseline, product.tile) == (level, baseline, "T56JMM")
    assert product.name == spec.name
    assert product.grid == spec.grid
    assert product.acquired.replace(microsecond=0) == spec.sensed
    assert (product.spacecraft, product.orbit) == ("Sentinel-2B", 30)
    assert (product.quantification, product.nodata, product.saturated) == (10000, 0, 65535)
    assert product.offsets == {band.name: offset for band in BANDS}
    assert product.bands == BANDS and not product.missing
    for band in BANDS:
        ratio = band.resolution // 10
        expected = coordinates(band, 60 // ratio, 120 // ratio) + np.uint16(-offset)
        np.testing.assert_array_equal(pixels(product, band.name), expected)


def test_every_way_in_opens_the_same_product(l1c: Path, tmp_path: Path) -> None:
    """Folder, metadata file, granule, its metadata, the parent folder and the zip agree."""
    granule = next((l1c / "GRANULE").iterdir())
    expected = open_product(l1c)
    ways = [l1c / "MTD_MSIL1C.xml", granule, granule / "MTD_TL.xml", l1c.parent]
    for way in ways:
        found = open_product(way)
        assert {**found.to_dict(), "path": ""} == {**expected.to_dict(), "path": ""}, way
    for name, compress in (("a.zip", False), ("it's {odd} name.SAFE.zip", True), ("bare", False)):
        packed = open_product(zip_product(l1c, tmp_path / name, compress=compress))
        assert packed.name == expected.name and packed.grid == expected.grid
        np.testing.assert_array_equal(pixels(packed, "B8A"), pixels(expected, "B8A"))


def test_native_resolution_is_taken_among_copies(l2a: Path) -> None:
    """An L2A product holds B02 and B05 more than once; theirs are the 10 m and 20 m files."""
    product = open_product(l2a)
    assert "R10m" in product.files["B02"] and "R20m" in product.files["B05"]
    assert len(list(l2a.rglob("*_B02_*.jp2"))) == 3


def test_thin_metadata_fall_back_to_folders(l1c: Path, l2a: Path, tmp_path: Path) -> None:
    """Without a list of images and without tile metadata, names and rasters tell the same."""
    for source in (l1c, l2a):
        safe = Path(shutil.copytree(source, tmp_path / source.name))
        metadata = next(safe.glob("MTD_MSI*.xml"))
        metadata.write_text(re.sub(r"<IMAGE_FILE>.*?</IMAGE_FILE>", "", metadata.read_text()))
        next(safe.glob("GRANULE/*/MTD_TL.xml")).unlink()
        thin, whole = open_product(safe), open_product(source)
        assert thin.grid == whole.grid and thin.tile == whole.tile
        assert {name: Path(file).name for name, file in thin.files.items()} == {
            name: Path(file).name for name, file in whole.files.items()
        }


def test_offset_follows_the_baseline_where_metadata_are_thin(l1c: Path, tmp_path: Path) -> None:
    """A product of baseline 05.09 without its offset list is not read 1000 too bright."""
    safe = Path(shutil.copytree(l1c, tmp_path / l1c.name))
    metadata = safe / "MTD_MSIL1C.xml"
    text = re.sub(r"<Radiometric_Offset_List>.*?</Radiometric_Offset_List>", "",
                  metadata.read_text(), flags=re.DOTALL)  # fmt: skip
    metadata.write_text(text)
    assert set(open_product(safe).offsets.values()) == {-1000.0}


def test_offsets_are_taken_band_by_band(l1c: Path, tmp_path: Path) -> None:
    """The offset with the band id of B8A is B8A's, whatever the others are."""
    safe = Path(shutil.copytree(l1c, tmp_path / l1c.name))
    metadata = safe / "MTD_MSIL1C.xml"
    metadata.write_text(metadata.read_text().replace('band_id="8">-1000', 'band_id="8">-900'))
    offsets = open_product(safe).offsets
    assert offsets.pop("B8A") == -900 and set(offsets.values()) == {-1000}


def test_granule_is_chosen_by_tile(several_granules: Path) -> None:
    """Of several granules, the one whose tile is named is opened, with its own bands."""
    safe = several_granules
    for tile in ("T33UUB", "33UVB", "t33uvb"):
        product = open_product(safe, tile)
        assert product.tile == f"T{tile.upper().removeprefix('T')}"
        assert product.name == f"{safe.stem}_{product.tile}"
        assert all(product.tile in file for file in product.files.values())
    inside = next(path for path in (safe / "GRANULE").iterdir() if "T33UVB" in path.name)
    assert open_product(inside).tile == "T33UVB"
    assert [product.tile for product in open_granules(inside)] == ["T33UVB"]
    assert [product.tile for product in open_granules(safe)] == ["T33UUB", "T33UVB"]


def test_names_of_2015_are_understood(tmp_path: Path) -> None:
    """Metadata and images with the long names of the first format are found."""
    safe = write_product(tmp_path, ProductSpec("L1C", "02.01", GRID), coordinates)
    granule = next((safe / "GRANULE").iterdir())
    identifier = "S2A_OPER_MSI_L1C_TL_EPA__20160605T113933_A000734_T33UUB_N02.01"
    stem = identifier.removesuffix("_N02.01")
    for image in (granule / "IMG_DATA").iterdir():
        image.rename(image.with_name(f"{stem}_{image.stem.split('_')[-1]}.jp2"))
    tile = f"{stem.replace('_MSI_', '_MTD_')}.xml"
    (granule / "MTD_TL.xml").rename(granule / tile)
    granule.rename(granule.with_name(identifier))
    text = (safe / "MTD_MSIL1C.xml").read_text()
    text = re.sub(r'granuleIdentifier="[^"]*"', f'granuleIdentifier="{identifier}"', text)
    text = re.sub(r"<IMAGE_FILE>.*?_(B\w\w)</IMAGE_FILE>",
                  rf"<IMAGE_ID>{stem}_\1</IMAGE_ID>", text)  # fmt: skip
    text = text.replace("<Granule ", "<Granules ").replace("</Granule>", "</Granules>")
    old = safe / "S2A_OPER_MTD_SAFL1C_PDMC_20160605T232110_R065_V20150806T102902.xml"
    old.write_text(text)
    (safe / "MTD_MSIL1C.xml").unlink()
    for way in (safe, old, safe / "GRANULE" / identifier / tile):
        product = open_product(way)
        assert product.tile == "T33UUB" and product.grid == GRID and product.bands == BANDS


def test_product_survives_pickling_and_json(l2a: Path) -> None:
    """Workers get the product by pickle, scripts by JSON."""
    product = open_product(l2a)
    assert pickle.loads(pickle.dumps(product)) == product
    values = json.loads(json.dumps(product.to_dict()))
    assert values["acquired"] == "2023-06-15T10:20:21.024000Z"
    assert values["grid"]["crs"] == "EPSG:32633" and values["bounds"][0] == 300000


def test_real_metadata_are_understood(real_metadata: list[Path]) -> None:
    """Every real product's level, baseline, tile and offsets agree with its name and age."""
    for safe in real_metadata:
        product = open_product(safe)
        assert product.level in safe.name and f"_{product.tile}_" in safe.name
        if "_N0" in safe.name:
            assert f"_N{product.baseline.replace('.', '')}_" in safe.name
        assert set(product.offsets.values()) == {-1000.0 if product.baseline >= "04" else 0.0}
        assert f"_R{product.orbit:03d}_" in safe.name
        assert product.spacecraft[-2:] == safe.name.removeprefix("esa_")[1:3]
        assert (product.grid.rows, product.grid.cols) == (10980, 10980)
        zone, south = int(product.tile[1:3]), product.tile[3] < "N"
        assert product.grid.crs == f"EPSG:{32700 if south else 32600}"[:-2] + f"{zone:02d}"
        assert len(product.missing) == 12 and "missing" in product.missing["B05"]


def test_wavelengths_are_those_of_the_satellite(l1c: Path, tmp_path: Path) -> None:
    """The metadata's own are taken; where they are thin, those of the satellite that they name."""
    safe = Path(shutil.copytree(l1c, tmp_path / l1c.name))
    metadata = safe / "MTD_MSIL1C.xml"
    text = metadata.read_text().replace("Sentinel-2A", "Sentinel-2B")
    metadata.write_text(text.replace(">864.7<", ">864.0123<"))
    found = open_product(safe).wavelengths
    assert found["B8A"] == 864.0123 and found["B12"] == 2202.4
    metadata.write_text(re.sub(r"<Wavelength>.*?</Wavelength>", "", text, flags=re.DOTALL))
    found = open_product(safe).wavelengths
    assert found["B8A"] == 864.0 and found["B12"] == 2185.7
    assert open_product(l1c).wavelengths == {band.name: band.wavelength for band in BANDS}


def test_real_wavelengths_are_those_of_our_tables(real_metadata: list[Path]) -> None:
    """What real products say of a satellite is what is taken where they say nothing."""
    for safe in real_metadata:
        product = open_product(safe)
        known = central_wavelengths(product.spacecraft)
        assert product.wavelengths == pytest.approx(known, abs=5)
        if product.spacecraft == "Sentinel-2B":
            assert product.wavelengths == known


@pytest.mark.parametrize("listed", [True, False])
def test_tree_whose_bands_are_geotiffs(l2a: Path, tmp_path: Path, listed: bool) -> None:
    """Catalogues keep the same trees with .tif in the place of .jp2: the same pixels."""
    safe = Path(shutil.copytree(l2a, tmp_path / l2a.name))
    for image in safe.rglob("*.jp2"):
        with rasterio.open(image) as source:
            profile = {**source.profile, "driver": "COG", "blocksize": 128}
            for key in ("blockxsize", "blockysize", "tiled", "interleave"):
                profile.pop(key, None)
            with rasterio.open(image.with_suffix(".tif"), "w", **profile) as copy:
                copy.write(source.read())
        image.unlink()
    if not listed:
        metadata = safe / "MTD_MSIL2A.xml"
        metadata.write_text(re.sub(r"<IMAGE_FILE>.*?</IMAGE_FILE>", "", metadata.read_text()))
    found, original = open_product(safe), open_product(l2a)
    assert found.bands == BANDS and found.files["B05"].endswith("_B05_20m.tif")
    for band in BANDS:
        np.testing.assert_array_equal(pixels(found, band.name), pixels(original, band.name))


def test_geotiff_that_is_none(l2a: Path, tmp_path: Path) -> None:
    safe = Path(shutil.copytree(l2a, tmp_path / l2a.name))
    image = next(safe.rglob("*_B05_20m.jp2"))
    image.rename(image.with_suffix(".tif")).write_text("<html>")
    assert "not a TIFF file" in open_product(safe).missing["B05"]
