"""The folder of a run: what lies in it, and what is kept of a run before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from s2_superres.errors import OutputError
from s2_superres.files.atomic import write_text
from s2_superres.files.locks import sole_run
from s2_superres.training.config import CONFIG, TrainingConfig, read_config
from s2_superres.training.log import CURVE, LOG, board_files

CHECKPOINT, BEST, LAST = "checkpoint.npz", "best.npz", "last.npz"


def keep_what_is_there(folder: Path, *, overwrite: bool) -> None:
    """Check that nothing of a run is there, or nothing but a run."""
    if overwrite:
        # Many programs have a config.json; of ours every key is a setting's.
        if (folder / CONFIG).exists():
            known = set(TrainingConfig().to_dict())
            if not set(read_config(folder / CONFIG)) & known:
                raise OutputError(f"{folder / CONFIG}: is of no training run; take another folder")
        return
    with complaints(folder):
        there = [name for name in (CHECKPOINT, BEST, LAST, CONFIG, LOG, CURVE)
                 if (folder / name).exists()]  # fmt: skip
    if there:
        resume = "go on with --resume, " if CHECKPOINT in there else ""
        raise OutputError(
            f"{folder}: holds {', '.join(there)} already; {resume}start again with --overwrite, or "
            "take another folder"
        )


@contextmanager
def started(folder: Path, config: TrainingConfig, *, keep: bool) -> Iterator[None]:
    """Make the folder a run's own; weights of a run before stay until there are others."""
    with complaints(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_run(folder):
        if not keep:
            with complaints(folder):
                for old in (
                    folder / CHECKPOINT,
                    folder / LOG,
                    folder / CURVE,
                    *board_files(folder),
                ):
                    old.unlink(missing_ok=True)
        text = json.dumps(config.to_dict(), indent=1) + "\n"
        write_text(folder / CONFIG, text, "take another folder")
        yield


@contextmanager
def complaints(folder: Path) -> Iterator[None]:
    """Say of what cannot be written which folder it is, and what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}); take another folder"
        ) from None
