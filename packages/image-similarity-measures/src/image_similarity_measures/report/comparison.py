"""From two arrays or two files to a report."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from numpy.typing import ArrayLike

from image_similarity_measures import metrics as registry
from image_similarity_measures.arrays import ArrayPair
from image_similarity_measures.checks import DataRange
from image_similarity_measures.engine.score import BandMean, Score
from image_similarity_measures.errors import InputError, warn
from image_similarity_measures.labelled.pair import LabelledPair, pair_of
from image_similarity_measures.scoring import Options, score_bands

from .report import Report, Result

if TYPE_CHECKING:
    from image_similarity_measures.rasters.grid import Grid
    from image_similarity_measures.rasters.pair import RasterPair

__all__ = ["PathLike", "compare", "compare_as_0_3"]

PathLike = str | os.PathLike[str]
Progress = Callable[[int, int], None]


def compare(
    org: ArrayLike | PathLike,
    pred: ArrayLike | PathLike,
    *,
    metrics: str | Sequence[str] = "all",
    data_range: float | tuple[float, float] | None = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    bands: Sequence[int | str] | None = None,
    axis: int | None = None,
    allow_grid_mismatch: bool = False,
    maps: PathLike | Mapping[str, PathLike] | None = None,
    overwrite: bool = False,
    options: Options | None = None,
    progress: Progress | None = None,
) -> Report:
    """Compare two images with one or more metrics, reading them once.

    Parameters
    ----------
    org, pred : array_like or path
        Two arrays, (rows, cols) or (rows, cols, bands), or two files. Files may be larger than
        the memory. Of xarray's arrays and datasets the bands are paired by name, coordinates have
        to agree, and what Dask has not computed yet is computed strip by strip. Masks of masked
        arrays and nodata values, masks and alpha bands of files are respected. Values are compared
        as stored: scales and offsets are not applied.
    metrics : str or sequence of str
        Names of metrics; ``"all"`` is every metric that the number of bands allows.
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative; by
        default that of the bits per value which a file says it uses, else 255 for 8-bit integers
        and 4095 for wider ones. Floating point has no default.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in a band of either image are left out. For files it takes the
        place of the values that they name.
    bands : sequence of int or str, optional
        Bands to compare, counted from 1 as GDAL does, or by their names in xarray's arrays.
    axis : int, optional
        Where the bands of arrays are; the last axis by default, with a warning if it could be the
        first.
    allow_grid_mismatch : bool
        Compare files or xarray's arrays of one size though their coordinates differ.
    maps : path or mapping of str to path, optional
        Folder for quality maps of the metrics that have one, as GeoTIFFs named
        ``<name of pred>_<metric>.tif``; or the file for each metric whose map is wanted.
    overwrite : bool
        Replace maps that exist.
    options : Options, optional
        Variants of the metrics. `data_range`, if given, is used in place of its own.
    progress : callable, optional
        Called with (rows done, rows in all).

    Returns
    -------
    Report

    Raises
    ------
    ShapeMismatchError, GridMismatchError
        The images have different shapes, or lie on different grids.
    InputError, UsageError
        The images or options cannot be used.
    ReadError, OutputError
        A file cannot be read, or a map not written.

    Warns
    -----
    SimilarityWarning
        Whatever is in the report's notes.
    """
    options = options or Options()
    if data_range is not None:
        options = options.with_data_range(data_range)
    with ExitStack() as stack:
        pair = stack.enter_context(
            _open_pair(org, pred, mask, nodata, bands, allow_grid_mismatch, axis)
        )
        names = registry.select(metrics)
        notes = list(pair.source.notes)
        if options.data_range is None and any(
            registry.get(name).ranged(options.of(name)) for name in names
        ):
            options = _with_range_of_bits(options, pair, notes)
        sinks: Mapping[str, BandMean] = {}
        if maps is not None:
            sinks = _open_maps(stack, maps, pair, names, overwrite)
        scores = score_bands(pair.source, metrics, options, sinks, progress)
    notes += scores.notes
    for note in notes:
        warn(note)
    return Report(
        image1=pair.names[0],
        image2=pair.names[1],
        results=tuple(_result(found) for found in scores.values()),
        bands=pair.bands,
        valid_share=scores.valid_share,
        version=_version(),
        notes=tuple(notes),
    )


def compare_as_0_3(
    org: PathLike,
    pred: PathLike,
    *,
    metrics: str | Sequence[str] = "all",
    data_range: float | tuple[float, float] | None = None,
    loader: str = "auto",
) -> Report:
    """Compare two files as version 0.3 did, wrong values included.

    Parameters
    ----------
    org, pred : path
        The files, read as 0.3 read them: whatever is not a TIFF as 8-bit blue, green, red.
    metrics : str or sequence of str
        Names of metrics, or ``"all"``.
    data_range : float, optional
        0.3's ``max_p`` of RMSE, PSNR and SSIM; 4095 by default, for 8-bit images too.
    loader : {"auto", "opencv", "rasterio"}
        Library that reads the files.

    Returns
    -------
    Report
        Without values per band.

    Raises
    ------
    ReadError
        A file is missing or not an image.
    ShapeMismatchError
        The images differ in shape.
    InputError
        A metric cannot be computed of these images, or `data_range` is not positive.
    UsageError
        A metric or loader does not exist.
    """
    from image_similarity_measures.legacy.evaluate import RANGED, SHARES, score_files
    from image_similarity_measures.legacy.quality_metrics import metric_functions

    new = registry.any_of_all(metrics) - metric_functions.keys()
    names = [name for name in registry.select(metrics) if name not in new]
    wanted = DataRange.of(4095.0 if data_range is None else data_range)
    if wanted.low:
        raise InputError("data_range of 0.3 begins at 0; give the largest possible value alone")
    max_p = wanted.high
    values, bands = score_files(org, pred, names, loader, max_p)
    results = [
        Result(
            name,
            value,
            unit="" if name in SHARES else registry.get(name).unit,
            data_range=max_p if name in RANGED else None,
        )
        for name, value in values.items()
    ]
    return Report(
        image1=os.fspath(org),
        image2=os.fspath(pred),
        results=tuple(results),
        bands=tuple(range(1, bands + 1)),
        valid_share=1.0,
        version=_version(),
        definitions="0.3",
    )


@dataclass(frozen=True, slots=True)
class _Pair:
    """What is compared, under which names, which of its bands, and where it lies."""

    source: ArrayPair | LabelledPair | RasterPair
    names: tuple[str | None, str | None]
    bands: tuple[int | str, ...]
    grid: Grid | None = None


@contextmanager
def _open_pair(
    org: ArrayLike | PathLike,
    pred: ArrayLike | PathLike,
    mask: ArrayLike | None,
    nodata: float | None,
    bands: Sequence[int | str] | None,
    allow_grid_mismatch: bool,
    axis: int | None,
) -> Iterator[_Pair]:
    paths = [image for image in (org, pred) if isinstance(image, str | os.PathLike)]
    if paths and axis is not None:
        raise InputError("axis is for arrays; choose bands of files by their numbers, with bands")
    if len(paths) == 1:
        raise InputError(
            f"{os.fspath(paths[0])} is a file and the other image an array; "
            "give two files or two arrays"
        )
    if not paths:
        arrays = cast(tuple[ArrayLike, ArrayLike], (org, pred))
        pair = pair_of(
            *arrays,
            mask=mask,
            nodata=nodata,
            axis=axis,
            bands=bands,
            allow_grid_mismatch=allow_grid_mismatch,
        )
        if isinstance(pair, LabelledPair):
            yield _Pair(pair, (None, None), tuple(map(_label, pair.bands)), _grid(pair))
            return
        numbers = range(1, pair.shape[2] + 1) if bands is None else map(int, bands)
        yield _Pair(pair, (None, None), tuple(numbers))
        return
    from image_similarity_measures.rasters.pair import RasterPair

    with RasterPair(
        *paths,
        bands=cast(Sequence[int] | None, bands),
        nodata=nodata,
        mask=mask,
        allow_grid_mismatch=allow_grid_mismatch,
    ) as rasters:
        names = os.fspath(paths[0]), os.fspath(paths[1])
        yield _Pair(rasters, names, rasters.bands, rasters.grid)


def _with_range_of_bits(options: Options, pair: _Pair, notes: list[str]) -> Options:
    """The options with the data range that the bits of files allow, as far as files say them."""
    bits = getattr(pair.source, "bits", (None, None))
    if bits == (None, None):
        return options
    most = max(filter(None, bits))
    if bits[0] != bits[1]:
        said = (
            f"{name} {f'has {number} bit(s) per value' if number else 'does not say its bits'}"
            for name, number in zip(pair.names, bits, strict=True)
        )
        notes.append(
            f"{' and '.join(said)}; the data range of {most} bit(s) is used, give data_range if "
            "the images have another"
        )
    return options.with_data_range(2.0**most - 1)


def _label(band: object) -> int | str:
    """A band's name as JSON knows it."""
    return band if isinstance(band, int) else str(band)


def _grid(pair: LabelledPair) -> Grid | None:
    """Where coordinates and reference system say that the pixels lie."""
    from rasterio import Affine
    from rasterio.crs import CRS

    from image_similarity_measures.rasters.grid import Grid

    if pair.transform is None:
        return None
    x, y, width, height = pair.transform
    crs = CRS.from_wkt(pair.crs) if pair.crs else None
    return Grid(*pair.shape[:2], crs, Affine(width, 0, x, 0, height, y))


def _open_maps(
    stack: ExitStack,
    maps: PathLike | Mapping[str, PathLike],
    pair: _Pair,
    names: Sequence[str],
    overwrite: bool,
) -> dict[str, BandMean]:
    from image_similarity_measures.files import no_empty_folder, writable
    from image_similarity_measures.rasters.grid import Grid
    from image_similarity_measures.rasters.maps import MapFile

    from .maps import map_paths

    if isinstance(maps, Mapping):
        paths = {name: Path(path) for name, path in maps.items() if name in names}
    else:
        (paths,) = map_paths(maps, [pair.names[1]], names)
    for path in paths.values():
        writable(path, overwrite)
    for folder in {path.parent for path in paths.values()}:
        stack.enter_context(no_empty_folder(folder))
    grid = pair.grid or Grid.unreferenced(*pair.source.shape[:2])
    return {
        name: BandMean(
            stack.enter_context(
                MapFile(path, grid, title=registry.get(name).title, overwrite=overwrite)
            )
        )
        for name, path in paths.items()
    }


def _result(found: Score) -> Result:
    return Result(
        found.name, found.value, found.per_band, found.unit, found.data_range, found.share
    )


def _version() -> str:
    from image_similarity_measures._version import __version__

    return __version__
