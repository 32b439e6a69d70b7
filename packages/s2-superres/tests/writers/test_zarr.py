"""Zarr stores: whole or not at all, gone on from after a kill, and read by xarray and GDAL."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

from s2_superres.errors import InputError, InstallationError, OutputError
from s2_superres.raster.grid import Area, Grid
from s2_superres.raster.windows import Plan, plan
from s2_superres.writers.formats import formats
from s2_superres.writers.geotiff import COG
from s2_superres.writers.spec import Layer, RasterSpec, Writer, written

zarr = pytest.importorskip("zarr")
xr = pytest.importorskip("xarray", minversion="2025.1")

GRID = Grid("EPSG:32633", 300060.0, 6199980.0, 1236, 396)
LAYERS = (Layer("B05", 704.1, 1e-4, -0.1), Layer("B06", 740.5, 1e-4, -0.1), Layer("B12"))
TAGS = {"S2_SUPERRES_VERSION": "1", "PRODUCT_ID": "S2A_x", "LEVEL": "L1C"}
#: Ten of them.
WINDOWS = plan(GRID.area, 300, 18)
ZARR = formats()["zarr"]
BOTH = pytest.mark.parametrize("options", [{}, {"FORMAT": "ZARR_V2"}], ids=["v3", "v2"])


def image(seed: int = 0, dtype: str = "uint16") -> np.ndarray:
    """Smooth pixels with noise, and a corner without data."""
    rng = np.random.default_rng(seed)
    values = rng.integers(900, 1100, (3, GRID.rows, GRID.cols)) + np.arange(GRID.cols)
    values[:, :100, :200] = 0
    return values.astype(dtype)


def spec_of(windows: Plan = WINDOWS, **changes: Any) -> RasterSpec:
    shape = windows.core_rows, windows.core_cols
    return RasterSpec(GRID, LAYERS, **{"tags": TAGS, "window": shape, **changes})


def put(writer: Writer, values: np.ndarray, windows: list[Area]) -> None:
    for area in windows:
        part = values[:, area.row : area.row_stop, area.col : area.col_stop]
        writer.write(area, part, f"note of {area.row}, {area.col}")


def cores(windows: Plan = WINDOWS) -> list[Area]:
    """The windows in random order."""
    found = [window.core for window in windows]
    random.Random(1).shuffle(found)
    return found


def write(path: Path, values: np.ndarray, **changes: Any) -> None:
    spec = spec_of(dtype=values.dtype.name, **changes)
    with written(ZARR.open(path, spec)) as writer:
        put(writer, values, cores())


def read(path: Path) -> np.ndarray:
    return ZARR.read(path, GRID.area, [layer.name for layer in LAYERS])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("version", ["ZARR_V3", "ZARR_V2"])
@pytest.mark.parametrize("options", [{}, {"COMPRESS": "zstd", "LEVEL": "3"},
                                     {"COMPRESS": "GZIP"}, {"COMPRESS": "NONE"}])  # fmt: skip
def test_pixels_come_back(tmp_path: Path, version: str, options: Mapping[str, str]) -> None:
    """Windows in any order make up the image, without loss, and nothing else is left."""
    write(tmp_path / "out.zarr", image(), options={"FORMAT": version, **options})
    assert names(tmp_path) == ["out.zarr"]
    np.testing.assert_array_equal(read(tmp_path / "out.zarr"), image())


@BOTH
def test_xarray_and_rioxarray_read_it(tmp_path: Path, options: Mapping[str, str]) -> None:
    """Without a warning or an argument: reflectance, no data, coordinates and CRS."""
    pytest.importorskip("rioxarray")
    write(tmp_path / "out.zarr", image(), options=options)
    with warnings.catch_warnings(action="error"):
        dataset = xr.open_zarr(tmp_path / "out.zarr")
    assert set(dataset.data_vars) == {"B05", "B06", "B12"} and dataset.B05.dims == ("y", "x")
    expected = np.where(image() == 0, np.nan, image() * 1e-4 - 0.1)
    np.testing.assert_allclose(dataset.B05.values, expected[0])
    np.testing.assert_array_equal(dataset.B12.values[200:], image()[2, 200:])
    assert dataset.B05.attrs["wavelength"] == 704.1 and dataset.attrs["PRODUCT_ID"] == "S2A_x"
    assert dataset.rio.crs.to_epsg() == 32633
    assert tuple(dataset.B05.rio.transform())[:6] == GRID.transform()
    assert float(dataset.x[0]) == 300065.0 and float(dataset.y[-1]) == GRID.bounds[1] + 5
    tree = xr.open_datatree(tmp_path / "out.zarr", engine="zarr")
    assert tree.groups == ("/", "/r20m", "/r40m")
    half = xr.open_zarr(tmp_path / "out.zarr", group="r20m")
    assert half.rio.transform()[0] == 20 and half.rio.transform()[5] == GRID.top
    assert half.rio.crs.to_epsg() == 32633


@BOTH
def test_a_reader_that_shares_no_code_with_the_writer(
    tmp_path: Path, options: Mapping[str, str]
) -> None:
    """TensorStore, in C++: the bands, by shards and chunks, and the overviews."""
    tensorstore = pytest.importorskip("tensorstore")
    write(tmp_path / "out.zarr", image(), options=options)
    driver = "zarr" if options.get("FORMAT") == "ZARR_V2" else "zarr3"

    def opened(name: str) -> Any:
        place = {"driver": "file", "path": f"{tmp_path / 'out.zarr' / name}/"}
        return tensorstore.open({"driver": driver, "kvstore": place}).result()

    for name, expected in zip(("B05", "B06", "B12"), image(), strict=True):
        np.testing.assert_array_equal(opened(name).read().result(), expected)
        part = opened(name)[100:131, 70:90].read().result()
        np.testing.assert_array_equal(part, expected[100:131, 70:90])
    half = xr.open_zarr(tmp_path / "out.zarr", group="r20m", mask_and_scale=False)
    np.testing.assert_array_equal(opened("r20m/B05").read().result(), half.B05)


def test_gdal_reads_zarr_2(tmp_path: Path) -> None:
    """Even an old one: band by band, on the right ground."""
    write(tmp_path / "out.zarr", image(), options={"FORMAT": "ZARR_V2"})
    with rasterio.open(f'ZARR:"{tmp_path / "out.zarr"}":/B06') as dataset:
        np.testing.assert_array_equal(dataset.read(1), image()[1])
        assert dataset.crs.to_epsg() == 32633 and dataset.nodata == 0
        assert dataset.transform[:6] == GRID.transform()
        assert (dataset.scales[0], dataset.offsets[0]) == (1e-4, -0.1)


def test_the_conventions_of_geozarr_are_kept(tmp_path: Path) -> None:
    """By the judgement of their own library: proj, spatial and multiscales."""
    zarr_cm = pytest.importorskip("zarr_cm")
    write(tmp_path / "out.zarr", image())
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    for node, conventions in (
        (group, ("proj", "spatial", "multiscales")),
        (group["r20m"], ("proj", "spatial")),
    ):
        for name in conventions:
            convention = getattr(zarr_cm, name)
            _, said = convention.extract(dict(node.attrs))
            convention.validate(said)
            assert convention.CMO in node.attrs["zarr_conventions"]
    layout = group.attrs["multiscales"]["layout"]
    assert [entry["asset"] for entry in layout] == ["B05", "r20m", "r40m"]
    for entry in layout:
        node = group[entry["asset"]]
        shape = node.shape if hasattr(node, "shape") else node["B05"].shape
        assert tuple(entry["spatial:shape"]) == shape
    assert [entry["spatial:transform"][0] for entry in layout] == [10, 20, 40]


@pytest.mark.parametrize("saturated", [None, 65535])
@BOTH
def test_overviews_are_those_of_a_geotiff(
    tmp_path: Path, options: Mapping[str, str], saturated: int | None
) -> None:
    """The mean of what has data; none is made of saturated pixels."""
    values = image()
    if saturated:
        values[0, 600:604, 300:304] = values[0, 700, 350] = saturated
    write(tmp_path / "out.zarr", values, options=options, saturated=saturated)
    with written(COG.open(tmp_path / "out.tif", spec_of(saturated=saturated))) as writer:
        put(writer, values, cores())
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    for level, name in enumerate(("r20m", "r40m")):
        with rasterio.open(tmp_path / "out.tif", overview_level=level) as dataset:
            for band, layer in enumerate(LAYERS, 1):
                np.testing.assert_array_equal(group[name][layer.name][:], dataset.read(band))


def test_no_overviews_if_asked_for(tmp_path: Path) -> None:
    """Then the store itself says where it lies."""
    write(tmp_path / "out.zarr", image(), options={"OVERVIEWS": "NONE"})
    group = zarr.open_group(tmp_path / "out.zarr", mode="r")
    assert list(group.group_keys()) == [] and "multiscales" not in group.attrs
    assert group.attrs["spatial:transform"] == list(GRID.transform())


def test_every_shard_is_a_window_and_written_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No window is read back to be written again, however the chunks are cut."""
    from zarr.storage import LocalStore

    seen: Counter[str] = Counter()
    real = LocalStore.set

    async def counted(self: Any, key: str, value: Any) -> None:
        seen[key] += 1
        await real(self, key, value)

    monkeypatch.setattr(LocalStore, "set", counted)
    write(tmp_path / "out.zarr", image(), options={"BLOCKSIZE": "100"})
    shards = {key: times for key, times in seen.items() if "/c/" in key}
    assert set(shards.values()) == {1}
    for folder in ("", "r20m/"):
        files = [key for key in shards if key.startswith(f"{folder}B05/")]
        assert len(files) == len(WINDOWS)
    array = zarr.open_group(tmp_path / "out.zarr", mode="r")["B05"]
    assert array.shards == (WINDOWS.core_rows, WINDOWS.core_cols)
    assert array.shards[0] % array.chunks[0] == 0 and 50 < array.chunks[0] < 200


@settings(max_examples=15)
@given(
    rows=st.integers(1, 25),
    cols=st.integers(1, 25),
    tile=st.integers(4, 30),
    version=st.sampled_from(["ZARR_V3", "ZARR_V2"]),
    block=st.sampled_from(["16", "50", "1000"]),
)
def test_any_shape_and_any_window(
    tmp_path_factory: pytest.TempPathFactory,
    rows: int,
    cols: int,
    tile: int,
    version: str,
    block: str,
) -> None:
    """What goes in by windows comes out."""
    path = tmp_path_factory.mktemp("any") / "out.zarr"
    windows = plan(Area(0, 0, 6 * rows, 6 * cols), 6 * tile, 6)
    grid = Grid("EPSG:32633", 0.0, 0.0, 6 * rows, 6 * cols)
    values = np.random.default_rng(rows).integers(0, 60000, (1, *grid.area.shape)).astype("uint16")
    options = {"FORMAT": version, "BLOCKSIZE": block}
    spec = RasterSpec(
        grid, LAYERS[:1], window=(windows.core_rows, windows.core_cols), options=options
    )
    with written(ZARR.open(path, spec)) as writer:
        put(writer, values, cores(windows))
    np.testing.assert_array_equal(ZARR.read(path, grid.area, ["B05"]), values)
    shutil.rmtree(path.parent)


def test_floats_and_nan(tmp_path: Path) -> None:
    """Reflectance with NaN for no data keeps both; what was never written has no data."""
    values = image(dtype="float32") / 3
    spec = spec_of(dtype="float32", nodata=float("nan"))
    with written(ZARR.open(tmp_path / "out.zarr", spec)) as writer:
        put(writer, values, [core for core in cores() if core.row == 0])
    dataset = xr.open_zarr(tmp_path / "out.zarr")
    rows = WINDOWS.core_rows
    np.testing.assert_array_equal(dataset.B12.values[:rows], values[2, :rows])
    assert np.isnan(dataset.B12.values[rows:]).all()


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A folder where a run has finished four windows of ten and then failed."""

    def fail_midway() -> None:
        with written(ZARR.open(tmp_path / "out.zarr", spec_of())) as writer:
            put(writer, image(), cores()[:4])
            raise RuntimeError("the network failed")

    with pytest.raises(RuntimeError, match="network") as raised:
        fail_midway()
    assert "4 windows of" in raised.value.__notes__[0]
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".out.zarr-")
    return tmp_path


def test_what_is_finished_need_not_come_again(stopped: Path) -> None:
    """A next run is told of it, with its notes, and writes the rest."""
    path, todo = stopped / "out.zarr", cores()
    with written(ZARR.open(path, spec_of())) as writer:
        assert set(writer.notes) == set(todo[:4])
        assert writer.notes[todo[0]] == f"note of {todo[0].row}, {todo[0].col}"
        put(writer, image(), todo[4:])
    assert names(stopped) == ["out.zarr"]
    np.testing.assert_array_equal(read(path), image())
    write(stopped / "fresh.zarr", image())
    one, other = (zarr.open_group(stopped / name, mode="r") for name in ("out.zarr", "fresh.zarr"))
    np.testing.assert_array_equal(one["r40m/B12"][:], other["r40m/B12"][:])


@pytest.mark.parametrize("harm", ["cut off", "gone", "other pixels", "overview"])
def test_a_window_that_is_not_whole_comes_again(stopped: Path, harm: str) -> None:
    """Whatever the list of finished windows says: a power cut may have lost their pixels."""
    area = cores()[1]
    (store,) = stopped.glob(".out.zarr-*/store")
    row, col = area.row // WINDOWS.core_rows, area.col // WINDOWS.core_cols
    shard = store / "B06" / "c" / str(row) / str(col)
    if harm == "cut off":
        shard.write_bytes(shard.read_bytes()[:1000])
    elif harm == "gone":
        shard.unlink()
    elif harm == "other pixels":
        zarr.open_group(store, mode="r+")["B06"][area.row, area.col] = 4711
    else:
        zarr.open_group(store, mode="r+")["r20m/B06"][area.row // 2, area.col // 2] = 4711
    with written(ZARR.open(stopped / "out.zarr", spec_of())) as writer:
        assert set(writer.notes) == {cores()[0], *cores()[2:4]}
        put(writer, image(), [area, *cores()[4:]])
    np.testing.assert_array_equal(read(stopped / "out.zarr"), image())


def test_a_list_that_is_cut_off_counts_as_far_as_it_goes(stopped: Path) -> None:
    """As a process leaves it that is killed while it writes."""
    (ledger,) = stopped.glob(".out.zarr-*/windows.jsonl")
    ledger.write_text(ledger.read_text()[:-20])
    writer = ZARR.open(stopped / "out.zarr", spec_of())
    assert set(writer.notes) == set(cores()[:3])
    put(writer, image(), cores()[3:])
    writer.commit()
    np.testing.assert_array_equal(read(stopped / "out.zarr"), image())


@pytest.mark.parametrize(
    "changes",
    [
        {"tags": {**TAGS, "WEIGHTS_SHA256_20M": "abc"}},
        {"tags": {**TAGS, "PRODUCT_ID": "S2B_y"}},
        {"options": {"LEVEL": "5"}},
        {"window": (WINDOWS.core_rows + 6, WINDOWS.core_cols)},
    ],
)
def test_nobody_else_goes_on_from_it(stopped: Path, changes: dict[str, Any]) -> None:
    """Another product, other weights or options begin anew, and clear up when they are done."""
    with written(ZARR.open(stopped / "out.zarr", spec_of(**changes))) as writer:
        assert not writer.notes and len(names(stopped)) == 2
        put(writer, image(), cores())
    assert names(stopped) == ["out.zarr"]


def test_looking_does_no_harm(stopped: Path) -> None:
    """What a dry run opens and gives up stays as it was, and leaves nothing of its own."""
    before = names(stopped)
    ZARR.open(stopped / "out.zarr", spec_of()).discard()
    ZARR.open(stopped / "out.zarr", spec_of(options={"LEVEL": "5"})).discard()
    assert names(stopped) == before
    assert len(ZARR.open(stopped / "out.zarr", spec_of()).notes) == 4


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second one, of the same or of another, ends at once; the first goes on."""
    path = tmp_path / "out.zarr"
    with written(ZARR.open(path, spec_of())) as writer:
        for spec in (spec_of(), spec_of(options={"LEVEL": "5"})):
            with pytest.raises(OutputError, match=r"out\.zarr: another run is writing it; wait"):
                ZARR.open(path, spec)
        put(writer, image(), cores())
    np.testing.assert_array_equal(read(path), image())


KILLED = """
import os, signal, sys
import numpy as np
from s2_superres.raster.grid import Area, Grid
from s2_superres.writers.spec import Layer, RasterSpec
from s2_superres.writers.zarr import ZarrWriter
spec = RasterSpec(Grid("EPSG:32633", 0.0, 0.0, 600, 600), [Layer("B05")], window=(300, 600))
writer = ZarrWriter(sys.argv[1], spec)
writer.write(Area(300, 0, 300, 600), np.full((1, 300, 600), 7, "uint16"), "seven")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_a_process_that_is_killed_is_gone_on_from(tmp_path: Path) -> None:
    """By kill -9; the output is not there until it is whole."""
    path = tmp_path / "out.zarr"
    arguments = [sys.executable, "-c", KILLED, str(path)]
    done = subprocess.run(arguments, check=False, timeout=60, capture_output=True)
    assert done.returncode == -9, done.stderr
    assert not path.exists() and len(names(tmp_path)) == 1
    grid = Grid("EPSG:32633", 0.0, 0.0, 600, 600)
    spec = RasterSpec(grid, [Layer("B05")], window=(300, 600))
    with written(ZARR.open(path, spec)) as writer:
        assert writer.notes == {Area(300, 0, 300, 600): "seven"}
        writer.write(Area(0, 0, 300, 600), np.full((1, 300, 600), 5, "uint16"))
    assert names(tmp_path) == ["out.zarr"]
    pixels = ZARR.read(path, grid.area, ["B05"])
    assert (pixels[0, :300] == 5).all() and (pixels[0, 300:] == 7).all()


FULL = """
import resource, signal, sys
import numpy as np
from s2_superres.errors import OutputError
from s2_superres.raster.grid import Area, Grid
from s2_superres.writers.spec import Layer, RasterSpec, written
from s2_superres.writers.zarr import ZarrWriter
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
spec = RasterSpec(Grid("EPSG:32633", 0.0, 0.0, 1200, 1200), [Layer("a")], window=(600, 1200))
rows = np.random.default_rng(0).integers(1, 60000, (1, 600, 1200)).astype("uint16")
try:
    with written(ZarrWriter(sys.argv[1], spec)) as writer:
        writer.write(Area(0, 0, 600, 1200), np.zeros_like(rows))
        writer.write(Area(600, 0, 600, 1200), rows)
except OutputError as error:
    print(error, *error.__notes__, sep=" / ")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_is_one_line_and_costs_no_finished_window(tmp_path: Path) -> None:
    """A limit on the size of files stands for it."""
    arguments = [sys.executable, "-c", FULL, str(tmp_path / "out.zarr")]
    done = subprocess.run(arguments, check=False, timeout=60, capture_output=True, text=True)
    assert "out.zarr: cannot be written (File too large); " in done.stdout, done.stderr
    assert "1 window of" in done.stdout and done.stdout.count("\n") == 1
    assert len(names(tmp_path)) == 1 and not (tmp_path / "out.zarr").exists()


def test_an_existing_store_needs_overwrite(tmp_path: Path) -> None:
    """And stays until the new one is whole."""
    path = tmp_path / "out.zarr"
    write(path, image(1))
    with pytest.raises(OutputError, match=r"out\.zarr: exists already.*--overwrite"):
        write(path, image(2))
    with written(ZARR.open(path, spec_of(overwrite=True))) as writer:
        put(writer, image(2), cores()[:9])
        np.testing.assert_array_equal(read(path), image(1))
        put(writer, image(2), cores()[9:])
    np.testing.assert_array_equal(read(path), image(2))
    assert names(tmp_path) == ["out.zarr"]


def test_the_old_store_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.zarr"
    write(path, image(1))
    real = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self.name == "store":
            raise OSError(13, "Permission denied")
        return real(self, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", refused)
        with pytest.raises(OutputError, match=r"cannot be written \(Permission denied\)"):
            write(path, image(2), overwrite=True)
    np.testing.assert_array_equal(read(path), image(1))
    # All windows are kept, so that this is done at once.
    with written(ZARR.open(path, spec_of(overwrite=True))) as writer:
        assert len(writer.notes) == len(WINDOWS)
    np.testing.assert_array_equal(read(path), image(2))


def store_of_others(path: Path) -> None:
    zarr.open_group(path, mode="w").create_array("a", shape=(4,), dtype="int8")


def eopf_product(path: Path) -> None:
    (path / "measurements" / "reflectance" / "r10m").mkdir(parents=True)
    (path / "zarr.json").write_text(json.dumps({"attributes": {"S2_SUPERRES_VERSION": "1"}}))


def folder_of_anything(path: Path) -> None:
    path.mkdir()
    (path / "thesis.docx").write_bytes(b"years of work")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (store_of_others, "not a Zarr store that s2-superres has made"),
        (folder_of_anything, "not a Zarr store that s2-superres has made"),
        (eopf_product, "lies in the product"),
        (lambda path: path.write_bytes(b"PK"), "not a Zarr store that s2-superres has made"),
        (lambda path: os.mkfifo(path), "a device or a pipe"),
    ],
)
def test_nothing_but_our_own_store_is_replaced(tmp_path: Path, make: Any, said: str) -> None:
    """Whatever --overwrite says."""
    make(tmp_path / "out.zarr")
    with pytest.raises(OutputError, match=said):
        ZARR.check(tmp_path / "out.zarr", overwrite=True)
    with pytest.raises(OutputError, match=said):
        ZARR.open(tmp_path / "out.zarr", spec_of(overwrite=True))


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    """Inside a product or another store, under a wrong ending, or with no room, say."""
    eopf_product(tmp_path / "product.zarr")
    with pytest.raises(OutputError, match="lies in the product"):
        ZARR.check(tmp_path / "product.zarr" / "out.zarr", overwrite=False)
    with pytest.raises(OutputError, match=r"ends in \.zarr"):
        ZARR.check(tmp_path / "out.tif", overwrite=False)
    with pytest.raises(OutputError, match="GB are free; make room"):
        ZARR.check(tmp_path / "out.zarr", overwrite=False, nbytes=10**18)
    with pytest.raises(OutputError, match="does not exist; make it"):
        ZARR.check(tmp_path / "no" / "out.zarr", overwrite=False)


def test_a_link_stays_and_its_store_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.zarr"
    link.symlink_to("real/old.zarr")
    write(link, image(1))
    write(link, image(2), overwrite=True)
    assert link.is_symlink() and names(tmp_path / "real") == ["old.zarr"]
    np.testing.assert_array_equal(read(tmp_path / "real" / "old.zarr"), image(2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"COMPRES": "ZSTD"},
            "COMPRES: .*no such option; choose from FORMAT, COMPRESS",
        ),
        ({"COMPRESS": "DEFLATE"}, "choose BLOSC or ZSTD"),
        ({"FORMAT": "3"}, "choose ZARR_V3 or ZARR_V2"),
        ({"BLOCKSIZE": "0"}, "from 16 to 10000"),
        ({"LEVEL": "ten"}, "LEVEL=ten; give a whole number from 0 to 9"),
        ({"COMPRESS": "NONE", "LEVEL": "1"}, "LEVEL=1"),
    ],
)
def test_bad_options_are_found_before_the_work(
    tmp_path: Path, options: dict[str, str], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        ZARR.open(tmp_path / "out.zarr", spec_of(options=options))
    assert names(tmp_path) == []


def test_without_the_library_one_line_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InstallationError, match=r"pip install 's2-superres\[zarr\]'"):
        ZARR.check(tmp_path / "out.zarr", overwrite=False)


def test_a_window_across_pixels_of_the_overview_is_refused(tmp_path: Path) -> None:
    """Nothing is averaged of what is not there yet."""
    writer = ZARR.open(tmp_path / "out.zarr", spec_of())
    with pytest.raises(InputError, match="cuts through"):
        writer.write(Area(1, 0, 6, 6), np.zeros((3, 6, 6), np.uint16))
    writer.discard()
    assert names(tmp_path) == []
