"""The signals that ask a process to stop, and how it does: everything half written is removed."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn


class Stopped(SystemExit):
    """Raised by a signal, so that everything half written is removed on the way out.

    It ends the process with what shells expect: 130 for Ctrl-C, 143 for SIGTERM, 129 for a closed
    terminal. Libraries may drop it, by a bare ``except:`` while they are imported or in a
    destructor; then it comes again, unless it was `heard`.
    """

    def __init__(self, number: int) -> None:
        super().__init__(128 + number)
        self.number = number
        self.heard = False

    def __del__(self) -> None:
        if not self.heard:
            again = threading.Timer(0.1, signal.raise_signal, [self.number])
            again.daemon = True
            again.start()


def stop_signals() -> list[signal.Signals]:
    """Return Ctrl-C, the wish to end, and a closed terminal unless `nohup` has it ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    # Windows has none.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers


def obey(numbers: list[signal.Signals]) -> None:
    """Let each of these signals raise `Stopped` in the main thread."""
    for number in numbers:
        signal.signal(number, _stop)
    sys.unraisablehook = _unraisable


def stop_behind(error: BaseException | None) -> Stopped | None:
    """Return the signal that an error comes of: some code turns whatever is raised into its own."""
    while error is not None and not isinstance(error, Stopped):
        error = error.__cause__ or error.__context__
    return error


@contextmanager
def stop_asked() -> Iterator[Callable[[], str]]:
    """Note a signal to stop for the end of the step; a second one acts at once."""
    asked: list[str] = []
    if threading.current_thread() is not threading.main_thread():
        yield lambda: ""
        return
    before = {number: signal.getsignal(number) for number in stop_signals()}

    def note(number: int, frame: FrameType | None) -> None:
        asked.append(signal.Signals(number).name)
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield lambda: asked[0] if asked else ""
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise Stopped(number)


def _unraisable(ignored: sys.UnraisableHookArgs) -> None:
    """Say what a destructor raised, unless it is a signal, which comes again."""
    if not isinstance(ignored.exc_value, Stopped):
        sys.__unraisablehook__(ignored)
