"""The functions of image-similarity-measures 0.3, number for number.

Thresholds in other people's code sit on the numbers that 0.3.6 gave, wrong ones included, so
nothing here may move. The module therefore stands on its own and keeps 0.3's arithmetic: sums in
float32, NaN let through, integer products that wrap; what 0.3 took from scikit-image and phasepack
is computed here. A function whose number is wrong says so once, with a ``FutureWarning`` that
names the right function. New code should ``import image_similarity_measures as ism`` and call
``ism.psnr`` and its siblings; the page "moving from 0.3" says which numbers change and why.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from image_similarity_measures.errors import InputError, ShapeMismatchError, warn

from .arithmetic import (
    bands,
    edge_correlation,
    similarity,
    structural_similarity,
    window_rows,
    wrapped_gradient,
)
from .phase import phase_congruency_sum

__all__ = [
    "fsim",
    "issm",
    "metric_functions",
    "psnr",
    "rmse",
    "sam",
    "sliding_window",
    "sre",
    "ssim",
    "uiq",
]

Array = np.ndarray[Any, Any]


def rmse(org_img: Array, pred_img: Array, max_p: int = 4095) -> float:
    """Root mean squared error divided by `max_p`, averaged over the bands.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape.
    max_p : int
        Highest value of the data.

    Returns
    -------
    float
        Right for three dimensions. Two dimensions compare each row with each column, as in 0.3.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    """
    _check_shapes(org_img, pred_img, "RMSE")
    return float(np.mean(np.sqrt(_band_mse(org_img, pred_img, "rmse", max_p))))


def psnr(org_img: Array, pred_img: Array, max_p: int = 4095) -> float:
    """Peak signal to noise ratio in dB, the squared error averaged over the bands.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape.
    max_p : int
        Highest value of the data: 4095 for 12-bit imagery, 255 for 8-bit.

    Returns
    -------
    float
        Infinite for identical images. Right for three dimensions; see `rmse` for two.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    """
    _check_shapes(org_img, pred_img, "PSNR")
    error = np.sqrt(np.mean(_band_mse(org_img, pred_img, "psnr")))
    with np.errstate(divide="ignore"):
        return float(20 * np.log10(max_p / np.float64(error)))


def ssim(org_img: Array, pred_img: Array, max_p: int = 4095) -> float:
    """Structural similarity with a uniform 7 x 7 window and sample covariance.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape, at least 7 x 7.
    max_p : int
        Highest value of the data.

    Returns
    -------
    float
        The mean over windows and bands. ``ism.ssim`` uses the Gaussian window of Wang et al.
        (2004) instead, and gives this value for ``window="uniform"``.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    InputError
        The images have not three dimensions, or fewer than 7 x 7 pixels.
    """
    _check_shapes(org_img, pred_img, "SSIM")
    _check_three_dimensions(org_img, "ssim")
    rows, cols, _ = org_img.shape
    if min(rows, cols) < 7:
        raise InputError(f"ssim of 0.3 cannot take {rows} x {cols} pixels: give 7 x 7 or more")
    means = [structural_similarity(org, pred, max_p) for org, pred in bands(org_img, pred_img)]
    return float(np.mean(means))


def sre(org_img: Array, pred_img: Array) -> float:
    """Signal to reconstruction error ratio as 0.3 defined it: the error norm is not squared.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape.

    Returns
    -------
    float
        In dB, but it grows with the size of the image. Use ``ism.sre``.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    InputError
        The images have not three dimensions.
    """
    _check_shapes(org_img, pred_img, "SRE")
    _check_three_dimensions(org_img, "sre")
    _warn_once("sre", "takes the square root of the error, so the value grows with image size")
    ratios = []
    for org, pred in bands(org_img.astype(np.float32), pred_img):
        error = np.float64(np.linalg.norm(org - pred)) / org.size
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios.append(np.square(np.mean(org)) / error)
    return float(10 * np.log10(np.mean(ratios)))


def sam(org_img: Array, pred_img: Array, convert_to_degree: bool = True) -> float:
    """Mean spectral angle as 0.3 computed it: products wrap in the integer type of the images.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape.
    convert_to_degree : bool
        Degrees, else radians.

    Returns
    -------
    float
        0 as soon as one pixel is zero in every band. Use ``ism.sam``.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    """
    _check_shapes(org_img, pred_img, "SAM")
    _warn_once("sam", "wraps products of integers, and one pixel of zeros makes it 0")
    lengths = np.linalg.norm(org_img, axis=-1) * np.linalg.norm(pred_img, axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosine = np.sum(np.multiply(pred_img, org_img), axis=-1) / lengths
    angle = np.arccos(np.clip(cosine, -1, 1))
    return float(np.nan_to_num(np.mean(np.rad2deg(angle) if convert_to_degree else angle)))


def uiq(org_img: Array, pred_img: Array, step_size: int = 1, window_size: int = 8) -> float:
    """Universal image quality index, with 0 for windows that are flat in both images.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape.
    step_size : int
        Distance between neighbouring windows.
    window_size : int
        Side of the square window.

    Returns
    -------
    float
        The mean over windows and bands, summed in float32 as 0.3 did; ``ism.uiq`` agrees to
        about 1e-6 where no window is flat.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    InputError
        The images have not three dimensions, or the window is larger than they are.
    """
    _check_shapes(org_img, pred_img, "UIQ")
    _check_three_dimensions(org_img, "uiq")
    if min(org_img.shape[:2]) < window_size:
        raise InputError(
            f"Window size ({window_size}) is too big for image with shape "
            f"{org_img.shape[:2]}; please use a smaller window size."
        )
    total, count, flat = 0.0, 0, False
    windows = zip(
        window_rows(org_img, step_size, window_size),
        window_rows(pred_img, step_size, window_size),
        strict=True,
    )
    for org, pred in windows:
        org_mean, pred_mean = org.mean(axis=1), pred.mean(axis=1)
        covariance = np.mean((org - org_mean[:, None]) * (pred - pred_mean[:, None]), axis=1)
        spread = org.var(axis=1) + pred.var(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            quality = (4 * covariance * org_mean * pred_mean) / (
                spread * (org_mean**2 + pred_mean**2)
            )
        total += float(np.sum(np.nan_to_num(quality), dtype=np.float64))
        count += quality.size
        flat = flat or bool(np.any(spread == 0))
    if flat:
        _warn_once("uiq", "gives 0 to windows that are flat in both images, even identical ones")
    return total / count


def fsim(org_img: Array, pred_img: Array, T1: float = 0.85, T2: float = 160) -> float:
    """Feature similarity as 0.3 computed it: wrapped gradients, phase congruency up to 6.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape; OpenCV refuses 32-bit integers here, as it did in 0.3.
    T1, T2 : float
        Constants of the similarity of phase congruency and of gradient magnitude.

    Returns
    -------
    float
        The mean over the bands, NaN for constant images. Use ``ism.fsim``.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    InputError
        The images have not three dimensions, or a type that OpenCV refuses.
    OpenCVMissingError
        OpenCV cannot be imported.
    """
    _check_shapes(org_img, pred_img, "FSIM")
    _check_three_dimensions(org_img, "fsim")
    _warn_once("fsim", "wraps its gradients at 16 bits and adds up six phase congruencies")
    scores = []
    for org, pred in bands(org_img, pred_img):
        org_pc, pred_pc = phase_congruency_sum(org), phase_congruency_sum(pred)
        weight = np.maximum(org_pc, pred_pc)
        alike = similarity(org_pc, pred_pc, T1) * similarity(
            wrapped_gradient(org), wrapped_gradient(pred), T2
        )
        with np.errstate(invalid="ignore"):
            scores.append(np.sum(alike * weight) / np.sum(weight))
    return float(np.mean(scores))


def issm(org_img: Array, pred_img: Array) -> float:
    """Information theoretic-based statistic similarity as 0.3 computed it.

    The joint histogram has 10 x 10 bins and is not normalised, so its "entropy" drowns SSIM, and
    the edges are those of the image divided by 16, wrapped at 8 bits.

    Parameters
    ----------
    org_img, pred_img : ndarray, (rows, cols, bands)
        The images, of one shape, at least 7 x 7.

    Returns
    -------
    float
        0 where no edge is found. Use ``ism.issm``.

    Raises
    ------
    ShapeMismatchError
        The images differ in shape.
    InputError
        The images have not three dimensions, or fewer than 7 x 7 pixels.
    OpenCVMissingError
        OpenCV cannot be imported.
    """
    _check_shapes(org_img, pred_img, "ISSM")
    _check_three_dimensions(org_img, "issm")
    _warn_once("issm", "does not normalise its histogram, so SSIM and entropy have no effect")
    counts = np.histogram2d(org_img.ravel(), pred_img.ravel())[0]
    counts = counts[counts > 0]
    entropy = -np.sum(counts * np.log2(counts))
    edges = edge_correlation(org_img, pred_img)
    top = edges * entropy * (0.3 + 0.5) + math.e
    bottom = 0.3 * edges * entropy + 0.5 * entropy + 0.7 * ssim(org_img, pred_img) + math.e
    return float(np.nan_to_num(top / bottom))


def sliding_window(
    image: Array, stepSize: int, windowSize: tuple[int, int]
) -> Iterator[tuple[int, int, Array]]:
    """Yield ``(x, y, window)`` from left to right and top to bottom.

    Parameters
    ----------
    image : ndarray, (rows, cols, ...)
        The image.
    stepSize : int
        Distance between neighbouring windows.
    windowSize : tuple of int
        Columns and rows of a window; windows at the right and lower edge are cut off.

    Yields
    ------
    tuple of int, int, ndarray
        Column and row of the window's corner, and a view of its pixels.
    """
    cols, rows = windowSize
    for y in range(0, image.shape[0], stepSize):
        for x in range(0, image.shape[1], stepSize):
            yield x, y, image[y : y + rows, x : x + cols]


metric_functions: dict[str, Callable[..., float]] = {
    "fsim": fsim,
    "issm": issm,
    "psnr": psnr,
    "rmse": rmse,
    "sam": sam,
    "sre": sre,
    "ssim": ssim,
    "uiq": uiq,
}


def _check_shapes(org_img: Array, pred_img: Array, metric: str) -> None:
    if org_img.shape != pred_img.shape:
        raise ShapeMismatchError(
            f"Cannot calculate {metric}. Input shapes not identical. "
            f"y_true shape ={org_img.shape}, y_pred shape = {pred_img.shape}; crop or resample "
            "one of them"
        )


def _check_three_dimensions(image: Array, name: str) -> None:
    if image.ndim != 3:
        raise InputError(
            f"{name} of 0.3 needs (rows, cols, bands), not {image.shape}; add an axis with "
            f"image[:, :, None], or use image_similarity_measures.{name}"
        )


@functools.cache
def _warn_once(name: str, defect: str) -> None:
    warn(
        f"{name} of the 0.3 interface {defect}; use image_similarity_measures.{name}, "
        "which gives another number",
        FutureWarning,
    )


def _band_mse(org_img: Array, pred_img: Array, name: str, scale: float = 1) -> Array:
    org = org_img.astype(np.float32)
    if org.ndim == 2:
        # 0.3 gave one image a band axis and not the other; NumPy then pairs rows with columns.
        _warn_once(name, "compares rows with columns when the images have two dimensions")
        org = org[:, :, None]
    difference: Array = org - pred_img
    if scale != 1:
        difference /= scale
    mse: Array = np.mean(np.square(difference, out=difference), axis=(0, 1))
    return mse
