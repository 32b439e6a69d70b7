"""Similarity of two images: RMSE, PSNR, SSIM, FSIM, ISSM, SRE, SAM and UIQ.

For arrays there is a function per metric, and `compare` for several of them, files and rasters::

    import image_similarity_measures as ism

    ism.ssim(original, predicted, data_range=4095)
    ism.compare("original.tif", "predicted.tif", metrics="all").to_dict()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from .arrays import ArrayPair, Block, PairSource
    from .metrics.functions import fsim, issm, psnr, rmse, sam, sre, ssim, uiq
    from .metrics.registry import METRICS, Metric
    from .metrics.streaming import MapSink, Options, Score, Scores, score
    from .report.comparison import compare
    from .report.report import Report, Result

__version__ = "1.0.0"

__all__ = [
    "METRICS",
    "ArrayPair",
    "Block",
    "GridMismatchError",
    "ImageSimilarityError",
    "InputError",
    "MapSink",
    "Metric",
    "OpenCVMissingError",
    "Options",
    "OutputError",
    "PairSource",
    "ReadError",
    "Report",
    "Result",
    "Score",
    "Scores",
    "ShapeMismatchError",
    "SimilarityWarning",
    "UsageError",
    "__version__",
    "compare",
    "fsim",
    "issm",
    "psnr",
    "rmse",
    "sam",
    "score",
    "sre",
    "ssim",
    "uiq",
]

# Loaded on first use, so that the command's --help and --version need not wait for NumPy.
_HOME = {
    **dict.fromkeys(("METRICS", "Metric"), "metrics.registry"),
    **dict.fromkeys(("MapSink", "Options", "Score", "Scores", "score"), "metrics.streaming"),
    **dict.fromkeys(
        ("fsim", "issm", "psnr", "rmse", "sam", "sre", "ssim", "uiq"), "metrics.functions"
    ),
    **dict.fromkeys(("ArrayPair", "Block", "PairSource"), "arrays"),
    **dict.fromkeys(("Report", "Result"), "report.report"),
    "compare": "report.comparison",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
