"""A line of JSON for each product of a batch, added as it comes to an end."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

from s2_superres.errors import OutputError
from s2_superres.files.paths import keep_out_of_products

#: Done, found finished or left to another run, or not done.
Status = Literal["done", "skipped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """What came of one product.

    Attributes
    ----------
    source : str
        As it was given.
    product : str
        Its id; empty if it could not be opened.
    output : str
        The file; empty if it is not known.
    status : {"done", "skipped", "failed"}
    message : str
        Why it was skipped, or what is wrong.
    seconds : float
    valid_share : float or None
        Share of pixels that have data in every band that was made; None if none was.
    """

    source: str
    product: str = ""
    output: str = ""
    status: Status = "done"
    message: str = ""
    seconds: float = 0.0
    valid_share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {**asdict(self), "seconds": round(self.seconds, 3)}


class Ledger:
    """A file of JSON lines, to which runs add.

    Parameters
    ----------
    path : Path
        What is in it stays.

    Raises
    ------
    OutputError
        If it is something else, or cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        keep_out_of_products(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+b", buffering=0)
            self._go_on()
        except OSError as error:
            raise self._error(error) from None

    def _go_on(self) -> None:
        """Begin a line of our own after one that was cut off."""
        self._file.seek(0)
        head = self._file.read(1)
        if head and head != b"{":
            self._file.close()
            raise OutputError(f"{self.path}: is there and is no ledger; give another --ledger")
        if head:
            self._file.seek(-1, os.SEEK_END)
            if self._file.read(1) != b"\n":
                self._file.write(b"\n")

    def write(self, outcome: Outcome) -> None:
        """Add a line, in one piece: several runs may add to one file."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        line = json.dumps({"time": now, **outcome.to_dict()})
        try:
            self._file.write(line.encode() + b"\n")
        except OSError as error:
            raise self._error(error) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self._file.close()

    def _error(self, error: OSError) -> OutputError:
        return OutputError(
            f"{self.path}: cannot be written ({error.strerror}); choose another place with --ledger"
        )
