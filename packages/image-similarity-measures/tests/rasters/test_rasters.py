"""Raster files as pairs: pixels, validity, grids."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import rasterio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rasterio.transform import from_origin

import image_similarity_measures as ism
from image_similarity_measures.rasters import pair as pair_module
from image_similarity_measures.rasters.grid import Grid
from image_similarity_measures.rasters.maps import MapFile
from image_similarity_measures.rasters.pair import RasterPair

Array = np.ndarray[Any, Any]
Write = Callable[..., str]

UTM = {"crs": "EPSG:32618", "transform": from_origin(441130, 4177060, 10, 10)}


def write_raster(
    path: Path,
    pixels: Array,
    *,
    colours: Sequence[ColorInterp] = (),
    mask: Array | None = None,
    **profile: Any,
) -> str:
    """Write (rows, cols, bands) as GeoTIFF, unless the profile says otherwise."""
    pixels = np.atleast_3d(pixels)
    rows, cols, count = pixels.shape
    profile = {"driver": "GTiff", **profile}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(
            path, "w", height=rows, width=cols, count=count, dtype=pixels.dtype.name, **profile
        ) as file,
    ):
        file.write(np.moveaxis(pixels, -1, 0))
        if colours:
            file.colorinterp = colours
        if mask is not None:
            file.write_mask(mask)
    return str(path)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def named(name: str, pixels: Array, **options: Any) -> str:
        return write_raster(tmp_path / name, pixels, **options)

    return named


def coordinates(rows: int = 60, cols: int = 70, bands: int = 3, dtype: str = "uint16") -> Array:
    """An image whose values say where they are: never two alike."""
    row, col, band = np.indices((rows, cols, bands))
    return ((row * cols + col) * bands + band).astype(dtype)


def whole(pair: RasterPair) -> tuple[Array, Array, Array | None]:
    rows, cols, _ = pair.shape
    block = pair.read(slice(0, rows), slice(0, cols))
    return block.org, block.pred, block.valid


def test_a_closed_pair_cannot_be_read(write: Write) -> None:
    a = write("a.tif", coordinates())
    with RasterPair(a, a) as pair:
        pass
    with pytest.raises(ism.ReadError, match="closed"):
        whole(pair)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_rectangle_holds_the_pixels_that_lie_there(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.getbasetemp() / "rectangles"
    image = coordinates()
    tiled = {"tiled": True, "blockxsize": 16, "blockysize": 32, "compress": "deflate"}
    if not folder.exists():
        folder.mkdir()
        write_raster(folder / "a.tif", image, **UTM, **tiled, interleave="band")
        write_raster(folder / "b.tif", image[::-1].astype("int32"), **UTM)
    top, left = data.draw(st.integers(0, 59)), data.draw(st.integers(0, 69))
    rows = slice(top, data.draw(st.integers(top + 1, 60)))
    cols = slice(left, data.draw(st.integers(left + 1, 70)))
    bands = data.draw(st.lists(st.integers(1, 3), min_size=1, unique=True))
    with RasterPair(folder / "a.tif", folder / "b.tif", bands=bands) as pair:
        assert pair.shape == (60, 70, len(bands))
        assert pair.block_rows == 32
        block = pair.read(rows, cols)
    chosen = [band - 1 for band in bands]
    assert block.org.dtype == block.pred.dtype == pair.dtype == np.int32
    np.testing.assert_array_equal(block.org, image[rows, cols][:, :, chosen])
    np.testing.assert_array_equal(block.pred, image[::-1][rows, cols][:, :, chosen])
    assert block.valid is None


@pytest.mark.parametrize("dtype", ["uint8", "int8", "uint16", "int16", "uint32", "int32"])
def test_nodata_of_either_file_and_any_band_takes_the_pixel_out(write: Write, dtype: str) -> None:
    org = np.full((8, 9, 2), 5, dtype)
    pred = org.copy()
    org[1, 2, 0] = 0
    pred[3, 4, 1] = 7
    a, b = write("a.tif", org, nodata=0), write("b.tif", pred, nodata=7)
    with RasterPair(a, b) as pair:
        *_, valid = whole(pair)
    assert valid is not None
    assert sorted(zip(*np.nonzero(~valid), strict=True)) == [(1, 2), (3, 4)]


def test_a_nodata_value_given_replaces_those_of_the_files(write: Write) -> None:
    org, pred = np.full((8, 9, 1), 5, "uint8"), np.full((8, 9, 1), 5, "uint8")
    org[0, 0], pred[1, 1], pred[2, 2] = 9, 9, 0
    a, b = write("a.tif", org, nodata=0), write("b.tif", pred, nodata=0)
    with RasterPair(a, b, nodata=9) as pair:
        *_, valid = whole(pair)
    assert valid is not None
    assert sorted(zip(*np.nonzero(~valid), strict=True)) == [(0, 0), (1, 1)]


def test_a_nodata_value_beyond_the_type_takes_nothing_out(write: Write) -> None:
    a = write("a.tif", coordinates())
    with RasterPair(a, a, nodata=-9999) as pair:
        assert whole(pair)[2] is None


def test_nan_and_infinity_are_not_valid(write: Write) -> None:
    org = np.ones((4, 4, 2), "float32")
    pred = org.copy()
    org[0, 1, 1], pred[2, 3, 0] = np.nan, -np.inf
    a, b = write("a.tif", org, nodata=np.nan), write("b.tif", pred, nodata=-3.4028234663852886e38)
    with RasterPair(a, b) as pair:
        *_, valid = whole(pair)
    assert valid is not None
    assert sorted(zip(*np.nonzero(~valid), strict=True)) == [(0, 1), (2, 3)]


def test_a_float_nodata_value_is_compared_as_stored(write: Write) -> None:
    org = np.ones((4, 4, 1), "float32")
    org[1, 1] = 0.1
    a, b = write("a.tif", org, nodata=0.1), write("b.tif", np.ones((4, 4, 1)))
    with RasterPair(a, b) as pair:
        assert pair.dtype == np.float64
        *_, valid = whole(pair)
    assert valid is not None
    assert np.argwhere(~valid).tolist() == [[1, 1]]


def test_mask_bands_take_pixels_out(write: Write) -> None:
    image = coordinates(8, 9)
    mask = np.full((8, 9), 255, "uint8")
    mask[2:4, 5:] = 0
    a, b = write("a.tif", image, mask=mask), write("b.tif", image)
    with RasterPair(a, b) as pair:
        *_, valid = whole(pair)
    np.testing.assert_array_equal(valid, mask > 0)


def test_alpha_becomes_the_mask_and_no_band(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for dtype, top in (("uint8", 255), ("uint16", 65535)):
        pixels = rng.integers(0, top, (8, 9, 4)).astype(dtype)
        pixels[:, :, 3] = top
        pixels[2:4, 5:, 3] = 0
        path = str(tmp_path / f"{dtype}.png")
        cv2.imwrite(path, pixels)
        with RasterPair(path, path) as pair:
            org, _, valid = whole(pair)
            assert pair.shape == (8, 9, 3)
        assert org.dtype == dtype
        np.testing.assert_array_equal(org, pixels[:, :, 2::-1])
        np.testing.assert_array_equal(valid, pixels[:, :, 3] > 0)


def test_an_alpha_band_of_one_file_does_not_hinder_the_other(write: Write) -> None:
    image = coordinates(8, 9, 4, "uint8")
    rgba = [ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha]
    image[:, :, 3] = 255
    image[1, 1, 3] = 0
    a, b = write("a.tif", image, colours=rgba), write("b.tif", image[:, :, :3])
    with RasterPair(a, b) as pair:
        org, pred, valid = whole(pair)
    np.testing.assert_array_equal(org, pred)
    assert valid is not None
    assert np.argwhere(~valid).tolist() == [[1, 1]]


def test_bands_keep_the_numbers_of_the_file(write: Write) -> None:
    image = coordinates(8, 9, 4, "uint8")
    image[:, :, 1] = 255
    order = [ColorInterp.red, ColorInterp.alpha, ColorInterp.green, ColorInterp.blue]
    a = write("a.tif", image, colours=order)
    report = ism.compare(a, a, metrics="rmse")
    assert report.bands == (1, 3, 4)
    assert ism.compare(a, a, metrics="rmse", bands=report.bands).bands == (1, 3, 4)


def test_scales_that_differ_are_noted(write: Write) -> None:
    image = coordinates(8, 9, 2)
    a, b = write("a.tif", image), write("b.tif", image)
    with rasterio.open(b, "r+") as file:
        file.scales, file.offsets = (1, 0.0001), (0, -0.1)
    with RasterPair(a, b) as pair:
        (note,) = pair.notes
    assert "as stored" in note and f"{b} has scale 0.0001 and offset -0.1" in note
    for same in ({"pred": b}, {"org": a, "bands": [1]}):
        with RasterPair(**({"org": b, "pred": b} | same)) as pair:  # type: ignore[arg-type]
            assert not pair.notes


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_blocks_higher_than_a_strip_are_decoded_once(
    write: Write, monkeypatch: pytest.MonkeyPatch, interleave: str
) -> None:
    """What was decoded for a strip is there for the next, even if the file has gone bad since."""
    image = coordinates(256, 7000, 3)
    tiles = {"tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": interleave}
    a = write("a.tif", image, **tiles, compress="deflate")
    b = write("b.tif", image, **tiles, compress="deflate")
    monkeypatch.setattr(pair_module, "BLOCK_BYTES", 2**20)
    monkeypatch.setattr(pair_module, "_CACHE_BYTES", 2**20)
    with RasterPair(a, b) as pair:
        pair.read(slice(0, 32), slice(0, 7000))
        for path in (a, b):
            size = Path(path).stat().st_size
            with Path(path).open("r+b") as file:
                file.write(bytes(size))
        block = pair.read(slice(32, 64), slice(0, 7000))
    np.testing.assert_array_equal(block.org, image[32:64])
    np.testing.assert_array_equal(block.pred, image[32:64])


def test_png_and_jpeg_keep_depth_and_bands(tmp_path: Path) -> None:
    deep = coordinates(8, 9, 1)[:, :, 0] * 900
    gray, jpeg = str(tmp_path / "gray16.png"), str(tmp_path / "gray.jpg")
    cv2.imwrite(gray, deep)
    cv2.imwrite(jpeg, np.full((8, 9), 100, "uint8"))
    with RasterPair(gray, gray) as pair:
        assert pair.shape == (8, 9, 1)
        np.testing.assert_array_equal(whole(pair)[0][:, :, 0], deep)
    with RasterPair(jpeg, jpeg) as pair:
        assert pair.shape == (8, 9, 1)
        assert pair.dtype == np.uint8


def test_a_palette_is_looked_up(tmp_path: Path) -> None:
    index = np.array([[0, 1], [2, 1]], "uint8")
    path = str(tmp_path / "palette.png")
    with rasterio.open(path, "w", driver="PNG", height=2, width=2, count=1, dtype="uint8") as file:
        file.write(index, 1)
        file.write_colormap(1, {0: (9, 8, 7, 255), 1: (1, 2, 3, 255), 2: (0, 0, 0, 0)})
    with RasterPair(path, path) as pair:
        org, _, valid = whole(pair)
    np.testing.assert_array_equal(org[0, 0], [9, 8, 7])
    np.testing.assert_array_equal(org[0, 1], [1, 2, 3])
    assert valid is not None
    assert valid.tolist() == [[True, True], [False, True]]
    with RasterPair(path, path, bands=[3, 1]) as pair:
        np.testing.assert_array_equal(whole(pair)[0][0, 0], [7, 9])


@pytest.mark.parametrize("channels", [1, 3])
def test_what_gdal_does_not_know_goes_through_opencv(tmp_path: Path, channels: int) -> None:
    pixels = np.random.default_rng(1).random((8, 9, channels)).astype("float32")
    path = str(tmp_path / "light.hdr" if channels == 3 else tmp_path / "plane.pfm")
    if not cv2.imwrite(path, pixels):
        pytest.skip("this OpenCV cannot write the format")
    expected = np.atleast_3d(cv2.imread(path, cv2.IMREAD_UNCHANGED))[:, :, ::-1]
    with RasterPair(path, path) as pair:
        np.testing.assert_array_equal(whole(pair)[0], expected)


class TestGrids:
    """Files that do not lie on each other."""

    @pytest.mark.parametrize(
        "other",
        [
            {"crs": "EPSG:32617", "transform": UTM["transform"]},
            {"crs": UTM["crs"], "transform": from_origin(441140, 4177060, 10, 10)},
            {"crs": UTM["crs"], "transform": from_origin(441130, 4177060, 10, 10.1)},
            {"transform": UTM["transform"]},
        ],
    )
    def test_another_place_is_an_error_that_names_both_grids(
        self, write: Write, other: dict[str, Any]
    ) -> None:
        a, b = write("a.tif", coordinates(), **UTM), write("b.tif", coordinates(), **other)
        with pytest.raises(ism.GridMismatchError) as caught:
            RasterPair(a, b)
        message = str(caught.value)
        assert a in message and b in message and "EPSG:32618" in message
        assert "--allow-grid-mismatch" in message and "\n" not in message
        with RasterPair(a, b, allow_grid_mismatch=True) as pair:
            org, pred, _ = whole(pair)
        np.testing.assert_array_equal(org, pred)

    def test_another_size_is_an_error_that_nothing_overrides(self, write: Write) -> None:
        a, b = write("a.tif", coordinates()), write("b.tif", coordinates(60, 71))
        for allowed in (False, True):
            with pytest.raises(ism.GridMismatchError, match=r"60 rows x 70.*60 rows x 71"):
                RasterPair(a, b, allow_grid_mismatch=allowed)

    def test_rounding_of_the_transform_is_no_mismatch(self, write: Write) -> None:
        near = {"crs": UTM["crs"], "transform": from_origin(441130.00001, 4177060, 10, 10)}
        a, b = write("a.tif", coordinates(), **UTM), write("b.tif", coordinates(), **near)
        with RasterPair(a, b) as pair:
            assert pair.grid.crs.to_epsg() == 32618

    def test_one_file_without_georeference_is_compared_with_a_note(self, write: Write) -> None:
        a, b = write("a.tif", coordinates()), write("b.tif", coordinates(), **UTM)
        with RasterPair(a, b) as pair:
            assert pair.grid.crs.to_epsg() == 32618
        assert pair.notes == (f"{a} is not georeferenced; compared pixel by pixel",)

    def test_two_files_without_georeference_need_no_note(
        self, write: Write, recwarn: pytest.WarningsRecorder
    ) -> None:
        a = write("a.tif", coordinates())
        recwarn.clear()
        with RasterPair(a, a) as pair:
            assert not pair.notes
        assert not recwarn.list

    def test_a_grid_without_area_is_only_like_itself(self) -> None:
        flat = rasterio.Affine(0, 0, 1, 0, 0, 2)
        grid = Grid(2, 2, None, flat)
        assert grid.same_place(Grid(2, 2, None, flat))
        assert not grid.same_place(Grid(2, 2, None, rasterio.Affine(0, 0, 1, 0, 0, 3)))


CORNERS = ((0, 0), (0, 70), (60, 0), (60, 70))


def points(east: float = 10.0) -> list[GroundControlPoint]:
    """One in each corner of 60 x 70 pixels."""
    return [GroundControlPoint(row, col, east + col / 70, 50 - row / 60, 0) for row, col in CORNERS]


def polynomials(east: float = 10.0, error: float | None = None) -> RPC:
    """Of a view that is a plain map around (east, 50)."""
    one = [1.0] + [0.0] * 19
    return RPC(
        height_off=0, height_scale=500, lat_off=50, lat_scale=1, long_off=east, long_scale=1,
        line_off=30, line_scale=30, samp_off=35, samp_scale=35,
        line_num_coeff=[0, 0, 1.0, *[0] * 17], line_den_coeff=one,
        samp_num_coeff=[0, 1.0, *[0] * 18], samp_den_coeff=one, err_bias=error, err_rand=error,
    )  # fmt: skip


class TestPlacedWithoutATransform:
    """Ground control points and RPCs place a raster as a transform does."""

    @pytest.fixture
    def placed(self, write: Write) -> Callable[..., str]:
        def named(name: str, **placing: Any) -> str:
            path = write(name, coordinates())
            with rasterio.open(path, "r+") as file:
                for key, value in placing.items():
                    setattr(file, key, value)
            return path

        return named

    @pytest.mark.parametrize(
        ("mine", "same", "others", "said"),
        [
            (
                {"gcps": (points(), "EPSG:4326")},
                {"gcps": (points(10.0001), "EPSG:4326")},
                [
                    {"gcps": (points(10.1), "EPSG:4326")},
                    {"gcps": (points()[:3], "EPSG:4326")},
                    {"gcps": (points(), "EPSG:4258")},
                ],
                r"EPSG:4326, 4 ground control points, the first at \(10, 50\)",
            ),
            (
                {"rpcs": polynomials()},
                {"rpcs": polynomials(error=0.5)},
                [
                    {"rpcs": polynomials(20)},
                    {"crs": UTM["crs"], "transform": UTM["transform"]},
                    {"gcps": (points(), "EPSG:4326")},
                ],
                "RPCs around longitude 10, latitude 50",
            ),
        ],
        ids=["gcps", "rpcs"],
    )
    def test_another_place_is_an_error(
        self,
        placed: Callable[..., str],
        mine: dict[str, Any],
        same: dict[str, Any],
        others: list[dict[str, Any]],
        said: str,
    ) -> None:
        a = placed("a.tif", **mine)
        with RasterPair(a, placed("b.tif", **same)) as pair:
            assert pair.grid.georeferenced and not pair.notes
        for number, other in enumerate(others):
            with pytest.raises(ism.GridMismatchError, match=said):
                RasterPair(a, placed(f"other{number}.tif", **other))
        with RasterPair(placed("plain.tif"), a) as pair:
            assert "not georeferenced" in pair.notes[0]

    def test_a_map_is_placed_alike(self, placed: Callable[..., str], tmp_path: Path) -> None:
        for key, value in (("gcps", (points(), "EPSG:4326")), ("rpcs", polynomials())):
            a = placed(f"{key}.tif", **{key: value})
            ism.compare(a, a, metrics="sam", maps=tmp_path / "maps")
            with rasterio.open(tmp_path / "maps" / f"{key}_sam.tif") as found:
                assert Grid.of(found).same_place(Grid.of(rasterio.open(a)))
                assert Grid.of(found).georeferenced


class TestRefusals:
    """Files that cannot be compared, each with its name in the message."""

    def test_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(ism.ReadError, match=r"none\.tif: no such file"):
            RasterPair(tmp_path / "none.tif", tmp_path / "none.tif")

    def test_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ism.ReadError, match="it is a folder"):
            RasterPair(tmp_path, tmp_path)

    def test_no_image(self, tmp_path: Path) -> None:
        text = tmp_path / "text.tif"
        text.write_text("not an image")
        with pytest.raises(ism.ReadError, match=r"text\.tif"):
            RasterPair(text, text)

    @pytest.mark.parametrize("compress", ["none", "deflate"])
    def test_truncated_tiff(self, write: Write, compress: str) -> None:
        image = np.random.default_rng(0).integers(0, 4096, (200, 200, 3)).astype("uint16")
        a = write("a.tif", image, compress=compress)
        b = write("b.tif", image, compress=compress)
        os.truncate(b, Path(b).stat().st_size // 2)
        with (
            pytest.raises(ism.ReadError, match=r"b\.tif"),
            RasterPair(a, b) as pair,
        ):
            whole(pair)

    @pytest.mark.parametrize("suffix", ["png", "jpg"])
    def test_truncated_picture(self, tmp_path: Path, suffix: str) -> None:
        path = str(tmp_path / f"a.{suffix}")
        cv2.imwrite(path, np.random.default_rng(0).integers(0, 255, (99, 99, 3)).astype("uint8"))
        os.truncate(path, Path(path).stat().st_size // 2)
        with pytest.raises(ism.ReadError, match=f"a.{suffix}"), RasterPair(path, path) as pair:
            whole(pair)

    def test_bands_that_do_not_match(self, write: Write) -> None:
        a, b = write("a.tif", coordinates(bands=4)), write("b.tif", coordinates(bands=3))
        with pytest.raises(ism.InputError, match=r"has 4 band\(s\) and .* has 3.*--bands"):
            RasterPair(a, b)
        with pytest.raises(ism.InputError, match=r"b\.tif has no band 4; its bands are 1, 2, 3"):
            RasterPair(a, b, bands=[1, 4])
        with pytest.raises(ism.InputError, match=r"no band of .* is asked for"):
            RasterPair(a, b, bands=[])
        with pytest.raises(ism.InputError, match=r"band 2 of .* is asked for twice"):
            RasterPair(a, b, bands=[2, 1, 2])
        with RasterPair(a, b, bands=[1, 3]) as pair:
            assert pair.shape[2] == 2

    def test_complex_values(self, write: Write) -> None:
        a = write("a.tif", np.ones((4, 4, 1), "complex64"))
        with pytest.raises(ism.InputError, match=r"a\.tif holds complex values"):
            RasterPair(a, a)


class TestMaps:
    """Quality maps as files."""

    @settings(max_examples=20, deadline=None)
    @given(
        rows=st.integers(1, 600),
        cuts=st.lists(st.integers(1, 599), max_size=5),
    )
    def test_rows_come_back_however_they_were_handed_in(
        self, tmp_path_factory: pytest.TempPathFactory, rows: int, cuts: list[int]
    ) -> None:
        path = tmp_path_factory.getbasetemp() / "partition.tif"
        image = coordinates(rows, 7, 1, "float32")[:, :, 0]
        edges = sorted({0, rows, *(cut for cut in cuts if cut < rows)})
        with MapFile(path, Grid.unreferenced(rows, 7), overwrite=True) as file:
            for start, stop in pairwise(edges):
                file.write(start, image[start:stop])
        with rasterio.open(path) as found:
            np.testing.assert_array_equal(found.read(1), image)

    def test_a_map_lies_where_the_images_lie(self, tmp_path: Path) -> None:
        path = tmp_path / "new" / "map.tif"
        grid = Grid(5, 6, rasterio.CRS.from_epsg(32618), UTM["transform"])
        with MapFile(path, grid, title="SSIM") as file:
            file.write(0, np.full((5, 6), np.nan))
        with rasterio.open(path) as found:
            assert found.crs.to_epsg() == 32618
            assert found.transform == UTM["transform"]
            assert found.dtypes == ("float32",)
            assert np.isnan(found.nodata)
            assert found.descriptions == ("SSIM",)
        assert [p.name for p in path.parent.iterdir()] == ["map.tif"]

    def test_an_error_leaves_nothing(self, tmp_path: Path) -> None:
        file = MapFile(tmp_path / "map.tif", Grid.unreferenced(600, 5))
        file.write(0, np.zeros((300, 5)))
        assert len(list(tmp_path.iterdir())) == 1
        file.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
        assert list(tmp_path.iterdir()) == []

    def test_a_file_that_exists_stays(self, tmp_path: Path) -> None:
        path = tmp_path / "map.tif"
        path.write_text("precious")
        with pytest.raises(ism.OutputError, match=r"map\.tif exists.*--overwrite"):
            MapFile(path, Grid.unreferenced(5, 5))
        assert path.read_text() == "precious"

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(ism.OutputError, match="file"):
            MapFile(tmp_path / "file" / "map.tif", Grid.unreferenced(5, 5))

    def test_missing_rows_are_an_error(self, tmp_path: Path) -> None:
        file = MapFile(tmp_path / "map.tif", Grid.unreferenced(600, 5))
        file.write(0, np.zeros((10, 5)))
        with pytest.raises(ValueError, match="out of order"):
            file.write(20, np.zeros((10, 5)))
        with pytest.raises(ism.OutputError, match="only 10 of 600 rows"):
            file.__exit__(None, None, None)
        assert list(tmp_path.iterdir()) == []
