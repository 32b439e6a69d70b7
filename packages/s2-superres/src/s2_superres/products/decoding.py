"""Pixels that GDAL decodes, block by block, so that damage is told and not decoded to something.

JPEG 2000 decodes whole blocks, and windows cut through them. When windows come row by row, every
block is decoded once: it is kept until the windows have moved below it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Self

from s2_superres.errors import ProductError
from s2_superres.files.gdal import check_jpeg2000, complaints
from s2_superres.products.remote import network_options
from s2_superres.products.signing import UNSIGNED, Signer
from s2_superres.raster.grid import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: GDAL's own block cache, in bytes: the reader keeps what it needs itself.
GDAL_CACHE = 64 * 2**20
#: OpenJPEG's words for a code stream that is not as it was written.
_DAMAGE = re.compile(
    r"EOC|corrupt|truncat|not enough|too small|too large|invalid|fail|error|expected|missing",
    re.IGNORECASE,
)
#: GDAL's words for a request that it makes again: only what comes of the last one counts.
_AGAIN = re.compile(r"Retrying again")


def unreadable(path: str, text: str) -> ProductError:
    """Return the error of a file that cannot be read, with the reason that GDAL gives."""
    reason = text.splitlines()[0].strip()
    if network_options(path) or (path.startswith("/vsi") and "/vsizip" not in path):
        return ProductError(
            f"{path}: cannot be read ({reason}); check that the link is right, signed and not "
            "expired, and try again"
        )
    return ProductError(
        f"{path}: cannot be decoded, it is damaged or cut off ({reason}); "
        "download the product again"
    )


class BlockSource:
    """One open file and the blocks of it that are still needed; a context manager.

    Parameters
    ----------
    path : str
        As GDAL opens it.
    bands : int or list of int
        Counted from 1. Blocks and windows are ``(rows, cols)`` of one, ``(bands, rows, cols)`` of
        several.
    signer : Signer, optional
        Signs the path where it is a link, and again where that is refused.

    Raises
    ------
    ProductError
        If it cannot be opened or decoded.
    """

    def __init__(self, path: str, bands: int | list[int] = 1, signer: Signer = UNSIGNED) -> None:
        self.path, self.bands = path, bands
        self.blocks: dict[tuple[int, int], NDArray[Any]] = {}
        self._signer = signer
        self.dataset: Any = self._open_signed()
        self.block_rows, self.block_cols = self.dataset.block_shapes[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _open_signed(self) -> Any:
        try:
            return self._open()
        except ProductError:
            # Maybe what was signed before has expired.
            if not self._signer.renew(self.path):
                raise
            return self._open()

    def _open(self) -> Any:
        import rasterio
        from rasterio.errors import RasterioError

        try:
            with self._environment():
                return rasterio.open(self._signer(self.path))
        except RasterioError as error:
            if self.path.endswith(".jp2"):
                check_jpeg2000()
            raise self._unreadable(error) from None

    def _environment(self) -> Any:
        import rasterio

        return rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE, **network_options(self.path))

    def close(self) -> None:
        """Close the file and forget the blocks."""
        self.blocks.clear()
        self.dataset.close()

    def read(self, window: Area, out: NDArray[Any]) -> None:
        """Copy a window into ``out``, decoding the blocks that are not there yet."""
        first = window.row // self.block_rows
        for key in [key for key in self.blocks if key[0] < first]:
            del self.blocks[key]
        for down in range(first, -(-window.row_stop // self.block_rows)):
            for across in range(
                window.col // self.block_cols, -(-window.col_stop // self.block_cols)
            ):
                place, block = self._block(down, across)
                shared = place.intersection(window)
                assert shared is not None
                out[(..., *_slices(shared, window))] = block[(..., *_slices(shared, place))]

    def _block(self, down: int, across: int) -> tuple[Area, NDArray[Any]]:
        row, col = down * self.block_rows, across * self.block_cols
        place = Area(
            row,
            col,
            min(self.block_rows, self.dataset.height - row),
            min(self.block_cols, self.dataset.width - col),
        )
        if (down, across) not in self.blocks:
            self.blocks[down, across] = self._decode(place)
        return place, self.blocks[down, across]

    def _decode(self, place: Area) -> NDArray[Any]:
        try:
            return self._decode_once(place)
        except ProductError:
            # Maybe the signature has expired.
            if not self._signer.renew(self.path):
                raise
        self.dataset.close()
        self.dataset = self._open()
        return self._decode_once(place)

    def _decode_once(self, place: Area) -> NDArray[Any]:
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        try:
            with self._environment(), complaints() as said:
                values: NDArray[Any] = self.dataset.read(
                    self.bands, window=Window(place.col, place.row, place.cols, place.rows)
                )
        except RasterioError as error:
            raise self._unreadable(error) from None
        # A damaged code stream may decode to something, with no more than a remark.
        for text in said:
            if _DAMAGE.search(text) and not _AGAIN.search(text):
                raise unreadable(self.path, self._signer.hide(text))
        return values

    def _unreadable(self, error: Exception) -> ProductError:
        return unreadable(self.path, self._signer.hide(str(error.__cause__ or error)))


def _slices(part: Area, whole: Area) -> tuple[slice, slice]:
    """Rows and columns of ``part`` within an array of ``whole``."""
    row, col = part.row - whole.row, part.col - whole.col
    return slice(row, row + part.rows), slice(col, col + part.cols)
