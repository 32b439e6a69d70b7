"""What a training run leaves to look at: a table, a curve, TensorBoard's files."""

from __future__ import annotations

import csv
import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s2_superres.files.atomic import whole_file, write_text
from s2_superres.training.checkpoints import AFTER_ROOM

LOG, CURVE = "log.csv", "curve.png"
_BOARD = "tensorboard"


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
