"""How far a run is, on standard error."""

from __future__ import annotations

import math
import os
import sys
import time
from typing import TYPE_CHECKING, Self, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

#: Seconds between two lines where standard error is no terminal, as in the log of a batch job.
_NOW_AND_THEN = 60.0
_PER_SECOND = 4


class Display:
    """Shows what is being done: on a terminal a bar that goes away, elsewhere a line now and then.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    measured : bool
        Whether it is known how much there is to do; without, nothing is drawn to fill up.
    every : float
        Seconds between lines where there is no terminal.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(
        self,
        *,
        quiet: bool = False,
        measured: bool = True,
        every: float = _NOW_AND_THEN,
        stream: TextIO | None = None,
    ) -> None:
        self.quiet = quiet
        self._stream = stream or sys.stderr
        self._every = every
        self._last = time.monotonic()
        live = not quiet and self._stream.isatty() and os.environ.get("TERM") != "dumb"
        self._bar = _bar(self._stream, measured) if live else None

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *details: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, text: str, share: float | None = None) -> None:
        """Say what is being done, and which share of the whole is."""
        if self._bar is not None:
            (task,) = self._bar.task_ids
            self._bar.update(task, description=text, completed=share or 0.0)
        elif not self.quiet and time.monotonic() - self._last >= self._every:
            self.line(text if share is None else f"{share:4.0%}  {text}")

    def line(self, text: str) -> None:
        """Print a line that stays."""
        if self._bar is not None:
            self._bar.console.print(text, markup=False, highlight=False, soft_wrap=True)
        elif not self.quiet:
            print(text, file=self._stream, flush=True)
            self._last = time.monotonic()


def _bar(stream: TextIO, measured: bool) -> Progress:
    # Here, so that no other command waits for it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn
    from rich.table import Column

    text = TextColumn(
        "{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
    )
    head = (BarColumn(28), TaskProgressColumn()) if measured else (SpinnerColumn(),)
    bar = Progress(
        *(*head, text),
        console=Console(file=stream, force_terminal=True),
        transient=True,
        refresh_per_second=_PER_SECOND,
    )
    bar.add_task("", total=1.0)
    return bar


class WindowProgress:
    """Shows the windows of a prediction.

    Parameters
    ----------
    display : Display
    windows, pixels : int
        What there is to do.
    name : str
        Of the product, where there are several.
    """

    def __init__(self, display: Display, windows: int, pixels: int, name: str = "") -> None:
        self._display, self._windows, self._pixels = display, windows, pixels
        self._name = f"{name}  " if name else ""
        self._start = time.monotonic()
        display(f"{self._name}reading", 0.0)

    def __call__(self, windows: int, pixels: int) -> None:
        """Say that so many windows and pixels are done."""
        seconds = time.monotonic() - self._start
        text = describe(windows, self._windows, pixels, self._pixels, seconds)
        self._display(self._name + text, pixels / self._pixels)


class BatchProgress:
    """Shows the products of a batch."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._start = time.monotonic()
        display("opening", 0.0)

    def __call__(self, ended: int, total: int, name: str, share: float) -> None:
        """Say that so many have come to an end, and which is in work."""
        seconds = time.monotonic() - self._start
        left = f"  {duration(seconds * (1 - share) / share)} left" if share > 0 else ""
        self._display(f"{ended}/{total}  {name}{left}", share)


class RowProgress:
    """Shows the target rows of the cutting of patches."""

    def __init__(self, display: Display) -> None:
        self._display = display
        self._start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        """Say that so many are done."""
        if done:
            left = duration((time.monotonic() - self._start) * (total - done) / done)
            self._display(f"row {done}/{total}  {left} left", done / total)


class StepProgress:
    """Shows the steps of a training run, each validation in a line that stays.

    Between validations only a terminal shows the steps: make the display with `every` infinite.
    """

    EVERY = math.inf

    def __init__(self, display: Display) -> None:
        self._display = display
        self._start: tuple[int, float] | None = None
        self._score: float | None = None

    def __call__(self, step: int, steps: int, loss: float, score: float | None = None) -> None:
        """Say that a step is done; `score` after a validation."""
        now = time.monotonic()
        if self._start is None:
            # The first step compiles the network, so its time tells nothing.
            self._start = step, now
        if score is not None:
            self._score = score
        first, since = self._start
        rate = (step - first) / (now - since) if now > since else 0.0
        parts = [f"step {step}/{steps}", f"loss {loss:.2f} DN"]
        if self._score is not None:
            parts.append(f"validation {self._score:.2f} DN")
        if rate:
            parts += [f"{rate:.2f} steps/s", f"{duration((steps - step) / rate)} left"]
        line = "  ".join(parts)
        self._display(line, step / steps)
        if score is not None or step >= steps:
            self._display.line(line)


def describe(windows: int, all_windows: int, pixels: int, all_pixels: int, seconds: float) -> str:
    """Return windows, rate and time left."""
    rate = pixels / seconds if seconds > 0 else 0.0
    if windows == all_windows:
        left = "writing the file"
    else:
        left = f"{duration((all_pixels - pixels) / rate)} left" if rate else ""
    return f"window {windows}/{all_windows}  {rate / 1e6:.2f} Mpixel/s  {left}"


def duration(seconds: float) -> str:
    """Return ``42 s``, ``3 min 05 s`` or ``1 h 12 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
