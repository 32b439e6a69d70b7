"""Scores of any pair by the metrics' names, and the options that these take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from .arrays import BLOCK_BYTES, PairSource
from .checks import DataRange
from .engine.gathering import Request
from .engine.plan import BandSink
from .engine.score import BandMean, MapSink, Scores, score_pair
from .errors import UsageError, warn
from .metrics import METRICS, any_of_all, get, select

__all__ = ["Options", "score", "score_bands"]

# Named before options had their metric's name.
_ALIASES = {"normalized": "rmse_normalized"}


class Options:
    """How the metrics are computed; the defaults are the functions' own.

    Parameters
    ----------
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones; floating point has no default.
    **settings
        Variants of the metrics, named ``<metric>_<argument of its function>``, such as
        ``ssim_window="uniform"``; ``normalized`` is RMSE's.

    Raises
    ------
    InputError, UsageError
        If a value is out of its range, or an option or choice does not exist.
    """

    __slots__ = ("_given", "data_range")

    def __init__(
        self, data_range: float | tuple[float, float] | None = None, **settings: Any
    ) -> None:
        if data_range is not None:
            DataRange.of(data_range)
        self.data_range = data_range
        self._given: dict[str, dict[str, Any]] = {}
        known = {option: owner for owner, option in _options()} if settings else {}
        for name, value in settings.items():
            option = _ALIASES.get(name, name)
            if option not in known:
                raise UsageError(f"unknown option {name!r}; choose from {', '.join(known)}")
            owner = known[option]
            self._given.setdefault(owner, {})[option.removeprefix(f"{owner}_")] = value
        for owner in self._given:
            self.of(owner)  # which checks them

    def of(self, name: str) -> Any:
        """The settings of one metric; None where it has none."""
        kind = METRICS[name].settings
        return None if kind is None else kind(**self._given.get(name, {}))

    def with_data_range(self, data_range: float | tuple[float, float]) -> Options:
        """The same but for the data range."""
        return Options(
            data_range,
            **{
                f"{owner}_{k}": v
                for owner, values in self._given.items()
                for k, v in values.items()
            },
        )

    def _values(self) -> dict[str, Any]:
        return {
            option: getattr(self.of(owner), option.removeprefix(f"{owner}_"))
            for owner, option in _options()
        }

    def __getattr__(self, name: str) -> Any:
        option = _ALIASES.get(name, name)
        for owner, known in _options():
            if option == known:
                return getattr(self.of(owner), option.removeprefix(f"{owner}_"))
        raise AttributeError(name)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Options):
            return NotImplemented
        return (self.data_range, self._values()) == (other.data_range, other._values())

    def __hash__(self) -> int:
        return hash((self.data_range, *self._values().items()))

    def __repr__(self) -> str:
        values = {"data_range": self.data_range, **self._values()}
        return f"Options({', '.join(f'{name}={value!r}' for name, value in values.items())})"


def _options() -> Iterator[tuple[str, str]]:
    """Every option there is, with its metric before it."""
    for name, metric in METRICS.items():
        for field in fields(metric.settings) if metric.settings is not None else ():
            yield name, f"{name}_{field.name}"


def score(
    source: PairSource,
    metrics: str | Sequence[str],
    *,
    options: Options | None = None,
    sinks: Mapping[str, MapSink] | None = None,
    progress: Callable[[int, int], None] | None = None,
    max_block_bytes: int = BLOCK_BYTES,
) -> Scores:
    """Score a pair of images, reading each row once.

    Parameters
    ----------
    source : PairSource
        The pair. It is read in a thread of its own, one block ahead.
    metrics : str or sequence of str
        Metric names, or ``"all"``.
    options : Options, optional
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

    Raises
    ------
    UsageError
        If a metric does not exist, or has no map though a sink waits for one.
    InputError
        If the images or options cannot be used for a metric asked.

    Warns
    -----
    SimilarityWarning
        Whatever is in the notes: a value exceeds the data range assumed, or a score is not defined.
    """
    means = {name: BandMean(sink) for name, sink in (sinks or {}).items()}
    scores = score_bands(source, metrics, options or Options(), means, progress, max_block_bytes)
    for note in scores.notes:
        warn(note)
    return scores


def score_bands(
    source: PairSource,
    metrics: str | Sequence[str],
    options: Options,
    sinks: Mapping[str, BandSink],
    progress: Callable[[int, int], None] | None = None,
    max_block_bytes: int = BLOCK_BYTES,
) -> Scores:
    """Do the work of `score`, with maps that keep their bands, and without a warning."""
    chosen = select(metrics)
    for name in sinks:
        if not get(name).has_map or name not in chosen:
            mapped = ", ".join(metric.name for metric in METRICS.values() if metric.has_map)
            raise UsageError(f"no map of {name}; maps exist for those asked of {mapped}")
    request = Request(
        {name: METRICS[name] for name in chosen},
        {name: options.of(name) for name in chosen},
        options.data_range,
        any_of_all(metrics),
    )
    return score_pair(source, request, sinks, progress, max_block_bytes)
