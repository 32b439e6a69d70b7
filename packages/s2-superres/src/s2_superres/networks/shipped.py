"""Which weights ship with the package, without what it takes to load them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from s2_superres.errors import WeightsError

#: Folder of the weights that ship with the package, with their index.
SHIPPED = Path(__file__).parents[1] / "data" / "weights"


def shipped_index() -> dict[str, dict[str, Any]]:
    """Return the index of the shipped weights: file name to its facts.

    Each entry has ``sha256``, ``resolution``, ``levels``, ``family`` and ``default``.
    """
    try:
        index: dict[str, dict[str, Any]] = json.loads((SHIPPED / "index.json").read_text())
    except (OSError, ValueError) as error:
        raise WeightsError(
            f"{SHIPPED / 'index.json'}: the package's weights are missing or damaged; "
            "install s2-superres again, or name a file with --weights"
        ) from error
    return index
