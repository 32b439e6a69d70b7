"""The right granule, or an error: no pixel is taken for another tile's or another day's."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s2_superres.bands import BANDS
from s2_superres.errors import ProductError
from s2_superres.products.openers import open_granules, open_product, open_reader
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import coordinates, write_product
from s2_superres.testing.spec import ProductSpec

EAST = Grid("EPSG:32633", 399960.0, 6200040.0, 240, 300)


@pytest.fixture
def safe(l1c: Path, tmp_path: Path) -> Path:
    """A product to change."""
    return Path(shutil.copytree(l1c, tmp_path / l1c.name))


def granule(safe: Path) -> Path:
    return next((safe / "GRANULE").iterdir())


def test_granule_that_is_listed_but_not_there(several_granules: Path, tmp_path: Path) -> None:
    """The one on disk is opened without a choice; asked for, the other is an error, not the one
    that happens to be there; and all granules are those that are there."""
    safe = Path(shutil.copytree(several_granules, tmp_path / several_granules.name))
    shutil.rmtree(next(p for p in (safe / "GRANULE").iterdir() if "T33UVB" in p.name))
    product = open_product(safe)
    assert product.tile == "T33UUB" and all("T33UUB" in file for file in product.files.values())
    with pytest.raises(ProductError, match="list the granule T33UVB, but its folder is not there"):
        open_product(safe, "T33UVB")
    assert [found.tile for found in open_granules(safe)] == ["T33UUB"]


def test_folder_of_another_tile_than_the_metadata_list(safe: Path) -> None:
    """The only folder is not taken for the granule that is listed when its tile is another."""
    metadata = safe / "MTD_MSIL1C.xml"
    metadata.write_text(metadata.read_text().replace("T33UUB", "T33UVB"))
    with pytest.raises(ProductError, match="no granule of T33UVB, as its metadata list"):
        open_product(safe)


def test_folder_and_its_metadata_of_two_tiles(safe: Path) -> None:
    """A granule's folder with the MTD_TL.xml of another tile is refused."""
    tile = granule(safe) / "MTD_TL.xml"
    tile.write_text(re.sub(r"_T33UUB_", "_T33UVB_", tile.read_text()))
    with pytest.raises(ProductError, match=r"several tiles \(its folder T33UUB.*MTD_TL.xml T33UVB"):
        open_product(safe)


def test_image_named_after_another_tile(safe: Path) -> None:
    """A band file that was copied from a neighbour is refused by its name."""
    image = next(safe.rglob("*_B03.jp2"))
    image.rename(image.with_name(image.name.replace("T33UUB", "T33UVB")))
    with pytest.raises(ProductError, match="an image of T33UVB in the granule of T33UUB"):
        open_product(safe)


def test_image_named_after_another_day(safe: Path) -> None:
    """One of another day among the others, where no metadata list them."""
    metadata = safe / "MTD_MSIL1C.xml"
    metadata.write_text(re.sub(r"<IMAGE_FILE>.*?</IMAGE_FILE>", "", metadata.read_text()))
    image = next(safe.rglob("*_B03.jp2"))
    image.rename(image.with_name(image.name.replace("20230615", "20230620")))
    with pytest.raises(ProductError, match="mixes images of several acquisitions"):
        open_product(safe)


def test_all_images_of_another_day_than_the_metadata_list(safe: Path) -> None:
    """Images that agree with each other, but not with the metadata beside them."""
    for image in list(safe.rglob("*_B*.jp2")):
        image.rename(image.with_name(image.name.replace("20230615", "20230620")))
    with pytest.raises(ProductError, match="metadata list an image of 20230615T102021"):
        open_product(safe)


def test_metadata_of_another_tiles_product(safe: Path) -> None:
    """The product's name in thin metadata is of another tile than its only granule."""
    metadata = safe / "MTD_MSIL1C.xml"
    text = re.sub(r"<Granule_List>.*</Granule_List>", "", metadata.read_text(), flags=re.DOTALL)
    metadata.write_text(text.replace("R065_T33UUB", "R065_T33UVB"))
    with pytest.raises(ProductError, match=r"its folder T33UUB.*the product's name T33UVB"):
        open_product(safe)


def test_image_with_the_pixels_of_a_neighbour(safe: Path, tmp_path: Path) -> None:
    """Under the right name and of the right size, its own georeference gives it away."""
    (tmp_path / "other").mkdir()
    other = write_product(tmp_path / "other", ProductSpec("L1C", "05.09", EAST), coordinates)
    shutil.copy(next(other.rglob("*_B11.jp2")), next(safe.rglob("*_B11.jp2")))
    with pytest.raises(ProductError, match=r"_B11\.jp2: lies at 399960 .*another tile's"):
        open_reader(open_product(safe))


def test_two_files_for_a_band(safe: Path) -> None:
    """Without a list in the metadata, neither of two files for one band is taken."""
    metadata = safe / "MTD_MSIL1C.xml"
    metadata.write_text(re.sub(r"<IMAGE_FILE>.*?</IMAGE_FILE>", "", metadata.read_text()))
    image = next(safe.rglob("*_B03.jp2"))
    shutil.copy(image, image.with_name(f"copy_{image.name}"))
    with pytest.raises(ProductError, match="several files for B03"):
        open_product(safe).require(BANDS)


def test_two_metadata_files_of_a_tile(safe: Path) -> None:
    tile = granule(safe) / "MTD_TL.xml"
    shutil.copy(tile, tile.with_name("S2A_OPER_MTD_L1C_TL_EPA__20160605T113933_T33UVB.xml"))
    with pytest.raises(ProductError, match="holds 2 metadata files of a tile"):
        open_product(safe)


def test_folder_that_was_renamed_is_still_found(safe: Path) -> None:
    """A folder that no metadata name is the granule's if tile and orbit agree, and only then."""
    folder = granule(safe)
    renamed = folder.rename(folder.with_name("L1C_T33UUB_A012345_20230615T000000"))
    assert set(open_product(safe).bands) == set(BANDS)
    renamed.rename(folder.with_name("L1C_T33UUB_A099999_20230615T000000"))
    with pytest.raises(ProductError, match="no granule of T33UUB"):
        open_product(safe)


def two_datastrips(safe: Path) -> tuple[str, str]:
    """Add a second granule of the same tile, of the next datastrip; the names of both."""
    first = granule(safe)
    second = first.name.replace("T102021", "T102035")
    shutil.copytree(first, first.with_name(second))
    metadata = safe / "MTD_MSIL1C.xml"
    listed = re.search(r"<Granule .*</Granule>", metadata.read_text(), re.DOTALL)
    assert listed
    other = listed[0].replace(first.name, second)
    metadata.write_text(metadata.read_text().replace("</Granule_List>", f"{other}</Granule_List>"))
    return first.name, second


def test_two_datastrips_of_one_tile_are_told_apart(safe: Path) -> None:
    """The choice is between two different names, each of which opens its own granule under a name
    of its own."""
    first, second = two_datastrips(safe)
    with pytest.raises(ProductError, match=rf"\({first}, {second}\); choose one with --granule"):
        open_product(safe)
    with pytest.raises(ProductError, match="choose one"):
        open_product(safe, "T33UUB")
    found = [open_product(safe, name) for name in (first, second)]
    assert [product.name for product in found] == [f"{safe.stem}_{n}" for n in (first, second)]
    assert second in found[1].files["B02"] and second not in found[0].files["B02"]


@pytest.mark.parametrize("what", ["granule", "IMG_DATA", "band", "product"])
def test_links_are_followed(l1c: Path, tmp_path: Path, what: str) -> None:
    """Archives that share files by links are read, and a link back to its parent ends nothing."""
    safe = Path(shutil.copytree(l1c, tmp_path / l1c.name))
    part = {
        "granule": granule(safe),
        "IMG_DATA": granule(safe) / "IMG_DATA",
        "band": next(safe.rglob("*_B05.jp2")),
        "product": safe,
    }[what]
    away = tmp_path / "elsewhere" / part.name
    away.parent.mkdir()
    part.rename(away)
    part.symlink_to(away, target_is_directory=what != "band")
    (safe / "loop").symlink_to(safe, target_is_directory=True)
    product = open_product(safe)
    assert product.bands == BANDS
    with rasterio.open(product.files["B05"]) as image, rasterio.open(
        open_product(l1c).files["B05"]
    ) as whole:  # fmt: skip
        np.testing.assert_array_equal(image.read(), whole.read())


def test_files_that_macos_adds_are_no_part_of_a_product(tmp_path: Path) -> None:
    """``._`` files and ``.DS_Store`` beside every file change nothing, with the names of 2016,
    which the folders tell, too."""
    safe = write_product(tmp_path, ProductSpec("L1C", "02.01", EAST), coordinates)
    metadata = safe / "MTD_MSIL1C.xml"
    metadata.write_text(re.sub(r"<IMAGE_FILE>.*?</IMAGE_FILE>", "", metadata.read_text()))
    tile = granule(safe) / "MTD_TL.xml"
    tile.rename(tile.with_name("S2A_OPER_MTD_L1C_TL_EPA__20160605T113933_A012345_T33UUB.xml"))
    metadata.rename(safe / "S2A_OPER_MTD_SAFL1C_PDMC_20160605T232110_R065_V20150806T102902.xml")
    for file in [path for path in safe.rglob("*") if path.is_file()]:
        (file.parent / f"._{file.name}").write_bytes(b"\0\5\26\7")
        (file.parent / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    (safe / "GRANULE" / ".DS_Store").write_bytes(b"\0")
    with open_reader(open_product(safe)) as reader:
        assert (reader.read(reader.bands_at(20), Area(0, 0, 120, 150)) > 0).all()
