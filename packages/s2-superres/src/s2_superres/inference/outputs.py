"""What a run writes: checked, described, and put in the output's order."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres._version import __version__
from s2_superres.choices import NO_NETWORK
from s2_superres.errors import OutputError
from s2_superres.files.kinds import ITEM, PNG
from s2_superres.files.paths import check_output, protect_inputs
from s2_superres.inference import blocks
from s2_superres.inference.convention import Convention
from s2_superres.inference.plan import Prepared
from s2_superres.inference.planes import Planes
from s2_superres.product_folders import is_product_folder
from s2_superres.raster.grid import PIXEL, Area
from s2_superres.writers.formats import choose_format
from s2_superres.writers.spec import Format, RasterSpec, Writer


def check_paths(run: Prepared, output: Path, quicklook: Path | None = None) -> None:
    """Check that the outputs can be written, and are neither the input nor one another.

    Raises
    ------
    OutputError
        If one cannot, or is.
    """
    others = (quicklook, item_path(run, output))
    outputs = [output, *(path for path in others if path is not None)]
    if output.suffix.lower() in (".zip", ".xml") or is_product_folder(output):
        raise OutputError(
            f"{output}: has the name of a product, and an output is of one product; "
            "for several, give a folder with --out-dir"
        )
    protect_inputs(outputs, [run.product.path, *run.product.files.values()])
    nbytes = raster_spec(run, output).nbytes
    format_of(run, output).check(output, overwrite=run.options.overwrite, nbytes=nbytes)
    if quicklook is not None:
        check_output(quicklook, PNG, overwrite=run.options.overwrite)
    check_item(run, output)


def item_path(run: Prepared, output: Path) -> Path | None:
    """Return where the item of an output goes; None if none is asked for."""
    asked = run.options.stac
    if isinstance(asked, bool):
        return output.with_suffix(".json") if asked else None
    return Path(asked)


def check_item(run: Prepared, output: Path) -> None:
    """Check that the item of a run, if one is asked for, can be written.

    Raises
    ------
    OutputError
        If it cannot, or would replace anything but such an item.
    """
    path = item_path(run, output)
    if path is None:
        return
    check_output(path, ITEM, overwrite=run.options.overwrite)
    if run.product.acquired is None:
        raise OutputError(
            f"{path}: nothing tells when {run.product.name} was acquired, which a STAC item must; "
            "leave --stac out, or give the product with its metadata"
        )


def rehearse(run: Prepared, output: Path) -> None:
    """Make a tiny output with the run's options and remove it.

    Raises
    ------
    OutputError
        If the format does not take the options.
    """
    open_output(run, output).discard()


def format_of(run: Prepared, output: Path) -> Format:
    """Return the format that an output is written in."""
    return choose_format(run.options.format, output)


def default_output(run: Prepared) -> Path:
    """Return the name of an output that is given none, in this folder."""
    ending = choose_format(run.options.format, "").suffixes[0]
    return Path(f"{run.product.name}_10m{ending}")


def open_output(run: Prepared, output: Path) -> Writer:
    """Start the output of a run."""
    return format_of(run, output).open(output, raster_spec(run, output))


def raster_spec(run: Prepared, output: Path) -> RasterSpec:
    """Describe the output of a run."""
    planes = Planes.of(run)
    return RasterSpec(
        run.grid,
        planes.layers,
        dtype=planes.convention.dtype,
        nodata=planes.convention.nodata,
        saturated=planes.convention.saturated,
        tags=_tags(run) | {"FORMAT": format_of(run, output).name},
        window=(run.windows.core_rows, run.windows.core_cols),
        options=run.options.creation_options,
        overwrite=run.options.overwrite,
        threads=run.options.threads or os.cpu_count() or 1,
    )


def uncompressed_bytes(run: Prepared) -> int:
    """Return the size of an output's pixels, whatever its format."""
    item = np.dtype(Convention.of(run.product, run.options.values).dtype).itemsize
    return run.area.rows * run.area.cols * len(run.names) * item


def _tags(run: Prepared) -> dict[str, str]:
    """Say what the output was made of, and how."""
    acquired = run.product.acquired
    tags = {
        "S2_SUPERRES_VERSION": __version__,
        "PRODUCT_ID": run.product.name,
        "PROCESSING_LEVEL": run.product.level,
        "PROCESSING_BASELINE": run.product.baseline,
        **({"ACQUIRED": f"{acquired:%Y-%m-%dT%H:%M:%SZ}"} if acquired else {}),
        "VALUES": str(run.options.values),
        "PRECISION": run.job.sharpener.compute.precision,
        "CONSISTENT": "yes" if run.options.consistent else "no",
        "MASK_OUTSIDE": _digest(run.inside) if run.inside else "no",
        "CREATION_OPTIONS": " ".join(
            f"{name}={value}" for name, value in sorted(run.options.creation_options.items())
        )
        or "none",
    }
    for resolution, weights in run.job.sharpener.weights.items():
        family = "" if weights.name == NO_NETWORK else f"{weights.spec.family} "
        tags[f"NETWORK_{resolution}M"] = f"{family}{weights.name}"
        tags[f"WEIGHTS_SHA256_{resolution}M"] = weights.sha256
    return tags


def _digest(polygons: Sequence[dict[str, Any]]) -> str:
    """Return a hash of polygons, the same for the same ones."""
    text = json.dumps(polygons, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def place(run: Prepared, core: Area) -> Area:
    """Return where a window lies in the output."""
    return Area(core.row - run.area.row, core.col - run.area.col, core.rows, core.cols)


def stack(run: Prepared, result: blocks.Result) -> NDArray[Any]:
    """Put a window's bands in the output's order and numbers."""
    planes = Planes.of(run)
    stacked = planes.stack(result)
    if run.inside:
        stacked[:, _outside(run, result.core)] = planes.convention.nodata
    return stacked


def _outside(run: Prepared, core: Area) -> NDArray[np.bool_]:
    """Return the pixels of a window whose middle lies in no polygon."""
    from rasterio.features import geometry_mask
    from rasterio.transform import Affine

    transform = Affine(*run.product.grid.crop(core).transform(PIXEL))
    outside: NDArray[np.bool_] = geometry_mask(run.inside, core.shape, transform)
    return outside
