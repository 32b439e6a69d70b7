"""``s2-superres validate`` as people run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.cli.app import app, main
from s2_superres.testing.products import landscape

COMMAND = [sys.executable, "-c", "from s2_superres.cli.app import main; main()", "validate"]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=600, check=False
    )


@pytest.fixture(scope="module")
def crop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("crops") / "L1C_made_up.npz"
    values = {
        f"b{bands[0].resolution}": np.stack(
            [landscape(b, 1440 // b.resolution, 1080 // b.resolution) for b in bands]
        ).astype(np.uint16)
        for bands in (BANDS_10M, BANDS_20M, BANDS_60M)
    }
    np.savez(path, **values)
    return path


def test_table_json_and_report_tell_the_same(crop: Path, tmp_path: Path) -> None:
    """A table on stdout, every score in the JSON, and a report; nothing else, nothing hidden."""
    scores, report = tmp_path / "scores.json", tmp_path / "report.html"
    options = ["--network", "none", "--resolution", 20, "--no-full-scale", "--bands"]
    done = run(crop, *options, "--json", scores, "--report", report)
    assert done.returncode == 0 and done.stderr == ""
    document = json.loads(scores.read_text())
    text = report.read_text()
    (comparison,) = document["comparisons"]
    assert [r["method"] for r in comparison["results"]] == ["bicubic", "none"]
    for result in comparison["results"]:
        rmse = f"{result['overall']['rmse']:.1f}"
        assert rmse in done.stdout and rmse in text
    assert comparison["bands"] == ["B05", "B06", "B07", "B8A", "B11", "B12"]
    assert all(band in done.stdout for band in comparison["bands"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "scores.json"]


def test_json_to_stdout_is_all_of_stdout(crop: Path) -> None:
    """So that it can be piped on."""
    done = run(crop, "--weights", "none", "--resolution", 20, "--no-full-scale", "--json", "-")
    assert done.returncode == 0
    results = json.loads(done.stdout)["comparisons"][0]["results"]
    assert [result["agreement"] for result in results] == [None, None]


def test_user_errors_are_one_line(
    crop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before any work: the file and the cure; exit 1, 2 for wrong usage; nothing written."""
    there = tmp_path / "there.json"
    there.write_text('{"schema": "s2-superres-validation/1"}')
    page = tmp_path / "there.html"
    page.write_text("<title>Validation of L1C</title>")
    (tmp_path / "P.SAFE").mkdir()
    (tmp_path / "P.SAFE" / "MTD_MSIL1C.xml").touch()
    (tmp_path / "alias").symlink_to(tmp_path)
    new = tmp_path / "new"
    # In this process: how signals are heard is not asked here.
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    for arguments, says in (
        ([tmp_path / "missing.npz", "--network", "none"], "missing.npz"),
        ([crop, "--network", "none", "--json", there], "--overwrite"),
        ([crop, "--network", "none", "--report", page], "--overwrite"),
        ([crop, "--network", "none", "--report", tmp_path / "no" / "a.html"], "does not exist"),
        ([crop, "--weights", crop], "not a weights file"),
        ([crop, "--network", "none", "--bounds", "0,0,1,1"], "a crop has no coordinates"),
        ([crop, "--network", "none", "--json", new, "--report", new], "its own name"),
        ([crop, "--json", new, "--report", tmp_path / "alias" / "new"], "its own name"),
        ([crop, "--network", "none", "--json", crop, "--overwrite"], "never replaced"),
        ([tmp_path / "P.SAFE", "--json", tmp_path / "P.SAFE" / "x.json"], "lies in the product"),
        (
            [tmp_path / "P.SAFE" / "MTD_MSIL1C.xml", "--report", tmp_path / "P.SAFE" / "x.html"],
            "lies in the product",
        ),
    ):
        monkeypatch.setattr(sys, "argv", ["s2-superres", "validate", *map(str, arguments)])
        with pytest.raises(SystemExit) as stopped:
            main()
        told, errors = capsys.readouterr()
        assert stopped.value.code == 1 and told == "", errors
        assert errors.startswith("error: ") and errors.count("\n") == 1
        assert says in errors
    assert there.read_text() == '{"schema": "s2-superres-validation/1"}'
    assert sorted(path.name for path in tmp_path.rglob("*")) == [
        "MTD_MSIL1C.xml", "P.SAFE", "alias", "there.html", "there.json",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["a.npz", "--resolution", "30"],
        ["a.npz", "--network", "unet"],
        ["a.npz", "--against", "nearest"],
        ["a.npz", "--level", "L3"],
        ["a.npz", "--precision", "int8"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(app, ["validate", *arguments])
    assert done.exit_code == 2 and isinstance(done.exception, SystemExit)


#: The command, so slow that there is time to stop it.
SLOW = """
import time
from s2_superres.cli import main
from s2_superres.validation import wald
def slow(*args, **options):
    print("comparing", flush=True)
    time.sleep(60)
wald.compare = slow
main()
"""


def test_a_run_that_is_stopped_leaves_nothing(crop: Path, tmp_path: Path) -> None:
    """Neither the report nor a part of it, and one line that says so."""
    report = tmp_path / "report.html"
    words = ["validate", str(crop), "--network", "none", "--report", str(report)]
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == "comparing\n"
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 143
    assert errors == "error: stopped by SIGTERM; unfinished output was removed\n"
    assert "Traceback" not in errors
    assert list(tmp_path.iterdir()) == []
