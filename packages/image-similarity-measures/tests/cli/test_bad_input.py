"""Bad input: one line that names the file and the cure, exit 1 or 2, nothing half written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

import image_similarity_measures as ism
from image_similarity_measures import cli
from image_similarity_measures.report.comparison import compare_as_0_3

Array = np.ndarray[Any, Any]
Write = Callable[..., str]
Capture = pytest.CaptureFixture[str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def named(name: str, image: Array, **profile: Any) -> str:
        image = np.atleast_3d(image)
        rows, cols, count = image.shape
        path = tmp_path / name
        with rasterio.open(
            path, "w", driver="GTiff", height=rows, width=cols, count=count,
            dtype=image.dtype.name, **profile,
        ) as file:  # fmt: skip
            file.write(np.moveaxis(image, -1, 0))
        return str(path)

    return named


def noise(rows: int = 40, cols: int = 40, bands: int = 3, dtype: str = "uint16") -> Array:
    return np.random.default_rng(0).integers(1, 255, (rows, cols, bands)).astype(dtype)


def refused(capsys: Capture, org: str, pred: str, *options: str, code: int = 1) -> str:
    """Run the command, expect it to fail well, and return its message."""
    assert cli.run(["--org-img-path", org, "--pred-img-path", pred, *options]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_missing_file(capsys: Capture, write: Write) -> None:
    assert "none.tif: no such file" in refused(capsys, write("a.tif", noise()), "none.tif")


def test_unreadable_file(capsys: Capture, write: Write, tmp_path: Path) -> None:
    text = tmp_path / "text.tif"
    text.write_text("no image")
    assert "text.tif" in refused(capsys, str(text), write("a.tif", noise()))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads anything")
def test_file_without_permission(capsys: Capture, write: Write) -> None:
    closed = write("closed.tif", noise())
    Path(closed).chmod(0)
    assert "closed.tif" in refused(capsys, closed, closed)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_truncated_tiff(capsys: Capture, write: Write, tmp_path: Path, share: float) -> None:
    whole, cut = write("a.tif", noise(300, 300)), write("cut.tif", noise(300, 300), compress="lzw")
    os.truncate(cut, int(Path(cut).stat().st_size * share))
    maps = tmp_path / "maps"
    message = refused(capsys, whole, cut, "--metric=sam", "--maps", str(maps))
    assert "cut.tif" in message
    assert not maps.exists() or list(maps.iterdir()) == []


def test_shapes_that_differ(capsys: Capture, write: Write) -> None:
    a, b = write("a.tif", noise()), write("b.tif", noise(41))
    message = refused(capsys, a, b)
    assert "40 rows x 40 columns" in message and "41 rows x 40 columns" in message
    refused(capsys, a, b, "--allow-grid-mismatch")
    old = refused(capsys, a, b, "--definitions", "0.3")
    assert "(40, 40, 3)" in old and "(41, 40, 3)" in old


def test_no_overlap_of_bands(capsys: Capture, write: Write) -> None:
    a, b = write("a.tif", noise(bands=4)), write("b.tif", noise(bands=3))
    assert "--bands" in refused(capsys, a, b)
    assert "b.tif has no band 4" in refused(capsys, a, b, "--bands", "4")
    assert "1,2,3" in refused(capsys, a, b, "--bands", "red", code=2)


def test_nothing_valid_is_nan_with_a_warning_and_fails_every_bound(
    capsys: Capture, write: Write
) -> None:
    empty = write("empty.tif", np.zeros((40, 40, 3), "uint16"), nodata=0)
    asked = ["--org-img-path", empty, "--pred-img-path", empty, "--metric=all"]
    assert cli.run([*asked, "--format=csv"]) == 0
    captured = capsys.readouterr()
    values = captured.out.splitlines()[1].split(",")[2:]
    assert values == ["nan"] * len(ism.METRICS) + ["0.0", "4095"]
    assert "no valid pixel" in captured.err
    assert cli.run([*asked, "-q", "--fail-under=rmse=1"]) == 3


def test_nan_and_infinity_are_left_out(capsys: Capture, write: Write) -> None:
    org = noise(dtype="float32")
    pred = org + 1
    org[3, 4, 1], pred[7, 7, 0] = np.nan, np.inf
    a, b = write("a.tif", org), write("b.tif", pred)
    assert cli.run(["--org-img-path", a, "--pred-img-path", b, "--metric=rmse"]) == 0
    assert '"rmse": 1.0' in capsys.readouterr().out


def test_constant_images_have_values(capsys: Capture, write: Write) -> None:
    flat = write("flat.tif", np.full((40, 40, 3), 7, "uint8"))
    asked = ["--org-img-path", flat, "--pred-img-path", flat, "--metric=all", "--format=csv"]
    assert cli.run(asked) == 0
    header, row = capsys.readouterr().out.splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert (values["psnr"], values["sre"]) == ("inf", "inf")
    for name in ("fsim", "ssim", "uiq"):
        assert float(values[name]) == pytest.approx(1)
    assert float(values["rmse"]) == float(values["sam"]) == 0


@pytest.mark.parametrize("metric", ["ssim", "uiq", "issm", "fsim"])
def test_images_smaller_than_a_window(capsys: Capture, write: Write, metric: str) -> None:
    tiny = write("tiny.tif", noise(2, 5))
    assert "2 x 5" in refused(capsys, tiny, tiny, "--metric", metric)


@pytest.mark.parametrize("metric", ["ssim", "uiq", "issm"])
def test_images_smaller_than_a_window_of_0_3(capsys: Capture, write: Write, metric: str) -> None:
    tiny = write("tiny.tif", noise(2, 5))
    refused(capsys, tiny, tiny, "--metric", metric, "--definitions=0.3")


def test_one_band_has_no_angle(capsys: Capture, write: Write) -> None:
    gray = write("gray.tif", noise(bands=1))
    assert "SAM" in refused(capsys, gray, gray, "--metric=sam")


def test_floating_point_without_a_data_range(capsys: Capture, write: Write) -> None:
    a = write("a.tif", noise(dtype="float32"))
    assert "data_range" in refused(capsys, a, a, "--metric=ssim")
    assert cli.run(["--org-img-path", a, "--pred-img-path", a, "--data-range=1"]) == 0


@pytest.mark.parametrize(
    "options",
    [
        ["--metric", "nope"],
        ["--format", "xml"],
        ["--bit-depth", "0"],
        ["--bit-depth", "8", "--data-range", "255"],
        ["--data-range", "much"],
        ["--unknown"],
        ["--definitions", "0.2"],
        ["--definitions=0.3", "--per-band"],
        ["--definitions=0.3", "--nodata=0"],
        ["--definitions=0.3", "--bands=1"],
        ["--definitions=0.3", "--maps=here"],
        ["--definitions=0.3", "--allow-grid-mismatch"],
        ["--loader=opencv"],
        ["--fail-under=psnr=nan"],
        ["--maps=here"],
    ],
)
def test_wrong_usage_exits_with_2(capsys: Capture, write: Write, options: list[str]) -> None:
    a = write("a.tif", noise())
    refused(capsys, a, a, *options, code=2)
    assert not Path("here").exists()


@pytest.mark.parametrize("empty", [("", "a.tif"), ("a.tif", ""), ("", "")])
def test_no_name_is_wrong_usage_and_not_this_folder(
    capsys: Capture, empty: tuple[str, str]
) -> None:
    assert "is empty" in refused(capsys, *empty, code=2)


def test_missing_options_are_wrong_usage(capsys: Capture) -> None:
    assert cli.run([]) == 2
    assert "--org-img-path" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf"])
def test_a_data_range_that_is_none(capsys: Capture, write: Write, value: str) -> None:
    a = write("a.tif", noise())
    for definitions in ("1", "0.3"):
        options = f"--data-range={value}", "--definitions", definitions
        assert "--data-range" in refused(capsys, a, a, *options, code=2)
    with pytest.raises(ism.InputError, match="data_range"):
        compare_as_0_3(a, a, data_range=float(value))


def test_output_into_a_place_that_cannot_be(capsys: Capture, write: Write, tmp_path: Path) -> None:
    a = write("a.tif", noise())
    below_a_file = str(Path(a) / "scores.json")
    assert "a.tif" in refused(capsys, a, a, "--output", below_a_file)
    assert "a.tif" in refused(capsys, a, a, "--metric=sam", "--maps", a)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.tif"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs a named pipe")
def test_only_ordinary_files_are_replaced(capsys: Capture, write: Write, tmp_path: Path) -> None:
    a = write("a.tif", noise())
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    asked = "--overwrite", "--output"
    assert "pipe is not an ordinary file" in refused(capsys, a, a, *asked, str(pipe))
    assert "not an ordinary file" in refused(capsys, a, a, *asked, str(tmp_path))
    (tmp_path / "b_sam.tif").symlink_to(pipe)
    b = write("b.tif", noise())
    message = refused(capsys, a, b, "--metric=sam", "--overwrite", "--maps", str(tmp_path))
    assert "b_sam.tif is not an ordinary file" in message
    assert pipe.is_fifo()


def test_a_link_stays_and_what_it_leads_to_is_written(write: Write, tmp_path: Path) -> None:
    a = write("a.tif", noise())
    target, link = tmp_path / "real" / "scores.json", tmp_path / "link.json"
    target.parent.mkdir()
    link.symlink_to(target)
    asked = ["--org-img-path", a, "--pred-img-path", a, "--output", str(link)]
    assert cli.run(asked) == 0
    assert cli.run(asked) == 1
    assert cli.run([*asked, "--overwrite"]) == 0
    assert link.is_symlink()
    assert "psnr" in target.read_text()
    link.unlink()
    link.symlink_to(link)
    assert cli.run(asked) == 1


@pytest.mark.skipif(os.name != "posix", reason="runs a POSIX shell")
def test_a_closed_stdout_is_one_line(write: Write) -> None:
    a = write("a.tif", noise())
    command = (
        f"'{sys.executable}' -m image_similarity_measures --org-img-path {a} --pred-img-path {a}"
    )
    for closed, code, said in ((">&-", 1, "error: stdout is closed; "), ("2>&-", 0, "")):
        done = subprocess.run(
            f"{command} {closed}", shell=True, capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert done.stderr.startswith(said)
        assert done.stderr.count("\n") == code
        assert (json.loads(done.stdout)["image1"] == a) if code == 0 else done.stdout == ""
    failing = subprocess.run(
        f"{command.replace(a, 'none.tif')} 2>&-",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (failing.returncode, failing.stdout) == (1, "")


FULL_DISK = """
import resource, sys
from image_similarity_measures.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
main()
"""

# A child whose files are limited cannot write down which lines it ran.
UNMEASURED = {name: value for name, value in os.environ.items() if not name.startswith("COV")}


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files the POSIX way")
@pytest.mark.parametrize("spare", [-1, -150_000, -290_000])
def test_a_disk_that_fills_up_leaves_no_map(write: Write, tmp_path: Path, spare: int) -> None:
    """A limit on the size of files stands in for the disk, down to the very last byte."""
    a, b = write("a.tif", noise(300, 300)), write("b.tif", noise(300, 300)[::-1])
    ism.compare(a, b, metrics="sam", maps=tmp_path / "good")
    size = (tmp_path / "good" / "b_sam.tif").stat().st_size
    maps = tmp_path / "maps"
    done = subprocess.run(
        [
            sys.executable, "-c", FULL_DISK, str(size + spare), "--org-img-path", a,
            "--pred-img-path", b, "--metric=sam", "--maps", str(maps),
        ],
        capture_output=True, text=True, check=False, env=UNMEASURED,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith(f"error: cannot write {maps / 'b_sam.tif'}: ")
    assert done.stderr.count("\n") == 1
    assert not maps.exists()


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files the POSIX way")
def test_a_disk_that_fills_up_leaves_no_result(write: Write, tmp_path: Path) -> None:
    a = write("a.tif", noise())
    target = tmp_path / "out" / "scores.json"
    done = subprocess.run(
        [
            sys.executable, "-c", FULL_DISK, "100", "--org-img-path", a,
            "--pred-img-path", a, "--output", str(target),
        ],
        capture_output=True, text=True, check=False, env=UNMEASURED,
    )  # fmt: skip
    assert done.returncode == 1
    assert "scores.json" in done.stderr
    assert not target.parent.exists()


OPTIMISED = """
import sys
import numpy as np
import image_similarity_measures as ism
from image_similarity_measures import quality_metrics
assert False, "python -O drops this"
for function in (ism.rmse, ism.ssim, quality_metrics.rmse, quality_metrics.uiq, ism.compare):
    try:
        function(np.ones((16, 16, 2), np.uint8), np.ones((16, 1, 2), np.uint8))
    except ism.ShapeMismatchError:
        continue
    sys.exit(f"{function} compared shapes that differ")
print("fine")
"""


def test_python_o_changes_nothing(write: Write) -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-c", OPTIMISED], capture_output=True, text=True, check=False
    )
    assert done.stdout == "fine\n", done.stderr
    a, b = write("a.tif", noise()), write("b.tif", noise(41))
    command = [sys.executable, "-O", "-m", "image_similarity_measures", "--org-img-path", a]
    for pred, code in ((a, 0), (b, 1)):
        done = subprocess.run(
            [*command, "--pred-img-path", pred], capture_output=True, text=True, check=False
        )
        assert done.returncode == code
        assert "Traceback" not in done.stderr
