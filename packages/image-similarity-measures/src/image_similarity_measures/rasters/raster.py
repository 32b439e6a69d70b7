"""One raster file: its bands, and which of its pixels count.

Everything rasterio opens is read at its own depth, PNG and JPEG included; a format GDAL does not
know goes through OpenCV. A file's nodata values, mask bands and alpha band say which pixels count.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.enums import ColorInterp, Interleaving, MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader, MemoryFile
from rasterio.windows import Window

from image_similarity_measures.arrays import both, valid_pixels
from image_similarity_measures.checks import Array, Mask, chosen_bands
from image_similarity_measures.errors import InputError, OpenCVMissingError, ReadError
from image_similarity_measures.opencv import opencv_itself

from .gdal import gdal_settings, reason, unreferenced_is_fine
from .grid import Grid
from .orientation import Orientation

PathLike = str | os.PathLike[str]

_NO_DRIVER = "not recognized as being in a supported file format"


class Raster:
    """One open file, the bands chosen, and what it knows about validity."""

    def __init__(self, path: PathLike, bands: Sequence[int] | None, nodata: float | None) -> None:
        self.path = os.fspath(path)
        self._stack = ExitStack()
        with gdal_settings(), unreferenced_is_fine:
            self._dataset = _open(self.path, self._stack)
        try:
            self._choose_bands(bands)
            self._find_validity(nodata)
        except BaseException:
            self._stack.close()
            raise

    def _choose_bands(self, bands: Sequence[int] | None) -> None:
        dataset = self._dataset
        if dataset.count == 0:
            inside = ", ".join(dataset.subdatasets[:3])
            raise ReadError(
                f"{self.path} holds no bands; give {f'one of {inside}' if inside else 'a raster'}"
            )
        interpretation = dataset.colorinterp
        self._palette: Array | None = None
        if dataset.count == 1 and interpretation[0] is ColorInterp.palette:
            self._palette = _palette(dataset)
            available = [1, 2, 3]
            if _is_grey(self._palette):
                available = [1]
                if self._bits_of(1) == 1 and np.isin(self._palette, [0, 255]).all():
                    # One bit, whichever of black and white is 0.
                    self._palette &= 1
        else:
            available = [
                band
                for band, meaning in zip(dataset.indexes, interpretation, strict=True)
                if meaning is not ColorInterp.alpha
            ]
        self.bands = available if bands is None else chosen_bands(self.path, bands, available)
        self.count = len(self.bands)
        self._stored = [1] if self._palette is not None else self.bands
        dtypes = [dataset.dtypes[band - 1] for band in self._stored]
        if any(dtype.startswith("complex") for dtype in dtypes):
            raise InputError(f"{self.path} holds complex values; compare the amplitude instead")
        self.dtype: np.dtype[Any] = np.result_type(*dtypes)
        self.bits = self._bits()
        scaling = list(zip(dataset.scales, dataset.offsets, strict=True))
        # The colours of a palette have none.
        self.scaling = [
            scaling[band - 1] if self._palette is None else (1.0, 0.0) for band in self.bands
        ]
        self.orientation = Orientation.of(dataset)
        along = int(self.orientation.swapped)
        self.block_rows = max(dataset.block_shapes[band - 1][along] for band in self._stored)
        # Where bands alternate, reading one decodes all.
        decoded = self._stored if dataset.interleaving == Interleaving.band else dataset.indexes
        self.block_row_bytes = (
            self.block_rows * self.orientation.cols * len(decoded) * self.dtype.itemsize
        )
        self.grid = Grid.of(dataset)
        if self.orientation.turned:
            self.grid = Grid.unreferenced(self.orientation.rows, self.orientation.cols)

    def _bits(self) -> int | None:
        """Bits that the values use where the file says that it is fewer than their type has."""
        if self._palette is not None:
            return 1 if self._palette.max() == 1 else None
        if self.dtype.kind != "u":
            return None
        said = [self._bits_of(band) for band in self._stored]
        return max(filter(None, said)) if all(said) else None

    def _bits_of(self, band: int) -> int | None:
        bits = self._dataset.tags(band, ns="IMAGE_STRUCTURE").get("NBITS")
        return int(bits) if bits else None

    def _find_validity(self, nodata: float | None) -> None:
        """Nodata values are looked for in the pixels read; only true masks are read as well."""
        flags = [self._dataset.mask_flag_enums[band - 1] for band in self._stored]
        self._nodata = [
            nodata
            if nodata is not None
            else self._dataset.nodatavals[band - 1]
            if flag == [MaskFlags.nodata]
            else None
            for band, flag in zip(self._stored, flags, strict=True)
        ]
        plain = ([MaskFlags.all_valid], [MaskFlags.nodata])
        self._masked = [
            band for band, flag in zip(self._stored, flags, strict=True) if flag not in plain
        ]
        if flags and MaskFlags.per_dataset in flags[0]:
            self._masked = self._masked[:1]

    def read(self, window: Window) -> tuple[Array, Mask | None]:
        """Pixels (rows, cols, bands) and, where not all of them count, which do."""
        try:
            stored = self.orientation.stored(window)
            planes = self.orientation.seen(self._dataset.read(self._stored, window=stored))
            masks = None
            if self._masked:
                masks = self.orientation.seen(self._dataset.read_masks(self._masked, window=stored))
        except RasterioError as error:
            raise ReadError(
                f"cannot read {self.path}: damaged or truncated near row {window.row_off} "
                f"({reason(error)}); fetch or write it again"
            ) from error
        pixels: Array = np.moveaxis(planes, 0, -1)
        valid: Mask | None = None if masks is None else _none_if_all((masks != 0).all(axis=0))
        for index, nodata in enumerate(self._nodata):
            valid = both(valid, valid_pixels(pixels[:, :, index : index + 1], nodata))
        if self._palette is not None:
            colours = self._palette[pixels[:, :, 0]]
            valid = both(valid, _none_if_all(colours[:, :, 3] != 0))
            pixels = colours[:, :, [band - 1 for band in self.bands]]
        return pixels, valid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()


def _open(path: str, stack: ExitStack) -> DatasetReader:
    try:
        dataset = stack.enter_context(rasterio.open(path))
        if dataset.driver == "netCDF" and _runs_south(dataset):
            with rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"):
                dataset = stack.enter_context(rasterio.open(path))
        return dataset
    except UnicodeError as error:
        raise ReadError(f"cannot read {path}: its name is not UTF-8; rename it") from error
    except RasterioError as error:
        if "://" not in path and not path.startswith("/vsi"):
            if not Path(path).exists():
                raise ReadError(f"cannot read {path}: no such file; check the path") from error
            if Path(path).is_dir():
                raise ReadError(
                    f"cannot read {path}: it is a folder, not an image; give a file, or two folders"
                ) from error
        if _NO_DRIVER in str(error):
            try:
                dataset = _open_with_opencv(path, stack)
            except OpenCVMissingError as missing:
                raise ReadError(f"cannot read {path}: GDAL does not know it; {missing}") from error
            if dataset is not None:
                return dataset
        raise ReadError(
            f"cannot read {path}: {reason(error)}; check that it is whole, and an image"
        ) from error


def _runs_south(dataset: DatasetReader) -> bool:
    """Whether a netCDF file begins at the top though GDAL takes its rows for running north.

    It does so unless the file says where they lie; what it writes itself does run north.
    """
    by_gdal = "NC_GLOBAL#GDAL" in dataset.tags()
    return dataset.crs is None and dataset.transform.is_identity and not by_gdal


def _open_with_opencv(path: str, stack: ExitStack) -> DatasetReader | None:
    """A dataset in memory with what OpenCV decoded, or None."""
    cv2 = opencv_itself()
    pixels: Array | None = cv2.imread(path, cv2.IMREAD_UNCHANGED)
    if pixels is None:
        return None
    pixels = np.atleast_3d(pixels)
    count = pixels.shape[2]
    if count >= 3:
        pixels = pixels[:, :, [2, 1, 0, *range(3, count)]]
    memory = stack.enter_context(MemoryFile())
    rows, cols = pixels.shape[:2]
    profile = {"height": rows, "width": cols, "count": count, "dtype": pixels.dtype.name}
    with memory.open(driver="GTiff", **profile) as dataset:
        dataset.write(np.moveaxis(pixels, -1, 0))
        if count == 4:
            dataset.colorinterp = [
                ColorInterp.red, ColorInterp.green, ColorInterp.blue, ColorInterp.alpha
            ]  # fmt: skip
    return stack.enter_context(memory.open())


def _palette(dataset: DatasetReader) -> Array:
    """(256, 4) table of red, green, blue and alpha."""
    table = np.zeros((256, 4), dtype=np.uint8)
    for index, colour in dataset.colormap(1).items():
        table[index] = colour
    return table


def _is_grey(palette: Array) -> bool:
    """Whether no colour is in it, as GIF and BMP keep images of one band."""
    return not np.ptp(palette[:, :3], axis=1).any()


def _none_if_all(valid: Mask) -> Mask | None:
    return None if valid.all() else valid
