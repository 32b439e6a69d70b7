"""Pictures that are stored lying on their side: EXIF's orientation, as cameras write it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from rasterio.io import DatasetReader
from rasterio.windows import Window

from image_similarity_measures.checks import Array

# Per value of the tag (EXIF 2.3, table 4): whether rows and columns are swapped, and which of the
# two then are reversed.
_MEANING = {
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}


@dataclass(frozen=True, slots=True)
class Orientation:
    """How a stored picture is turned to be seen.

    Attributes
    ----------
    rows, cols : int
        Size as seen.
    swapped : bool
        Whether rows are stored as columns.
    upside_down, mirrored : bool
        Whether rows and columns, once swapped, are reversed.
    """

    rows: int
    cols: int
    swapped: bool = False
    upside_down: bool = False
    mirrored: bool = False

    @classmethod
    def of(cls, dataset: DatasetReader) -> Self:
        """What an open file says; a georeference is of the pixels as stored."""
        size = dataset.height, dataset.width
        tag = dataset.tags().get("EXIF_Orientation", "")
        placed = dataset.crs is not None or not dataset.transform.is_identity
        if placed or not tag.isdigit() or int(tag) not in _MEANING:
            return cls(*size)
        swapped, upside_down, mirrored = _MEANING[int(tag)]
        return cls(*(size[::-1] if swapped else size), swapped, upside_down, mirrored)

    @property
    def turned(self) -> bool:
        """Whether the picture is seen otherwise than stored."""
        return self.swapped or self.upside_down or self.mirrored

    def stored(self, window: Window) -> Window:
        """Return where a window of the picture as seen is stored."""
        row, col, height, width = window.row_off, window.col_off, window.height, window.width
        if self.upside_down:
            row = self.rows - row - height
        if self.mirrored:
            col = self.cols - col - width
        if self.swapped:
            return Window(row, col, height, width)
        return Window(col, row, width, height)

    def seen(self, planes: Array) -> Array:
        """Turn (..., rows, cols) as stored into what is seen; a view."""
        if self.swapped:
            planes = planes.swapaxes(-1, -2)
        if self.upside_down:
            planes = planes[..., ::-1, :]
        return planes[..., ::-1] if self.mirrored else planes
