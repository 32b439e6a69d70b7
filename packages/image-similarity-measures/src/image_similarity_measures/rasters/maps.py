"""Quality maps written as GeoTIFFs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.windows import Window

from image_similarity_measures.errors import OutputError
from image_similarity_measures.files import temporary_sibling, writable

from .gdal import gdal_settings, reason, unreferenced_is_fine
from .grid import Grid

__all__ = ["MapFile"]

_TILE = 256


class MapFile:
    """A float32 GeoTIFF that takes rows from the top; a `MapSink` and a context manager.

    Rows go to a temporary file beside `path`, which takes its name when all are written. After
    an error nothing is left.

    Parameters
    ----------
    path : Path
        The file to write.
    grid : Grid
        Size, coordinate system and transform.
    title : str
        Description of the band.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        The file exists, or cannot be written.
    """

    def __init__(self, path: Path, grid: Grid, *, title: str = "", overwrite: bool = False) -> None:
        self.path = path
        self._target = writable(path, overwrite)
        self._grid = grid
        self._rows_done = 0
        self._waiting: list[np.ndarray[Any, Any]] = []
        self._temporary = temporary_sibling(self._target)
        self._dataset: Any = None
        try:
            self._attempt(self._create, title)
        except BaseException:
            self._discard()
            raise

    def write(self, row: int, block: np.ndarray[Any, Any]) -> None:
        """Take rows (rows, cols) that follow those already taken; `row` is the first one's."""
        waiting = sum(map(len, self._waiting))
        if row != self._rows_done + waiting:
            raise ValueError(f"map rows out of order: {row} after {self._rows_done + waiting}")
        self._waiting.append(np.array(block, dtype=np.float32))
        # Whole rows of tiles only: GDAL would write a tile again for each part of it.
        if waiting + len(block) >= _TILE:
            self._attempt(self._flush, _TILE)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._attempt(self._finish)
        finally:
            self._discard()

    def _create(self, title: str) -> None:
        with gdal_settings(), unreferenced_is_fine:
            self._dataset = rasterio.open(
                self._temporary, "w", driver="GTiff", dtype="float32", count=1, nodata=np.nan,
                height=self._grid.rows, width=self._grid.cols,
                crs=None if self._grid.gcps else self._grid.crs, transform=self._grid.transform,
                tiled=True, blockxsize=_TILE, blockysize=_TILE,
                compress="deflate", predictor=3, bigtiff="if_safer",
            )  # fmt: skip
            if self._grid.gcps:
                self._dataset.gcps = list(self._grid.gcps), self._grid.crs
            if self._grid.rpcs is not None:
                self._dataset.rpcs = self._grid.rpcs
            if title:
                self._dataset.set_band_description(1, title)

    def _flush(self, multiple: int) -> None:
        rows = np.concatenate(self._waiting)
        count = len(rows) // multiple * multiple
        with gdal_settings():
            self._dataset.write(
                rows[:count], 1, window=Window(0, self._rows_done, self._grid.cols, count)
            )
        self._rows_done += count
        self._waiting = [rows[count:]]

    def _finish(self) -> None:
        if any(map(len, self._waiting)):
            self._flush(1)
        if not self._rows_done:
            return  # the metric was left out
        if self._rows_done < self._grid.rows:
            raise OSError(f"only {self._rows_done} of {self._grid.rows} rows were computed")
        with gdal_settings():
            self._dataset.close()
        self._dataset = None
        self._check_whole()
        self._temporary.replace(self._target)

    def _check_whole(self) -> None:
        """GDAL closes a file without complaint when the disk fills up at the last moment."""
        size = self._temporary.stat().st_size
        try:
            with gdal_settings(), unreferenced_is_fine, rasterio.open(self._temporary) as file:
                ends = [_block_end(file, row, col) for (row, col), _ in file.block_windows(1)]
        except RasterioError:
            ends = []
        if not ends or None in ends or max(filter(None, ends)) > size:
            raise OSError("it came out incomplete; is the disk full?")

    def _attempt(self, action: Callable[..., None], *arguments: Any) -> None:
        try:
            action(*arguments)
        except (RasterioError, OSError) as error:
            raise OutputError(
                f"cannot write {self.path}: {reason(error)}; make room, or choose another place"
            ) from error

    def _discard(self) -> None:
        try:
            if self._dataset is not None:
                with gdal_settings():
                    self._dataset.close()
        except RasterioError:
            pass  # the file is thrown away
        finally:
            self._dataset = None
            self._temporary.unlink(missing_ok=True)


def _block_end(dataset: Any, row: int, col: int) -> int | None:
    """Where in the file a tile ends, None if it was never written."""
    start, size = (
        dataset.get_tag_item(f"BLOCK_{item}_{col}_{row}", "TIFF", bidx=1)
        for item in ("OFFSET", "SIZE")
    )
    return int(start) + int(size) if start and size else None
