"""Scores of predicted bands: the sibling package's metrics, and what error bars hold."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

#: Digital numbers of reflectance 1: the data range of the metrics that need one.
DATA_RANGE = 10000.0
#: The metrics of a report.
SCORED = ("fsim", "issm", "psnr", "rmse", "sam", "sre", "ssim", "uiq")
_CLIPPING = ("fsim", "issm")


def score(
    truth: NDArray[np.float32], predicted: NDArray[np.float32], valid: NDArray[np.bool_]
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """All metrics of image-similarity-measures, overall and per band.

    Parameters
    ----------
    truth, predicted : ndarray of float32, shape (bands, rows, cols)
    valid : ndarray of bool, shape (rows, cols)
    """
    import image_similarity_measures as ism

    images = [np.ascontiguousarray(np.moveaxis(image, 0, -1)) for image in (truth, predicted)]
    overall: dict[str, float] = {}
    per_band: dict[str, tuple[float, ...]] = {}
    # Those that clip to the data range refuse where much of an image lies outside, as dark water
    # does at 60 m, in the least below 0.
    inside = [np.clip(image, 0, DATA_RANGE) for image in images]
    for names, pair in (([n for n in SCORED if n not in _CLIPPING], images), (_CLIPPING, inside)):
        with warnings.catch_warnings():
            # What it warns of, such as values beyond the data range, is expected here.
            warnings.simplefilter("ignore", ism.SimilarityWarning)
            report = ism.compare(*pair, metrics=names, data_range=DATA_RANGE, mask=valid)
        overall |= report.metrics
        per_band |= report.per_band
    return {n: overall[n] for n in SCORED}, {n: per_band[n] for n in SCORED if n in per_band}


def error_bars(
    truth: NDArray[np.float32],
    predicted: NDArray[np.float32],
    valid: NDArray[np.bool_],
    half_width: NDArray[np.float32] | None,
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return per band what share of pixels error bars hold, and half of their mean width in DN.

    Parameters
    ----------
    truth, predicted : ndarray of float32, shape (bands, rows, cols)
    valid : ndarray of bool, shape (rows, cols)
    half_width : ndarray of float32, shape (bands, rows, cols), or None
        None gives empty tuples.
    """
    if half_width is None:
        return (), ()
    told = half_width[:, valid]
    held = np.abs(predicted - truth)[:, valid] <= told
    widths = told.mean(axis=1, dtype=np.float64)
    return tuple(map(float, held.mean(axis=1))), tuple(map(float, widths))
