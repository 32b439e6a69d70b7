"""Files that appear whole or not at all."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path

from .errors import OutputError


def writable(path: Path, overwrite: bool) -> Path:
    """Return the file that `path` leads to, which a rename may put into its place.

    Raises
    ------
    OutputError
        It exists and may not be replaced, or is no ordinary file: a folder, a pipe, a device.
    """
    if path.exists():
        if not path.is_file():
            raise OutputError(f"{path} is not an ordinary file; choose another place")
        if not overwrite:
            raise OutputError(f"{path} exists; choose another place or pass --overwrite")
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise OutputError(
            f"cannot write {path}: its links lead nowhere; choose another place"
        ) from error


def temporary_sibling(path: Path) -> Path:
    """A free name in the same folder, which is made if need be: a rename stays on one disk."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"cannot make the folder {path.parent}: {error.strerror}; choose another place"
        ) from error
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
    target = writable(path, overwrite)
    with no_empty_folder(target.parent):
        temporary = temporary_sibling(target)
        try:
            # File names need not be UTF-8.
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
            temporary.replace(target)
        except OSError as error:
            raise OutputError(
                f"cannot write {path}: {error.strerror}; choose another place"
            ) from error
        finally:
            temporary.unlink(missing_ok=True)
