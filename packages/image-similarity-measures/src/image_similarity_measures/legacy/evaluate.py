"""The command and the reading functions of image-similarity-measures 0.3.

``python -m image_similarity_measures.evaluate`` takes 0.3's options and prints 0.3's JSON. It
reads as 0.3 read: TIFF with all its bands, every other file as 8-bit blue, green, red. The
``image-similarity-measures`` command reads files at their true depth and gives the right values.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from image_similarity_measures.errors import (
    ImageSimilarityError,
    InputError,
    ReadError,
    ShapeMismatchError,
    UsageError,
)
from image_similarity_measures.opencv import opencv_itself

from .quality_metrics import metric_functions

__all__ = [
    "evaluation",
    "evaluation_with_loader",
    "main",
    "read_image",
    "read_image_with_loader",
]

LOADERS = ("auto", "opencv", "rasterio")

#: Metrics of 0.3 that take ``max_p``.
RANGED = ("psnr", "rmse", "ssim")
#: Those whose values are shares of that, without a unit.
SHARES = ("rmse",)

logger = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]


def read_image(path: str) -> Array:
    """Read an image as 0.3 did: ``.tif`` and ``.tiff`` with rasterio, all else with OpenCV.

    Parameters
    ----------
    path : str
        The file.

    Returns
    -------
    ndarray, (rows, cols, bands)
        A TIFF in its own type; any other file as uint8 with the bands blue, green, red.

    Raises
    ------
    ReadError
        The file is missing or not an image.
    """
    return read_image_with_loader(path)


def read_image_with_loader(path: str, loader: str = "auto") -> Array:
    """`read_image` with the library chosen.

    Parameters
    ----------
    path : str
        The file.
    loader : {"auto", "opencv", "rasterio"}
        Library that reads it; ``"auto"`` decides by the suffix.

    Returns
    -------
    ndarray, (rows, cols, bands)
        In the file's own type from rasterio, as uint8 with the bands blue, green, red from OpenCV.

    Raises
    ------
    ReadError
        The file is missing or not an image.
    UsageError
        There is no such loader.
    """
    if loader not in LOADERS:
        raise UsageError(f"unknown loader {loader!r}: use one of {', '.join(LOADERS)}")
    path = os.fspath(path)
    logger.info("Reading image %s", Path(path).name)
    if loader == "auto":
        loader = "rasterio" if path.endswith((".tif", ".tiff")) else "opencv"
    return _read_with_rasterio(path) if loader == "rasterio" else _read_with_opencv(path)


def evaluation(org_img_path: str, pred_img_path: str, metrics: Sequence[str]) -> dict[str, float]:
    """Read two files and apply the 0.3 metrics named.

    Parameters
    ----------
    org_img_path, pred_img_path : str
        The files.
    metrics : sequence of str
        Names out of ``metric_functions``, or ``"all"``.

    Returns
    -------
    dict of str to float
        The value of each metric.

    Raises
    ------
    ReadError
        A file is missing or not an image.
    ShapeMismatchError
        The images differ in shape.
    InputError
        A metric cannot be computed of these images.
    UsageError
        There is no such metric.
    """
    return evaluation_with_loader(org_img_path, pred_img_path, metrics)


def evaluation_with_loader(
    org_img_path: str, pred_img_path: str, metrics: Sequence[str], loader: str = "auto"
) -> dict[str, float]:
    """`evaluation` with the reading library chosen.

    Parameters
    ----------
    org_img_path, pred_img_path : str
        The files.
    metrics : sequence of str
        Names out of ``metric_functions``.
    loader : {"auto", "opencv", "rasterio"}
        Library that reads the files, see `read_image_with_loader`.

    Returns
    -------
    dict of str to float
        The value of each metric.

    Raises
    ------
    ReadError, ShapeMismatchError, InputError, UsageError
        As `evaluation`, and where there is no such loader.
    """
    values, _ = score_files(org_img_path, pred_img_path, metrics, loader)
    for name, value in values.items():
        logger.info("%s value is: %s", name.upper(), value)
    return values


def score_files(
    org: str | os.PathLike[str],
    pred: str | os.PathLike[str],
    metrics: Sequence[str],
    loader: str = "auto",
    max_p: float | None = None,
) -> tuple[dict[str, float], int]:
    """Score two files as 0.3 did; return the value of each metric and the number of bands.

    `max_p`, if given, goes to the metrics that take it.
    """
    asked = metrics.split(",") if isinstance(metrics, str) else metrics
    words = [word.strip().lower() for word in asked]
    metrics = [name for word in words for name in (metric_functions if word == "all" else [word])]
    unknown = [name for name in metrics if name not in metric_functions]
    if unknown:
        raise UsageError(f"unknown metric {unknown[0]!r}: use {', '.join(metric_functions)}")
    paths = os.fspath(org), os.fspath(pred)
    images = [read_image_with_loader(path, loader) for path in paths]
    if images[0].shape != images[1].shape:
        raise ShapeMismatchError(
            f"{paths[0]} has shape {images[0].shape} and {paths[1]} has shape {images[1].shape}; "
            "crop or resample one of them"
        )
    values = {}
    for name in metrics:
        given = {"max_p": max_p} if max_p is not None and name in RANGED else {}
        try:
            values[name] = float(metric_functions[name](*images, **given))
        except InputError as error:
            raise InputError(
                f"{name} of 0.3 fails on {paths[0]} ({error}); leave --definitions 0.3 out"
            ) from error
    return values, images[0].shape[2]


def main(argv: Sequence[str] | None = None) -> None:
    """Run 0.3's command line."""
    logging.basicConfig(
        format="%(asctime)s - %(name)s - %(levelname)s - %(message)s", level=logging.INFO
    )
    args = _parser().parse_args(argv)
    names = args.metrics or ["psnr"]
    if "all" in names:
        names = list(metric_functions)
    try:
        values = evaluation_with_loader(args.org_img_path, args.pred_img_path, names, args.loader)
    except ImageSimilarityError as error:
        sys.exit(f"error: {error}")
    result = {"image1": args.org_img_path, "image2": args.pred_img_path, "metrics": values}
    print(json.dumps(result, sort_keys=True))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m image_similarity_measures.evaluate",
        description="Similarity of two images with the metrics of version 0.3.",
    )
    parser.add_argument("--org_img_path", required=True, metavar="FILE", help="the original")
    parser.add_argument("--pred_img_path", required=True, metavar="FILE", help="the prediction")
    parser.add_argument(
        "--metric",
        dest="metrics",
        action="append",
        choices=[*metric_functions, "all"],
        metavar="METRIC",
        help="one of %(choices)s; may be repeated; psnr if left out",
    )
    parser.add_argument(
        "--loader", choices=LOADERS, default="auto", help="library that reads the files"
    )
    return parser


def _read_with_rasterio(path: str) -> Array:
    import rasterio
    from rasterio.errors import RasterioError

    from image_similarity_measures.rasters.gdal import decoders, unreferenced_is_fine

    threads = rasterio.Env(GDAL_NUM_THREADS=decoders())
    try:
        with threads, unreferenced_is_fine, rasterio.open(path) as dataset:
            return np.moveaxis(dataset.read(), 0, -1)
    except (RasterioError, UnicodeError) as error:
        raise ReadError(
            f"cannot read {path}: {error}; check the path, and that it is whole"
        ) from error


def _read_with_opencv(path: str) -> Array:
    pixels: Array | None = opencv_itself().imread(path)
    if pixels is None:
        why = "not an image OpenCV knows" if Path(path).exists() else "no such file"
        raise ReadError(f"cannot read {path}: {why}; check the path")
    return pixels
