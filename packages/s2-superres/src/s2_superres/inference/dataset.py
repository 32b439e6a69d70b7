"""xarray's datasets, out and in: windows are sharpened when, and where, Dask asks for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, INPUTS, SATURATED, Band
from s2_superres.choices import DEFAULT_NETWORK, Values
from s2_superres.errors import InputError
from s2_superres.inference import blocks
from s2_superres.inference.convention import Convention
from s2_superres.inference.plan import Prepared, error_name, prepare
from s2_superres.inference.planes import Plane, Planes
from s2_superres.inference.plausible import check_numbers, check_percent
from s2_superres.inference.workers import open_source, reading
from s2_superres.networks.compute import Compute
from s2_superres.products.product import Product
from s2_superres.raster.grid import Area
from s2_superres.raster.radiometry import Radiometry
from s2_superres.raster.windows import Plan, Window, plan
from s2_superres.writers.spec import Layer

if TYPE_CHECKING:
    import xarray as xr

#: How far coordinates may be off, in pixels of 10 m: more than rounding, less than a shift.
_APART = 0.25
#: What an xarray dataset may be cut into: sides of a chunk in 10 m pixels.
Chunks = int | tuple[int, int] | None


def open_dataset(source: Any, *, chunks: Chunks = None, **options: Any) -> xr.Dataset:
    """Open a product as a lazy dataset of its bands at 10 m.

    Nothing is read or sharpened before it is asked for. The pixels are those of
    ``s2-superres predict``, whatever the chunks and wherever they are computed.

    Parameters
    ----------
    source : Product, path or whatever `open_product` takes
    chunks : int or (int, int), optional
        Sides of a chunk in pixels, rows first. By default a window of the networks, which is the
        least that can be computed.
    **options
        The fields of `s2_superres.inference.Options` that say what to make of the product and
        how: ``bands``, ``include_10m``, ``with_error``, ``values``, ``masks``, ``bbox``,
        ``bounds``, ``aoi``, ``granule``, ``offset``, ``sign``, ``network``, ``weights``,
        ``consistent``, ``precision``, ``tile``, ``threads``, ``device``.

    Returns
    -------
    xarray.Dataset
        A variable per band, named after it, of dimensions ``y`` and ``x`` with coordinates of
        pixels' centres in the CRS that ``spatial_ref`` holds. Digital numbers as in the product:
        reflectance = DN * ``scale_factor`` + ``add_offset``; ``_FillValue`` is no data. With
        ``values="reflectance"`` the numbers are reflectance already, and NaN is no data.

    Raises
    ------
    S2SuperresError
        If xarray, Dask or rioxarray is not installed, or the product or an option cannot be used.
    """
    from s2_superres.inference.plan import Options

    _require()
    try:
        chosen = Options(**options)
    except TypeError as error:
        raise InputError(
            f"open: {str(error).partition(') ')[2]}; see s2_superres.inference.Options"
        ) from None
    if chosen.mask_outside:
        raise InputError(
            "open: mask_outside is for files; clip the dataset with rioxarray's rio.clip"
        )
    run = prepare(source, chosen)
    planes = Planes.of(run)
    work = _Work(_Opened(run.product, run.sources), run.job, planes)
    return _dataset(
        _lazy(work, run.windows, planes.convention.dtype, chunks),
        {plane.layer.name: _attributes(run, planes, plane) for plane in planes.planes},
        ("y", "x"),
        run,
    )


#: As `s2_superres.open`.
open = open_dataset


@dataclass(frozen=True)
class _Opened:
    """A product, read by whichever process needs a window of it."""

    product: Product
    bands: tuple[Band, ...]

    @property
    def size(self) -> tuple[int, int]:
        return self.product.grid.rows, self.product.grid.cols

    def read(self, bands: Sequence[Band], area: Area) -> NDArray[Any]:
        with reading:
            return open_source(self.product, self.bands).read(bands, area)

    @property
    def classification(self) -> str:
        with reading:
            return open_source(self.product, self.bands).classification

    def scene_classification(self, area: Area) -> NDArray[np.uint8]:
        with reading:
            return open_source(self.product, self.bands).scene_classification(area)

    def cloud_mask(self, area: Area, resolution: int) -> NDArray[np.bool_]:
        with reading:
            return open_source(self.product, self.bands).cloud_mask(area, resolution)


@dataclass(frozen=True)
class _Work:
    """What is done for each window. Picklable.

    Attributes
    ----------
    source : Source
    job : Job
    planes : Planes
        What comes out, in order.
    """

    source: blocks.Source
    job: blocks.Job
    planes: Planes

    def __call__(self, window: Window) -> NDArray[Any]:
        """Sharpen a window: ``(planes, rows, cols)``."""
        return self.planes.stack(blocks.process(self.source, window, self.job))


def _lazy(work: _Work, windows: Plan, dtype: Any, chunks: Chunks) -> Any:
    """Return a Dask array whose blocks are windows, cut anew if asked for."""
    import dask.array as da
    from dask.delayed import delayed

    # Dask has types in part only.
    arrays: Any = da
    shared = delayed(work, pure=False, traverse=False)
    _, across = windows.shape
    parts = [
        arrays.from_delayed(shared(window), (len(work.planes), *window.core.shape), dtype)
        for window in windows
    ]
    rows = [parts[start : start + across] for start in range(0, len(parts), across)]
    whole = arrays.block(rows)
    if chunks is None:
        return whole
    sides = (chunks, chunks) if isinstance(chunks, int) else tuple(chunks)
    if len(sides) != 2 or not all(isinstance(side, int) and side > 0 for side in sides):
        raise InputError(f"chunks {chunks!r}: give one or two sides in pixels, such as 1024")
    return whole.rechunk((-1, *sides))


def _attributes(run: Prepared, planes: Planes, plane: Plane) -> dict[str, Any]:
    layer, band = plane.layer, plane.band
    if band is None:
        return {"long_name": layer.name, "flag_values": list(layer.flags),
                "flag_meanings": " ".join(layer.flags.values()),
                "_FillValue": planes.convention.nodata}  # fmt: skip
    return {
        "long_name": _long_name(plane, band),
        "wavelength": run.product.wavelengths[band.name],
        **(
            {}
            if planes.convention.floating
            else {"scale_factor": layer.scale, "add_offset": layer.offset}
        ),
        "_FillValue": planes.convention.nodata,
        "units": "1",
    }


def _long_name(plane: Plane, band: Band) -> str:
    return (
        f"half width of the interval that holds {band.name} in 90 %" if plane.error else band.name
    )


def _dataset(
    array: Any, variables: Mapping[str, dict[str, Any]], dims: tuple[str, str], run: Prepared
) -> xr.Dataset:
    """Put planes on the grid of a run."""
    import rioxarray  # noqa: F401 - gives datasets their .rio
    import xarray as xr
    from rasterio.transform import Affine

    grid = run.grid
    transform = Affine(*grid.transform())
    rows, cols = np.arange(grid.rows) + 0.5, np.arange(grid.cols) + 0.5
    product = run.product
    dataset = xr.Dataset(
        {
            name: (dims, array[i], attributes)
            for i, (name, attributes) in enumerate(variables.items())
        },
        coords={
            dims[0]: transform.f + transform.e * rows,
            dims[1]: transform.c + transform.a * cols,
        },
        attrs={
            "product": product.name,
            "level": product.level,
            "processing_baseline": product.baseline,
            **({"acquired": f"{product.acquired:%Y-%m-%dT%H:%M:%SZ}"} if product.acquired else {}),
        },
    )
    if grid.crs:
        dataset = dataset.rio.write_crs(grid.crs)
    placed: xr.Dataset = dataset.rio.write_transform(transform)
    return placed


def _require() -> None:
    for name in ("xarray", "dask.array", "rioxarray"):
        try:
            __import__(name)
        except ImportError as error:
            raise InputError(
                f"datasets need {name.partition('.')[0]}, which is not installed: "
                "pip install 's2-superres[xarray]'"
            ) from error


@dataclass(frozen=True, eq=False)
class _Variables:
    """Bands of a dataset, read like a product."""

    variables: Mapping[str, Any]
    shape: tuple[int, ...]
    nodata: float | None

    @property
    def size(self) -> tuple[int, int]:
        rows, cols = self.shape
        return rows, cols

    def read(self, bands: Sequence[Band], area: Area) -> NDArray[Any]:
        import dask

        cut = np.s_[area.row : area.row_stop, area.col : area.col_stop]
        with dask.config.set(scheduler="synchronous"):
            read = np.stack([np.asarray(self.variables[band.name][cut]) for band in bands])
        check_numbers(" ".join(band.name for band in bands), read, self.nodata)
        if bands[0].resolution == 10:
            check_percent(" ".join(band.name for band in bands), read)
        return read


def superresolve_dataset(
    dataset: xr.Dataset,
    *,
    level: str,
    offset: float = 0.0,
    nodata: float | None = 0.0,
    network: str = DEFAULT_NETWORK,
    weights: Any = None,
    consistent: bool = True,
    precision: str = "auto",
    tile: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    with_error: bool = False,
    chunks: Chunks = None,
) -> xr.Dataset:
    """Bring the 20 m and 60 m bands of a dataset to 10 m, lazily.

    Parameters
    ----------
    dataset : xarray.Dataset
        Two-dimensional variables ``B02``, ``B03``, ``B04``, ``B08`` on the 10 m grid, the six 20 m
        bands on theirs and, if those are to be sharpened, ``B01`` and ``B09`` on theirs: rows and
        columns are a half and a sixth.
    chunks : int or (int, int), optional
        As for `open_dataset`.
    level, offset, nodata, network, weights, consistent, precision, tile, threads, device
        As for `s2_superres.superresolve` on arrays.
    with_error : bool
        Add error bars, if the weights tell them: ``B05_err90`` and so on.

    Returns
    -------
    xarray.Dataset
        The sharpened bands, then their error bars, in float32 on the dimensions and coordinates
        of ``B02``; pixel for pixel what `superresolve` makes of arrays.

    Raises
    ------
    S2SuperresError
        Naming the band, or the argument, and the cure.
    """
    from s2_superres.inference.arrays import check_conventions
    from s2_superres.networks.selection import choose_networks
    from s2_superres.networks.sharpener import sharpener

    _require()
    import xarray as xr

    nodata = check_conventions(level, offset, nodata, consistent)
    resolutions = (20, 60) if any(b.name in dataset for b in BY_RESOLUTION[60]) else (20,)
    found = _variables(dataset, INPUTS[max(resolutions)])
    networks = choose_networks(
        resolutions, level, network=network, weights=weights, consistent=consistent
    )
    made = sharpener(networks, Compute(precision, tile, threads, device).ready(), with_error)
    radiometry = Radiometry.uniform(offset, nodata, SATURATED, np.float32)
    first = found["B02"]
    windows = plan(Area(0, 0, *first.shape), made.tile, made.halo, blocks.unit_of(made.inputs))
    work = _Work(
        _Variables({name: v.data for name, v in found.items()}, first.shape, nodata),
        blocks.Job(made, windows.outer_shape, radiometry),
        # Numbers as they come.
        Planes(_planes_of(resolutions, with_error), Convention(Values.DN, 1, 0, 0)),
    )
    array = _lazy(work, windows, np.float32, chunks)
    return xr.Dataset(
        {
            plane.layer.name: (first.dims, array[i], {"long_name": _long_name(plane, plane.band)})
            for i, plane in enumerate(work.planes.planes)
            if plane.band
        },
        coords=first.coords,
        attrs=dataset.attrs,
    )


def _planes_of(resolutions: Sequence[int], with_error: bool) -> tuple[Plane, ...]:
    """Return what comes out of a dataset: the bands, and after them their error bars."""
    bands = [band for resolution in resolutions for band in BY_RESOLUTION[resolution]]
    errors = [Plane(Layer(error_name(b)), b, error=True) for b in bands if with_error]
    return (*(Plane(Layer(band.name), band) for band in bands), *errors)


def _variables(dataset: xr.Dataset, resolutions: Sequence[int]) -> dict[str, xr.DataArray]:
    """Check and return the bands of these resolutions."""
    found = {}
    for resolution in resolutions:
        for band in BY_RESOLUTION[resolution]:
            if band.name not in dataset:
                raise InputError(
                    f"the dataset holds no {band.name}; give all bands of "
                    f"{' and '.join(map(str, resolutions))} m as variables of their names"
                )
            found[band.name] = dataset[band.name]
    rows, cols = found["B02"].shape if found["B02"].ndim == 2 else (0, 0)
    unit = max(resolutions) // 10
    if not rows or not cols or rows % unit or cols % unit:
        raise InputError(
            f"B02 has shape {found['B02'].shape}; give (rows, cols), multiples of {unit}"
        )
    for resolution in resolutions:
        expected = rows * 10 // resolution, cols * 10 // resolution
        for band in BY_RESOLUTION[resolution]:
            if found[band.name].shape != expected:
                raise InputError(
                    f"{band.name} has shape {found[band.name].shape}, but B02's {rows} x {cols} "
                    f"call for {expected}; give bands of one area, each at its own resolution"
                )
            _check_place(found["B02"], found[band.name], band)
    return found


def _check_place(fine: xr.DataArray, coarse: xr.DataArray, band: Band) -> None:
    """Check that a band lies on the ground of B02, as far as both have coordinates."""
    for near, far in zip(fine.dims, coarse.dims, strict=True):
        if near not in fine.coords or far not in coarse.coords:
            continue
        middles, told = fine[near].values, coarse[far].values
        if middles.dtype.kind not in "iuf" or told.dtype.kind not in "iuf" or len(middles) < 2:
            continue
        ratio = band.resolution // 10
        expected = middles.astype(np.float64).reshape(-1, ratio).mean(axis=1)
        apart = np.abs(told - expected).max() / abs(float(middles[1]) - float(middles[0]))
        if not apart <= _APART:
            raise InputError(
                f"{band.name} does not lie on B02's ground: its {far} begins at {told[0]:.10g}, "
                f"and B02's calls for {expected[0]:.10g}; give bands of one area, with the "
                "middles of pixels as coordinates"
            )
