"""What a training run leaves to look at: a table, a curve, TensorBoard's files, progress."""

from __future__ import annotations

import csv
import importlib.util
import io
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from s2_superres.files.atomic import whole_file, write_text
from s2_superres.progress import duration
from s2_superres.training.checkpoints import AFTER_ROOM

LOG, CURVE = "log.csv", "curve.png"
_BOARD = "tensorboard"
_INTERVAL = 0.5


def board_files(folder: Path) -> list[Path]:
    """TensorBoard's files in a run's folder; it shows all that are there as one run."""
    return list((folder / _BOARD).glob("events.out.tfevents.*"))


class TrainingLog:
    """Writes ``log.csv``, ``curve.png`` and TensorBoard's files into a run's folder.

    The curve needs matplotlib and the last TensorBoard; without them these files are not
    written.

    Parameters
    ----------
    folder : path
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from tensorboard.summary import Writer

            self._board = Writer(str(folder / _BOARD))

    def write(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Write the table and the curve anew, and TensorBoard's last point."""
        names = list(dict.fromkeys(name for row in history for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_text(self.folder / LOG, text.getvalue(), AFTER_ROOM)
        row = history[-1]
        if self._board is not None:
            for name, value in row.items():
                if name != "step":
                    self._board.add_scalar(name, value, row["step"])
            self._board.flush()

    def draw(self, history: Sequence[Mapping[str, Any]]) -> None:
        """Draw loss and validation error over the steps, where matplotlib is at hand."""
        if not history or importlib.util.find_spec("matplotlib") is None:
            return
        from matplotlib.figure import Figure
        from matplotlib.ticker import ScalarFormatter

        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        for name, label in (("loss", "training, MAE"), ("validation", "validation, RMSE")):
            points = [(row["step"], row[name]) for row in history if row.get(name) is not None]
            if points:
                axes.plot(*zip(*points, strict=True), marker=".", label=label)
        axes.set(xlabel="step", ylabel="error (DN)", yscale="log")
        # Digital numbers, not powers of ten.
        axes.yaxis.set_major_formatter(ScalarFormatter())
        axes.yaxis.set_minor_formatter(ScalarFormatter())
        axes.grid(visible=True, which="both", alpha=0.3)
        axes.legend()
        with whole_file(self.folder / CURVE, AFTER_ROOM) as file:
            figure.savefig(file, format="png", dpi=120)

    def close(self) -> None:
        """Finish TensorBoard's file."""
        if self._board is not None:
            self._board.close()


class StepProgress:
    """Shows step, rate, error and time left on standard error.

    On a terminal one line that changes, elsewhere one line per validation.

    Parameters
    ----------
    quiet : bool
        Show nothing.
    stream : text stream, optional
        Standard error by default.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self.quiet = quiet
        self.stream = stream or sys.stderr
        self._live = self.stream.isatty()
        self._start: tuple[int, float] | None = None
        self._last = 0.0
        self._score: float | None = None

    def __call__(self, step: int, steps: int, loss: float, score: float | None = None) -> None:
        """Say that a step is done; `score` after a validation."""
        now = time.monotonic()
        if self._start is None:
            # The first step compiles the network, so its time tells nothing.
            self._start = step, now
        if score is not None:
            self._score = score
        if self.quiet or (score is None and (not self._live or now - self._last < _INTERVAL)):
            return
        self._last = now
        line = self.describe(step, steps, loss, now)
        end = "\n" if score is not None or step >= steps else ""
        self.stream.write(("\r" if self._live else "") + line.ljust(78) + end)
        self.stream.flush()

    def describe(self, step: int, steps: int, loss: float, now: float) -> str:
        """Return one line."""
        first, since = self._start or (step, now)
        rate = (step - first) / (now - since) if now > since else 0.0
        parts = [f"step {step}/{steps}", f"loss {loss:.2f} DN"]
        if self._score is not None:
            parts.append(f"validation {self._score:.2f} DN")
        if rate:
            parts += [f"{rate:.2f} steps/s", f"{duration((steps - step) / rate)} left"]
        return "  ".join(parts)


class RowProgress:
    """Shows on a terminal's standard error how far the cutting of patches is.

    Parameters
    ----------
    quiet : bool
        Show nothing, not even warnings.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self._start = self._last = time.monotonic()
        self._live = sys.stderr.isatty() and not quiet

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._show("")

    def __call__(self, done: int, total: int) -> None:
        """Say that so many of the target rows are done."""
        now = time.monotonic()
        if done and now - self._last >= _INTERVAL:
            self._last = now
            left = duration((now - self._start) * (total - done) / done)
            self._show(f"{done / total:4.0%}  row {done}/{total}  {left} left")

    def warn(self, line: str) -> None:
        """Print a line."""
        if not self.quiet:
            self._show("")
            print(line, file=sys.stderr)

    def _show(self, text: str) -> None:
        if self._live:
            print(
                "\r" + text.ljust(60) + ("" if text else "\r"), end="", file=sys.stderr, flush=True
            )
