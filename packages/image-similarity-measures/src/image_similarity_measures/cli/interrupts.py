"""Signals that ask the command to stop: what was begun is taken away, the exit code says it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Self

Handler = Callable[[int, FrameType | None], object]


class Interrupted(BaseException):
    """A signal asked to stop; it comes again if a library drops it by a bare ``except:``.

    Attributes
    ----------
    code : int
        What the shell expects the command to exit with: 130 for Ctrl-C, 143 for SIGTERM.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.code = 128 + number
        self.heard = False

    def __del__(self) -> None:
        if not self.heard:
            again = threading.Timer(0.1, _repeat, [self.code - 128])
            again.daemon = True
            again.start()


def _repeat(number: int) -> None:
    # What was going on may have come to its end meanwhile.
    if signal.getsignal(number) is _raise:
        signal.raise_signal(number)


def _raise(number: int, frame: FrameType | None) -> None:
    raise Interrupted(number)


def _signals() -> list[signal.Signals]:
    """Ctrl-C, the wish to end, and a closed terminal unless `nohup` has it ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP"):  # Windows has none
        numbers.append(signal.SIGHUP)
    untouched = signal.SIG_DFL, signal.default_int_handler
    return [number for number in numbers if signal.getsignal(number) in untouched]


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let signals that nobody else handles raise `Interrupted`, at once, in the main thread."""
    before: dict[int, object] = {}
    with contextlib.suppress(ValueError):  # not the main thread
        for number in _signals():
            before[number] = signal.signal(number, _raise)
    try:
        yield
    except Interrupted as stopped:
        stopped.heard = True
        raise
    finally:
        for done, handler in before.items():
            signal.signal(done, handler)  # type: ignore[arg-type]


class Hold:
    """Holds the signals of `interruptible` back until `check`.

    An exception in the middle of a lock or of a thread's start would leave either in disorder. A
    second signal works at once.
    """

    def __init__(self) -> None:
        self._held: int | None = None
        self._mine: list[int] = []

    def check(self) -> None:
        """Stop here if a signal has come."""
        if self._held is not None:
            raise Interrupted(self._held)

    def __enter__(self) -> Self:
        with contextlib.suppress(ValueError):  # not the main thread
            for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", None)):
                if number is not None and signal.getsignal(number) is _raise:
                    signal.signal(number, self._note)
                    self._mine.append(number)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()
        if kind is None:
            self.check()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._held = number
        self._release()

    def _release(self) -> None:
        for number in self._mine:
            signal.signal(number, _raise)
        self._mine.clear()
