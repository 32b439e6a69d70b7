"""Stopped by Ctrl-C or SIGTERM: one line, what shells expect, and nothing half done left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

#: The command, which waits in the middle of its work to be stopped.
SLOW = """
import importlib, signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
module = importlib.import_module(sys.argv.pop(1))
name = sys.argv.pop(1)
calls = int(sys.argv.pop(1))
real = getattr(module, name)
def slow(*args, **options):
    global calls
    calls -= 1
    if not calls:
        print("working", flush=True)
        time.sleep(60)
    return real(*args, **options)
setattr(module, name, slow)
from s2_superres.cli import main
main()
"""


def stop(number: signal.Signals, at: tuple[str, str, int], *arguments: object) -> str:
    """Run the command until it is at a call of a function, stop it, and return what it says."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, *map(str, (*at, *arguments))],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "working\n", process.communicate()
    process.send_signal(number)
    told, errors = process.communicate(timeout=60)
    assert (process.returncode, told) == (128 + number, "")
    assert errors.startswith(f"error: stopped by {number.name}; ") and errors.count("\n") == 1
    return errors


both = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
posix = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")


@posix
@both
def test_info_among_its_checksums(l1c: Path, number: signal.Signals) -> None:
    stop(number, ("hashlib", "new", 2), "info", l1c, "--verify")


@posix
@both
def test_patches_in_the_second_scene(tmp_path: Path, number: signal.Signals) -> None:
    """The first is whole and stays for the same command to go on from."""
    rng = np.random.default_rng(0)
    for name in "ab":
        sizes = ((10, 4, 96), (20, 6, 48), (60, 2, 16))
        np.savez(
            tmp_path / f"L2A_{name}.npz",
            **{f"b{r}": rng.integers(500, 3000, (n, s, s), np.uint16) for r, n, s in sizes},  # type: ignore[arg-type]
        )
    out = tmp_path / "out"
    at = ("s2_superres.patches.cutting", "cut_scene", 2)
    words = ["patches", tmp_path / "L2A_a.npz", tmp_path / "L2A_b.npz", "--out", out, "--size", "8"]
    assert "run the same command again" in stop(number, at, *words)
    (kept,) = out.iterdir()
    done = subprocess.run(
        [sys.executable, "-c", "from s2_superres.cli import main; main()", *map(str, words), "-q"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert len(list(out.iterdir())) == 3 and kept.exists()


@posix
@both
def test_calibrate(tiny: dict[int, str], tmp_path: Path, number: signal.Signals) -> None:
    out = tmp_path / "out.npz"
    at = ("s2_superres.training.calibration", "calibrate", 1)
    stop(number, at, "calibrate", tiny[20], "--data", tmp_path, "--out", out)
    assert list(tmp_path.iterdir()) == []
