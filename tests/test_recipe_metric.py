"""The recipe for a metric in docs/house.md works as it stands, and one file is all it takes."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import image_similarity_measures as ism
from image_similarity_measures import cli, metrics

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "packages" / "image-similarity-measures"
FILES = [
    "--org-img-path", str(ROOT / "examples" / "reference.tif"),
    "--pred-img-path", str(ROOT / "examples" / "upsampled.tif"),
]  # fmt: skip


@pytest.fixture
def plug_in(tmp_path: Path) -> Iterator[Path]:
    """The example of the recipe as a module of its own, in a folder beside that of the metrics."""
    page = (ROOT / "docs" / "house.md").read_text(encoding="utf-8")
    recipe = page.partition("### Add a metric")[2].partition("### Add a network")[0]
    (example,) = re.findall(r"```python\n(.*?)```", recipe, flags=re.DOTALL)
    folder = tmp_path / "plug-in"
    folder.mkdir()
    (folder / "worst.py").write_text(example, encoding="utf-8")
    metrics.__path__.append(str(folder))
    importlib.invalidate_caches()
    yield folder
    metrics.__path__.remove(str(folder))
    sys.modules.pop("image_similarity_measures.metrics.worst", None)
    vars(ism).pop("worst", None)
    vars(metrics).pop("worst", None)


@pytest.fixture
def images() -> tuple[np.ndarray, np.ndarray]:
    """A pair of three bands."""
    rng = np.random.default_rng(0)
    org = rng.integers(0, 4000, (300, 70, 3)).astype("uint16")
    return org, (org // 2 + rng.integers(0, 900, org.shape)).astype("uint16")


@pytest.mark.usefixtures("plug_in")
def test_the_example_is_a_metric_like_the_others(
    images: tuple[np.ndarray, np.ndarray], capsys: pytest.CaptureFixture[str]
) -> None:
    org, pred = images
    expected = np.abs(pred.astype(int) - org).max(axis=(0, 1))
    assert "worst" in ism.METRICS
    assert "worst" in dir(ism)
    assert ism.worst(org, pred) == expected.max()
    assert ism.worst(org, pred, per_band=True).tolist() == expected.tolist()
    mask = np.zeros(org.shape[:2], bool)
    mask[3:9] = True
    assert ism.worst(org, pred, mask=mask) == np.abs(pred[3:9].astype(int) - org[3:9]).max()
    report = ism.compare(org, pred)
    assert report["worst"].value == expected.max()
    assert report["worst"].better == "lower"
    assert cli.run([*FILES, "--metric", "worst", "--fail-under", "worst=1"]) == 3
    assert json.loads(capsys.readouterr().out)["details"]["worst"]["unit"] == "dn"
    with pytest.raises(ism.UsageError, match="uiq, worst"):
        ism.compare(org, pred, metrics="best")


def test_the_help_of_the_command_lists_it(plug_in: Path) -> None:
    program = (
        "from image_similarity_measures import metrics\n"
        f"metrics.__path__.append({str(plug_in)!r})\n"
        "from image_similarity_measures import cli\n"
        "cli.run(['--help'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert re.search(r"uiq,\s+worst,\s+or\s+all", done.stdout)


@pytest.mark.usefixtures("plug_in")
def test_the_documentation_and_the_benchmark_list_what_the_registry_does() -> None:
    conf = (ROOT / "docs" / "conf.py").read_text(encoding="utf-8")
    bench = (PACKAGE / "benchmarks" / "bench_metrics.py").read_text(encoding="utf-8")
    for source in (conf, bench):
        assert "METRICS" in source
        assert "worst" not in source


@pytest.mark.parametrize("name", ["ergas", "mae", "rase", "scc"])
def test_a_metric_touches_one_source_and_one_test(name: str) -> None:
    """Type checkers, who cannot look into folders, are told of it in `__init__`."""
    word = re.compile(rf"\b{name}\b")
    found = {
        path.relative_to(PACKAGE).as_posix()
        for folder in ("src", "benchmarks")
        for path in (PACKAGE / folder).rglob("*.py")
        if word.search(path.read_text(encoding="utf-8"))
    }
    module = "src/image_similarity_measures"
    assert found - {f"{module}/__init__.py"} == {f"{module}/metrics/{name}.py"}
    assert (PACKAGE / "tests" / "metrics" / f"test_{name}.py").is_file()
