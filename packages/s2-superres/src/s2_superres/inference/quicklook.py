"""A picture of what was gained: before and after, side by side.

The picture shows a square of the output at full resolution in three panels: the
scene in true colour (B04 B03 B02, measured at 10 m), and in false colour the
bands that were sharpened, before and after.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import B02, B03, B04, B05, B8A, B12, BANDS, Band
from s2_superres.files.atomic import whole_file
from s2_superres.files.png import encode_png
from s2_superres.inference.convention import Convention
from s2_superres.inference.outputs import format_of
from s2_superres.inference.plan import Prepared
from s2_superres.inference.results import Summary
from s2_superres.products.openers import open_reader
from s2_superres.raster.grid import Area
from s2_superres.raster.mosaic import repeat

#: At most so many 10 m pixels along the side of a panel, and at least so many on screen.
SIDE = 240
_SMALLEST_PANEL = 480
_GAP = 6
TRUE_COLOUR = (B04, B03, B02)
FALSE_COLOUR = (B12, B8A, B05)
#: Shares of the pixels that become black and white.
_STRETCH = (1.0, 99.0)


def choose_square(core: Area, area: Area) -> Area:
    """Return a square about the middle of ``core``, inside ``area``, on 60 m pixels."""
    rows, cols = min(SIDE, area.rows), min(SIDE, area.cols)
    row = core.row + core.rows // 2 - rows // 2
    col = core.col + core.cols // 2 - cols // 2
    row = min(max(row, area.row), area.row_stop - rows)
    col = min(max(col, area.col), area.col_stop - cols)
    return Area(row - row % 6, col - col % 6, rows, cols)


def false_colour(bands: tuple[Band, ...]) -> tuple[Band, Band, Band]:
    """Return the sharpened bands to show as red, green and blue."""
    sharpened = [band for band in BANDS if band in bands and band.resolution > 10]
    if all(band in sharpened for band in FALSE_COLOUR):
        return FALSE_COLOUR
    red, green, blue = sharpened[-1], sharpened[len(sharpened) // 2], sharpened[0]
    return red, green, blue


def compose(
    true: NDArray[Any], before: list[NDArray[Any]], after: NDArray[Any], nodata: float
) -> NDArray[np.uint8]:
    """Put the panels side by side.

    Parameters
    ----------
    true : ndarray, shape (3, rows, cols)
        Measured at 10 m.
    before : list of 3 ndarrays, shape (rows / ratio, cols / ratio)
        The false colour bands as measured.
    after : ndarray, shape (3, rows, cols)
    nodata : float
        Drawn black, and left out of the stretch, which before and after share.

    Returns
    -------
    ndarray of uint8, shape (3, height, width)
    """
    rows, cols = after.shape[1:]
    coarse = np.stack([repeat(band, rows // band.shape[0]) for band in before])
    panels = [
        _stretched(true, true, nodata),
        _stretched(coarse, after, nodata),
        _stretched(after, after, nodata),
    ]
    zoom = -(-_SMALLEST_PANEL // max(rows, cols))
    gap = np.full((3, rows * zoom, _GAP), 255, np.uint8)
    parts = [part for panel in panels for part in (gap, repeat(panel, zoom))]
    return np.concatenate(parts[1:], axis=2)


def _stretched(image: NDArray[Any], reference: NDArray[Any], nodata: float) -> NDArray[np.uint8]:
    out = np.zeros(image.shape, np.uint8)
    for plane, band, like in zip(out, image, reference, strict=True):
        seen = like[_seen(like, nodata)]
        if not seen.size:
            continue
        low, high = np.percentile(seen, _STRETCH)
        # Of a flat field no picture of its rounding: a digital number, or its reflectance.
        one = 1e-4 if band.dtype.kind == "f" else 1.0
        share = (band.astype(np.float32) - low) / max(high - low, one)
        share[~_seen(band, nodata)] = 0
        plane[...] = np.rint(255 * np.clip(share, 0, 1) ** 0.8)
    return out


def _seen(band: NDArray[Any], nodata: float) -> NDArray[np.bool_]:
    return np.asarray((band == band) & (band != nodata))


def draw_quicklook(run: Prepared, summary: Summary, path: str | Path) -> None:
    """Draw before and after, from the product and the finished output, as a PNG.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    square = choose_square(summary.best_core, run.area)
    red_green_blue = false_colour(run.bands)
    shown = {*TRUE_COLOUR, *red_green_blue}
    convention = Convention.of(run.product, run.options.values)
    with open_reader(run.product, shown) as reader:
        measured: dict[Band, NDArray[Any]] = {}
        for resolution in sorted({band.resolution for band in shown}):
            bands = reader.bands_at(resolution)
            planes = reader.read(bands, square.at(resolution))
            for band, plane in zip(bands, planes, strict=True):
                measured[band] = convention.convert(plane, run.product.offsets[band.name])
    inside = Area(square.row - run.area.row, square.col - run.area.col, square.rows, square.cols)
    image = compose(
        np.stack([measured[band] for band in TRUE_COLOUR]),
        [measured[band] for band in red_green_blue],
        format_of(run, summary.output).read(
            summary.output, inside, [band.name for band in red_green_blue]
        ),
        convention.nodata,
    )
    with whole_file(Path(path)) as file:
        file.write(encode_png(image))
