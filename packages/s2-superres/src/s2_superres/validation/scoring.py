"""Scores of predicted bands: the sibling package's metrics, and what error bars hold."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2_superres.networks.weights import ERROR_SHARE

#: Digital numbers of reflectance 1: the data range of the metrics that need one.
DATA_RANGE = 10000.0
#: The metrics of a report.
SCORED = ("fsim", "issm", "psnr", "rmse", "sam", "sre", "ssim", "uiq")
#: Shares that error bars are scaled to hold; they are told for `ERROR_SHARE`.
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
#: Classes of pixels by the width of their bars.
CLASSES = 10


def score(
    truth: NDArray[np.float32], predicted: NDArray[np.float32], valid: NDArray[np.bool_]
) -> tuple[dict[str, float], dict[str, tuple[float, ...]]]:
    """The metrics of a report, overall and per band.

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
    clipping = [name for name in SCORED if ism.METRICS[name].clips]
    others = [name for name in SCORED if name not in clipping]
    for names, pair in ((others, images), (clipping, inside)):
        with warnings.catch_warnings():
            # What it warns of, such as values beyond the data range, is expected here.
            warnings.simplefilter("ignore", ism.SimilarityWarning)
            report = ism.compare(*pair, metrics=names, data_range=DATA_RANGE, mask=valid)
        overall |= report.metrics
        per_band |= report.per_band
    return {n: overall[n] for n in SCORED}, {n: per_band[n] for n in SCORED if n in per_band}


@dataclass(frozen=True)
class ErrorBars:
    """What error bars hold of a scene, and what they would have to be to hold it.

    Attributes
    ----------
    coverage, half_width : tuple of float
        Per band, the share of pixels whose truth lies within the bars, and half of their width
        in DN, in the mean.
    reliability : tuple of float
        Per share of `SHARES`, which of all bands' pixels bars scaled to hold that share hold.
    told, needed : tuple of float
        Pixels of all bands in `CLASSES` classes of equally many by the width that they are told:
        half of it in DN, in the mean, and what would hold 90 % of the class.
    """

    coverage: tuple[float, ...]
    half_width: tuple[float, ...]
    reliability: tuple[float, ...]
    told: tuple[float, ...]
    needed: tuple[float, ...]


def error_bars(
    truth: NDArray[np.float32],
    predicted: NDArray[np.float32],
    valid: NDArray[np.bool_],
    half_width: NDArray[np.float32],
) -> ErrorBars:
    """Compare error bars with errors.

    Parameters
    ----------
    truth, predicted : ndarray of float32, shape (bands, rows, cols)
    valid : ndarray of bool, shape (rows, cols)
    half_width : ndarray of float32, shape (bands, rows, cols)
        Of the interval that is to hold 90 %, in DN.
    """
    told = half_width[:, valid]
    errors = np.abs(predicted - truth)[:, valid]
    # A bar of another share is a multiple of this one by Laplace's density, which the bars were
    # learnt with.
    multiples = [math.log1p(-share) / math.log1p(-ERROR_SHARE) for share in SHARES]
    classes = [each for each in np.array_split(np.argsort(told, axis=None), CLASSES) if each.size]
    return ErrorBars(
        coverage=tuple(map(float, (errors <= told).mean(axis=1))),
        half_width=tuple(map(float, told.mean(axis=1, dtype=np.float64))),
        reliability=tuple(float((errors <= told * multiple).mean()) for multiple in multiples),
        told=tuple(float(told.flat[each].mean(dtype=np.float64)) for each in classes),
        needed=tuple(float(np.quantile(errors.flat[each], ERROR_SHARE)) for each in classes),
    )
