"""Writing Sentinel-2 products: for tests, benches, and the sample that ships.

The folders are laid out and described like ESA's (SAFE compact format), so that
this package, GDAL and other tools read them as real products. The pixels come
from the caller.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from s2_superres.bands import Band
from s2_superres.errors import InputError, OutputError
from s2_superres.raster.grid import PIXEL, Grid
from s2_superres.testing.metadata import manifest_xml, product_xml, tile_xml, write_xml
from s2_superres.testing.spec import BAND_IDS, NODATA, SATURATED, ProductSpec

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Blocks of the JPEG 2000 files, per resolution.
_BLOCK = {10: 1024, 20: 1024, 60: 192}

#: ``(band, rows, cols) -> uint16`` or one array per band name, at native resolution.
Pixels = Callable[[Band, int, int], "NDArray[np.uint16]"] | Mapping[str, "NDArray[np.uint16]"]


def write_product(
    folder: str | Path,
    spec: ProductSpec,
    pixels: Pixels,
    *,
    copies: bool = False,
) -> Path:
    """Write a product as ``folder/<name>.SAFE``, JPEG 2000 without loss.

    Parameters
    ----------
    folder : path
        An existing folder.
    spec : ProductSpec
        Level, baseline, grid and names.
    pixels : callable or mapping
        Reflectance x 10000 per band at native resolution, uint16; the writer
        adds the 1000 of newer baselines, but not to 0 (no data) and 65535
        (saturated). Bands that a mapping lacks are left out, and the metadata
        does not name them.
    copies : bool
        Add the coarser copies of finer bands that real L2A products hold.

    Returns
    -------
    Path
        The ``.SAFE`` folder.

    Raises
    ------
    OutputError
        If that folder exists already.
    """
    root = Path(folder) / f"{spec.name}.SAFE"
    try:
        root.mkdir()
    except FileExistsError:
        raise OutputError(f"{root} exists already; remove it or choose another folder") from None
    files = list(_write_images(root, spec, pixels, copies and spec.level == "L2A"))
    write_xml(root / f"MTD_MSI{spec.level}.xml", product_xml(spec, files))
    write_xml(root / "GRANULE" / spec.granule / "MTD_TL.xml", tile_xml(spec))
    write_xml(root / "manifest.safe", manifest_xml(root, spec))
    return root


def zip_product(safe: str | Path, path: str | Path, *, compress: bool = False) -> Path:
    """Pack a ``.SAFE`` folder as it is distributed, the folder's name leading each member."""
    safe, path = Path(safe), Path(path)
    method = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    with zipfile.ZipFile(path, "w", method) as archive:
        for file in sorted(safe.rglob("*")):
            archive.write(file, file.relative_to(safe.parent))
    return path


def coordinates(band: Band, rows: int, cols: int) -> NDArray[np.uint16]:
    """Return pixels that tell their band, row and column apart: shifts and swaps show.

    Values lie in 1 to 60000; neighbours differ, and so do all pixels of one
    band within 240 rows and columns.
    """
    index = BAND_IDS.index(band)
    row, col = np.ogrid[:rows, :cols]
    values: NDArray[np.uint16] = ((row * 241 + col + index * 4441) % 60000 + 1).astype(np.uint16)
    return values


def landscape(band: Band, rows: int, cols: int) -> NDArray[np.uint16]:
    """Return smooth fields with sharp edges, the same ground at every resolution.

    Quick to make and to pack, so that whole tiles can be written for benches.
    Values lie between about 500 and 4500.
    """
    index = BAND_IDS.index(band)
    step = band.resolution / PIXEL
    y = (np.arange(rows, dtype=np.float32) + 0.5) * np.float32(step)
    x = (np.arange(cols, dtype=np.float32) + 0.5) * np.float32(step)
    waves = np.sin(y / 61 + index)[:, None] + np.sin(x / 83 - index)[None, :]
    fields = ((y // 37) % 3)[:, None] * ((x // 53) % 4)[None, :]
    values: NDArray[np.uint16] = (1500 + 300 * waves + (250 + 10 * index) * fields).astype(
        np.uint16
    )
    return values


def _write_images(root: Path, spec: ProductSpec, pixels: Pixels, copies: bool) -> Iterator[str]:
    """Write every band, yielding the metadata's names of the files."""
    for band in spec.bands:
        ratio = band.resolution // PIXEL
        rows, cols = spec.grid.rows // ratio, spec.grid.cols // ratio
        if callable(pixels):
            values = pixels(band, rows, cols)
        elif band.name in pixels:
            values = pixels[band.name]
        else:
            continue
        if values.shape != (rows, cols) or values.dtype != np.uint16:
            raise InputError(
                f"{band.name}: {values.dtype} pixels of shape {values.shape}; "
                f"give uint16 of {(rows, cols)}"
            )
        special = (values == NODATA) | (values == SATURATED)
        stored = np.where(special, values, values + np.uint16(-spec.offset))
        yield spec.image(band)
        _write_jp2(root / f"{spec.image(band)}.jp2", stored, spec.grid, band.resolution)
        for coarser in (20, 60) if copies else ():
            times = coarser // band.resolution
            if times > 1:
                mean = stored.reshape(rows // times, times, cols // times, times).mean((1, 3))
                yield spec.image(band, coarser)
                path = root / f"{spec.image(band, coarser)}.jp2"
                _write_jp2(path, mean.round().astype(np.uint16), spec.grid, coarser)


def _write_jp2(path: Path, values: NDArray[np.uint16], grid: Grid, resolution: int) -> None:
    import rasterio
    from rasterio.transform import Affine

    path.parent.mkdir(parents=True, exist_ok=True)
    rows, cols = values.shape
    block = _BLOCK[resolution]
    options: dict[str, Any] = {"QUALITY": "100", "REVERSIBLE": "YES", "YCBCR420": "NO"}
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        width=cols,
        height=rows,
        count=1,
        dtype="uint16",
        crs=grid.crs,
        transform=Affine(*grid.transform(resolution)),
        blockxsize=block,
        blockysize=block,
        **options,
    ) as dataset:
        dataset.write(values, 1)
