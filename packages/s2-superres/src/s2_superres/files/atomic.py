"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from s2_superres.errors import OutputError

_ELSEWHERE = "choose another place"


@contextmanager
def whole_file(path: Path, next_step: str = _ELSEWHERE) -> Iterator[BinaryIO]:
    """Open a hidden sibling for writing, which gets the name when the block ends well.

    Parameters
    ----------
    path : Path
        What is there already stays until then. Through a symbolic link, the file it points to.
    next_step : str
        What the user can do if it cannot be written.

    Raises
    ------
    OutputError
        If it cannot be written; nothing is left behind.
    """
    target = path.resolve()
    partial = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(target)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); {next_step}"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def write_text(path: Path, text: str, next_step: str = _ELSEWHERE) -> None:
    """Write UTF-8 text, see `whole_file`."""
    with whole_file(path, next_step) as file:
        file.write(text.encode())
