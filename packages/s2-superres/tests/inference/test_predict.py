"""From a product to a file."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import shapely

from s2_superres import open_product, superresolve
from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.errors import AreaError, InputError, OutputError, ProductError, S2SuperresError
from s2_superres.inference import workers
from s2_superres.inference.cost import estimate
from s2_superres.inference.outputs import check_paths
from s2_superres.inference.plan import Options, choose_bands, prepare
from s2_superres.inference.predict import predict
from s2_superres.inference.quicklook import draw_quicklook
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A landscape as an L1C product of baseline 05.09."""
    return write_product(
        tmp_path_factory.mktemp("scene"), ProductSpec("L1C", "05.09", GRID), landscape
    )


@pytest.fixture
def plain(tiny: dict[int, str]) -> Options:
    """Small weights, in float32."""
    return Options(weights=tiny, precision="float32")


@pytest.fixture
def fine(plain: Options, tiny: dict[int, str]) -> Options:
    """Only 20 m bands, in several windows."""
    return replace(plain, weights={20: tiny[20]}, bands=["B05", "B8A"], tile=108)


def bands_of(product: Path, resolution: int) -> np.ndarray:
    """Read all bands of a resolution with rasterio alone."""
    known = open_product(product)
    bands = {10: BANDS_10M, 20: BANDS_20M, 60: BANDS_60M}[resolution]
    planes = []
    for band in bands:
        with rasterio.open(known.files[band.name]) as dataset:
            planes.append(dataset.read(1))
    return np.stack(planes)


def test_the_file_holds_what_the_array_function_returns(
    scene: Path, tmp_path: Path, plain: Options, tiny: dict[int, str]
) -> None:
    """Rounded to uint16, in the input's convention, bands in ESA's order, tagged."""
    out = tmp_path / "out.tif"
    summary = predict(scene, out, replace(plain, include_10m=True))
    arrays = [bands_of(scene, r) for r in (10, 20, 60)]
    expected = superresolve(*arrays, level="L1C", offset=-1000, weights=tiny, precision="float32")
    with rasterio.open(out) as dataset:
        names = list(dataset.descriptions)
        values = dict(zip(names, dataset.read(), strict=True))
        assert dataset.nodata == 0
        assert dataset.crs.to_epsg() == 32633
        assert dataset.transform.to_gdal() == (300000, 10, 0, 6200040, 0, -10)
        assert dataset.scales[0] == 1e-4
        assert dataset.offsets[0] == pytest.approx(-0.1)
        tags = dataset.tags()
    assert names == [
        "B01",
        "B02",
        "B03",
        "B04",
        "B05",
        "B06",
        "B07",
        "B08",
        "B8A",
        "B09",
        "B11",
        "B12",
    ]
    for bands, got in ((BANDS_20M, expected.b20), (BANDS_60M, expected.b60)):
        for band, plane in zip(bands, got, strict=True):
            np.testing.assert_allclose(values[band.name], plane, rtol=0, atol=0.501)
    for band, plane in zip(BANDS_10M, arrays[0], strict=True):
        np.testing.assert_array_equal(values[band.name], plane)
    assert tags["PRODUCT_ID"] == open_product(scene).name
    assert tags["PROCESSING_BASELINE"] == "05.09"
    assert tags["NETWORK_20M"] == "dsen2 tiny_20m"
    assert summary.valid_share == 1
    assert set(summary.agreement) == set(names) - {band.name for band in BANDS_10M}
    for value in summary.agreement.values():
        assert value.rms < 0.1 < value.rms_without_projection
    json.dumps(summary.to_dict(), allow_nan=False)


def test_a_part_is_the_part_of_the_whole(
    scene: Path,
    tmp_path: Path,
    plain: Options,
) -> None:
    """An area's pixels are those of the whole product, whatever the tiles."""
    whole, part = tmp_path / "whole.tif", tmp_path / "part.tif"
    predict(scene, whole, plain)
    bounds = (300601.0, 6198500.0, 301807.0, 6199403.0)
    predict(scene, part, replace(plain, bounds=bounds, tile=132))
    with rasterio.open(whole) as big, rasterio.open(part) as small:
        assert small.bounds == (300600, 6198480, 301860, 6199440)
        window = big.window(*small.bounds)
        np.testing.assert_array_equal(small.read(), big.read(window=window))


def test_the_same_scene_of_either_baseline_gives_the_same_reflectance(
    scene: Path, tmp_path: Path, plain: Options
) -> None:
    """Offsets are in the metadata, and the network never sees them."""
    before = write_product(
        tmp_path,
        ProductSpec("L1C", "03.01", GRID),
        landscape,
    )
    reflectances = []
    for product, name in ((scene, "new.tif"), (before, "old.tif")):
        predict(product, tmp_path / name, plain)
        with rasterio.open(tmp_path / name) as dataset:
            reflectances.append(dataset.read() * dataset.scales[0] + dataset.offsets[0])
    np.testing.assert_allclose(*reflectances, atol=1e-9)


def test_only_the_networks_that_are_needed_run(
    scene: Path, tmp_path: Path, plain: Options, fine: Options
) -> None:
    """20 m bands alone neither read nor need the 60 m bands."""
    lacking = tmp_path / "p" / scene.name
    shutil.copytree(scene, lacking)
    for path in lacking.rglob("*B09.jp2"):
        path.unlink()
    run = prepare(lacking, replace(fine, bands=["b12", "B05"]))
    assert [band.name for band in run.bands] == ["B05", "B12"]
    assert list(run.job.sharpener.weights) == [20]
    with pytest.raises(ProductError, match="B09"):
        prepare(lacking, plain)


@pytest.mark.parametrize("kind", ["threads", "processes"])
def test_an_executor_gives_the_same_file(
    scene: Path, tmp_path: Path, kind: str, fine: Options
) -> None:
    """Units of work travel to other processes, and come back in any order."""
    here, there = tmp_path / "here.tif", tmp_path / "there.tif"
    predict(scene, here, fine)
    pool = (
        ThreadPoolExecutor(2)
        if kind == "threads"
        else ProcessPoolExecutor(1, mp_context=get_context("spawn"))
    )
    with pool as executor:
        predict(scene, there, fine, executor=executor)
    with rasterio.open(here) as a, rasterio.open(there) as b:
        np.testing.assert_array_equal(a.read(), b.read())


FORKED = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
import tensorflow as tf
from s2_superres import superresolve
from s2_superres.errors import S2SuperresError
if __name__ == "__main__":
    tf.zeros(2) + 1
    try:
        with ProcessPoolExecutor(1, mp_context=get_context("fork")) as executor:
            superresolve(*sys.argv[1:3], weights=sys.argv[3], bands="B05", executor=executor)
    except S2SuperresError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes that fork")
def test_a_fork_that_would_wait_for_ever_is_refused(
    scene: Path, tmp_path: Path, tiny: dict[int, str]
) -> None:
    """With what to give instead: TensorFlow has run in the process that would fork."""
    done = subprocess.run(
        [sys.executable, "-c", FORKED, str(scene), str(tmp_path / "o.tif"), tiny[20]],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert "would wait for ever" in done.stdout and "get_context('spawn')" in done.stdout
    assert list(tmp_path.iterdir()) == []


POOLED = """
import multiprocessing
import numpy as np
from s2_superres import superresolve
from s2_superres.errors import WorkerError

def job(_):
    b10, b20 = np.full((4, 12, 12), 1500, "u2"), np.full((6, 6, 6), 2500, "u2")
    return superresolve(b10, b20, level="L1C", network="none").b20.shape

print(job(0))
with multiprocessing.get_context("fork").Pool(1) as pool:
    try:
        pool.map(job, [0])
    except WorkerError as error:
        print(error)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes that fork")
def test_a_process_that_was_forked_too_late_says_so() -> None:
    """Whoever forked it: it would wait for ever at TensorFlow's first operation."""
    done = subprocess.run(
        [sys.executable, "-c", POOLED], capture_output=True, text=True, check=True, timeout=120
    )
    shape, refused = done.stdout.splitlines()
    assert shape == "(6, 12, 12)"
    assert "forked from one where TensorFlow has run" in refused and "'spawn'" in refused


def dies(*_: object) -> None:
    os._exit(9)


def test_a_worker_that_dies_ends_the_run_in_one_line(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fine: Options
) -> None:
    """And leaves nothing behind."""
    monkeypatch.setattr(workers, "run_unit", dies)
    with (
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor,
        pytest.raises(S2SuperresError, match=r"a worker process died.*fewer workers"),
    ):
        predict(scene, tmp_path / "o.tif", fine, executor=executor)
    assert list(tmp_path.iterdir()) == []


def test_what_lies_outside_the_polygons_becomes_no_data(
    scene: Path, tmp_path: Path, fine: Options
) -> None:
    """Pixel by pixel: inside as without the mask, outside nothing."""
    whole, masked = tmp_path / "whole.tif", tmp_path / "masked.tif"
    corners = [(300103.1, 6199901.7), (301507.9, 6199803.3), (301009.3, 6198506.1)]
    ring = ", ".join(f"[{x}, {y}]" for x, y in [*corners, corners[0]])
    aoi = tmp_path / "aoi.geojson"
    aoi.write_text(
        '{"type": "FeatureCollection", "crs": {"type": "name", "properties": {"name": '
        '"urn:ogc:def:crs:EPSG::32633"}}, "features": [{"type": "Feature", "properties": {}, '
        f'"geometry": {{"type": "Polygon", "coordinates": [[{ring}]]}}}}]}}'
    )
    predict(scene, whole, replace(fine, aoi=aoi))
    predict(scene, masked, replace(fine, aoi=aoi, mask_outside=True))
    with rasterio.open(whole) as a, rasterio.open(masked) as b:
        assert a.profile == b.profile
        left, top = a.bounds.left, a.bounds.top
        rows, cols = np.mgrid[: a.height, : a.width] + 0.5
        points = shapely.points(left + 10 * cols, top - 10 * rows)
        inside = shapely.contains(shapely.Polygon(corners), points)
        assert 0.2 < inside.mean() < 0.8
        np.testing.assert_array_equal(b.read(), np.where(inside, a.read(), 0))
    aoi.write_text(
        aoi.read_text().replace("Polygon", "LineString").replace("[[[", "[[").replace("]]]", "]]")
    )
    with pytest.raises(S2SuperresError, match="no polygon"):
        prepare(scene, replace(fine, aoi=aoi, mask_outside=True))
    with pytest.raises(InputError, match="--aoi"):
        Options(mask_outside=True)


def test_progress_ends_with_everything(scene: Path, tmp_path: Path, fine: Options) -> None:
    """One call per window, counting up to all windows and pixels."""
    seen: list[tuple[int, int]] = []
    run = prepare(scene, fine)
    predict(run, tmp_path / "o.tif", progress=lambda *done: seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == (len(run.windows), 240 * 300)
    assert len(seen) == len(run.windows) > 1


def test_a_failure_in_the_middle_leaves_nothing(
    scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fine: Options
) -> None:
    """Neither the output nor anything hidden beside it; the error is the first one."""
    from s2_superres.inference import blocks

    calls: list[int] = []

    def fail(*args: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise S2SuperresError("the second window")
        return real(*args)

    real = blocks.compute
    monkeypatch.setattr(blocks, "compute", fail)
    with pytest.raises(S2SuperresError, match="the second window"):
        predict(scene, tmp_path / "o.tif", fine)
    assert list(tmp_path.iterdir()) == []


def test_outputs_never_replace_what_is_there_nor_enter_the_product(
    scene: Path, tmp_path: Path, plain: Options
) -> None:
    """Unless --overwrite; the product never."""
    taken = tmp_path / "o.tif"
    taken.write_bytes(b"II*\0mine")
    with pytest.raises(OutputError, match="--overwrite"):
        predict(scene, taken, plain)
    assert taken.read_bytes() == b"II*\0mine"
    link = tmp_path / "link.SAFE"
    link.symlink_to(scene)
    for product, output in ((scene, scene / "o.tif"), (scene, link / "o.tif"), (link, scene / "o")):
        with pytest.raises(OutputError, match="lies in "):
            predict(product, output, plain)


def test_a_product_given_as_the_current_folder_is_no_reason_to_refuse(
    scene: Path, tmp_path: Path, fine: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the paths look like as text."""
    monkeypatch.chdir(scene)
    assert predict(".", Path(os.path.relpath(tmp_path / "o.tif")), fine).pixels > 0


def test_the_quicklook_may_not_be_the_output(scene: Path, tmp_path: Path, plain: Options) -> None:
    """The picture would replace the result."""
    (tmp_path / "x").mkdir()
    with pytest.raises(OutputError, match="its own name"):
        check_paths(prepare(scene, plain), tmp_path / "o.tif", tmp_path / "x" / ".." / "o.tif")


def test_impossible_wishes_are_refused(
    scene: Path,
    plain: Options,
) -> None:
    """Before any pixel is read."""
    with pytest.raises(InputError, match="B10"):
        prepare(scene, replace(plain, bands=["B10"]))
    with pytest.raises(InputError, match="only 10 m bands"):
        prepare(scene, replace(plain, bands=["B02"]))
    with pytest.raises(AreaError, match="tile"):
        prepare(scene, replace(plain, bounds=(0.0, 0.0, 60.0, 60.0)))
    for wish, words in (
        ({"no_such_option": 1}, "no_such_option"),
        ({"format": "bmp"}, "bmp.*cog or gtiff"),
        ({"bounds": (1, 2, 3)}, "bounds .*left, bottom, right and top"),
        ({"bands": []}, "no bands are asked for"),
    ):
        with pytest.raises(InputError, match=words):
            superresolve(scene, "o.tif", **wish)
    with pytest.raises(InputError, match="say where to write"):
        superresolve(scene)
    run = prepare(scene, replace(plain, bands="b05, B12"))
    assert [band.name for band in run.bands] == ["B05", "B12"]


def test_the_estimate_is_of_the_whole_run(scene: Path, plain: Options, fine: Options) -> None:
    """Twice the windows, twice the time; memory at least that of this process."""
    cost = estimate(prepare(scene, fine))
    assert cost.seconds > 0
    assert cost.memory > 100 * 2**20


@pytest.mark.parametrize("bands", [None, ["B01"], ["B05", "B8A", "B12"]])
def test_the_quicklook_is_a_picture_of_three_panels(
    scene: Path, tmp_path: Path, bands: list[str] | None, plain: Options
) -> None:
    """True colour, before, after: of one size, in colours that use the range."""
    run = prepare(scene, replace(plain, bands=bands))
    summary = predict(run, tmp_path / "o.tif")
    draw_quicklook(run, summary, tmp_path / "q.png")
    with rasterio.open(tmp_path / "q.png") as dataset:
        picture = dataset.read()
    side = (picture.shape[2] - 12) // 3
    assert picture.shape == (3, side, 3 * side + 12)
    for panel in range(3):
        shown = picture[:, :, panel * (side + 6) : panel * (side + 6) + side]
        assert shown.std() > 20
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.tif", "q.png"]


def test_bands_are_named_as_people_write_them() -> None:
    """``B5``, ``b8a`` and ``8A`` are bands; ``B10`` and ``5A`` are not."""
    found = choose_bands("B5, b8a 8A b012 11", False)
    assert [band.name for band in found] == ["B05", "B8A", "B11", "B12"]
    for name in ("B10", "5A", "B", "B8B", "red"):
        with pytest.raises(InputError, match=f"no band '{name}'"):
            choose_bands([name], False)


def test_output_tells_the_wavelengths_of_its_satellite(tmp_path: Path) -> None:
    """A band of Sentinel-2B is written with 2B's wavelength, not 2A's."""
    spec = ProductSpec("L1C", "05.09", Grid("EPSG:32633", 300000.0, 6200040.0, 60, 60))
    safe = write_product(tmp_path, replace(spec, spacecraft="B"), landscape)
    metadata = safe / "MTD_MSIL1C.xml"
    metadata.write_text(metadata.read_text().replace(">2202.4<", ">2185.7<"))
    predict(safe, tmp_path / "a.tif", Options(bands="B12", network="none"))
    with rasterio.open(tmp_path / "a.tif") as output:
        assert output.tags(1)["wavelength"] == "2185.7"
