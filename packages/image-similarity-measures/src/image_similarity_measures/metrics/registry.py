"""What is known about each metric before any pixel is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from image_similarity_measures.errors import UsageError


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric's name, direction, unit and abilities.

    Attributes
    ----------
    name : str
        The short name used in calls and on the command line.
    title : str
        The full name.
    unit : str
        ``""`` when dimensionless, ``"dn"`` for the unit of the data.
    higher_is_better : bool
        Direction of the metric.
    ideal : float
        Value that identical images reach or, for ISSM, approach.
    has_map : bool
        Whether a local map exists.
    band_wise : bool
        Whether each band has a value of its own.
    needs_range : bool
        Whether the value depends on ``data_range``.
    summary : str
        One line on what the metric sees.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    ideal: float
    has_map: bool
    band_wise: bool
    needs_range: bool
    summary: str


_INF = float("inf")

METRICS: dict[str, Metric] = {
    m.name: m
    for m in (
        Metric(
            "fsim", "Feature similarity", "", True, 1.0, True, True, True,
            "phase congruency and gradient magnitude, pooled where features are strong",
        ),
        Metric(
            "issm", "Information theoretic-based statistic similarity measure", "",
            True, 1.0, False, True, True,
            "edge correlation and joint entropy, weighed against SSIM; at its best near 1",
        ),
        Metric(
            "psnr", "Peak signal-to-noise ratio", "dB", True, _INF, False, True, True,
            "mean squared error on a logarithmic scale, relative to the data range",
        ),
        Metric(
            "rmse", "Root mean squared error", "dn", False, 0.0, False, True, False,
            "size of the differences, in the unit of the data",
        ),
        Metric(
            "sam", "Spectral angle mapper", "deg", False, 0.0, True, False, False,
            "mean angle between the spectra of a pixel; blind to brightness",
        ),
        Metric(
            "sre", "Signal-to-reconstruction-error ratio", "dB", True, _INF, False, True, False,
            "mean squared error on a logarithmic scale, relative to the mean of the original",
        ),
        Metric(
            "ssim", "Structural similarity index", "", True, 1.0, True, True, True,
            "local luminance, contrast and structure in 11 x 11 Gaussian windows",
        ),
        Metric(
            "uiq", "Universal image quality index", "", True, 1.0, True, True, False,
            "local correlation, luminance and contrast in 8 x 8 windows",
        ),
    )
}  # fmt: skip


def get(name: str) -> Metric:
    """Return the metric called `name`, in letters of either case.

    Raises
    ------
    UsageError
        If there is no such metric; the message lists those there are.
    """
    try:
        return METRICS[name.strip().lower()]
    except (KeyError, AttributeError):
        raise UsageError(f"unknown metric {name!r}; choose from {', '.join(METRICS)}") from None


def select(metrics: str | Iterable[str]) -> tuple[str, ...]:
    """Names asked for, checked, without repeats, in the order asked.

    ``"all"`` means every one, and commas separate names as a list does.
    """
    names: list[str] = []
    for name in _asked(metrics):
        names.extend(METRICS if name == "all" else (get(name).name,))
    if not names:
        raise UsageError(f"no metric asked for; choose from {', '.join(METRICS)}")
    return tuple(dict.fromkeys(names))


def any_of_all(metrics: str | Iterable[str]) -> frozenset[str]:
    """Metrics that nobody asked for by name, but with all others: one may be left out."""
    asked = _asked(metrics)
    return frozenset(METRICS) - set(asked) if "all" in asked else frozenset()


def _asked(metrics: str | Iterable[str]) -> list[str]:
    """The words of what was asked for, in small letters; what is no text stays for the error."""
    try:
        given = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    except TypeError:
        raise UsageError(
            f"metrics is {metrics!r}; give names out of {', '.join(METRICS)}, or all"
        ) from None
    words: list[str] = []
    for name in given:
        words += [w.strip().lower() for w in name.split(",")] if isinstance(name, str) else [name]
    return words
