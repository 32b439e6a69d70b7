"""Settings that go together, by the name of what they are for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from s2_superres.training.config import SHIPPED

PRESETS: Mapping[str, Mapping[str, Any]] = {
    # Few steps at a low rate, and half of the way: what the weights know of other places is kept.
    # A region's scenes are all of one orbit's direction, so nothing is turned.
    "adapt": {
        "init": (SHIPPED,),
        "steps": 400,
        "learning_rate": 1e-4,
        "warmup": 20,
        "ema": 0.98,
        "anchor": 0.5,
        "turns": "none",
        "validate_every": 50,
    },
}
