"""Windows of a product: the right pixels, each block decoded once, memory bounded."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.bands import BANDS, BANDS_10M, BANDS_20M, BY_NAME, BY_RESOLUTION
from s2_superres.errors import AreaError, ProductError
from s2_superres.products.openers import open_product, open_reader
from s2_superres.products.reading import RasterReader
from s2_superres.raster.grid import Area, Grid
from s2_superres.raster.windows import plan
from s2_superres.testing.products import coordinates, write_product, zip_product
from s2_superres.testing.spec import ProductSpec


def expected(product_rows: int, product_cols: int, resolution: int) -> np.ndarray:
    """What a product of baseline 05.09 with coordinate-coded pixels holds."""
    ratio = resolution // 10
    return np.stack(
        [
            coordinates(band, product_rows // ratio, product_cols // ratio) + np.uint16(1000)
            for band in BY_RESOLUTION[resolution]
        ]
    )


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product of several JPEG 2000 blocks at 10, 20 and 60 m."""
    spec = ProductSpec("L1C", "05.09", Grid("EPSG:32633", 300000.0, 6200040.0, 2460, 1260))
    return write_product(tmp_path_factory.mktemp("large"), spec, coordinates)


@given(data=st.data(), resolution=st.sampled_from([10, 20, 60]))
def test_any_window_is_the_slice_of_the_whole(
    l1c: Path, data: st.DataObject, resolution: int
) -> None:
    """Reading a window gives the pixels that lie there, of all bands in their order."""
    whole = expected(240, 300, resolution)
    rows, cols = whole.shape[1:]
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    height = data.draw(st.integers(1, rows - row))
    width = data.draw(st.integers(1, cols - col))
    with open_reader(open_product(l1c)) as reader:
        got = reader.read(reader.bands_at(resolution), Area(row, col, height, width))
    np.testing.assert_array_equal(got, whole[:, row : row + height, col : col + width])


@pytest.mark.parametrize("zipped", [False, True])
def test_windows_across_blocks_make_up_the_image(large: Path, tmp_path: Path, zipped: bool) -> None:
    """Windows that cut through blocks, read row by row, give the image; from a zip too."""
    source = zip_product(large, tmp_path / "a.zip", compress=True) if zipped else large
    product = open_product(source)
    with open_reader(product) as reader:
        for resolution in (10, 20, 60):
            whole = expected(2460, 1260, resolution)
            out = np.zeros_like(whole)
            for window in plan(product.grid.area, 700, 0):
                place = window.core.at(resolution)
                inside = np.s_[:, place.row : place.row_stop, place.col : place.col_stop]
                out[inside] = reader.read(reader.bands_at(resolution), place)
            np.testing.assert_array_equal(out, whole)


def test_each_block_is_decoded_once(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows with a halo, in plan order, never decode a block again, and let go of blocks
    above them."""
    product = open_product(large)
    decoded: list[tuple[str, Area]] = []
    kept = []
    from s2_superres.products.decoding import BlockSource

    original = BlockSource._decode

    def counting(self: BlockSource, place: Area) -> np.ndarray:
        decoded.append((self.path, place))
        return original(self, place)

    monkeypatch.setattr(BlockSource, "_decode", counting)
    with open_reader(product, bands=BANDS_10M) as reader:
        assert isinstance(reader, RasterReader)
        for window in plan(product.grid.area, 500, 18):
            inside = window.outer.intersection(product.grid.area)
            assert inside is not None
            reader.read(reader.bands_at(10), inside)
            kept.append(max(len(source.blocks) for source in reader._sources.values()))
    assert len(decoded) == len(set(decoded)) == 4 * 3 * 2
    assert max(kept) <= 4


def test_bands_are_decoded_at_the_same_time(large: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that waits for its server keeps no other waiting: here each waits for another."""
    from s2_superres.products.decoding import BlockSource

    met = threading.Barrier(2)
    original = BlockSource._decode

    def meeting(self: BlockSource, place: Area) -> np.ndarray:
        met.wait(20)
        return original(self, place)

    monkeypatch.setattr(BlockSource, "_decode", meeting)
    with open_reader(open_product(large), bands=BANDS_10M) as reader:
        got = reader.read(reader.bands_at(10), Area(0, 0, 40, 50))
    np.testing.assert_array_equal(got, expected(2460, 1260, 10)[:, :40, :50])


def test_a_fault_is_told_when_no_band_is_at_work(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is closed next is read by nobody any more."""
    from s2_superres.products.decoding import BlockSource

    failed, at_work = threading.Event(), threading.Event()
    begun, ended = [], []
    original = BlockSource._decode

    def failing(self: BlockSource, place: Area) -> np.ndarray:
        if "B02" in self.path:
            at_work.wait(20)
            failed.set()
            raise ProductError("B02 is damaged")
        begun.append(self.path)
        at_work.set()
        failed.wait(20)
        values = original(self, place)
        ended.append(self.path)
        return values

    monkeypatch.setattr(BlockSource, "_decode", failing)
    with open_reader(open_product(large), bands=BANDS_10M) as reader:
        with pytest.raises(ProductError, match="B02 is damaged"):
            reader.read(reader.bands_at(10), Area(0, 0, 40, 50))
        assert sorted(ended) == sorted(begun) != []


def test_only_the_blocks_of_the_window_are_decoded(
    large: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A small area of a tile does not cost the width of the tile."""
    from s2_superres.products.decoding import BlockSource

    places = []
    original = BlockSource._decode
    monkeypatch.setattr(
        BlockSource,
        "_decode",
        lambda self, place: places.append(place) or original(self, place),
    )
    with open_reader(open_product(large), bands=[BY_NAME["B02"]]) as reader:
        reader.read(reader.bands_at(10), Area(1030, 1030, 60, 60))
    assert places == [Area(1024, 1024, 1024, 236)]


def test_bands_come_in_the_package_order(l1c: Path) -> None:
    """Whatever order they are asked in, B11 comes before B12 and after B8A."""
    names = ["B12", "B8A", "B05", "B11"]
    with open_reader(open_product(l1c), bands=[BY_NAME[name] for name in names]) as reader:
        assert [band.name for band in reader.bands_at(20)] == ["B05", "B8A", "B11", "B12"]
        np.testing.assert_array_equal(
            reader.read(reader.bands_at(20), Area(3, 4, 5, 6)),
            expected(240, 300, 20)[[0, 3, 4, 5], 3:8, 4:10],
        )
        assert reader.bands_at(60) == ()


def test_threads_may_share_a_reader(large: Path) -> None:
    """Reads from several threads wait for each other instead of mixing."""
    whole = expected(2460, 1260, 20)
    wrong = []
    with open_reader(open_product(large)) as reader:

        def work(start: int) -> None:
            for row in range(start, 1200, 97):
                if not np.array_equal(reader.read(reader.bands_at(20), Area(row, 5, 20, 600)),
                                      whole[:, row : row + 20, 5:605]):  # fmt: skip
                    wrong.append(row)

        threads = [threading.Thread(target=work, args=(start,)) for start in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong


@pytest.mark.parametrize("window", [(-1, 0, 4, 4), (0, 0, 241, 4), (0, 299, 4, 2)])
def test_window_outside_is_refused(l1c: Path, window: tuple[int, int, int, int]) -> None:
    """Nothing is made up for pixels that are not there."""
    with open_reader(open_product(l1c)) as reader, pytest.raises(AreaError, match="outside"):
        reader.read(reader.bands_at(10), Area(*window))


def test_reader_without_60_m_bands_needs_none(l1c: Path) -> None:
    """Only the bands asked for are opened."""
    with open_reader(open_product(l1c), bands=(*BANDS_10M, *BANDS_20M)) as reader:
        assert len(reader.bands) == 10 < len(BANDS)
