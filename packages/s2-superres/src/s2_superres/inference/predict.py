"""From a product to a file: the one place where reading, networks and writing meet."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from s2_superres import __version__
from s2_superres.bands import (
    BANDS,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    BY_NAME,
    BY_RESOLUTION,
    INPUTS,
    Band,
    find_band,
)
from s2_superres.errors import InputError, OutputError
from s2_superres.files.atomic import whole_file
from s2_superres.files.gdal import check_proj
from s2_superres.files.kinds import PNG, TIFF
from s2_superres.files.paths import check_output, is_product_folder, protect_inputs
from s2_superres.files.png import encode_png
from s2_superres.inference import blocks
from s2_superres.inference import quicklook as pictures
from s2_superres.inference.stages import overlap
from s2_superres.networks.choice import NONE, WeightsFiles, choose_networks
from s2_superres.networks.compute import Compute, resolve_precision, set_threads
from s2_superres.products.area import find_area
from s2_superres.products.openers import Source, open_product, open_reader
from s2_superres.products.product import Product
from s2_superres.products.reading import GDAL_CACHE, Reader
from s2_superres.raster.grid import Area, Bounds, Grid
from s2_superres.raster.windows import Plan, Window, plan
from s2_superres.writers.geotiff import Format, Layer, RasterSpec, RasterWriter

#: Agreement with the measured bands is taken from so many windows, evenly spread.
_COMPARED_WINDOWS = 16
#: Windows handed to an executor before the first of them is back.
_IN_FLIGHT_PER_WORKER = 2
_WORKERS_UNKNOWN = 8


@dataclass(frozen=True)
class Options:
    """What to make of a product, and how.

    Attributes
    ----------
    bands : sequence of str or str, optional
        Bands of the output, also as ``"B05,B8A"``; all 20 m and 60 m bands by
        default. Only the networks that they need are run.
    include_10m : bool
        Add the 10 m bands as they are.
    with_error : bool
        Add an error bar per sharpened band, ``B05_err90`` and so on.
    bbox, bounds : tuple of float, optional
        Left, bottom, right, top in degrees, or in the product's CRS.
    aoi : path, optional
        A vector file.
    granule : str, optional
        Tile, for products with several.
    offset : float, optional
        -1000 or 0: what to add to the digital numbers, where a catalogue contradicts itself.
    network : str
        ``"default"``, ``"compact"``, ``"dsen2"``, ``"vdsen2"`` or ``"none"``.
    weights : path, sequence of paths or mapping of resolution to path, optional
        Files to take instead of those that ship; ``"none"`` for the local
        regression without weights.
    consistent : bool
        Whether the output, degraded, returns the measured bands.
    precision : {"auto", "float32", "bfloat16"}
    tile : int, optional
        10 m pixels along the side of a window, with its halo.
    threads : int, optional
    device : str
        ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.
    format : {"cog", "gtiff"}
    creation_options : mapping of str to str
        GDAL's, such as ``{"COMPRESS": "ZSTD"}``.
    overwrite : bool
    """

    bands: Sequence[str] | str | None = None
    include_10m: bool = False
    with_error: bool = False
    bbox: Bounds | None = None
    bounds: Bounds | None = None
    aoi: str | Path | None = None
    granule: str | None = None
    offset: float | None = None
    network: str = "default"
    weights: WeightsFiles | None = None
    consistent: bool = True
    precision: str = "auto"
    tile: int | None = None
    threads: int | None = None
    device: str = "auto"
    format: Format = "cog"
    creation_options: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False

    def __post_init__(self) -> None:
        if self.format not in get_args(Format):
            raise InputError(f"format {self.format!r}: choose {' or '.join(get_args(Format))}")
        Compute(self.precision, self.tile, self.threads, self.device)
        for name in ("bbox", "bounds"):
            box = getattr(self, name)
            if box is not None and len(box) != 4:
                raise InputError(f"{name} {box!r}: give left, bottom, right and top")


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start: everything checked, no pixel read.

    Attributes
    ----------
    product : Product
    bands : tuple of Band
        Of the output, in order.
    area : Area
        In 10 m pixels of the product.
    windows : Plan
    job : Job
    options : Options
    """

    product: Product
    bands: tuple[Band, ...]
    area: Area
    windows: Plan
    job: blocks.Job
    options: Options

    @property
    def grid(self) -> Grid:
        """The output's grid."""
        return self.product.grid.crop(self.area)

    @property
    def sources(self) -> tuple[Band, ...]:
        """The bands to read."""
        return tuple(b for b in BANDS if b.resolution in self.job.resolutions)

    @property
    def with_errors(self) -> tuple[Band, ...]:
        """The bands whose error bars follow them in the output."""
        if not self.options.with_error:
            return ()
        return tuple(band for band in self.bands if band.resolution != 10)

    @property
    def names(self) -> list[str]:
        """What is in the output, in order."""
        return [b.name for b in self.bands] + [error_name(b) for b in self.with_errors]

    def to_dict(self) -> dict[str, Any]:
        """Return what will be done as plain values that JSON can hold."""
        return {
            "product": self.product.name,
            "level": self.product.level,
            "baseline": self.product.baseline,
            "crs": self.grid.crs,
            "bounds": list(self.grid.bounds),
            "rows": self.area.rows,
            "cols": self.area.cols,
            "bands": self.names,
            "windows": len(self.windows),
            "window_shape": list(self.windows.outer_shape),
            "precision": self.job.precision,
            "consistent": self.options.consistent,
            "networks": [
                {
                    "resolution": network.resolution,
                    "family": weights.spec.family,
                    "weights": weights.name,
                    "sha256": weights.sha256,
                    "halo": weights.spec.halo,
                }
                for network in self.job.networks
                for weights in [network.load()]
            ],
        }


@dataclass(frozen=True)
class Agreement:
    """How well one band, degraded back, agrees with what was measured.

    Attributes
    ----------
    rms : float
        Root mean square difference in digital numbers, before rounding.
    rms_without_projection : float
        The same of the network's output before the projection.
    """

    rms: float
    rms_without_projection: float


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes
    ----------
    output : Path
    plan : dict
        As `Prepared.to_dict`.
    seconds : float
    pixels : int
        Of the area, at 10 m.
    valid_share : float
        Share of them that have data in every band that the networks make.
    agreement : dict of str to Agreement
        Per sharpened band.
    best_core : Area
        The window with the most data, nearest to the middle: for a quicklook.
    """

    output: Path
    plan: dict[str, Any]
    seconds: float
    pixels: int
    valid_share: float
    agreement: dict[str, Agreement]
    best_core: Area

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        return {
            "output": str(self.output),
            **self.plan,
            "seconds": round(self.seconds, 3),
            "megapixels_per_second": round(self.pixels / self.seconds / 1e6, 5),
            "valid_share": round(self.valid_share, 6),
            "agreement": {
                name: {
                    "rms_dn": round(value.rms, 4),
                    "rms_dn_without_projection": round(value.rms_without_projection, 4),
                }
                for name, value in self.agreement.items()
            },
        }


#: Called after every window with the windows and the 10 m pixels done so far.
Progress = Callable[[int, int], None]


def prepare(product: Product | Source, options: Options | None = None) -> Prepared:
    """Check everything that can be checked before the work starts.

    Raises
    ------
    S2SuperresError
        If the product, the area, the bands or the weights cannot be used.
    """
    options = options or Options()
    check_proj()
    if not isinstance(product, Product):
        product = open_product(product, options.granule, offset=options.offset)
    bands = choose_bands(product, options.bands, options.include_10m)
    resolutions = tuple(r for r in (20, 60) if any(b.resolution == r for b in bands))
    if not resolutions:
        raise InputError("nothing to sharpen: --bands names only 10 m bands; add one of 20 or 60 m")
    product.require(band for r in INPUTS[max(resolutions)] for band in BY_RESOLUTION[r])
    area = find_area(product.grid, bbox=options.bbox, bounds=options.bounds, aoi=options.aoi)
    set_threads(options.threads)
    networks = choose_networks(
        resolutions,
        product.level,
        network=options.network,
        weights=options.weights,
        consistent=options.consistent,
    )
    windows = plan(area, blocks.tile_for(networks, options.tile), blocks.widest(networks))
    precision = resolve_precision(options.precision, options.device)
    job = blocks.make_job(
        networks, windows, product.radiometry(), precision, options.device, options.with_error
    )
    return Prepared(product, bands, area, windows, job, options)


def choose_bands(
    product: Product, names: Sequence[str] | str | None, include_10m: bool
) -> tuple[Band, ...]:
    """Return the bands of the output in ESA's order.

    Raises
    ------
    InputError
        If there is no such band.
    """
    if names is None:
        wanted = {*BANDS_20M, *BANDS_60M}
    else:
        wanted = set()
        if isinstance(names, str):
            names = names.replace(",", " ").split()
        if not names:
            raise InputError(f"no bands are asked for; choose from {' '.join(BY_NAME)}")
        for name in names:
            try:
                wanted.add(find_band(name))
            except KeyError:
                raise InputError(
                    f"{product.name}: no band {name!r} to make; choose from {' '.join(BY_NAME)}"
                ) from None
    if include_10m:
        wanted |= set(BANDS_10M)
    return tuple(band for band in BANDS if band in wanted)


def predict(
    product: Product | Source | Prepared,
    output: str | Path,
    options: Options | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Sharpen a product, or a part of it, into one GeoTIFF.

    Parameters
    ----------
    product : Product, path, URL, dict, STAC item or Prepared
        Whatever `open_product` takes; or what `prepare` made.
    output : path
        Appears when it is complete, or not at all.
    options : Options, optional
        Not with a `Prepared`, which has its own.
    executor : concurrent.futures.Executor, optional
        Runs the windows elsewhere, in any order, such as a
        ``ProcessPoolExecutor`` or ``dask.distributed.Client.get_executor()``.
        By default they run here, reading and writing alongside.
    progress : callable, optional
        Called with the windows and the 10 m pixels done so far.

    Returns
    -------
    Summary

    Raises
    ------
    S2SuperresError
        If something in the way can be named; nothing is left behind.
    """
    start = time.perf_counter()
    run = product if isinstance(product, Prepared) else prepare(product, options)
    output = Path(output)
    check_paths(run, output)
    tally = _Tally(run, progress)
    with _writer(run, output) as writer:

        def store(result: blocks.Result) -> None:
            core = result.core
            writer.write(core.row - run.area.row, core.col - run.area.col, _stack(run, result))
            tally.add(result)

        if executor is None:
            _run_here(run, store)
        else:
            _run_on(executor, run, store)
    return tally.summary(output, time.perf_counter() - start)


def check_paths(run: Prepared, output: Path, quicklook: Path | None = None) -> None:
    """Check that the outputs can be written, and are neither the input nor one another.

    Raises
    ------
    OutputError
        If one cannot, or is.
    """
    outputs = [output] if quicklook is None else [output, quicklook]
    if output.suffix.lower() in (".zip", ".xml") or is_product_folder(output):
        raise OutputError(
            f"{output}: has the name of a product, and one output is of one product; "
            "for several products give --out-dir DIR"
        )
    protect_inputs(outputs, [run.product.path, *run.product.files.values()])
    nbytes = 2 * run.area.rows * run.area.cols * len(run.names)
    check_output(output, TIFF, overwrite=run.options.overwrite, nbytes=nbytes)
    if quicklook is not None:
        check_output(quicklook, PNG, overwrite=run.options.overwrite)


def rehearse(run: Prepared, output: Path) -> None:
    """Make a tiny output with the run's options and remove it.

    Raises
    ------
    OutputError
        If GDAL does not take the options.
    """
    _writer(run, output).discard()


def _writer(run: Prepared, output: Path) -> RasterWriter:
    acquired = run.product.acquired
    tags = {
        "S2_SUPERRES_VERSION": __version__,
        "PRODUCT_ID": run.product.name,
        "PROCESSING_LEVEL": run.product.level,
        "PROCESSING_BASELINE": run.product.baseline,
        **({"ACQUIRED": f"{acquired:%Y-%m-%dT%H:%M:%SZ}"} if acquired else {}),
        "PRECISION": run.job.precision,
        "CONSISTENT": "yes" if run.options.consistent else "no",
    }
    for network in run.job.networks:
        weights = network.load()
        family = "" if weights.name == NONE else f"{weights.spec.family} "
        tags[f"NETWORK_{network.resolution}M"] = f"{family}{weights.name}"
        tags[f"WEIGHTS_SHA256_{network.resolution}M"] = weights.sha256
    return RasterWriter(
        output,
        RasterSpec(
            run.grid,
            [_layer(run.product, band) for band in run.bands]
            + [_error_layer(run.product, band) for band in run.with_errors],
            nodata=run.product.nodata,
            tags=tags,
            format=run.options.format,
            options=run.options.creation_options,
            overwrite=run.options.overwrite,
            threads=run.options.threads or os.cpu_count() or 1,
        ),
    )


def _layer(product: Product, band: Band) -> Layer:
    """Describe an output band: reflectance = DN * scale + offset."""
    quantification = product.quantification
    return Layer(
        band.name,
        product.wavelengths[band.name],
        scale=1 / quantification,
        offset=product.offsets[band.name] / quantification,
    )


def error_name(band: Band) -> str:
    """Return what a band's error bar is called."""
    return f"{band.name}_err90"


def _error_layer(product: Product, band: Band) -> Layer:
    """Describe an error bar: in reflectance, DN * scale."""
    return Layer(error_name(band), scale=1 / product.quantification)


def _stack(run: Prepared, result: blocks.Result) -> NDArray[np.uint16]:
    """Put a window's bands in the output's order."""
    planes = []
    for band in run.bands:
        index = BY_RESOLUTION[band.resolution].index(band)
        planes.append(result.bands[band.resolution][index])
    for band in run.with_errors:
        index = BY_RESOLUTION[band.resolution].index(band)
        planes.append(result.errors[band.resolution][index])
    return np.stack(planes)


def compared(windows: Plan) -> Iterator[tuple[Window, bool]]:
    """Yield the windows, and whether to compare each with what was measured."""
    step = -(-len(windows) // _COMPARED_WINDOWS)
    for number, window in enumerate(windows):
        yield window, number % step == 0


def _run_here(run: Prepared, store: Callable[[blocks.Result], None]) -> None:
    """Read and write alongside the network, in this process."""
    import rasterio

    job = run.job
    # GDAL's cache is one for all threads, and by default a share of the machine's memory.
    with (
        rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE),
        open_reader(run.product, run.sources) as source,
    ):

        def load(item: tuple[Window, bool]) -> tuple[blocks.Block, bool]:
            return blocks.load(source, item[0], job), item[1]

        def compute(item: tuple[blocks.Block, bool]) -> tuple[blocks.Block, Any, bool]:
            return item[0], blocks.compute(item[0], job), item[1]

        def finish(item: tuple[blocks.Block, Any, bool]) -> None:
            block, predictions, compare = item
            store(blocks.finish(block, predictions, job, compare))

        overlap(compared(run.windows), load, compute, finish)


@dataclass(frozen=True)
class Unit:
    """One window of one product: all that another process needs to sharpen it."""

    product: Product
    bands: tuple[Band, ...]
    window: Window
    job: blocks.Job
    compare: bool
    threads: int | None


def run_unit(unit: Unit) -> blocks.Result:
    """Sharpen one window; weights and files stay open in the process for the next."""
    set_threads(unit.threads)
    source = _open_source(unit.product, unit.bands)
    return blocks.process(source, unit.window, unit.job, unit.compare)


#: The product that this process read last.
_open: dict[tuple[str, str, tuple[Band, ...]], Reader] = {}


def _open_source(product: Product, bands: tuple[Band, ...]) -> Reader:
    key = product.path, product.name, bands
    if key not in _open:
        while _open:
            _open.popitem()[1].close()
        _open[key] = open_reader(product, bands)
    return _open[key]


def _run_on(executor: Executor, run: Prepared, store: Callable[[blocks.Result], None]) -> None:
    """Hand windows out, a bounded number at a time, and store them as they come back."""
    units = (
        Unit(run.product, run.sources, window, run.job, compare, run.options.threads)
        for window, compare in compared(run.windows)
    )
    workers = getattr(executor, "_max_workers", None) or _WORKERS_UNKNOWN
    pending: set[Future[blocks.Result]] = set()
    with ExitStack() as stack:
        stack.callback(lambda: [future.cancel() for future in pending])
        for unit in islice(units, workers * _IN_FLIGHT_PER_WORKER):
            pending.add(executor.submit(run_unit, unit))
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                store(future.result())
                for unit in islice(units, 1):
                    pending.add(executor.submit(run_unit, unit))


class _Tally:
    """Counts what was done, window by window."""

    def __init__(self, run: Prepared, progress: Progress | None) -> None:
        self.run = run
        self.progress = progress
        self.windows = self.pixels = self.valid = 0
        self.residuals: dict[int, NDArray[np.float64]] = {}
        self.best: tuple[float, Area] | None = None

    def add(self, result: blocks.Result) -> None:
        core, area = result.core, self.run.area
        self.windows += 1
        self.pixels += core.rows * core.cols
        self.valid += result.pixels
        for resolution, sums in result.residuals.items():
            self.residuals[resolution] = self.residuals.get(resolution, 0) + sums
        distance = abs(2 * (core.row - area.row) + core.rows - area.rows) + abs(
            2 * (core.col - area.col) + core.cols - area.cols
        )
        # Data first; among windows full of it, the one in the middle.
        worth = result.pixels / (core.rows * core.cols) - 1e-6 * distance
        if self.best is None or worth > self.best[0]:
            self.best = worth, core
        if self.progress is not None:
            self.progress(self.windows, self.pixels)

    def summary(self, output: Path, seconds: float) -> Summary:
        agreement = {}
        for resolution, (count, projected, raw) in self.residuals.items():
            for i, band in enumerate(BY_RESOLUTION[resolution]):
                if count[i] and band in self.run.bands:
                    agreement[band.name] = Agreement(
                        float(np.sqrt(projected[i] / count[i])), float(np.sqrt(raw[i] / count[i]))
                    )
        assert self.best is not None
        return Summary(
            output,
            self.run.to_dict(),
            seconds,
            self.pixels,
            self.valid / self.pixels,
            agreement,
            self.best[1],
        )


def draw_quicklook(run: Prepared, summary: Summary, path: str | Path) -> None:
    """Draw before and after, from the product and the finished output, as a PNG.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    square = pictures.choose_square(summary.best_core, run.area)
    red_green_blue = pictures.false_colour(run.bands)
    shown = {*pictures.TRUE_COLOUR, *red_green_blue}
    with open_reader(run.product, shown) as reader:
        measured: dict[Band, NDArray[np.uint16]] = {}
        for resolution in sorted({band.resolution for band in shown}):
            bands = reader.bands_at(resolution)
            planes = reader.read(bands, square.at(resolution))
            measured.update(zip(bands, planes, strict=True))
    inside = Area(square.row - run.area.row, square.col - run.area.col, square.rows, square.cols)
    image = pictures.compose(
        np.stack([measured[band] for band in pictures.TRUE_COLOUR]),
        [measured[band] for band in red_green_blue],
        pictures.read_square(summary.output, inside, tuple(b.name for b in red_green_blue)),
        run.product.nodata,
    )
    with whole_file(Path(path)) as file:
        file.write(encode_png(image))


@dataclass(frozen=True)
class Estimate:
    """What a run will cost on this machine.

    Attributes
    ----------
    seconds : float
        From one window that was timed.
    memory : int
        Peak of the process in bytes.
    """

    seconds: float
    memory: int


def estimate(run: Prepared) -> Estimate:
    """Time one window, made up, and reckon with the rest."""
    window = next(iter(run.windows))
    outer = window.outer
    block = blocks.Block(
        window,
        {
            resolution: np.full((1, *outer.at(resolution).shape, len(bands)), 0.5, np.float32)
            for resolution, bands in BY_RESOLUTION.items()
            if resolution in run.job.resolutions
        },
        {},
        {
            network.resolution: np.ones((1, *window.core.shape), bool)
            for network in run.job.networks
        },
    )
    blocks.compute(block, run.job)
    start = time.perf_counter()
    blocks.compute(block, run.job)
    seconds = time.perf_counter() - start
    # Two rows of JPEG 2000 blocks, and the windows on their way.
    decoded = sum(
        2 * 2 * 1024 * min(run.area.cols * 10 // band.resolution + 1024, 10980)
        for band in run.sources
    )
    windows = 3 * outer.rows * outer.cols * 4 * len(BANDS)
    return Estimate(seconds * len(run.windows), peak_memory() + decoded + windows)


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes; 0 where unknown."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
