"""Outputs: whole or not at all, cloud-optimised, and telling what they hold."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.windows import Window
from rio_cogeo.cogeo import cog_validate

from s2_superres.errors import InputError, OutputError
from s2_superres.files.kinds import TIFF
from s2_superres.files.paths import check_output, protect_inputs
from s2_superres.raster.grid import Area, Grid
from s2_superres.raster.windows import plan
from s2_superres.writers.formats import formats
from s2_superres.writers.geotiff import COG
from s2_superres.writers.spec import Layer, RasterSpec, parse_options, written

GRID = Grid("EPSG:32633", 300060.0, 6199980.0, 1230, 1290)
LAYERS = (Layer("B05", 704.1, 1e-4, -0.1), Layer("B06", 740.5, 1e-4, -0.1), Layer("B12"))
#: What an older output begins with.
OLD = b"II*\0old"
AREA = Area(0, 0, GRID.rows, GRID.cols)


def image(seed: int = 0) -> np.ndarray:
    """Smooth pixels with noise, and a corner without data."""
    rng = np.random.default_rng(seed)
    values = rng.integers(900, 1100, (3, *AREA.shape)) + np.arange(AREA.cols)
    values[:, :100, :200] = 0
    return values.astype(np.uint16)


def write(path: Path, values: np.ndarray, **changes: object) -> None:
    """Write the windows of a plan in random order."""
    kind = formats()[str(changes.pop("format", "cog"))]
    spec = RasterSpec(GRID, LAYERS, **{"dtype": values.dtype.name, **changes})  # type: ignore[arg-type]
    windows = [window.core for window in plan(AREA, 500, 18)]
    random.Random(1).shuffle(windows)
    with written(kind.open(path, spec)) as writer:
        for core in windows:
            part = values[:, core.row : core.row_stop, core.col : core.col_stop]
            writer.write(core, part)


def nothing_left(folder: Path, *expected: str) -> None:
    assert sorted(path.name for path in folder.iterdir()) == sorted(expected)


@pytest.mark.parametrize("format", ["cog", "gtiff"])
@pytest.mark.parametrize("options", [{}, {"COMPRESS": "ZSTD"}, {"COMPRESS": "NONE"}])
def test_pixels_come_back(tmp_path: Path, format: str, options: Mapping[str, str]) -> None:
    """Windows in any order make up the image, without loss, on the right ground."""
    values = image()
    write(tmp_path / "out.tif", values, format=format, options=options)
    nothing_left(tmp_path, "out.tif")
    with rasterio.open(tmp_path / "out.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), values)
        assert dataset.crs.to_epsg() == 32633
        assert dataset.transform[:6] == GRID.transform()
        assert dataset.profile["tiled"] and dataset.block_shapes[0] == (512, 512)
        assert dataset.profile.get("compress", "none") == options.get("COMPRESS", "deflate").lower()
        structure = dataset.tags(ns="IMAGE_STRUCTURE")
        assert ("PREDICTOR" in structure) == (options.get("COMPRESS") != "NONE")


@pytest.mark.parametrize("format", ["cog", "gtiff"])
def test_output_tells_what_it_holds(tmp_path: Path, format: str) -> None:
    """Descriptions, wavelengths, scale, offset, no data and tags are where tools look."""
    write(tmp_path / "out.tif", image(), format=format, tags={"PRODUCT": "S2A_x", "LEVEL": "L1C"})
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.descriptions == ("B05", "B06", "B12")
        assert dataset.scales == (1e-4, 1e-4, 1.0) and dataset.offsets == (-0.1, -0.1, 0.0)
        assert dataset.nodata == 0
        assert dataset.tags()["PRODUCT"] == "S2A_x" and dataset.tags()["LEVEL"] == "L1C"
        assert dataset.tags(2)["wavelength"] == "740.5"
        assert dataset.tags(2, ns="IMAGERY")["CENTRAL_WAVELENGTH_UM"] == "0.7405"
        assert "wavelength" not in dataset.tags(3)


def test_default_is_a_valid_cog(tmp_path: Path) -> None:
    """rio-cogeo finds neither errors nor warnings."""
    write(tmp_path / "out.tif", image())
    valid, errors, warnings = cog_validate(tmp_path / "out.tif", quiet=True)
    assert (valid, errors, warnings) == (True, [], [])


@pytest.mark.parametrize("format", ["cog", "gtiff"])
def test_overviews_average_what_has_data(tmp_path: Path, format: str) -> None:
    """An overview pixel is the mean of its four, and pixels without data take no part."""
    values = image()
    values[:, 99, 199] = 1000
    write(tmp_path / "out.tif", values, format=format)
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert dataset.overviews(1)[0] == 2
    with rasterio.open(tmp_path / "out.tif", overview_level=0) as half:
        got = half.read(1).astype(float)
    mean = values[0].astype(float).reshape(615, 2, 645, 2).mean((1, 3))
    assert np.abs(got - mean)[60:].max() <= 0.5 and (got[:49, :99] == 0).all()
    assert got[49, 99] == 1000


@pytest.mark.parametrize("format", ["cog", "gtiff"])
def test_no_overview_is_the_mean_of_saturated_pixels(tmp_path: Path, format: str) -> None:
    """Nobody knows how bright they were: the others' mean, or saturated where there are none."""
    values = np.full((3, *AREA.shape), 2000, np.uint16)
    values[:, 600:604, 600:604] = 65535
    values[:, 700, 700] = 65535
    values[1] = 3000
    write(tmp_path / "out.tif", values, format=format, saturated=65535)
    found = []
    for level in range(2):
        with rasterio.open(tmp_path / "out.tif", overview_level=level) as dataset:
            overview = dataset.read()
        assert set(np.unique(overview[0])) == {2000, 65535} and (overview[1] == 3000).all()
        found.append(np.argwhere(overview[0] == 65535).tolist())
    assert found == [[[300, 300], [300, 301], [301, 300], [301, 301]], [[150, 150]]]


def test_floats_and_nan(tmp_path: Path) -> None:
    """Float output with NaN as no data keeps both; what was never written has no data."""
    values = image().astype(np.float32) / 3
    spec = RasterSpec(GRID, LAYERS, dtype="float32", nodata=float("nan"))
    with written(COG.open(tmp_path / "out.tif", spec)) as writer:
        writer.write(Area(0, 0, 600, 1290), values[:, :600])
    with rasterio.open(tmp_path / "out.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(window=Window(0, 0, 1290, 600)), values[:, :600])
        assert np.isnan(dataset.nodata) and np.isnan(dataset.read(1)[900:]).all()


def test_smallest_output(tmp_path: Path) -> None:
    """One 60 m pixel is a valid COG too."""
    spec = RasterSpec(Grid("EPSG:32633", 0.0, 60.0, 6, 6), LAYERS)
    with written(COG.open(tmp_path / "out.tif", spec)) as writer:
        writer.write(Area(0, 0, 6, 6), np.full((3, 6, 6), 7, np.uint16))
    assert cog_validate(tmp_path / "out.tif", quiet=True)[0]


@pytest.mark.parametrize("format", ["cog", "gtiff"])
def test_a_whole_tile_passes_the_rehearsal(tmp_path: Path, format: str) -> None:
    """What is tried out on a few pixels is fit for them, however large the output."""
    spec = RasterSpec(Grid("EPSG:32633", 3e5, 62e5, 10980, 10980), LAYERS)
    formats()[format].open(tmp_path / "out.tif", spec).discard()
    nothing_left(tmp_path)


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    """An exception among the windows removes everything, and keeps the file that was there."""
    (tmp_path / "out.tif").write_bytes(OLD)

    def fail_midway() -> None:
        spec = RasterSpec(GRID, LAYERS, overwrite=True)
        with written(COG.open(tmp_path / "out.tif", spec)) as writer:
            writer.write(Area(0, 0, 6, 1290), image()[:, :6])
            raise RuntimeError("the network failed")

    with pytest.raises(RuntimeError, match="network"):
        fail_midway()
    nothing_left(tmp_path, "out.tif")
    assert (tmp_path / "out.tif").read_bytes() == OLD


def test_existing_output_needs_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "out.tif"
    write(path, image(1))
    with pytest.raises(OutputError, match=r"out\.tif: exists already.*--overwrite"):
        write(path, image(2))
    write(path, image(2), overwrite=True)
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(dataset.read(), image(2))
    nothing_left(tmp_path, "out.tif")


def test_places_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing folder, a folder for a file, no permission and no room are told beforehand."""
    with pytest.raises(OutputError, match="does not exist; make it"):
        check_output(tmp_path / "no" / "out.tif", TIFF, overwrite=False)
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path, TIFF, overwrite=True)
    with pytest.raises(OutputError, match="GB are free; make room"):
        check_output(tmp_path / "out.tif", TIFF, overwrite=False, nbytes=10**18)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written to"):
        check_output(tmp_path / "out.tif", TIFF, overwrite=False)


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs a folder nobody can write")
def test_folder_that_refuses(tmp_path: Path) -> None:
    """What only the attempt shows is one line too, even for an administrator."""
    with pytest.raises(OutputError, match=r"out\.tif: .*cannot be written"):
        COG.open(Path("/proc/self/out.tif"), RasterSpec(GRID, LAYERS))


@pytest.mark.parametrize(
    ("format", "options", "said"),
    [
        *(
            (format, options, r"COMPRES.*correct --co")
            for format in ("cog", "gtiff")
            for options in ({"COMPRES": "ZSTD"}, {"COMPRESS": "ZIP9"})
        ),
        # GDAL accepts these, and writes zeros, clipped numbers or another grid.
        ("cog", {"COMPRESS": "JPEG"}, r"out\.tif: .*--co"),
        ("gtiff", {"COMPRESS": "JPEG"}, r"out\.tif: .*--co"),
        ("gtiff", {"NBITS": "8", "PREDICTOR": "1"}, r"out\.tif: .*--co"),
        ("cog", {"TARGET_SRS": "EPSG:4326"}, r"out\.tif: .*--co"),
    ],
)
def test_bad_options_are_found_before_the_work(
    tmp_path: Path, format: str, options: Mapping[str, str], said: str
) -> None:
    """A misspelt --co, or one that loses the values, is told at once and not after hours."""
    spec = RasterSpec(GRID, LAYERS, options=options)
    with pytest.raises(OutputError, match=said):
        formats()[format].open(tmp_path / "out.tif", spec)
    nothing_left(tmp_path)


def test_a_lossy_compression_that_is_asked_for_is_allowed(tmp_path: Path) -> None:
    """Within what was asked for."""
    write(tmp_path / "out.tif", image(), options={"COMPRESS": "LERC", "MAX_Z_ERROR": "20"})
    with rasterio.open(tmp_path / "out.tif") as dataset:
        difference = np.abs(dataset.read().astype(int) - image())
    assert 0 < difference.max() <= 20


def test_a_link_stays_and_its_file_is_replaced(tmp_path: Path) -> None:
    """As every other program does it."""
    (tmp_path / "real").mkdir()
    link = tmp_path / "out.tif"
    link.symlink_to("real/old.tif")
    write(link, image(1))
    write(link, image(2), overwrite=True)
    assert link.is_symlink()
    with rasterio.open(tmp_path / "real" / "old.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(), image(2))
    nothing_left(tmp_path / "real", "old.tif")


def test_what_is_no_ordinary_file_is_never_replaced(tmp_path: Path) -> None:
    """Not even with --overwrite: the output would take the place of /dev/null."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path(os.devnull)):
        with pytest.raises(OutputError, match="device or a pipe"):
            check_output(path, TIFF, overwrite=True)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="such links are followed no more")
def test_a_link_to_itself_is_one_line(tmp_path: Path) -> None:
    """As an output and beside others."""
    loop = tmp_path / "loop.tif"
    loop.symlink_to(loop)
    with pytest.raises(OutputError, match="links lead nowhere"):
        check_output(loop, TIFF, overwrite=True)
    with pytest.raises(OutputError, match="links lead nowhere"):
        protect_inputs([loop], [tmp_path / "in"])


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """The check is repeated at the end."""
    path = tmp_path / "out.tif"
    writer = COG.open(path, RasterSpec(GRID, LAYERS))
    path.write_bytes(OLD)
    with pytest.raises(OutputError, match="exists already"):
        writer.commit()
    assert path.read_bytes() == OLD
    nothing_left(tmp_path, "out.tif")


def test_options_are_names_and_values() -> None:
    assert parse_options(["compress=zstd", "X=a=b"]) == {"COMPRESS": "zstd", "X": "a=b"}
    for bad in ("COMPRESS", "=1", ""):
        with pytest.raises(InputError, match="NAME=VALUE"):
            parse_options([bad])


@pytest.mark.parametrize(
    ("row", "col", "shape", "dtype"),
    [
        (0, 0, (2, 6, 6), "uint16"),
        (0, 0, (3, 6, 6), "float32"),
        (1228, 0, (3, 6, 6), "uint16"),
        (0, -1, (3, 6, 6), "uint16"),
    ],
)
def test_window_that_does_not_fit(
    tmp_path: Path, row: int, col: int, shape: tuple[int, int, int], dtype: str
) -> None:
    """Wrong bands, dtype or place are refused: nothing is cast or cut silently."""
    with (
        pytest.raises(InputError, match="does not fit"),
        written(COG.open(tmp_path / "out.tif", RasterSpec(GRID, LAYERS))) as writer,
    ):
        writer.write(Area(row, col, *shape[1:]), np.zeros(shape, dtype))
    nothing_left(tmp_path)


SCRIPT = """
import signal, sys, time
import numpy as np
from s2_superres.interrupts import obey
from s2_superres.writers.geotiff import COG
from s2_superres.writers.spec import Layer, RasterSpec, written
from s2_superres.raster.grid import Area, Grid

obey([signal.SIGINT, signal.SIGTERM])
spec = RasterSpec(
    Grid("EPSG:32633", 0.0, 0.0, 3000, 3000), [Layer("a")] * 8, options={options}
)
rows = np.random.default_rng(0).integers(1, 60000, (8, 300, 3000)).astype("uint16")
with written(COG.open(sys.argv[1], spec)) as writer:
    for row in range(0, 3000, 300):
        writer.write(Area(row, 0, 300, 3000), rows)
        if {when!r} == "writing" and row == 900:
            print("now", flush=True)
            time.sleep(60)
    print("now", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("when", ["writing", "finishing"])
def test_signal_leaves_nothing(tmp_path: Path, number: signal.Signals, when: str) -> None:
    """Stopped among the windows or while GDAL makes the final file, every trace goes away,
    and the process does not wait for GDAL."""
    code = SCRIPT.format(when=when, options={"COMPRESS": "LZMA"} if when == "finishing" else {})
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code), str(tmp_path / "out.tif")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "now\n"
    time.sleep(0.5)
    assert any(tmp_path.iterdir())
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode != 0 and "Traceback" not in said
    nothing_left(tmp_path)


FULL = """
import resource, sys
import numpy as np
from s2_superres.writers.geotiff import COG, GeoTiffWriter
from s2_superres.writers.spec import Layer, RasterSpec, written
from s2_superres.errors import OutputError
from s2_superres.raster.grid import Area, Grid

def fill():
    resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
convert = GeoTiffWriter._convert
def last(writer, staged, target):
    if target.name == "final.tif":
        if {when!r} == "final":
            staged.close()
        fill()
    convert(writer, staged, target)
if {when!r} in ("final", "closing"):
    GeoTiffWriter._convert = last
if {when!r} == "before":
    fill()
spec = RasterSpec(Grid("EPSG:32633", 0.0, 0.0, 1200, 1200), [Layer("a")] * 2)
rows = np.random.default_rng(0).integers(1, 60000, (2, 1200, 1200)).astype("uint16")
try:
    with written(COG.open(sys.argv[1], spec)) as writer:
        if {when!r} == "windows":
            fill()
        for row in range(0, 1200, 120):
            writer.write(Area(row, 0, 120, 1200), rows[:, row : row + 120])
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
@pytest.mark.parametrize("when", ["before", "windows", "closing", "final"])
@pytest.mark.parametrize("limit", [100_000, 3_000_000, 6_500_000, 7_500_000])
def test_full_disk_in_the_middle(tmp_path: Path, limit: int, when: str) -> None:
    """A write that the system refuses, in any phase, is one line; nothing is left, and no
    file with holes passes for an output, also where GDAL does not report what it lost."""
    done = subprocess.run(
        [sys.executable, "-c", FULL.format(limit=limit, when=when), str(tmp_path / "out.tif")],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    if when == "before":
        assert "out.tif: needs a file of up to 15.7 MB" in done.stdout and done.stderr == ""
    else:
        assert "out.tif: cannot be written" in done.stdout, done.stderr
    assert done.stdout.count("\n") == 1 and "Traceback" not in done.stderr
    nothing_left(tmp_path)


KILLED = """
import os, signal, sys
import numpy as np
from s2_superres.writers.geotiff import COG
from s2_superres.writers.spec import Layer, RasterSpec, written
from s2_superres.raster.grid import Area, Grid

spec = RasterSpec(Grid("EPSG:32633", 0.0, 0.0, 600, 600), [Layer("a")])
with written(COG.open(sys.argv[1], spec)) as writer:
    writer.write(Area(0, 0, 600, 600), np.ones((1, 600, 600), "uint16"))
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX locks")
def test_the_next_run_clears_up_after_one_that_was_killed(tmp_path: Path) -> None:
    """What nobody works in any more goes; what somebody works in stays."""
    path = tmp_path / "out.tif"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, timeout=60)
    (left,) = tmp_path.iterdir()
    spec = RasterSpec(GRID, LAYERS)
    with written(COG.open(path, spec)) as first:
        first.write(Area(0, 0, 6, 1290), image()[:, :6])
        assert not left.exists()
        (busy,) = tmp_path.iterdir()
        with pytest.raises(OutputError, match=r"out\.tif: another run is writing it; wait"):
            COG.open(path, spec)
        # Another output of a like name is nobody else's business.
        COG.open(tmp_path / "out.tif-2", spec).discard()
        assert list(tmp_path.iterdir()) == [busy]
    nothing_left(tmp_path, "out.tif")


def test_a_disk_that_fills_up_is_told_before_the_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """In one line, before libtiff adds one of its own."""
    writer = COG.open(tmp_path / "out.tif", RasterSpec(GRID, LAYERS))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1000))
    with pytest.raises(OutputError, match=r"out\.tif: the disk is full; make room"):
        writer.write(Area(0, 0, 6, 1290), image()[:, :6])
    writer.discard()
    assert capfd.readouterr().err == ""
    nothing_left(tmp_path)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Cleaning up removes what the writer made and nothing beside it."""
    (tmp_path / ".out.tif-mine").mkdir()
    (tmp_path / "out.tif.aux.xml").write_text("x")
    write(tmp_path / "out.tif", image())
    nothing_left(tmp_path, ".out.tif-mine", "out.tif.aux.xml", "out.tif")
    shutil.rmtree(tmp_path / ".out.tif-mine")
