"""Locks that end with the process that holds them, however it ends."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from s2_superres.errors import OutputError


def lock(descriptor: int) -> bool | None:
    """Lock an open file or folder.

    Returns
    -------
    bool or None
        False if somebody else has; None where the system or the disk has no such locks.
    """
    try:
        import fcntl
    except ImportError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def sole_run(folder: Path) -> Iterator[None]:
    """Keep other runs from writing into a folder while the block lasts.

    Raises
    ------
    OutputError
        If one is at work there.
    """
    with ExitStack() as held:
        with suppress(OSError):  # Windows opens no folders
            descriptor = os.open(folder, os.O_RDONLY)
            held.callback(os.close, descriptor)
            if lock(descriptor) is False:
                raise OutputError(
                    f"{folder}: another run is writing there; wait for it, or take another folder"
                )
        yield
