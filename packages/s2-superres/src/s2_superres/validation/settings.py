"""How to validate: one value, passed whole."""

from __future__ import annotations

from dataclasses import dataclass

from s2_superres.networks.compute import Compute
from s2_superres.validation.methods import RESOLUTIONS

#: Gives the same scores everywhere.
EXACT = Compute("float32")


@dataclass(frozen=True)
class Settings:
    """How to validate.

    Attributes
    ----------
    resolutions : tuple of int
        20, 60 or both.
    required : bool
        Whether a scene that cannot be scored at a resolution is an error; else
        it is left out with a note.
    sigma : float, optional
        Point spread in pixels of the finer grid, ``1 / ratio`` by default.
    full_scale : bool
        Whether to compare with the measured bands at full scale, too.
    pictures : bool
        Whether to keep images for a report.
    compute : Compute
        How the networks are to run.
    """

    resolutions: tuple[int, ...] = RESOLUTIONS
    required: bool = False
    sigma: float | None = None
    full_scale: bool = True
    pictures: bool = False
    compute: Compute = EXACT
