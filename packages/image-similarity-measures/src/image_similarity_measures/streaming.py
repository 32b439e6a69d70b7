"""Score a pair of images in one pass over its rows, for all metrics asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from numpy.typing import NDArray

from .images import ArrayPair, Block, PairSource

__all__ = ["ArrayPair", "Block", "MapSink", "Options", "PairSource", "Score", "Scores", "score"]


class MapSink(Protocol):
    """Takes a quality map row by row, from the top."""

    def write(self, row: int, block: NDArray[Any]) -> None:
        """Take float32 rows (rows, cols) that start at `row`: the mean over bands, or NaN."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the metrics are computed; the defaults are the functions' own.

    Attributes
    ----------
    data_range : float, optional
        Largest possible value. By default 255 for 8-bit integers and 4095 for wider ones;
        floating point has no default.
    normalized : bool
        Divide RMSE by `data_range`.
    ssim_window : {"gaussian", "uniform"}
        11 x 11 Gaussian window, or the uniform 7 x 7 one with sample covariance.
    fsim_reduce : bool
        Let FSIM shrink large images as its authors do.
    fsim_t1, fsim_t2 : float
        FSIM's constants for phase congruency and gradient magnitude.
    sre_variant : {"lanaras", "supreme"}
        SRE relative to the squared mean, or to the mean square, of the original.
    sam_degrees : bool
        SAM in degrees rather than radians.
    uiq_window_size, uiq_step : int
        Side of UIQ's windows, and the pixels from one to the next.
    """

    data_range: float | None = None
    normalized: bool = False
    ssim_window: Literal["gaussian", "uniform"] = "gaussian"
    fsim_reduce: bool = True
    fsim_t1: float = 0.85
    fsim_t2: float = 160.0
    sre_variant: Literal["lanaras", "supreme"] = "lanaras"
    sam_degrees: bool = True
    uiq_window_size: int = 8
    uiq_step: int = 1


@dataclass(frozen=True, slots=True)
class Score:
    """One metric's result.

    Attributes
    ----------
    name : str
        The metric.
    value : float
        The aggregate over bands; NaN when no pixel or window is valid.
    per_band : tuple of float, or None
        One value per band where the metric is band-wise.
    unit : str
        Unit of the value, ``""`` when dimensionless.
    data_range : float or None
        The data range used, None where the metric has no use for one.
    """

    name: str
    value: float
    per_band: tuple[float, ...] | None
    unit: str
    data_range: float | None


@dataclass(frozen=True, slots=True)
class Scores(Mapping[str, Score]):
    """Results by metric name, in the order asked.

    Attributes
    ----------
    scores : dict
        The results.
    valid_share : float
        Share of the pixels that are valid in both images, 0 to 1.
    """

    scores: dict[str, Score]
    valid_share: float

    def __getitem__(self, name: str) -> Score:
        return self.scores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.scores)

    def __len__(self) -> int:
        return len(self.scores)


def score(
    source: PairSource,
    metrics: str | Sequence[str],
    *,
    options: Options = Options(),
    sinks: Mapping[str, MapSink] | None = None,
    progress: Callable[[int, int], None] | None = None,
    max_block_bytes: int = 96 * 2**20,
) -> Scores:
    """Score a pair of images, reading each row once.

    Parameters
    ----------
    source : PairSource
        The pair.
    metrics : str or sequence of str
        Metric names, or ``"all"``.
    options : Options
        How to compute them.
    sinks : mapping of str to MapSink, optional
        Where to write the local maps of the metrics named.
    progress : callable, optional
        Called with (rows done, rows in all) after each strip.
    max_block_bytes : int
        Bound on the bytes read at a time, both images together. Results do not depend on it.

    Returns
    -------
    Scores
    """
    raise NotImplementedError
