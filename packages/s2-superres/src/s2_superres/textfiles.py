"""Text files that appear whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from s2_superres.errors import OutputError


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text to a temporary sibling and rename it.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_text(text, encoding="utf-8")
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)
