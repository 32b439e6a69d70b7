"""xarray's arrays: bands by name, coordinates that agree, no data by encoding, Dask by strips."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures.engine import parts, strips
from image_similarity_measures.engine.gathering import Request
from image_similarity_measures.engine.tiles import Span
from image_similarity_measures.labelled.pair import LabelledPair

xarray = pytest.importorskip("xarray")

BANDS = ["B02", "B03", "B8A"]


def labelled(image, bands=BANDS, dims=("y", "x", "band"), **coords):
    """An array in this order of dimensions, at 10 m."""
    places = {
        "y": 5000000 - 5 - 10.0 * np.arange(image.shape[0]),
        "x": 600005 + 10.0 * np.arange(image.shape[1]),
        "band": bands,
    }
    array = xarray.DataArray(image, dims=("y", "x", "band"), coords={**places, **coords})
    return array.transpose(*dims)


@pytest.fixture
def images(make_pair):
    return make_pair(80, 64, 3)


@pytest.mark.parametrize("dims", [("y", "x", "band"), ("band", "y", "x"), ("x", "band", "y")])
def test_the_names_of_dimensions_settle_the_order(images, dims):
    """Nobody has to say where the bands are, and nothing warns of shapes that look odd."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pair = [labelled(image, dims=dims) for image in images]
        assert ism.ssim(*pair) == ism.ssim(*images)
        assert ism.compare(*pair, metrics="sam").metrics == {"sam": ism.sam(*images)}
        chips = [labelled(image[:, :64][:64], dims=("band", "y", "x")) for image in images]
        assert ism.rmse(*chips, per_band=True).shape == (3,)


def test_an_array_without_names_is_laid_out_like_its_partner(images):
    org, pred = images
    value = ism.rmse(labelled(org, dims=("band", "y", "x")), np.moveaxis(pred, -1, 0))
    assert value == ism.rmse(org, pred)


def test_bands_are_paired_by_name(images):
    org, pred = images
    turned = labelled(pred[:, :, ::-1], bands=BANDS[::-1])
    report = ism.compare(labelled(org), turned, metrics=["rmse", "sam"])
    assert report["rmse"].per_band == tuple(ism.rmse(org, pred, per_band=True))
    assert report.bands == ("B02", "B03", "B8A")
    assert "band B8A" in report.to_table()
    assert "rmse_B8A" in report.to_csv()
    assert report.to_dict()["bands"] == BANDS
    some = ism.compare(labelled(org), turned, metrics="rmse", bands=["B8A", 1])
    assert some.bands == ("B8A", "B02")
    assert some["rmse"].per_band == tuple(ism.rmse(org, pred, per_band=True)[[2, 0]])


def test_other_bands_are_an_error_that_lists_both(images):
    org, pred = images
    other = labelled(pred, bands=["B02", "B03", "B11"])
    with pytest.raises(ism.InputError, match="B02, B03, B8A and pred_img B02, B03, B11; choose"):
        ism.compare(labelled(org), other)
    assert ism.compare(labelled(org), other, bands=["B03"], metrics="rmse").bands == ("B03",)
    for bands, message in (
        (["B11"], "no band B11; its bands are B02, B03, B8A"),
        ([9], "no band 9"),
        (["B02", 1], "asked for twice"),
        ([], "no band of org_img is asked for"),
    ):
        with pytest.raises(ism.InputError, match=message):
            ism.compare(labelled(org), labelled(pred), bands=bands)


def test_a_dataset_has_a_variable_per_band(images):
    org, pred = (
        xarray.Dataset(
            {band: (("y", "x"), image[:, :, i]) for i, band in enumerate(BANDS)} | {"crs": ((), 0)}
        )
        for image in images
    )
    report = ism.compare(org, pred[BANDS[::-1]], metrics=["rmse", "ssim"])
    assert report.bands == tuple(BANDS)
    assert report["ssim"].per_band == tuple(ism.ssim(*images, per_band=True))
    assert ism.rmse(org, pred) == ism.rmse(*images)
    with pytest.raises(ism.InputError, match="one image is a dataset"):
        ism.rmse(org, images[1])
    org["coarse"] = (("y2", "x2"), np.zeros((3, 3)))
    assert ism.rmse(org, pred) == ism.rmse(*images)
    with pytest.raises(ism.InputError, match="no variable with rows and columns"):
        ism.rmse(org[["coarse"]], org[["coarse"]])


@pytest.mark.parametrize("where", ["encoding", "attrs"])
def test_the_no_data_value_that_an_image_names_is_left_out(images, where):
    org, pred = (image.copy() for image in images)
    org[3:9, 5, 1] = 65535
    first, second = labelled(org), labelled(pred)
    getattr(first, where)["_FillValue"] = np.uint16(65535)
    mask = np.ones(org.shape[:2], bool)
    mask[3:9, 5] = False
    assert ism.compare(first, second, metrics="rmse")["rmse"].value == ism.rmse(
        org, pred, mask=mask
    )
    assert ism.rmse(first, second, nodata=7) == ism.rmse(org, pred, nodata=7)
    spoilt = xarray.Dataset({b: first.sel(band=b, drop=True) for b in BANDS})
    for band in BANDS:
        spoilt[band].attrs.clear()
        spoilt[band].encoding = {"_FillValue": 65535} if band == "B03" else {}
    fine = xarray.Dataset({b: second.sel(band=b, drop=True) for b in BANDS})
    assert ism.rmse(spoilt, fine) == ism.rmse(org, pred, mask=mask)


def test_coordinates_have_to_agree(images):
    org, pred = map(labelled, images)
    near = pred.assign_coords(x=pred.x + 0.05)
    far = pred.assign_coords(x=pred.x + 10)
    upside_down = pred.assign_coords(y=pred.y[::-1].values)
    assert ism.rmse(org, near) == ism.rmse(*images)
    for other, message in ((far, "columns differ by up to 10"), (upside_down, "of the rows")):
        with pytest.raises(ism.GridMismatchError, match=message):
            ism.compare(org, other)
        allowed = ism.compare(org, other, metrics="rmse", allow_grid_mismatch=True)
        assert allowed["rmse"].value == ism.rmse(*images)
    bare = pred.drop_vars(["x", "y"])
    assert ism.rmse(org, bare) == ism.rmse(*images)
    with pytest.raises(ism.ShapeMismatchError, match="align them"):
        ism.rmse(org, pred[:-1])


def test_reference_systems_have_to_agree(images):
    def located(image, code):
        wkt = rasterio.CRS.from_epsg(code).to_wkt()
        return labelled(image).assign_coords(spatial_ref=((), 0, {"crs_wkt": wkt}))

    org, pred = images
    assert ism.rmse(located(org, 32632), located(pred, 32632)) == ism.rmse(org, pred)
    with pytest.raises(ism.GridMismatchError, match="reference systems"):
        ism.rmse(located(org, 32632), located(pred, 32633))
    assert ism.rmse(located(org, 32632), labelled(pred)) == ism.rmse(org, pred)


def test_maps_lie_where_the_coordinates_say(images, tmp_path: Path):
    wkt = rasterio.CRS.from_epsg(32632).to_wkt()
    org, pred = (
        labelled(image).assign_coords(spatial_ref=((), 0, {"crs_wkt": wkt})) for image in images
    )
    ism.compare(org, pred, metrics="ssim", maps=tmp_path)
    with rasterio.open(tmp_path / "ssim.tif") as file:
        assert file.crs.to_epsg() == 32632
        assert file.transform == rasterio.Affine(10, 0, 600000, 0, -10, 5000000)


@pytest.mark.parametrize(
    ("dims", "message"),
    [(("time", "band", "y", "x"), r"isel\(time=0\)"), (("y", "band"), "give y, x")],
)
def test_other_dimensions_are_refused_with_the_cure(dims, message):
    array = xarray.DataArray(np.zeros([5, 4, 30, 30][: len(dims)]), dims=dims)
    whole = xarray.Dataset({"a": array}) if len(dims) == 2 else array
    with pytest.raises(ism.InputError, match=message if len(dims) > 2 else "no variable"):
        ism.compare(whole, whole)


def test_a_single_date_is_no_further_dimension(images):
    pair = [labelled(image).expand_dims(time=1) for image in images]
    assert ism.rmse(*pair) == ism.rmse(*images)


@settings(max_examples=12)
@given(
    st.lists(st.integers(9, 80), min_size=2, max_size=2),
    st.lists(st.integers(9, 64), min_size=2, max_size=2),
    st.integers(1, 3),
    st.booleans(),
)
def test_any_chunking_gives_the_whole(make_pair, rows, cols, bands, masked):
    """Of the two images, each in its own chunks, all metrics and with pixels left out."""
    pytest.importorskip("dask.array")
    org, pred = make_pair(80, 64, 3)
    first, second = labelled(org), labelled(pred, dims=("band", "y", "x"))
    first = first.chunk(y=rows[0], x=cols[0], band=bands)
    second = second.chunk(y=rows[1], x=cols[1])
    mask = None
    if masked:
        mask = np.ones(org.shape[:2], bool)
        mask[7, 9] = mask[60:70, 3] = False
    report = ism.compare(first, second, mask=mask)
    expected = ism.compare(org, pred, mask=mask)
    assert report.metrics == expected.metrics
    assert report.valid_share == expected.valid_share


def test_dask_is_computed_strip_by_strip_and_each_chunk_once(monkeypatch):
    monkeypatch.setattr(strips, "STRIP_SAMPLES", 1)
    array = pytest.importorskip("dask.array")
    computed = []

    def chunk(block_info=None):
        place = block_info[None]["array-location"]
        computed.append(tuple(place))
        rng = np.random.default_rng(place[0][0])
        return rng.integers(0, 4000, [stop - start for start, stop in place]).astype("uint16")

    lazy = array.map_blocks(
        chunk, chunks=((100,) * 6, (300, 300), (2,)), dtype="uint16", meta=np.zeros((0, 0, 0), "u2")
    )
    org = xarray.DataArray(lazy, dims=("y", "x", "band"))
    pair = LabelledPair(org, org)
    assert pair.block_rows == 100
    computed.clear()
    steps = []
    ism.score(
        pair, ["rmse", "ssim"], progress=lambda done, _: steps.append((done, len(computed))),
        max_block_bytes=2 * 100 * 600 * 2 * 2,
    )  # fmt: skip
    assert sorted(computed) == sorted(set(computed))
    assert len(computed) == 12
    # No more than is at work and one block ahead.
    first, known = steps[0]
    assert first < 200
    assert known <= 6


@pytest.fixture(scope="module")
def client():
    """A cluster of two processes."""
    distributed = pytest.importorskip("distributed")
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.mark.usefixtures("client")
class TestCluster:
    """Workers gather what they have, and the scores are those of the whole."""

    def test_scores_are_those_of_the_whole(self, make_pair):
        org, pred = make_pair(300, 90, 3)
        org[5:9, 7, 1] = 0
        pair = [labelled(image).chunk(y=size, x=50) for image, size in ((org, 100), (pred, 70))]
        for array in pair:
            array.encoding["_FillValue"] = 0
        assert LabelledPair(*pair).spread
        seen = []
        names = ["rmse", "sam", "ssim", "uiq", "fsim", "issm", "scc"]
        report = ism.compare(*pair, metrics=names, progress=lambda *done: seen.append(done))
        expected = ism.compare(org, pred, metrics=names, nodata=0)
        assert report.metrics == pytest.approx(expected.metrics, rel=1e-7)
        assert report.notes == expected.notes
        assert report.valid_share == expected.valid_share
        assert seen == [(300, 300)]

    def test_pixels_stay_where_they_are(self, make_pair):
        """What comes back are sums, not blocks; and maps, which need the rows here, still work."""
        org, pred = make_pair(256, 90, 2)
        pair = [labelled(image, bands=["a", "b"]).chunk(y=64) for image in (org, pred)]
        source = LabelledPair(*pair)
        source.read = None
        assert ism.score(source, "rmse")["rmse"].value == ism.rmse(org, pred)
        _, local = ism.ssim(*pair, full=True)
        np.testing.assert_array_equal(local, ism.ssim(org, pred, full=True)[1])

    def test_errors_come_back_as_they_are(self):
        array = pytest.importorskip("dask.array")

        def broken(block):
            raise OSError("the disk is gone")

        lazy = array.zeros((200, 50, 2), chunks=(50, 50, 2)).map_blocks(broken, dtype=float)
        image = xarray.DataArray(lazy, dims=("y", "x", "band"))
        with pytest.raises(OSError, match="the disk is gone"):
            ism.rmse(image, image)

    def test_a_worker_that_dies_in_the_middle_loses_nothing(self, make_pair, tmp_path: Path):
        array = pytest.importorskip("dask.array")
        org, pred = make_pair(256, 90, 2)
        mark = tmp_path / "died"

        def once(block):
            if not mark.exists():
                mark.touch()
                os._exit(1)
            return block

        lazy = array.from_array(org, chunks=(64, 90, 2)).map_blocks(once, meta=org[:0])
        first = xarray.DataArray(lazy, dims=("y", "x", "band"))
        second = xarray.DataArray(array.from_array(pred), dims=("y", "x", "band"))
        report = ism.compare(first, second, metrics=["rmse", "uiq"])
        assert mark.exists()
        assert report.metrics == pytest.approx(
            {"rmse": ism.rmse(org, pred), "uiq": ism.uiq(org, pred)}, rel=1e-9
        )


def test_another_version_on_a_worker_is_refused_by_name(make_pair):
    org, pred = make_pair(20, 20, 2)
    facts = parts.Facts(org.shape, org.dtype, (org.dtype,))
    block = ism.ArrayPair(org, pred).read(slice(0, 20), slice(0, 20))
    request = Request({"rmse": ism.METRICS["rmse"]}, {"rmse": ism.Options().of("rmse")})
    with pytest.raises(ism.ImageSimilarityError, match=r"a worker has .* and the caller 0\.0"):
        parts._gathered(facts, request, block, 0, Span(0, 20), "0.0")


def test_a_file_and_what_xarray_makes_of_it_score_alike(tmp_path: Path, images):
    """Lazily read by a library of its own, where it is there."""
    rioxarray = pytest.importorskip("rioxarray")
    paths = []
    for name, image in zip("ab", images, strict=True):
        paths.append(tmp_path / f"{name}.tif")
        profile = {"count": 3, "height": 80, "width": 64, "dtype": "uint16", "nodata": 0}
        with rasterio.open(
            paths[-1], "w", driver="GTiff", crs="EPSG:32632",
            transform=rasterio.transform.from_origin(0, 0, 10, 10), **profile,
        ) as file:  # fmt: skip
            file.write(np.moveaxis(image, -1, 0))
    arrays = [rioxarray.open_rasterio(path) for path in paths]
    assert (
        ism.compare(*arrays, metrics="ssim").metrics == ism.compare(*paths, metrics="ssim").metrics
    )
