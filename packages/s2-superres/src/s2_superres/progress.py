"""A progress bar on standard error: share, rate, time left."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Self, TextIO

_WIDTH = 28
_INTERVAL = 0.2


class ProgressBar:
    """Shows how far a run is; nothing where standard error is no terminal.

    Parameters
    ----------
    windows, pixels : int
        What there is to do.
    quiet : bool
        Show nothing.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(
        self, windows: int, pixels: int, *, quiet: bool = False, stream: TextIO | None = None
    ) -> None:
        self.stream = stream or sys.stderr
        self.windows, self.pixels = windows, pixels
        self.shown = not quiet and self.stream.isatty()
        self.start = self.last = time.monotonic()
        self.width = 0

    def __enter__(self) -> Self:
        self._draw("reading")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._draw("")
        if self.shown:
            self.stream.write("\r")
            self.stream.flush()

    def __call__(self, windows: int, pixels: int) -> None:
        """Say that so many windows and pixels are done."""
        now = time.monotonic()
        if windows < self.windows and now - self.last < _INTERVAL:
            return
        self.last = now
        self._draw(describe(windows, self.windows, pixels, self.pixels, now - self.start))

    def _draw(self, text: str) -> None:
        if self.shown:
            self.stream.write("\r" + text.ljust(self.width))
            self.stream.flush()
            self.width = len(text)


class StatusLine:
    """Shows what is being done, in one line; nothing where standard error is no terminal."""

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.shown = not quiet and self.stream.isatty()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self("")

    def __call__(self, text: str) -> None:
        """Replace the line."""
        if self.shown:
            # Back to the margin, and erase what the last text left.
            self.stream.write(f"\r{text}\x1b[K")
            self.stream.flush()


def describe(windows: int, all_windows: int, pixels: int, all_pixels: int, seconds: float) -> str:
    """Return one line: bar, share, windows, rate and time left."""
    share = pixels / all_pixels
    full = round(share * _WIDTH)
    rate = pixels / seconds if seconds > 0 else 0.0
    if windows == all_windows:
        left = "writing the file"
    else:
        left = f"{duration((all_pixels - pixels) / rate)} left" if rate else ""
    return (
        f"[{'#' * full}{'.' * (_WIDTH - full)}] {share:4.0%}  window {windows}/{all_windows}  "
        f"{rate / 1e6:.2f} Mpixel/s  {left}"
    )


def duration(seconds: float) -> str:
    """Return ``42 s``, ``3 min 05 s`` or ``1 h 12 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
