"""The sample that ships: a true product with real pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from s2_superres.bands import BANDS
from s2_superres.errors import OutputError
from s2_superres.products.openers import open_product, open_reader
from s2_superres.products.sample import copy_sample, sample_path
from s2_superres.raster.grid import Area


def test_sample_is_a_whole_product() -> None:
    """It opens, has every band, and says that it is a crop and whose data it holds."""
    product = open_product(sample_path())
    assert (product.level, product.tile, product.bands) == ("L1C", "T18SVG", BANDS)
    assert product.grid.area.shape == (540, 540) and set(product.offsets.values()) == {0.0}
    note = (sample_path() / "README.txt").read_text()
    assert "crop" in note and "modified Copernicus Sentinel data" in note and "CC0" in note


def test_sample_is_small_enough_to_ship() -> None:
    assert sum(f.stat().st_size for f in sample_path().rglob("*") if f.is_file()) < 2_000_000


def test_sample_grids_agree() -> None:
    """Neighbouring bands of the three resolutions show the same ground: averaged to the coarser
    grid they correlate best where they lie, not one 10 m pixel beside."""
    with open_reader(open_product(sample_path())) as reader:
        b10, b20 = (
            reader.read(reader.bands_at(10), Area(0, 0, 540, 540)),
            reader.read(reader.bands_at(20), Area(0, 0, 270, 270)),
        )
        b60 = reader.read(reader.bands_at(60), Area(0, 0, 90, 90))
    assert min(b10.min(), b20.min(), b60.min()) > 0

    def agreement(fine: np.ndarray, coarse: np.ndarray, down: int, across: int) -> float:
        ratio = fine.shape[0] // coarse.shape[0]
        moved = np.roll(fine.astype(float), (down, across), (0, 1))
        mean = moved.reshape(coarse.shape[0], ratio, coarse.shape[1], ratio).mean((1, 3))
        return float(np.corrcoef(mean[3:-3, 3:-3].ravel(), coarse[3:-3, 3:-3].ravel())[0, 1])

    for fine, coarse in ((b10[3], b20[3]), (b10[0], b60[0])):
        here = agreement(fine, coarse, 0, 0)
        assert here > 0.97
        for down, across in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            assert agreement(fine, coarse, down, across) < here


def test_sample_is_copied_once(tmp_path: Path) -> None:
    """The copy opens; a second one asks first; nothing else is left in the folder."""
    safe = copy_sample(tmp_path / "new" / "folder")
    assert open_product(safe).bands == BANDS
    marker = safe / "mine.txt"
    marker.write_text("x")
    with pytest.raises(OutputError, match="--overwrite"):
        copy_sample(tmp_path / "new" / "folder")
    assert marker.exists()
    copy_sample(tmp_path / "new" / "folder", overwrite=True)
    assert not marker.exists() and list((tmp_path / "new" / "folder").iterdir()) == [safe]


def test_sample_into_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="choose another folder"):
        copy_sample(tmp_path / "file")
