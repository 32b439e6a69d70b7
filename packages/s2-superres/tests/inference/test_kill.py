"""Stopped in the middle, or with no room left: nothing stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

#: The command, with a network so slow that there is time to stop it.
SLOW = """
import sys, time
from s2_superres.inference import blocks
from s2_superres.cli import app as cli
real = blocks.compute
def slow(*args):
    print("computing", flush=True)
    time.sleep(1)
    return real(*args)
blocks.compute = slow
cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_signal_ends_the_run_without_a_trace(
    l1c: Path, tmp_path: Path, number: str, tiny: dict[int, str]
) -> None:
    """One line, the exit code that shells expect, and neither output nor hidden files."""
    arguments = ["predict", l1c, tmp_path / "o.tif", "--weights", tiny[20], "--tile", "108"]
    arguments += ["--precision", "float32", "--bands", "B05"]
    # The tests may run under nohup, which has the hangup ignored.
    heard = f"import signal; signal.signal(signal.{number}, signal.SIG_DFL)\n"
    process = subprocess.Popen(
        [sys.executable, "-c", heard + SLOW, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "computing\n"
    assert list(tmp_path.iterdir()) != []
    time.sleep(0.3)
    process.send_signal(signal.Signals[number])
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.Signals[number]
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def run(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `predict` to its end by way of some code."""
    return subprocess.run(
        [sys.executable, "-c", code, "predict", *map(str, arguments), "--precision", "float32"],
        capture_output=True,
        text=True,
        check=False,
    )


#: The command, with something in the network's place that loses what a signal raises.
LOST = """
import signal, sys, time
from s2_superres.errors import InputError
from s2_superres.inference import blocks
from s2_superres.cli import app as cli
real = blocks.compute
class Signalled:
    def __del__(self):
        signal.raise_signal(signal.SIGTERM)
        time.sleep(0.01)
def in_a_destructor():
    thing = Signalled()
    del thing
def by_a_bare_except():
    try:
        signal.raise_signal(signal.SIGTERM)
    except:
        pass
def as_another_error():
    try:
        signal.raise_signal(signal.SIGTERM)
    except:
        raise InputError("some library cannot be imported") from None
def compute(*args):
    LOSE()
    time.sleep(1)
    return real(*args)
blocks.compute = compute
cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("way", ["in_a_destructor", "by_a_bare_except", "as_another_error"])
def test_a_signal_is_not_lost(l1c: Path, tmp_path: Path, tiny: dict[int, str], way: str) -> None:
    """Python drops what destructors raise, and some libraries whatever an import of theirs does."""
    done = run(
        LOST.replace("LOSE", way), l1c, tmp_path / "o.tif", "--weights", tiny[20], "--bands", "B05"
    )
    assert (done.returncode, done.stderr) == (
        143,
        "error: stopped by SIGTERM; unfinished output was removed\n",
    )
    assert list(tmp_path.iterdir()) == []


FULL = """
import resource
from s2_superres.cli import app as cli
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="limits of POSIX")
def test_no_room_for_the_output_is_one_line(
    l1c: Path, tmp_path: Path, tiny: dict[int, str]
) -> None:
    """A limit on the size of files stands for a full disk."""
    done = run(FULL, l1c, tmp_path / "o.tif", "--weights", tiny[20], "--weights", tiny[60])
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ") and "o.tif: needs a file of up to" in line
    assert list(tmp_path.iterdir()) == []
