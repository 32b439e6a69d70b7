"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise OutputError if `path` exists and may not be replaced."""
    if path.exists() and not overwrite:
        raise OutputError(f"{path} exists; choose another place or pass --overwrite")


def temporary_sibling(path: Path) -> Path:
    """A free name in the same folder, which is made if need be: a rename stays on one disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot make the folder {path.parent}: {error.strerror}") from error
    return path.with_name(f".{path.stem}-{secrets.token_hex(4)}{path.suffix}")


@contextlib.contextmanager
def no_empty_folder(folder: Path) -> Iterator[None]:
    """Take away again what of `folder` is made meanwhile and holds nothing at the end."""
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # something is in it, or it was never made
            for path in made:
                path.rmdir()


def write_text(path: Path, text: str, *, overwrite: bool = False) -> None:
    """Write `text` as UTF-8 to a temporary sibling of `path` and rename it.

    Raises
    ------
    OutputError
        The file exists, or cannot be written; nothing is left behind.
    """
    refuse_existing(path, overwrite)
    with no_empty_folder(path.parent):
        temporary = temporary_sibling(path)
        try:
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}; choose another place"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
