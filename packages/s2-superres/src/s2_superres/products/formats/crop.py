"""Crops: ``.npz`` files with the native bands of one place and time, such as networks learn from.

``b10`` (B02 B03 B04 B08), ``b20`` (B05 B06 B07 B8A B11 B12) and, if there are any, ``b60``
(B01 B09), each ``(bands, rows, cols)``: whole digital numbers, reflectance * 10000, 0 for no data
and 65535 for saturated. The grids share their upper left corner, and lie nowhere on earth.
``ok10``, ``ok20`` and ``ok60``, if they are there, are true where pixels were measured and false
where they were interpolated. An ``index.csv`` beside crops may say more of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast, get_args

from s2_superres.bands import BANDS, BY_RESOLUTION, SATURATED, Band, central_wavelengths
from s2_superres.errors import ProductError
from s2_superres.products.openers import Opener, Request
from s2_superres.products.product import Level, Product
from s2_superres.products.reading import Reader
from s2_superres.raster.grid import PIXEL, Area, Grid

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from s2_superres.files.npz import Header


def _recognises(source: Any) -> bool:
    if not isinstance(source, str | Path) or "://" in str(source):
        return False
    path = Path(source)
    return path.suffix.lower() == ".npz" and path.is_file()


def _open(source: Any, request: Request) -> Product:
    # Every command asks all openers; NumPy is for those that read a crop.
    from s2_superres.products.crops import crop_headers, read_index

    path = Path(source)
    headers = crop_headers(path)
    indexed = read_index(path.parent).get(path.name, {})
    facts = {name: text for name, text in indexed.items() if text}
    there = {r: headers[f"b{r}"] for r in BY_RESOLUTION if f"b{r}" in headers}
    if not {10, 20} <= set(there):
        raise ProductError(
            f"{path}: holds no b10 and b20, the bands at 10 m and 20 m; crops with every band at "
            "60 m are for patches only"
        )
    level = request.level or facts.get("level") or path.stem[:3]
    return Product(
        path=str(path),
        name=path.stem,
        level=cast("Level", level) if level in get_args(Level) else "unknown",
        baseline="unknown",
        tile=facts.get("place") or path.stem.removeprefix("L1C_").removeprefix("L2A_"),
        acquired=None,
        spacecraft="Sentinel-2",
        orbit=0,
        grid=_grid(path, there),
        quantification=10000,
        offsets=dict.fromkeys((band.name for band in BANDS), 0.0),
        nodata=0,
        saturated=SATURATED,
        files={band.name: str(path) for r in there for band in BY_RESOLUTION[r]},
        missing={
            band.name: f"{path}: has no {r} m bands (key b{r})"
            for r in BY_RESOLUTION
            if r not in there
            for band in BY_RESOLUTION[r]
        },
        wavelengths=central_wavelengths("Sentinel-2"),
        format="crop",
        facts=facts,
    )


def _grid(path: Path, there: Mapping[int, Header]) -> Grid:
    """Return the 10 m grid that all bands cover, whole pixels of the coarsest."""
    coarsest = max(there)
    rows, cols = (side * coarsest // PIXEL for side in there[coarsest].shape[-2:])
    for resolution, header in there.items():
        bands, ratio = len(BY_RESOLUTION[resolution]), resolution // PIXEL
        if (
            header.dtype.kind not in "iu"
            or len(header.shape) != 3
            or header.shape[0] != bands
            or header.shape[1] < rows // ratio
            or header.shape[2] < cols // ratio
        ):
            raise ProductError(
                f"{path}: the {resolution} m bands are {header.dtype} of {header.shape}; they "
                f"must be whole digital numbers, ({bands}, rows, cols), on a grid that covers "
                f"the {coarsest} m bands of {there[coarsest].shape}"
            )
    return Grid("", 0.0, 0.0, rows, cols)


class CropReader(Reader):
    """Holds the arrays of a crop in memory."""

    def __init__(self, product: Product, bands: Iterable[Band] = BANDS) -> None:
        from s2_superres.products.crops import masks_of, read_crop

        super().__init__(product, bands)
        path = Path(product.path)
        self._arrays = read_crop(path)
        self._masks = masks_of(path, self._arrays)

    def close(self) -> None:
        """Forget the arrays."""
        self._arrays = {}

    def _read_band(self, band: Band, area: Area, out: NDArray[np.uint16]) -> None:
        whole = self._arrays[f"b{band.resolution}"][BY_RESOLUTION[band.resolution].index(band)]
        part = whole[area.row : area.row_stop, area.col : area.col_stop]
        out[:] = part.clip(0, SATURATED)

    def measured(self, area: Area, resolution: int) -> NDArray[np.bool_] | None:
        """See `Reader`."""
        mask = self._masks.get(resolution)
        return None if mask is None else mask[area.row : area.row_stop, area.col : area.col_stop]


OPENER = Opener(
    name="crop",
    accepts="an .npz crop with the arrays b10, b20 and b60",
    recognises=_recognises,
    open=_open,
    read=CropReader,
)
