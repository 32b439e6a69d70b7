"""Similarity of two images: RMSE, PSNR, SSIM, FSIM, ISSM, SRE, SAM and UIQ.

For arrays there is a function per metric, and `compare` for several of them, files and rasters::

    import image_similarity_measures as ism

    ism.ssim(original, predicted, data_range=4095)
"""

from __future__ import annotations

from .errors import (
    GridMismatchError,
    ImageSimilarityError,
    InputError,
    OpenCVMissingError,
    OutputError,
    ReadError,
    ShapeMismatchError,
    SimilarityWarning,
    UsageError,
)
from .metrics import fsim, issm, psnr, rmse, sam, sre, ssim, uiq
from .registry import METRICS, Metric

__version__ = "1.0.0"

__all__ = [
    "METRICS",
    "GridMismatchError",
    "ImageSimilarityError",
    "InputError",
    "Metric",
    "OpenCVMissingError",
    "OutputError",
    "ReadError",
    "ShapeMismatchError",
    "SimilarityWarning",
    "UsageError",
    "__version__",
    "fsim",
    "issm",
    "psnr",
    "rmse",
    "sam",
    "sre",
    "ssim",
    "uiq",
]
