"""The metrics, one module each, and the registry that finds them.

A module's name is its metric's. It holds the facts and the formula as ``METRIC``, a `Metric`, and a
function of that name for two arrays. Whatever lists metrics lists the modules of this folder.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Iterable, Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from image_similarity_measures.errors import UsageError

if TYPE_CHECKING:
    from image_similarity_measures.engine.metric import Metric

__all__ = ["METRICS", "any_of_all", "get", "names", "select"]


def names() -> tuple[str, ...]:
    """The metrics there are, in alphabetical order; nothing is imported for it."""
    return _modules(tuple(__path__))


@functools.cache
def _modules(folders: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({module.name for module in pkgutil.iter_modules(folders)}))


def get(name: str) -> Metric:
    """Return the metric called `name`, in letters of either case.

    Raises
    ------
    UsageError
        If there is no such metric; the message lists those there are.
    """
    wanted = name.strip().lower() if isinstance(name, str) else name
    if wanted not in names():
        raise UsageError(f"unknown metric {name!r}; choose from {', '.join(names())}")
    metric: Metric = import_module(f"{__name__}.{wanted}").METRIC
    return metric


class _Metrics(Mapping[str, "Metric"]):
    """The metrics by name, each loaded when it is looked at."""

    def __getitem__(self, name: str) -> Metric:
        if name not in names():
            raise KeyError(name)
        return get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(names())

    def __len__(self) -> int:
        return len(names())


METRICS: Mapping[str, Metric] = _Metrics()


def select(metrics: str | Iterable[str]) -> tuple[str, ...]:
    """Names asked for, checked, without repeats, in the order asked.

    ``"all"`` means every one, and commas separate names as a list does.
    """
    found: list[str] = []
    for name in _asked(metrics):
        found.extend(names() if name == "all" else (get(name).name,))
    if not found:
        raise UsageError(f"no metric asked for; choose from {', '.join(names())}")
    return tuple(dict.fromkeys(found))


def any_of_all(metrics: str | Iterable[str]) -> frozenset[str]:
    """Metrics that nobody asked for by name, but with all others: one may be left out."""
    asked = _asked(metrics)
    return frozenset(names()) - set(asked) if "all" in asked else frozenset()


def _asked(metrics: str | Iterable[str]) -> list[str]:
    """The words of what was asked for, in small letters; what is no text stays for the error."""
    try:
        given = (metrics,) if isinstance(metrics, str) else tuple(metrics)
    except TypeError:
        raise UsageError(
            f"metrics is {metrics!r}; give names out of {', '.join(names())}, or all"
        ) from None
    words: list[str] = []
    for name in given:
        words += [w.strip().lower() for w in name.split(",")] if isinstance(name, str) else [name]
    return words
