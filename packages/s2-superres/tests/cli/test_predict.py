"""The command ``s2-superres predict``, as people run it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import rasterio
from typer.testing import CliRunner

from s2_superres.cli.app import app
from s2_superres.errors import S2SuperresError
from s2_superres.inference import cost


@pytest.fixture
def plain(tiny: dict[int, str]) -> list[str]:
    """Small weights, in float32."""
    return ["--weights", tiny[20], "--weights", tiny[60], "--precision", "float32"]


@pytest.fixture
def fine(tiny: dict[int, str]) -> list[str]:
    """The same for 20 m bands alone."""
    return ["--weights", tiny[20], "--precision", "float32", "--bands", "B05,B11"]


def run(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    code = "from s2_superres.cli.app import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        check=False,
    )


def test_a_product_becomes_a_file_and_a_summary(
    l2a: Path, tmp_path: Path, plain: list[str]
) -> None:
    """JSON on stdout and nothing on stderr, which is no terminal here."""
    done = run("predict", l2a, "o.tif", *plain, "--json", "--quicklook", "q.png", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    summary = json.loads(done.stdout)
    assert summary["output"] == "o.tif"
    assert summary["level"] == "L2A"
    assert set(summary["agreement"]) == {"B01", "B05", "B06", "B07", "B8A", "B09", "B11", "B12"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.tif", "q.png"]


def invoke(*arguments: object) -> tuple[int, str, BaseException | None]:
    """Run it in this process: quicker, for what needs no process of its own."""
    result = CliRunner().invoke(app, ["predict", *map(str, arguments)])
    return result.exit_code, result.output, result.exception


def test_the_default_name_is_the_products(
    l1c: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fine: list[str]
) -> None:
    """In the current folder."""
    monkeypatch.chdir(tmp_path)
    code, output, _ = invoke(l1c, *fine, "--co", "compress=zstd")
    (path,) = tmp_path.iterdir()
    assert (code, path.name) == (0, f"{l1c.stem}_10m.tif")
    assert "RMS difference in DN" in output
    with rasterio.open(path) as dataset:
        assert dataset.descriptions == ("B05", "B11")
        assert dataset.compression.name == "zstd"


def test_a_dry_run_writes_nothing(
    l1c: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: list[str]
) -> None:
    """And says what would be done."""
    monkeypatch.chdir(tmp_path)
    code, output, _ = invoke(
        l1c, *plain, "--dry-run", "--json", "--bounds", "300000 6199930 300100 6200040"
    )
    plan = json.loads(output)
    assert code == 0
    assert (plan["rows"], plan["cols"], plan["windows"]) == (12, 12, 1)
    assert plan["estimated_memory_bytes"] > 0
    code, output, _ = invoke(l1c, *plain, "--dry-run")
    assert "windows   1 of" in output
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_when_memory_is_short(
    l1c: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: list[str]
) -> None:
    """What a container may take counts; of several at a time, all of them."""
    group = tmp_path / "memory.max"
    monkeypatch.setattr(cost, "_CGROUPS", (tmp_path / "none", group))
    group.write_text("max\n")
    _, output, _ = invoke(l1c, *plain, "--dry-run", "--json")
    plan = json.loads(output)
    enough = plan["available_memory_bytes"]
    assert enough == cost.memory_limit() > plan["estimated_memory_bytes"]
    group.write_text(f"{plan['estimated_memory_bytes'] // 2}\n")
    assert "GiB: take a smaller --tile" in invoke(l1c, *plain, "--dry-run")[1]
    group.write_text(f"{plan['estimated_memory_bytes'] * 2}\n")
    assert "take" not in invoke(l1c, *plain, "--dry-run")[1]
    several = "--out-dir", tmp_path / "out", "--jobs", "4", "--dry-run"
    assert "4 at a time; here are" in invoke(l1c, *plain, *several)[1]
    assert "GiB: take fewer --jobs" in invoke(l1c, *plain, *several)[1]


def test_a_dry_run_refuses_what_the_run_would(l1c: Path, tmp_path: Path, plain: list[str]) -> None:
    """An output that is there already."""
    taken = tmp_path / "o.tif"
    taken.write_bytes(b"II*\0mine")
    code, _, error = invoke(l1c, taken, *plain, "--dry-run")
    assert (code, taken.read_bytes()) == (1, b"II*\0mine")
    assert "--overwrite" in str(error)


def test_quiet_says_nothing(
    l1c: Path,
    tmp_path: Path,
    fine: list[str],
) -> None:
    """Unless something is wrong."""
    assert invoke(l1c, tmp_path / "o.tif", *fine, "-q")[:2] == (0, "")


@pytest.mark.parametrize(
    "options",
    [
        ["--precision", "float64"],
        ["--format", "png"],
        ["--network", "resnet"],
        ["--bbox", "1,2,3"],
        ["--bounds", "a b c d"],
        ["--no-such-option"],
        ["--tile", "many"],
        ["--network", "dsen2", "--weights", "none"],
    ],
)
def test_wrong_usage_exits_with_2(
    options: list[str],
) -> None:
    """And says what to give instead."""
    code, output, _ = invoke("product.SAFE", *options)
    assert code == 2
    assert options[0].lstrip("-") in output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tile", "24"], "tile of 24"),
        (["--co", "COMPRESS"], "NAME=VALUE"),
        (["--co", "COMPRESS=FOO", "--dry-run"], "COMPRESS"),
        (["--bands", ""], "no bands are asked for"),
        (["--device", "tpu"], "tpu"),
        (["--weights", "nowhere.hdf5"], r"nowhere.hdf5"),
        (["--bbox", "100,10,101,11"], "tile|zone"),
        (["--threads", "0"], "1 or more"),
    ],
)
def test_wishes_that_cannot_be_met_are_errors_of_the_family(
    l1c: Path, tmp_path: Path, options: list[str], words: str, plain: list[str]
) -> None:
    """Which the command prints as one line."""
    code, _, error = invoke(l1c, tmp_path / "o.tif", *plain, *options)
    assert code == 1
    assert isinstance(error, S2SuperresError)
    assert error.args[0].count("\n") == 0
    assert any(word in str(error) for word in words.split("|"))
    assert list(tmp_path.iterdir()) == []


def test_an_error_is_one_line_on_stderr(
    tmp_path: Path,
) -> None:
    """Exit 1, no traceback."""
    done = run("predict", tmp_path / "nothing.SAFE", tmp_path / "o.tif")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1
    assert "nothing.SAFE" in done.stderr


MEASURED = """
import resource, sys
from s2_superres.cli import main
try:
    main()
finally:
    print("peak", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, file=sys.stderr)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="counts memory as Linux does")
def test_the_memory_that_a_dry_run_tells_is_enough(l1c: Path, tmp_path: Path) -> None:
    """And not twice what the run then takes."""
    told, taken = (
        subprocess.run(
            [sys.executable, "-c", MEASURED, "predict", l1c, tmp_path / "o.tif", *more],
            capture_output=True, text=True, check=True,
        )
        for more in (["--dry-run", "--json"], ["-q"])
    )  # fmt: skip
    estimate = json.loads(told.stdout)["estimated_memory_bytes"]
    peak = int(taken.stderr.split("peak ")[1])
    assert 0.97 * peak < estimate < 1.5 * peak
