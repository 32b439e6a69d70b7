"""The commands ``patches`` and ``train``, as processes: stopped, resumed, repeated, refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from s2_superres.cli.app import app
from s2_superres.errors import TrainingStopped
from s2_superres.networks.weights import load_weights
from s2_superres.training.checkpoints import load_checkpoint
from s2_superres.training.config import TrainingConfig
from s2_superres.training.run import train

#: The command, with steps slow enough to be stopped between them.
SLOW = """
import time
from s2_superres.cli import app as cli
from s2_superres.training.learner import Learner
real = Learner.step
def slow(*args):
    time.sleep(0.15)
    return real(*args)
Learner.step = slow
cli.main()
"""
FULL = """
import resource, signal
from s2_superres.training import checkpoints
from s2_superres.cli import app as cli
real = checkpoints.save_checkpoint
def full(path, spec, state, arrays):
    if state.step > 4:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    real(path, spec, state, arrays)
from s2_superres.training import run as training
training.save_checkpoint = full
cli.main()
"""
COMMAND = "from s2_superres.cli.app import main; main()"


def arguments(program: str, *words: object) -> list[str]:
    return [sys.executable, "-c", program, *map(str, words)]


def run(*words: object, program: str = COMMAND) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments(program, *words), capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Patches of two places, cut by the command."""
    folder = tmp_path_factory.mktemp("crops")
    rng = np.random.default_rng(0)
    for name in ("L2A_hill", "L2A_lake"):
        arrays: dict[str, Any] = {
            "b10": rng.integers(1, 5000, (4, 96, 96), np.uint16),
            "b20": rng.integers(1, 5000, (6, 48, 48), np.uint16),
        }
        np.savez(folder / f"{name}.npz", **arrays)
    out = folder / "patches"
    done = run("patches", folder, "--out", out, "--size", 12, "--count", 8, "--validation", "lake")
    assert done.returncode == 0, done.stderr
    assert done.stdout == (
        "train: 8 patches, 1 scenes, 1 places\nvalidation: 8 patches, 1 scenes, 1 places\n"
    )
    return out


SETTINGS = {
    "network": "dsen2",
    "features": 8,
    "blocks": 1,
    "steps": 24,
    "batch": 2,
    "validate_every": 4,
    "precision": "float32",
}


def options(**changes: object) -> list[str]:
    return [f"--set={name}={value}" for name, value in {**SETTINGS, **changes}.items()]


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_killed_and_stopped_and_resumed_is_unbroken(data: Path, tmp_path: Path) -> None:
    """A run that kill -9 ended, then SIGTERM, then was resumed, ends with the same bits."""
    folder = tmp_path / "run"
    checkpoint = folder / "checkpoint.npz"
    train(TrainingConfig().change({**SETTINGS, "data": [str(data)]}), tmp_path / "whole")

    command = arguments(SLOW, "train", "--data", data, "--out", folder, *options())
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    wait_for(checkpoint.exists, process)
    process.kill()
    process.communicate()
    first = checkpoint.stat().st_mtime_ns

    # The settings are those of the run's own config.json.
    process = subprocess.Popen(
        arguments(SLOW, "train", "--out", folder, "--resume"),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: checkpoint.stat().st_mtime_ns != first, process)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 143
    assert "stopped by SIGTERM after step" in said and "Traceback" not in said
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]

    done = CliRunner().invoke(app, ["train", "--out", str(folder), "--resume"])
    assert done.exit_code == 0, done.output
    for name in ("best.npz", "last.npz"):
        whole, resumed = load_weights(tmp_path / "whole" / name), load_weights(folder / name)
        for key, array in whole.arrays.items():
            np.testing.assert_array_equal(resumed.arrays[key], array, err_msg=f"{name} {key}")
    logs = [(each / "log.csv").read_text().splitlines() for each in (tmp_path / "whole", folder)]
    without_seconds = [[line.split(",")[:1] + line.split(",")[2:] for line in log] for log in logs]
    assert without_seconds[0] == without_seconds[1]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="signals of POSIX")
@pytest.mark.parametrize("ignored", [False, True])
def test_a_closed_terminal_stops_a_run_after_a_checkpoint(
    data: Path, tmp_path: Path, ignored: bool
) -> None:
    """But not one that was started with nohup, which has the signal ignored."""
    folder = tmp_path / "run"
    # Either way it is set here: the tests may run under nohup themselves.
    program = (
        f"import signal; signal.signal(signal.SIGHUP, signal.SIG_{'IGN' if ignored else 'DFL'})\n"
    )
    process = subprocess.Popen(
        arguments(program + SLOW, "train", "--data", data, "--out", folder, *options()),
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for((folder / "log.csv").exists, process)
    process.send_signal(signal.SIGHUP)
    _, said = process.communicate(timeout=120)
    assert process.returncode == (0 if ignored else 129)
    spec = load_weights(folder / "last.npz").spec.to_dict()
    state, _ = load_checkpoint(folder / "checkpoint.npz", spec)
    assert state.step == 24 if ignored else 4 <= state.step < 24
    assert ignored or f"stopped by SIGHUP after step {state.step} of 24" in said


@pytest.mark.parametrize(
    ("given", "steps", "epochs"),
    [
        (["--steps", "7"], 7, None),
        (["--set", "steps=7"], 7, None),
        (["--epochs", "3"], 20000, 3.0),
        (["--steps", "7", "--set", "epochs=null"], 7, None),
        (["--batch", "8"], 20000, 2.0),
    ],
)
def test_steps_and_epochs_replace_each_other(
    given: list[str], steps: int, epochs: float | None, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Whichever of them comes last, in a file or as an option."""
    from s2_superres.training import run as training

    (tmp_path / "epochs.toml").write_text("epochs = 2\n")
    chosen: list[TrainingConfig] = []

    def stop(config: TrainingConfig, *_: object, **__: object) -> None:
        chosen.append(config)
        raise TrainingStopped("seen")

    monkeypatch.setattr(training, "train", stop)
    words = ["train", "--out", str(tmp_path / "run"), "--config", str(tmp_path / "epochs.toml")]
    assert CliRunner().invoke(app, [*words, *given]).exit_code == 130
    assert (chosen[0].steps, chosen[0].epochs) == (steps, epochs)


@pytest.mark.parametrize(
    "words",
    [
        ["train", "--out", "run", "--resume", "--overwrite"],
        ["train", "--out", "run", "--steps", "5", "--epochs", "2"],
        ["train", "--out", "run", "--steps", "5", "--set", "epochs=2"],
        ["patches", "x.npz", "--out", "p", "--size", "0"],
        ["patches", "x.npz", "--out", "p", "--count", "0"],
    ],
)
def test_wrong_usage_exits_with_2(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and list(tmp_path.iterdir()) == []


def wait_for(condition: Any, process: subprocess.Popen[Any]) -> None:
    end = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, "the run ended before it could be stopped"
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="limits of POSIX")
def test_a_full_disk_keeps_the_last_checkpoint(data: Path, tmp_path: Path) -> None:
    """One line, exit 1, nothing half written, and a checkpoint that can be resumed."""
    folder = tmp_path / "run"
    done = run("train", "--data", data, "--out", folder, "-q", *options(), program=FULL)
    assert done.returncode == 1
    assert "checkpoint.npz: cannot be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]
    resumed = CliRunner().invoke(
        app, ["train", "--out", str(folder), "--resume", "-q", "--steps", "8"]
    )
    assert resumed.exit_code == 0, resumed.output


def test_the_config_beside_the_weights_repeats_them(data: Path, tmp_path: Path) -> None:
    """Without any other option; what the command prints are the errors and the file."""
    done = [
        run("train", "--data", data, "--out", tmp_path / "one", *options(steps=4)),
        run("train", "--config", tmp_path / "one" / "config.json", "--out", tmp_path / "two"),
    ]
    for each in done:
        assert each.returncode == 0, each.stderr
        assert "best.npz  step 4, validation RMSE" in each.stdout
        assert "step 4/4" in each.stderr
    one, two = (load_weights(tmp_path / name / "best.npz") for name in ("one", "two"))
    for key, array in one.arrays.items():
        np.testing.assert_array_equal(two.arrays[key], array)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["train", "--out", "run"], "no patches to train on: name their folder with --data"),
        (["train", "--out", "run", "--data", "none"], "none/manifest.json: no such file"),
        (["train", "--out", "run", "--config", "none.toml"], "none.toml: cannot be read"),
        (["train", "--out", "run", "--resume"], "run/config.json: cannot be read (No such file"),
        (["train", "--out", "run", "--set", "speed=9"], "unknown setting 'speed'"),
        (["train", "--out", "run", "--network", "u-net"], "choose one of compact, dsen2, vdsen2"),
        (["patches", "none.npz", "--out", "p"], "none.npz: cannot be read (No such file"),
        (["patches", "none.SAFE", "--out", "p"], "none.SAFE: cannot be read (No such file"),
        (["patches", "x", "--out", "p", "--size", "7"], "patches of 7 pixels"),
        (["patches", "x", "--out", "p", "--resolution", "10"], "give 20 or 60"),
    ],
)
def test_mistakes_are_one_line(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Exit 1, no traceback, nothing made."""
    from s2_superres.cli import app as cli

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["s2-superres", *words])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    errors = capsys.readouterr().err
    assert stopped.value.code == 1
    assert errors.startswith("error: ") and errors.count("\n") == 1
    assert said in errors
    assert list(tmp_path.iterdir()) == []
