"""Progress is a bar on terminals, a line now and then in logs, and nothing when that is asked."""

from __future__ import annotations

import io
import time

import pytest

from s2_superres.cli.progress import (
    Display,
    RowProgress,
    StepProgress,
    WindowProgress,
    describe,
    duration,
)


class Terminal(io.StringIO):
    """Standard error as people see it."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("TERM", "xterm")
    return Terminal()


def test_a_terminal_sees_a_bar_that_clears_up(terminal: Terminal) -> None:
    with Display(stream=terminal) as display:
        progress = WindowProgress(display, 2, 200, "T33UUB")
        progress(2, 200)
    assert "100%" in terminal.getvalue()
    assert "T33UUB  window 2/2" in terminal.getvalue()
    assert terminal.getvalue().rstrip().endswith("\x1b[2K"), "the last line is erased"


def test_what_is_not_measured_has_no_share(terminal: Terminal) -> None:
    with Display(stream=terminal, measured=False) as display:
        display("scene, 20 m, compact [best]")
    assert "scene, 20 m, compact [best]" in terminal.getvalue()
    assert "%" not in terminal.getvalue()


def test_lines_stay_beside_the_bar(terminal: Terminal) -> None:
    with Display(stream=terminal) as display:
        display.line("a warning, whatever [it] says " + 20 * "word ")
    assert "a warning, whatever [it] says word" in terminal.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_quiet_shows_nothing(stream: type[io.StringIO]) -> None:
    file = stream()
    with Display(stream=file, quiet=True, every=0) as display:
        WindowProgress(display, 2, 200)(1, 100)
        display.line("a warning")
    assert file.getvalue() == ""


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first after a while, so that a short run leaves none; then one each time."""
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = io.StringIO()
    with Display(stream=log, every=60) as display:
        progress = WindowProgress(display, 100, 100)
        for windows in range(100):
            now[0] = 2.0 * windows
            progress(windows, windows)
    assert [line[:4] for line in log.getvalue().splitlines()] == [" 30%", " 60%", " 90%"]
    assert "window 30/100  0.00 Mpixel/s  2 min 20 s left" in log.getvalue()


def test_a_dumb_terminal_is_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    terminal = Terminal()
    with Display(stream=terminal, every=0) as display:
        RowProgress(display)(5, 20)
    assert terminal.getvalue() == " 25%  row 5/20  0 s left\n"


def test_every_validation_of_a_training_leaves_a_line() -> None:
    log = io.StringIO()
    with Display(stream=log, every=StepProgress.EVERY) as display:
        progress = StepProgress(display)
        for step in range(1, 6):
            progress(step, 5, 9.0, 40.0 if step == 3 else None)
    lines = log.getvalue().splitlines()
    assert [line[:26] for line in lines] == [
        "step 3/5  loss 9.00 DN  va",
        "step 5/5  loss 9.00 DN  va",
    ]


def test_windows_tell_rate_and_time_left() -> None:
    """In words that do not jump about."""
    line = describe(5, 20, 25_000_000, 100_000_000, 50.0)
    assert "window 5/20" in line
    assert "0.50 Mpixel/s" in line
    assert "2 min 30 s left" in line
    assert [duration(s) for s in (0.4, 59.6, 3599, 7260)] == [
        "0 s", "1 min 00 s", "59 min 59 s", "2 h 01 min"
    ]  # fmt: skip
