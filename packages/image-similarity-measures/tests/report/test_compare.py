"""``compare``: arrays and files to a report."""

from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from rasterio.transform import from_origin

import image_similarity_measures as ism

DATA = Path(__file__).parents[1] / "data"
PAIR = DATA / "reference.tif", DATA / "upsampled.tif"

Array = np.ndarray[Any, Any]

pytestmark = pytest.mark.filterwarnings("ignore::image_similarity_measures.SimilarityWarning")


def pixels(path: Path) -> Array:
    with rasterio.open(path) as file:
        return np.moveaxis(file.read(), 0, -1)


def write(path: Path, image: Array, **profile: Any) -> Path:
    image = np.atleast_3d(image)
    rows, cols, count = image.shape
    profile = {"driver": "GTiff", "height": rows, "width": cols, "count": count, **profile}
    with rasterio.open(path, "w", dtype=image.dtype.name, **profile) as file:
        file.write(np.moveaxis(image, -1, 0))
    return path


def test_arrays_give_what_the_functions_give() -> None:
    org, pred = map(pixels, PAIR)
    report = ism.compare(org, pred)
    assert list(report.metrics) == list(ism.METRICS)
    assert (report.image1, report.image2) == (None, None)
    assert report.bands == (1, 2, 3, 4)
    assert report.version == ism.__version__
    for name in ism.METRICS:
        function = getattr(ism, name)
        assert report[name].value == pytest.approx(function(org, pred), rel=1e-9)
        if ism.METRICS[name].band_wise:
            expected = function(org, pred, per_band=True)
            assert report[name].per_band == pytest.approx(tuple(expected), rel=1e-9)
    assert report["sam"].per_band is None


def test_files_give_what_their_arrays_give() -> None:
    from_arrays = ism.compare(*map(pixels, PAIR))
    from_files = ism.compare(*map(str, PAIR))
    assert from_files.metrics == pytest.approx(from_arrays.metrics, rel=1e-9)
    assert (from_files.image1, from_files.image2) == tuple(map(str, PAIR))
    assert from_files.per_band == {
        name: pytest.approx(values, rel=1e-9) for name, values in from_arrays.per_band.items()
    }


@settings(max_examples=8, deadline=None)
@given(
    block=st.sampled_from([None, (16, 16), (64, 128), (32, 256)]),
    dtypes=st.tuples(*[st.sampled_from(["uint8", "uint16", "int16", "float32"])] * 2),
    seed=st.integers(0, 99),
)
def test_rasters_score_like_arrays_however_they_are_stored(
    tmp_path_factory: pytest.TempPathFactory,
    block: tuple[int, int] | None,
    dtypes: tuple[str, str],
    seed: int,
) -> None:
    folder = tmp_path_factory.mktemp("stored")
    rng = np.random.default_rng(seed)
    org = rng.integers(1, 200, (150, 170, 2)).astype(dtypes[0])
    pred = rng.integers(1, 200, (150, 170, 2)).astype(dtypes[1])
    org[40:60, 90:140, 0] = 0
    options: dict[str, Any] = {"compress": "deflate", "nodata": 0}
    if block is not None:
        options |= {"tiled": True, "blockysize": block[0], "blockxsize": block[1]}
    files = write(folder / "a.tif", org, **options), write(folder / "b.tif", pred)
    asked: dict[str, Any] = {"metrics": ["psnr", "sre", "sam", "ssim", "uiq"], "data_range": 255}
    from_files = ism.compare(*files, **asked)
    from_arrays = ism.compare(org, pred, nodata=0, **asked)
    assert from_files.metrics == pytest.approx(from_arrays.metrics, rel=1e-9)
    assert from_files.valid_share == from_arrays.valid_share == 1 - 20 * 50 / (150 * 170)


def test_a_mask_leaves_pixels_out_of_arrays_and_files_alike() -> None:
    org, pred = map(pixels, PAIR)
    mask = np.zeros(org.shape[:2], bool)
    mask[10:40, 5:50] = True
    cut = ism.compare(org[10:40, 5:50], pred[10:40, 5:50], metrics=["psnr", "sam", "uiq"])
    for pair in ((org, pred), PAIR):
        masked = ism.compare(*pair, metrics=["psnr", "sam", "uiq"], mask=mask)
        assert masked.metrics == pytest.approx(cut.metrics, rel=1e-9)
        assert masked.valid_share == 30 * 45 / 64**2
    with pytest.raises(ism.InputError, match="mask"):
        ism.compare(*PAIR, mask=mask[:5])
    with pytest.raises(ism.InputError, match="mask"):
        ism.compare(*PAIR, mask=mask.astype(int))


def test_bands_are_counted_from_one_in_arrays_and_files() -> None:
    org, pred = map(pixels, PAIR)
    expected = [ism.rmse(org[:, :, i], pred[:, :, i]) for i in (3, 0)]
    for pair in ((org, pred), PAIR):
        report = ism.compare(*pair, metrics="rmse", bands=[4, 1])
        assert report.bands == (4, 1)
        assert report.per_band["rmse"] == pytest.approx(expected)
        for wrong in ([0], [5], [], [1, 1]):
            with pytest.raises(ism.InputError, match="band"):
                ism.compare(*pair, metrics="rmse", bands=wrong)


def test_all_leaves_out_sam_for_one_band_but_its_name_does_not() -> None:
    org, pred = (pixels(path)[:, :, 0] for path in PAIR)
    report = ism.compare(org, pred)
    assert "sam" not in report.metrics
    assert len(report.metrics) == len(ism.METRICS) - 1
    assert any("sam is left out" in note for note in report.notes)
    for asked in ("sam", ["all", "sam"]):
        with pytest.raises(ism.InputError, match="SAM"):
            ism.compare(org, pred, metrics=asked)


def test_warnings_are_raised_and_kept_as_notes() -> None:
    org = np.full((20, 20), 5000, np.uint16)
    with pytest.warns(ism.SimilarityWarning, match="data range of 4095") as caught:
        report = ism.compare(org, org, metrics="psnr")
    assert report.notes == tuple(str(warning.message) for warning in caught)
    assert caught[0].filename == __file__


def test_options_reach_the_metrics_and_data_range_goes_first() -> None:
    org, pred = map(pixels, PAIR)
    options = ism.Options(ssim_window="uniform", normalized=True, data_range=100)
    report = ism.compare(org, pred, metrics=["ssim", "rmse"], options=options, data_range=4095)
    assert report["ssim"].value == pytest.approx(
        ism.ssim(org, pred, window="uniform", data_range=4095)
    )
    assert report["rmse"].unit == ""
    assert report["rmse"].data_range == 4095


def test_a_file_and_an_array_do_not_mix() -> None:
    with pytest.raises(ism.InputError, match="two files or two arrays"):
        ism.compare(PAIR[0], pixels(PAIR[1]))


def test_progress_ends_at_the_last_row() -> None:
    seen: list[tuple[int, int]] = []
    ism.compare(*PAIR, metrics="psnr", progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (64, 64)
    assert seen == sorted(seen)


class TestMaps:
    """Quality maps beside the report."""

    def test_maps_are_those_of_the_functions_on_the_files_grid(self, tmp_path: Path) -> None:
        org, pred = map(pixels, PAIR)
        ism.compare(*PAIR, maps=tmp_path / "maps")
        names = sorted(path.name for path in (tmp_path / "maps").iterdir())
        assert names == [f"upsampled_{name}.tif" for name in ("fsim", "sam", "ssim", "uiq")]
        with rasterio.open(PAIR[0]) as file:
            crs, transform = file.crs, file.transform
        for name in ("sam", "ssim", "uiq"):
            with rasterio.open(tmp_path / "maps" / f"upsampled_{name}.tif") as file:
                found = file.read(1)
                assert (file.crs, file.transform) == (crs, transform)
            _, expected = getattr(ism, name)(org, pred, full=True)
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
            assert np.isfinite(found).any()

    def test_arrays_get_maps_without_a_place(self, tmp_path: Path) -> None:
        ism.compare(*map(pixels, PAIR), metrics="sam", maps=tmp_path)
        assert [path.name for path in tmp_path.iterdir()] == ["sam.tif"]

    def test_nothing_is_overwritten_unasked(self, tmp_path: Path) -> None:
        old = tmp_path / "upsampled_uiq.tif"
        old.write_text("precious")
        with pytest.raises(ism.OutputError, match=r"upsampled_uiq\.tif exists"):
            ism.compare(*PAIR, metrics=["sam", "uiq"], maps=tmp_path)
        assert old.read_text() == "precious"
        assert len(list(tmp_path.iterdir())) == 1
        ism.compare(*PAIR, metrics=["sam", "uiq"], maps=tmp_path, overwrite=True)
        with rasterio.open(old) as file:
            assert file.count == 1

    def test_metrics_without_map_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ism.UsageError, match="maps exist for fsim, sam, ssim, uiq"):
            ism.compare(*PAIR, metrics="psnr", maps=tmp_path)

    def test_an_error_midway_leaves_no_map(self, tmp_path: Path) -> None:
        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            ism.compare(*PAIR, metrics="uiq", maps=tmp_path, progress=stop)
        assert list(tmp_path.iterdir()) == []

    def test_an_error_takes_away_the_folders_made_for_maps(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()

        def stop(done: int, total: int) -> None:
            raise KeyboardInterrupt

        for folder in ("there", "new", "there/new/deep"):
            with pytest.raises(KeyboardInterrupt):
                ism.compare(*PAIR, metrics="uiq", maps=tmp_path / folder, progress=stop)
        assert list(tmp_path.rglob("*")) == [tmp_path / "there"]


def test_rasters_elsewhere_are_compared_only_when_allowed(tmp_path: Path) -> None:
    image = pixels(PAIR[0])
    here = write(tmp_path / "a.tif", image, transform=from_origin(0, 0, 1, 1))
    there = write(tmp_path / "b.tif", image, transform=from_origin(5, 0, 1, 1))
    with pytest.raises(ism.GridMismatchError, match="grids differ"):
        ism.compare(here, there, metrics="rmse")
    assert ism.compare(here, there, metrics="rmse", allow_grid_mismatch=True)["rmse"].value == 0


def test_the_package_offers_what_it_lists() -> None:
    for name in ism.__all__:
        assert getattr(ism, name) is not None
    assert set(ism.__all__) <= set(dir(ism))
    with pytest.raises(AttributeError, match="nothing"):
        _ = ism.nothing


def test_threads_keep_their_notes_apart_and_the_filters_as_they_were() -> None:
    bright = np.full((20, 20), 5000, np.uint16)
    before = list(warnings.filters)

    def run(number: int) -> ism.Report:
        if number % 3 == 0:
            return ism.compare(bright, bright, metrics="psnr")
        if number % 3 == 1:
            return ism.compare(bright // 2, bright // 2, metrics="psnr")
        return ism.compare(*PAIR, metrics="psnr")

    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(run, range(90)))
    assert [len(report.notes) for report in reports] == [1, 0, 0] * 30
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="still heard"):
        warnings.warn("still heard", UserWarning, stacklevel=1)


def test_maps_go_to_the_files_named(tmp_path: Path) -> None:
    wanted = {"ssim": tmp_path / "new" / "likeness.tif", "sam": tmp_path / "angle.tif"}
    ism.compare(*PAIR, metrics="all", maps=wanted)
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    assert files == sorted(wanted.values())


def test_masked_arrays_count_the_masks_of_the_bands_chosen() -> None:
    org, pred = map(pixels, PAIR)
    masked = np.ma.array(org)
    masked[3, 4, 0] = masked[5:8, 6, 2] = np.ma.masked
    mask = np.ones(org.shape[:2], bool)
    mask[5:8, 6] = False
    found = ism.compare(masked, pred, metrics="rmse", bands=[4, 3])
    expected = ism.compare(org, pred, metrics="rmse", bands=[4, 3], mask=mask)
    assert found.metrics == expected.metrics
    assert found.valid_share == expected.valid_share == 1 - 3 / 64**2


@pytest.mark.parametrize("bands", [1, "12", [1.5], [None]])
def test_bands_that_are_no_list_of_numbers_are_refused(bands: Any) -> None:
    for pair in (PAIR, tuple(map(pixels, PAIR))):
        with pytest.raises(ism.InputError, match=r"bands is .*such as"):
            ism.compare(*pair, metrics="rmse", bands=bands)


def test_bands_may_be_an_array() -> None:
    for pair in (PAIR, tuple(map(pixels, PAIR))):
        assert ism.compare(*pair, metrics="rmse", bands=np.array([2, 1])).bands == (2, 1)


@pytest.mark.parametrize("metrics", [None, 5, [None]])
def test_metrics_that_are_no_names_are_refused(metrics: Any) -> None:
    with pytest.raises(ism.UsageError, match="psnr"):
        ism.compare(*PAIR, metrics=metrics)


def test_the_bits_that_a_file_uses_decide_the_range(tmp_path: Path) -> None:
    """As 1-bit masks, 10-bit cameras and the 15-bit JPEG 2000 of Sentinel-2 say them."""
    rng = np.random.default_rng(3)
    for bits, dtype, other in (
        (1, "uint8", "GTiff"),
        (10, "uint16", "GTiff"),
        (15, "uint16", "JP2OpenJPEG"),
    ):
        images = [rng.integers(0, 2**bits, (40, 50, 1)).astype(dtype) for _ in range(2)]
        lossless = {"quality": 100, "reversible": True} if other != "GTiff" else {}
        files = [
            write(tmp_path / f"{number}_{bits}.img", image, nbits=bits, driver=other, **lossless)
            for number, image in enumerate(images)
        ]
        report = ism.compare(*files, metrics="psnr")
        assert report["psnr"].data_range == 2**bits - 1
        assert report["psnr"].value == ism.psnr(*images, data_range=2**bits - 1)
        assert not report.notes
        assert ism.compare(*files, metrics="psnr", data_range=4095)["psnr"].data_range == 4095
        plain = write(tmp_path / f"plain{bits}.tif", images[1])
        report = ism.compare(files[0], plain, metrics="psnr")
        assert report["psnr"].data_range == 2**bits - 1
        (note,) = report.notes
        assert f"{files[0]} has {bits} bit(s)" in note and f"{plain} does not say" in note
        assert not ism.compare(files[0], plain, metrics="rmse").notes


def test_one_bit_is_no_colour_whichever_of_black_and_white_is_0(tmp_path: Path) -> None:
    bits = np.random.default_rng(4).integers(0, 2, (40, 50, 1)).astype("uint8")
    black = write(tmp_path / "black.tif", bits, nbits=1)
    white = write(tmp_path / "white.tif", 1 - bits, nbits=1, photometric="MINISWHITE")
    report = ism.compare(black, white, metrics=["rmse", "psnr"])
    assert (report["rmse"].value, report.bands, report["psnr"].data_range) == (0, (1,), 1)


def test_a_metric_that_is_left_out_leaves_no_map(tmp_path: Path) -> None:
    org = np.random.default_rng(0).uniform(-30, -2, (40, 40, 2))
    report = ism.compare(org, org + 0.5, data_range=30, maps=tmp_path)
    assert "fsim" not in report.metrics
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sam.tif", "ssim.tif", "uiq.tif"]


def test_files_have_no_axis() -> None:
    with pytest.raises(ism.InputError, match="axis is for arrays"):
        ism.compare(*PAIR, axis=0)
