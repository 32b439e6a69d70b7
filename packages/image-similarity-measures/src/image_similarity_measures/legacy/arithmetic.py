"""The arithmetic of 0.3, with its precision and its faults."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from image_similarity_measures.errors import InputError
from image_similarity_measures.opencv import opencv

Array = np.ndarray[Any, Any]

_WINDOWS_PER_CHUNK = 1 << 15


def bands(org_img: Array, pred_img: Array) -> Iterator[tuple[Array, Array]]:
    """Each band of both images."""
    for band in range(org_img.shape[2]):
        yield org_img[:, :, band], pred_img[:, :, band]


def window_rows(image: Array, step: int, size: int) -> Iterator[Array]:
    """All windows as contiguous float32 rows of size * size values, some thousands at a time.

    NumPy adds such rows up in the same order as it did 0.3's single windows.
    """
    views = np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
    views = views[::step, ::step]
    rows = max(1, _WINDOWS_PER_CHUNK // (views.shape[1] * views.shape[2]))
    for start in range(0, views.shape[0], rows):
        yield views[start : start + rows].astype(np.float32, order="C").reshape(-1, size * size)


def similarity(x: Array, y: Array, constant: float) -> Array:
    """Return (2 x y + c) / (x^2 + y^2 + c)."""
    value: Array = (2 * np.multiply(x, y) + constant) / (np.square(x) + np.square(y) + constant)
    return value


def wrapped_gradient(band: Array) -> Array:
    """Gradient magnitude whose squares wrap at 16 bits, and whose negative parts are cut off."""
    cv2 = opencv()
    try:
        dx, dy = (cv2.Scharr(band, cv2.CV_16U, *order) for order in ((1, 0), (0, 1)))
    except cv2.error as error:
        raise InputError(
            f"fsim of 0.3 cannot take {band.dtype}: use image_similarity_measures.fsim"
        ) from error
    magnitude: Array = np.sqrt(np.square(dx) + np.square(dy))
    return magnitude


def structural_similarity(org: Array, pred: Array, max_p: float) -> np.floating[Any]:
    """SSIM of a band in uniform 7 x 7 windows, in single precision where the original is."""
    from scipy.ndimage import uniform_filter

    kind = np.float32 if org.dtype in (np.float16, np.float32) else np.float64
    x: Array = org.astype(kind)
    y: Array = pred.astype(kind)
    unbiased = 49 / 48
    mean_x, mean_y = uniform_filter(x, 7), uniform_filter(y, 7)
    variance_x = unbiased * (uniform_filter(x * x, 7) - mean_x * mean_x)
    variance_y = unbiased * (uniform_filter(y * y, 7) - mean_y * mean_y)
    covariance = unbiased * (uniform_filter(x * y, 7) - mean_x * mean_y)
    try:
        c1, c2 = (0.01 * max_p) ** 2, (0.03 * max_p) ** 2
    except OverflowError as error:
        raise InputError(f"max_p is {max_p}, whose square no float holds; give less") from error
    top = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    bottom = (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    # Windows that reach over the edge do not count.
    return kind((top / bottom)[3:-3, 3:-3].mean(dtype=np.float64))


def edge_correlation(org_img: Array, pred_img: Array) -> Any:
    """Correlation of the edges of both images divided by 16; NaN where one has none."""
    centred = []
    for image in (org_img, pred_img):
        # By way of int64, so that values over 4095 wrap alike on every processor.
        eight_bit = (image * 0.0625).astype(np.int64).astype(np.uint8)
        edges = opencv().Canny(eight_bit, 100, 200)
        centred.append(edges - np.mean(edges))
    org, pred = centred
    with np.errstate(invalid="ignore"):
        return np.sum(org * pred) / np.sqrt(np.sum(np.square(org)) * np.sum(np.square(pred)))
