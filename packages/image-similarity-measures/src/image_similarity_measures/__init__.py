"""Similarity of two images: RMSE, PSNR, SSIM, FSIM, ISSM, SRE, SAM and UIQ.

For arrays there is a function per metric, and `compare` for several of them, files and rasters::

    import image_similarity_measures as ism

    ism.ssim(original, predicted, data_range=4095)
    ism.compare("original.tif", "predicted.tif", metrics="all").to_dict()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__
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
    from .engine.metric import Metric
    from .engine.score import MapSink, Score, Scores
    from .metrics import METRICS
    from .metrics.bias import bias
    from .metrics.correlation import correlation
    from .metrics.ergas import ergas
    from .metrics.fsim import fsim
    from .metrics.issm import issm
    from .metrics.mae import mae
    from .metrics.psnr import psnr
    from .metrics.rase import rase
    from .metrics.rmse import rmse
    from .metrics.sam import sam
    from .metrics.scc import scc
    from .metrics.sre import sre
    from .metrics.ssim import ssim
    from .metrics.uiq import uiq
    from .report.comparison import compare
    from .report.report import Report, Result
    from .scoring import Options, score

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
    "bias",
    "compare",
    "correlation",
    "ergas",
    "fsim",
    "issm",
    "mae",
    "psnr",
    "rase",
    "rmse",
    "sam",
    "scc",
    "score",
    "sre",
    "ssim",
    "uiq",
]

# Loaded on first use, so that the command's --help and --version need not wait for NumPy.
_HOME = {
    "METRICS": "metrics",
    "Metric": "engine.metric",
    **dict.fromkeys(("MapSink", "Score", "Scores"), "engine.score"),
    **dict.fromkeys(("Options", "score"), "scoring"),
    **dict.fromkeys(("ArrayPair", "Block", "PairSource"), "arrays"),
    **dict.fromkeys(("Report", "Result"), "report.report"),
    "compare": "report.comparison",
}


def __getattr__(name: str) -> Any:
    from .metrics import names

    if name in _HOME:
        value = getattr(import_module(f".{_HOME[name]}", __name__), name)
    elif name in names():
        # A metric's function has the name of its module.
        value = getattr(import_module(f".metrics.{name}", __name__), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    from .metrics import names

    return sorted({*__all__, *names()})
