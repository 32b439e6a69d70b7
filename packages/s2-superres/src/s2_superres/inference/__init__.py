"""From a product, or from arrays, to sharpened bands."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2_superres._lazy import offer

if TYPE_CHECKING:
    from s2_superres.inference.ledger import Outcome
    from s2_superres.inference.plan import Options
    from s2_superres.inference.results import Summary

__all__ = ["Options", "Outcome", "Summary"]

__getattr__, __dir__ = offer(
    __name__, {"Options": "plan", "Outcome": "ledger", "Summary": "results"}
)
