"""``s2-superres info`` and ``sample`` as people run them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from s2_superres.products.sample import sample_path
from s2_superres.testing.products import zip_product

CODE = "from s2_superres.cli.app import main; main()"


def run(*arguments: object, code: str = CODE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_info_tells_the_product() -> None:
    """The text holds what one asks of a product."""
    done = run("info", sample_path())
    assert done.returncode == 0 and done.stderr == ""
    for part in ("L1C", "02.01", "T18SVG", "EPSG:32618", "540 x 540", "DN / 10000", "B8A"):
        assert part in done.stdout


def test_info_tells_the_offset(l1c: Path) -> None:
    assert "(DN - 1000) / 10000" in run("info", l1c).stdout


def test_info_as_json(l2a: Path, tmp_path: Path) -> None:
    """JSON on stdout, of a folder and of its zip alike."""
    found = json.loads(run("info", "--json", l2a).stdout)
    assert found["level"] == "L2A" and found["grid"]["rows"] == 240
    packed = json.loads(run("info", "--json", zip_product(l2a, tmp_path / "a.zip")).stdout)
    for key in ("name", "grid", "offsets", "acquired", "tile"):
        assert packed[key] == found[key]


def test_info_imports_nothing_heavy(l1c: Path) -> None:
    """It answers without TensorFlow, and even without GDAL."""
    heavy = ("tensorflow", "keras", "rasterio", "scipy", "numpy", "urllib.request")
    watch = (
        "import atexit, sys\n"
        "atexit.register(lambda: print([m for m in sys.modules "
        f"if m in {heavy}], file=sys.stderr))\n"
    )
    helps = [[name, "--help"] for name in ("predict", "patches", "train", "validate")]
    for arguments in (["info", str(l1c)], ["--help"], *helps):
        done = run(*arguments, code=watch + CODE)
        assert done.returncode == 0 and done.stderr.strip() == "[]"


def test_user_errors_are_one_line(tmp_path: Path) -> None:
    """No traceback: the file, the cure, and exit code 1; 2 for wrong usage."""
    done = run("info", tmp_path / "nothing.SAFE")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "nothing.SAFE" in done.stderr
    assert run("info").returncode == 2
    assert run("info", "--nonsense", tmp_path).returncode == 2


def test_sample_prints_where_it_is(tmp_path: Path) -> None:
    """The path on stdout can be given to the next command."""
    done = run("sample", tmp_path)
    assert done.returncode == 0
    assert run("info", done.stdout.strip()).returncode == 0
    again = run("sample", tmp_path)
    assert again.returncode == 1 and "--overwrite" in again.stderr
