"""How well a sharpener restores bands that were degraded on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s2_superres._lazy import offer

if TYPE_CHECKING:
    from s2_superres.validation.html import html_report
    from s2_superres.validation.methods import choose_methods
    from s2_superres.validation.run import validate
    from s2_superres.validation.scenes import Selection, read_scenes
    from s2_superres.validation.settings import Settings

__all__ = ["Selection", "Settings", "choose_methods", "html_report", "read_scenes", "validate"]

__getattr__, __dir__ = offer(
    __name__,
    {
        "Selection": "scenes",
        "Settings": "settings",
        "choose_methods": "methods",
        "html_report": "html",
        "read_scenes": "scenes",
        "validate": "run",
    },
)
