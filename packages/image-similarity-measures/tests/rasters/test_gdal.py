"""GDAL's threads: none where they would wait for ever, and as many as the user says elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio

from image_similarity_measures.rasters.gdal import gdal_options

# Blocks enough for GDAL to hand them to its threads. A child that waits for ever ends by SIGALRM.
FORKED = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from image_similarity_measures import compare
from image_similarity_measures.evaluate import evaluation

def work():
    evaluation("a.tif", "a.tif", ["psnr"])
    return compare("a.tif", "a.tif", metrics=["rmse", "ssim"], maps=sys.argv[1], overwrite=True)

work()
child = os.fork()
if not child:
    signal.alarm(20)
    os._exit(0 if work()["rmse"].value == 0 else 1)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize("threads", [None, "ALL_CPUS"])
def test_a_forked_worker_compares_files_as_its_parent_did(
    tmp_path: Path, threads: str | None
) -> None:
    """GDAL's threads do not survive a fork, and waiting for them never ended."""
    image = np.random.default_rng(1).integers(0, 4000, (1, 700, 700)).astype("uint16")
    blocks = {"tiled": True, "blockxsize": 256, "blockysize": 256, "compress": "deflate"}
    profile = {"height": 700, "width": 700, "count": 1, "dtype": "uint16", **blocks}
    with rasterio.open(tmp_path / "a.tif", "w", driver="GTiff", **profile) as file:
        file.write(image)
    environment = {k: v for k, v in os.environ.items() if k != "GDAL_NUM_THREADS"}
    if threads is not None:
        environment["GDAL_NUM_THREADS"] = threads
    done = subprocess.run(
        [sys.executable, "-c", FORKED, "maps"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_threads_and_cache_are_the_users_to_choose(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the environment or an enclosing rasterio.Env."""
    for name in ("GDAL_NUM_THREADS", "GDAL_CACHEMAX"):
        monkeypatch.delenv(name, raising=False)
    assert gdal_options(2**20)["GDAL_NUM_THREADS"] == 2
    assert gdal_options(2**20)["GDAL_CACHEMAX"] == 2**20
    monkeypatch.setenv("GDAL_NUM_THREADS", "1")
    monkeypatch.setenv("GDAL_CACHEMAX", "99")
    assert gdal_options(2**20)["GDAL_NUM_THREADS"] == "1"
    assert "GDAL_CACHEMAX" not in gdal_options(2**20)
    for name in ("GDAL_NUM_THREADS", "GDAL_CACHEMAX"):
        monkeypatch.delenv(name)
    with rasterio.Env(GDAL_NUM_THREADS=3, GDAL_CACHEMAX=99):
        assert gdal_options()["GDAL_NUM_THREADS"] == 3
        assert "GDAL_CACHEMAX" not in gdal_options(2**20)
