"""A hidden folder beside an output, for what is not yet the output.

It goes away however the work ends, but for a process that is killed outright. The
next run that writes the same output removes such a folder: a lock on a file in it,
which ends with the process, tells whether anybody still works there. While somebody
does, nobody else starts on that output.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO

from s2_superres.errors import BusyError
from s2_superres.files.locks import lock

#: The locked file. It gets this name once it is locked, so it is never seen unlocked early.
_LOCK = "in-use"
_NEW_LOCK = "in-use.new"


class ScratchFolder:
    """A hidden folder beside `output`, held until `remove`.

    Attributes
    ----------
    path : Path

    Raises
    ------
    BusyError
        If another run holds one for the same output.
    """

    def __init__(self, output: Path) -> None:
        prefix = f".{output.name[:80]}-"
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent))
        self._lock = _hold(self.path)
        # Looked for after our own lock is there: of two that start at once, one goes on.
        if self._lock is not None and _others(output.parent, prefix, self.path):
            self.remove()
            raise BusyError(
                f"{output}: another run is writing it; wait for it, or choose another name"
            )

    def remove(self) -> None:
        """Remove it with all that is in it."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None
        # A thread of GDAL that was left behind may add a file while the folder is being emptied.
        for _ in range(3):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                break


def _hold(folder: Path) -> IO[bytes] | None:
    """Lock a file in the folder; None where the system or the disk has no such locks."""
    try:
        new = folder / _NEW_LOCK
        file = new.open("wb")
        if not lock(file.fileno()):
            file.close()
            return None
        new.rename(folder / _LOCK)
    except OSError:
        return None
    return file


def _others(parent: Path, prefix: str, own: Path) -> bool:
    """Tell of older folders in use; remove those of processes that are no more."""
    with suppress(OSError):
        for entry in os.scandir(parent):
            folder = Path(entry.path)
            alike = entry.name.startswith(prefix) and len(entry.name) == len(own.name)
            if not alike or folder == own or not entry.is_dir(follow_symlinks=False):
                continue
            with suppress(OSError), (folder / _LOCK).open("r+b") as file:
                if lock(file.fileno()):
                    shutil.rmtree(folder, ignore_errors=True)
                elif _age(folder) < _age(own):
                    return True
    return False


def _age(folder: Path) -> tuple[int, str]:
    """Return when a folder's lock was taken; the name, where clocks are coarse."""
    return (folder / _LOCK).stat().st_mtime_ns, folder.name
