"""A line of JSON for each pair that failed, written as it fails."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Self

from image_similarity_measures.errors import OutputError
from image_similarity_measures.files import writable

from .report import Failure


class Ledger:
    """A file of JSON lines with the keys ``image1``, ``image2`` and ``error``.

    Parameters
    ----------
    path : Path
        The file; it stays empty where nothing fails.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    OutputError
        The file exists, or cannot be written.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        target = writable(path, overwrite)
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = target.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise self._error(error) from error

    def write(self, failure: Failure) -> None:
        """Add a line, which is there even if the next pair takes the process with it."""
        try:
            self._file.write(json.dumps(asdict(failure)) + "\n")
            self._file.flush()
        except OSError as error:
            raise self._error(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def _error(self, error: OSError) -> OutputError:
        return OutputError(f"cannot write {self.path}: {error.strerror}; choose another place")
