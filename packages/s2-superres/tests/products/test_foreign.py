"""Data of others: named for what they are, with what to fetch in their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from s2_superres.errors import ProductError
from s2_superres.products.openers import open_product


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (["tileInfo.json", "metadata.xml", "B02.jp2"], "Sinergise.*STAC item"),
        (["R10m/B02.jp2", "R20m/B05.jp2"], "Sinergise.*STAC item"),
        (["SENTINEL2A_20200101-105852-462_L2A_T31TCJ_C_V2-2_FRE_B2.tif"], r"Theia.*\.SAFE"),
        (["LC08_L1TP_193024_20180824_20200831_02_T1_B4.TIF"], r"Landsat.*only Sentinel-2"),
        (["HLS.S30.T31TCJ.2020001T105852.v2.0.B02.tif"], "HLS"),
    ],
)
def test_folder_of_another_layout(tmp_path: Path, files: list[str], said: str) -> None:
    for file in files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("x")
    with pytest.raises(ProductError, match=f"{said}") as caught:
        open_product(tmp_path)
    assert "not supported" in str(caught.value)


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("T33UUB_20230615T102021_B05_20m.jp2", "one band.*the product's .SAFE folder"),
        ("B8A.tif", "one band"),
        ("T33UUB_20230615T102021_TCI_10m.jp2", "picture in true colour.*no reflectances"),
        ("TCI.tif", "picture in true colour"),
        ("LC09_L2SP_193024_20220824_20230831_02_T1_SR_B4.TIF", "Landsat"),
        ("S2A_MSIL1B_20230615.xml", "level 1B.*fetch L1C or L2A"),
    ],
)
def test_file_of_another_kind(tmp_path: Path, file: str, said: str) -> None:
    (tmp_path / file).write_text("x")
    with pytest.raises(ProductError, match=said):
        open_product(tmp_path / file)
