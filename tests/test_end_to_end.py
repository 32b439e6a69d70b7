"""From a product to a score, through both commands as a user calls them."""

from __future__ import annotations

import json
import subprocess
import sysconfig
from pathlib import Path

import pytest

SCRIPTS = Path(sysconfig.get_path("scripts"))
#: A corner of the sample, in the CRS of its tile.
AREA = "444000,4170000,445800,4171800"


def run(command: str, *arguments: str | Path, status: int = 0) -> str:
    """What a command prints; that it ends with `status` is part of every test."""
    done = subprocess.run(
        [SCRIPTS / command, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    run("s2-superres", "sample", folder)
    (product,) = folder.glob("*.SAFE")
    return product


def predict(product: Path, output: Path, *options: str) -> Path:
    run(
        "s2-superres",
        "predict",
        *(product, output, "--network", "none", "--precision", "float32"),
        *("--bands", "B05,B8A", "--bounds", AREA, *options),
    )
    return output


def test_a_score_sees_no_tiles_in_a_sharpened_product(product: Path, tmp_path: Path) -> None:
    reference = predict(product, tmp_path / "reference.tif", "--tile", "240")
    tiled = predict(product, tmp_path / "tiled.tif", "--tile", "480")

    score = ("image-similarity-measures", "--metric", "rmse", "--fail-under", "rmse=0.01")
    pair = ("--org-img-path", reference, "--pred-img-path")
    report = json.loads(run(*score, *pair, tiled))
    assert report["metrics"]["rmse"] <= 0.01
    assert report["bands"] == [1, 2]
    assert report["valid_share"] == 1

    # The output lies where its area does, and the other command sees it.
    (whole,) = product.rglob("*_B04.jp2")
    run(*score, *pair, whole, status=1)
