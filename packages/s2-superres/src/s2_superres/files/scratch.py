"""A hidden folder beside an output, for what is not yet the output.

It goes away however the work ends, but for a process that is killed outright. The
next run that writes the same output removes such a folder: a lock on a file in it,
which ends with the process, tells whether anybody still works there. While somebody
does, nobody else starts on that output.

A folder with a key is there to be found again: whoever comes with the same key goes on
in it, and the others' are only removed when the output is there.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, NoReturn

from s2_superres.errors import BusyError
from s2_superres.files.locks import lock

#: The locked file. It gets this name once it is locked, so it is never seen unlocked early.
_LOCK = "in-use"
_NEW_LOCK = "in-use.new"
#: As many characters `tempfile` makes up for a name.
_RANDOM = 8


class ScratchFolder:
    """A hidden folder beside `output`, held until `remove` or `release`.

    Parameters
    ----------
    output : Path
    key : str, optional
        Of what is made there, to be found by it again.

    Attributes
    ----------
    path : Path

    Raises
    ------
    BusyError
        If another run holds one for the same output.
    """

    def __init__(self, output: Path, key: str | None = None) -> None:
        self._output, self._prefix = output, f".{output.name[:80]}-"
        new = True
        if key is None:
            self.path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=output.parent))
        else:
            self.path = output.parent / f"{self._prefix}{key[:_RANDOM]}"
            new = not self.path.exists()
            self.path.mkdir(exist_ok=True)
        self._lock = self._hold()
        # Looked for after our own lock is there: of two that start at once, one goes on.
        if self._lock is not None and self._others(remove=key is None):
            if new:
                self.remove()
            self.release()
            self._refuse()

    def release(self) -> None:
        """Leave it to whoever comes with the same key."""
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Remove it with all that is in it."""
        # A thread that was left behind may add a file while the folder is being emptied.
        for _ in range(3):
            shutil.rmtree(self.path, ignore_errors=True)
            if not self.path.exists():
                break
        self.release()

    def remove_others(self) -> None:
        """Remove the folders of other runs for the same output that are no more."""
        self._others(remove=True)

    def _refuse(self) -> NoReturn:
        raise BusyError(
            f"{self._output}: another run is writing it; wait for it, or choose another name"
        )

    def _hold(self) -> IO[bytes] | None:
        """Lock a file in the folder; None where the system or the disk has no such locks."""
        held, new = self.path / _LOCK, self.path / _NEW_LOCK
        try:
            file = held.open("r+b") if held.exists() else new.open("wb")
            locked = lock(file.fileno())
            if not locked:
                file.close()
                if locked is None:
                    return None
                self._refuse()
            if not held.exists():
                new.rename(held)
            os.utime(held)
        except OSError:
            return None
        return file

    def _others(self, *, remove: bool) -> bool:
        """Tell of older folders in use; remove those of processes that are no more, if asked to."""
        with suppress(OSError):
            for entry in os.scandir(self.path.parent):
                folder = Path(entry.path)
                named = entry.name.startswith(self._prefix)
                alike = named and len(entry.name) == len(self.path.name)
                if not alike or folder == self.path or not entry.is_dir(follow_symlinks=False):
                    continue
                with suppress(OSError), (folder / _LOCK).open("r+b") as file:
                    if not lock(file.fileno()):
                        if _age(folder) < _age(self.path):
                            return True
                    elif remove:
                        shutil.rmtree(folder, ignore_errors=True)
        return False


def _age(folder: Path) -> tuple[int, str]:
    """Return when a folder's lock was taken; the name, where clocks are coarse."""
    return (folder / _LOCK).stat().st_mtime_ns, folder.name
