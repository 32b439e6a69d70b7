"""How far the work is, on a terminal."""

from __future__ import annotations

import sys
import time
from typing import Any

_WAIT = 1.0  # seconds of work that nobody needs to see
_INTERVAL = 0.1


class ProgressBar:
    """A bar on stderr once the work has lasted a second.

    Parameters
    ----------
    wanted : bool
        Whether to show anything; never where stderr is no terminal.
    """

    def __init__(self, *, wanted: bool) -> None:
        self._wanted = wanted and sys.stderr is not None and sys.stderr.isatty()
        self._begin = self._last = time.monotonic()
        self._bar: Any = None

    def show(self, text: str, share: float) -> None:
        """Say that a share of the work, 0 to 1, is done."""
        now = time.monotonic()
        if not self._wanted or now - self._begin < _WAIT or now - self._last < _INTERVAL:
            return
        self._last = now
        if self._bar is None:
            self._bar = _bar()
            self._bar.add_task(text, total=1.0)
            self._bar.start()
        self._bar.update(0, description=text, completed=share, refresh=True)

    def clear(self) -> None:
        """Take the bar away, so that something else can be written."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar() -> Any:
    # Imported only where somebody waits anyway.
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()
    # Drawn by whoever works: a thread of its own would keep the interpreter busy.
    return Progress(
        *columns,
        TimeRemainingColumn(),
        console=Console(file=sys.stderr),
        transient=True,
        auto_refresh=False,
    )
