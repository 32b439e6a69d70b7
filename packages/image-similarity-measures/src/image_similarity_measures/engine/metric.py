"""What a metric is: its facts, and how it begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from image_similarity_measures.checks import as_number
from image_similarity_measures.errors import InputError, UsageError

from .outcome import Finish
from .plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """All there is to know about a metric; its module is named after it and holds the function.

    Attributes
    ----------
    name : str
        The short name used in calls and on the command line.
    title : str
        The full name.
    unit : str
        ``""`` when dimensionless, ``"dn"`` for the unit of the data.
    better : {"higher", "lower", "zero"}
        Which values are better; ``"zero"`` for those close to zero, of either sign.
    ideal : float
        Value that identical images reach or, for ISSM, approach.
    sees : {"pixels", "windows", "image"}
        What it looks at: each pixel alone, a window around it, or the image as a whole.
    summary : str
        One line on what the metric sees.
    blind : str
        What it does not see.
    values : str
        The values it can have.
    source : str
        Where the formula comes from.
    begin : callable
        Takes a `Plan` and the metric's settings, asks the plan for the accumulators it needs, and
        returns what computes the outcome in the end.
    settings : type or None
        A frozen dataclass of the variants, whose fields become options and which checks them; None
        where there are none.
    has_map : bool
        Whether a local map exists.
    band_wise : bool
        Whether each band has a value of its own.
    needs_range : bool
        Whether the value depends on ``data_range``.
    clips : bool
        Whether values are clipped to ``data_range``; it is refused where that would leave little.
    """

    name: str
    title: str
    unit: str = ""
    better: Literal["higher", "lower", "zero"]
    ideal: float
    sees: Literal["pixels", "windows", "image"]
    summary: str
    blind: str
    values: str
    source: str
    begin: Callable[[Plan, Any], Finish]
    settings: type[Any] | None = None
    has_map: bool = False
    band_wise: bool = True
    needs_range: bool = False
    clips: bool = False

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        return self.better == "higher"

    def reaches(self, value: float, bound: float) -> bool:
        """Whether `value` is at least as good as `bound`; NaN never is."""
        if self.better == "zero":
            return abs(value) <= abs(bound)
        return value >= bound if self.higher_is_better else value <= bound

    def ranged(self, settings: Any) -> bool:
        """Whether the value depends on ``data_range``, these settings given."""
        return self.needs_range or bool(getattr(settings, "needs_range", False))


def choice(name: str, value: object, choices: Sequence[str]) -> None:
    """Refuse what is not among the choices.

    Raises
    ------
    UsageError
    """
    if value not in choices:
        raise UsageError(f"unknown {name} {value!r}; choose from {', '.join(choices)}")


def positive(name: str, value: object) -> None:
    """Refuse what is not a positive, finite number.

    Raises
    ------
    InputError
    """
    if not 0 < as_number(value, name) < float("inf"):
        raise InputError(f"{name} is {value}; give a positive number")


def at_least_one(name: str, value: object) -> None:
    """Refuse what is not a whole number from 1 on.

    Raises
    ------
    InputError
    """
    if not isinstance(value, int | np.integer) or value < 1:
        raise InputError(f"{name} is {value!r}; give a whole number of at least 1")
