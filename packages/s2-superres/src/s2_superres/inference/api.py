"""`superresolve`: arrays in, arrays out; a product in, a file out."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from s2_superres.choices import DEFAULT_NETWORK
from s2_superres.errors import InputError
from s2_superres.inference.arrays import SuperResolved, superresolve_arrays
from s2_superres.products.product import Product

if TYPE_CHECKING:
    import xarray as xr
    from numpy.typing import ArrayLike

    from s2_superres.inference.results import Summary
    from s2_superres.networks.selection import WeightsFiles


@overload
def superresolve(
    b10: ArrayLike,
    b20: ArrayLike,
    b60: ArrayLike | None = None,
    *,
    level: str,
    offset: float = 0.0,
    nodata: float | None = 0.0,
    network: str = DEFAULT_NETWORK,
    weights: WeightsFiles | None = None,
    consistent: bool = True,
    precision: str = "auto",
    tile: int | None = None,
    threads: int | None = None,
    device: str = "auto",
    with_error: bool = False,
) -> SuperResolved: ...


@overload
def superresolve(
    product: Product | str | os.PathLike[str] | dict[str, Any],
    output: str | os.PathLike[str],
    /,
    **options: Any,
) -> Summary: ...


@overload
def superresolve(dataset: xr.Dataset, /, *, level: str, **options: Any) -> xr.Dataset: ...


def superresolve(*args: Any, **kwargs: Any) -> Any:
    """Bring Sentinel-2's 20 m and 60 m bands to 10 m.

    Three forms: ``superresolve(b10, b20, b60=None, *, level, ...)`` on arrays,
    ``superresolve(dataset, *, level, ...)`` on an xarray dataset, see
    `s2_superres.inference.dataset.superresolve_dataset`, and
    ``superresolve(product, output, ...)`` from a product to a GeoTIFF.

    Parameters
    ----------
    b10 : array_like, shape (4, rows, cols)
        B02, B03, B04, B08 as digital numbers (reflectance * 10000 - offset) of
        any real dtype. Rows and columns are even, with `b60` multiples of 6.
    b20 : array_like, shape (6, rows / 2, cols / 2)
        B05, B06, B07, B8A, B11, B12.
    b60 : array_like, shape (2, rows / 6, cols / 6), optional
        B01, B09.
    level : {"L1C", "L2A"}
        Top or bottom of the atmosphere: chooses the weights.
    offset : float
        What to add to the digital numbers to have reflectance * 10000: -1000
        for products from processing baseline 04.00 on as they come, else 0.
    nodata : float or None
        Digital number of pixels without data; NaN and infinite numbers always are.
        An output band is no data where that band is, and where all four of `b10`
        are: NaN where the input was not finite, else `nodata` (NaN if that is
        None). What other bands lack is filled in from nearby. Masked pixels of
        masked arrays are no data.
    network : {"default", "compact", "dsen2", "vdsen2", "none"}
        Of the weights that ship; ``"none"`` is the local regression that needs
        none.
    weights : path, sequence of paths or mapping of resolution to path, optional
        Files to take instead: the package's own, or Keras 2 HDF5.
    consistent : bool
        Project the output so that, degraded, it returns the measured bands.
    precision : {"auto", "float32", "bfloat16"}
        ``"auto"`` takes bfloat16 where the device is faster with it.
    tile : int, optional
        Side of a window in 10 m pixels; bounds the memory. The result does not
        depend on it.
    threads : int, optional
        Of the network; only before the first use in a process.
    device : str
        ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.
    with_error : bool
        Add error bars, if the weights tell them.
    product : Product, path, URL, dict or STAC item
        Whatever `open_product` takes: a ``.SAFE`` folder, its zip or its metadata file, a STAC
        item, a mapping of bands to files, an EOPF store.
    output : path
        The GeoTIFF to write.
    **options
        For a product: the fields of `s2_superres.inference.Options`; ``executor``, a
        `concurrent.futures.Executor` that runs the windows; and ``progress``, called with
        the windows and the 10 m pixels done so far.

    Returns
    -------
    SuperResolved or Summary
        For arrays ``.b20`` ``(6, rows, cols)`` and ``.b60`` ``(2, rows, cols)``
        or None: float32 digital numbers with the offset of the input, neither
        rounded nor clipped. A band that is saturated (65535) stays so.
        ``.err20`` and ``.err60`` are their error bars, or None: half the width of an interval
        that holds the truth in 90 % of pixels, in digital numbers.

    Raises
    ------
    S2SuperresError
        With one line that names the array, file or value and the cure.

    Examples
    --------
    >>> import numpy as np
    >>> from s2_superres import superresolve
    >>> b10 = np.full((4, 24, 24), 1500, np.uint16)
    >>> b20 = np.full((6, 12, 12), 2500, np.uint16)
    >>> result = superresolve(b10, b20, level="L1C", network="none")
    >>> result.b20.shape
    (6, 24, 24)
    """
    first = args[0] if args else kwargs.get("product")
    # A dictionary or an object with assets is a STAC item, or a mapping of bands to files.
    files = isinstance(first, str | os.PathLike | Product | dict) or hasattr(first, "assets")
    function: Callable[..., Any]
    if _is_dataset(first):
        from s2_superres.inference.dataset import superresolve_dataset

        function, form = superresolve_dataset, "superresolve(dataset, *, level=..., ...)"
    elif files:
        function, form = _to_file, "superresolve(product, output, ...)"
    else:
        function = superresolve_arrays
        form = "superresolve(b10, b20, b60=None, *, level='L1C' or 'L2A', ...)"
    try:
        signature(function).bind(*args, **kwargs)
    except TypeError as error:
        raise InputError(f"superresolve: {error}; call it as {form}") from None
    return function(*args, **kwargs)


def _is_dataset(value: object) -> bool:
    """Whether it is xarray's, without importing that."""
    return "xarray" in sys.modules and isinstance(value, sys.modules["xarray"].Dataset)


def _to_file(
    product: Any,
    output: str | os.PathLike[str] | None = None,
    **options: Any,
) -> Summary:
    from s2_superres.inference.plan import Options
    from s2_superres.inference.predict import predict

    if not isinstance(output, str | os.PathLike):
        raise InputError(f"{product}: say where to write, superresolve(product, output)")

    run = {name: options.pop(name) for name in ("executor", "progress") if name in options}
    try:
        chosen = Options(**options)
    except TypeError as error:
        raise InputError(
            f"superresolve from a product to a file: {str(error).partition(') ')[2]}; "
            "see s2_superres.inference.Options"
        ) from None
    executor, progress = run.get("executor"), run.get("progress")
    if executor is not None and not hasattr(executor, "submit"):
        raise InputError(f"executor of {type(executor).__name__}: give one of concurrent.futures")
    if progress is not None and not callable(progress):
        raise InputError(f"progress of {type(progress).__name__}: give a function")
    return predict(product, Path(output), chosen, **run)
