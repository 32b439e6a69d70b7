"""Every format that is listed as readable is read right, pixel for pixel where it is lossless."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy
from scipy.io import netcdf_file

import image_similarity_measures as ism
from image_similarity_measures.rasters.pair import RasterPair
from image_similarity_measures.report.pairs import IMAGE_SUFFIXES

Array = np.ndarray[Any, Any]

rng = np.random.default_rng(5)
DEEP = rng.integers(0, 4000, (20, 30, 3)).astype("uint16")
BYTES = rng.integers(0, 256, (20, 30, 3)).astype("uint8")
LIGHT = rng.random((20, 30, 3)).astype("float32")
# JPEG keeps what changes slowly.
SMOOTH = np.stack(np.broadcast_arrays(*np.mgrid[60:80, 90:120], 99), axis=2).astype("uint8")


def by_gdal(driver: str, pixels: Array, **options: Any) -> tuple[Array, Callable[[Path], Any]]:
    def write(path: Path) -> None:
        rows, cols, count = pixels.shape
        profile = {"height": rows, "width": cols, "count": count, "dtype": pixels.dtype.name}
        with rasterio.open(path, "w", driver=driver, **profile, **options) as file:
            file.write(np.moveaxis(pixels, -1, 0))

    return pixels, write


def by_opencv(pixels: Array) -> tuple[Array, Callable[[Path], Any]]:
    return pixels, lambda path: cv2.imwrite(str(path), pixels[:, :, ::-1])


def vrt(path: Path) -> None:
    source = path.with_suffix(".source")
    by_gdal("GTiff", DEEP)[1](source)
    copy(source, path, driver="VRT")


def targa(path: Path) -> None:
    """Uncompressed true colour, rows from the top."""
    rows, cols, _ = BYTES.shape
    size = cols.to_bytes(2, "little") + rows.to_bytes(2, "little")
    path.write_bytes(
        bytes([0, 0, 2, *[0] * 9]) + size + bytes([24, 32]) + BYTES[:, :, ::-1].tobytes()
    )


def netcdf(path: Path) -> None:
    with netcdf_file(path, "w") as file:
        for name, size in zip("byx", (3, 20, 30), strict=True):
            file.createDimension(name, size)
        file.createVariable("values", "f4", tuple("byx"))[:] = np.moveaxis(LIGHT, -1, 0)


def hdf5(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["values"] = np.moveaxis(DEEP, -1, 0)


ONE = DEEP[:, :, :1]
WRITERS: dict[str, tuple[Array, Callable[[Path], Any]]] = {
    **dict.fromkeys((".tif", ".tiff"), by_gdal("GTiff", DEEP)),
    ".vrt": (DEEP, vrt),
    **dict.fromkeys((".jp2", ".j2k"), by_gdal("JP2OpenJPEG", DEEP, quality=100, reversible=True)),
    ".img": by_gdal("HFA", DEEP),
    ".png": by_gdal("PNG", DEEP),
    **dict.fromkeys((".jpg", ".jpeg"), by_gdal("JPEG", SMOOTH, quality=100)),
    ".webp": by_gdal("WEBP", BYTES, lossless=True),
    ".bmp": by_gdal("BMP", BYTES),
    ".gif": by_gdal("GIF", BYTES[:, :, :1]),
    ".ppm": by_gdal("PNM", BYTES),
    ".pgm": by_gdal("PNM", ONE),
    ".tga": (BYTES, targa),
    ".hdr": by_opencv(LIGHT),
    ".pfm": by_opencv(LIGHT),
    ".nc": (LIGHT, netcdf),
    **dict.fromkeys((".h5", ".hdf5"), (DEEP, hdf5)),
    **dict.fromkeys((".ntf", ".nitf"), by_gdal("NITF", DEEP)),
    ".asc": by_gdal("AAIGrid", ONE.astype("int32")),
    ".bil": by_gdal("EHdr", DEEP),
    ".dat": by_gdal("ENVI", DEEP),
    ".bsq": by_gdal("ENVI", DEEP, interleave="bsq"),
    ".bip": by_gdal("ENVI", DEEP, interleave="bip"),
    ".zarr": by_gdal("Zarr", DEEP),
}


def test_every_suffix_that_is_listed_has_its_test() -> None:
    assert WRITERS.keys() == set(IMAGE_SUFFIXES)


@pytest.mark.parametrize("suffix", WRITERS)
def test_what_is_written_is_read(tmp_path: Path, suffix: str) -> None:
    pixels, write = WRITERS[suffix]
    path = tmp_path / f"image{suffix}"
    write(path)
    # Radiance keeps eight binary digits of the brightest band, JPEG what an eye sees.
    loss = {".hdr": 1 / 128, ".jpg": 2, ".jpeg": 2}.get(suffix, 0)
    with RasterPair(path, path) as pair:
        assert (pair.shape, pair.dtype) == (pixels.shape, pixels.dtype)
        block = pair.read(slice(0, 20), slice(0, 30))
        assert block.valid is None
        np.testing.assert_allclose(block.org.astype(float), pixels, rtol=0, atol=loss)
        part = pair.read(slice(3, 17), slice(4, 9)).org
        np.testing.assert_array_equal(part, block.org[3:17, 4:9])


@pytest.mark.parametrize("suffix", WRITERS)
@pytest.mark.filterwarnings("ignore::image_similarity_measures.SimilarityWarning")
def test_a_file_against_itself_is_ideal(tmp_path: Path, suffix: str) -> None:
    _, write = WRITERS[suffix]
    path, other = tmp_path / f"image{suffix}", tmp_path / "other" / f"image{suffix}"
    write(path)
    shutil.copytree(tmp_path, other.parent)
    report = ism.compare(path, other, metrics="all", data_range=4095)
    for name, value in report.metrics.items():
        if name != "issm":
            # A last digit may be off where a quotient of sums is 1.
            assert value == pytest.approx(ism.METRICS[name].ideal, abs=1e-12), name


def test_rows_of_a_netcdf_by_gdal_are_as_gdal_wrote_them(tmp_path: Path) -> None:
    """From the bottom, where others begin at the top."""
    by_gdal("GTiff", ONE.astype("int16"))[1](tmp_path / "image.tif")
    copy(tmp_path / "image.tif", tmp_path / "image.nc", driver="netCDF")
    report = ism.compare(tmp_path / "image.nc", tmp_path / "image.tif", metrics="rmse")
    assert report["rmse"].value == 0


def test_a_grey_palette_is_one_band(tmp_path: Path) -> None:
    """As OpenCV and others write BMP of one band; so it compares with a PNG."""
    pixels = BYTES[:, :, 0]
    for name in ("grey.bmp", "grey.png", "grey.gif"):
        cv2.imwrite(str(tmp_path / name), pixels)
    by_gdal("GIF", pixels[:, :, np.newaxis])[1](tmp_path / "grey.gif")
    for name in ("grey.bmp", "grey.gif"):
        assert (
            ism.compare(tmp_path / name, tmp_path / "grey.png", metrics="rmse")["rmse"].value == 0
        )


def test_of_several_datasets_the_error_names_some(tmp_path: Path) -> None:
    path = tmp_path / "two.h5"
    with h5py.File(path, "w") as file:
        file["red"] = file["green"] = DEEP[:, :, 0]
    with pytest.raises(ism.ReadError, match=r"two\.h5 holds no bands; give one of .*green"):
        ism.compare(path, path)
    red = f"HDF5:{path}://red"
    assert ism.compare(red, red, metrics="rmse")["rmse"].value == 0
