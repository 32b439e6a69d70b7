"""What a metric comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np

from image_similarity_measures.checks import Array


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a metric comes to.

    Attributes
    ----------
    count, possible : int
        Pixels, windows or cells that the value rests on, and those there would be if all pixels
        were valid.
    per_band : ndarray or None
        One value per band.
    value : float
        The aggregate.
    unit : str or None
        The unit, where settings make it another than the metric's own.
    reason : str or None
        Why the value is no number, where the metric knows.
    """

    count: int
    possible: int
    per_band: Array | None
    value: float
    unit: str | None = None
    reason: str | None = None

    @classmethod
    def mean_of(
        cls,
        count: int,
        possible: int,
        per_band: Array,
        *,
        unit: str | None = None,
        reason: str | None = None,
    ) -> Self:
        """The aggregate that most metrics have."""
        with np.errstate(invalid="ignore"):  # infinities of both signs
            return cls(count, possible, per_band, float(per_band.mean()), unit, reason)


Finish = Callable[[], Outcome]
