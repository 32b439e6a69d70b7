"""Checkpoints: everything that a training run needs to go on as if it had not stopped."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import OutputError, TrainingError

_KIND = "s2-superres training checkpoint"
_FORMAT = 1

Arrays = Mapping[str, NDArray[Any]]


@dataclass
class State:
    """Where a run is, beside its arrays.

    Attributes
    ----------
    step : int
        Steps done.
    best : float or None
        Lowest validation error so far, in DN.
    scores : dict
        Validation error per scene where it was lowest.
    best_step : int
    factor : float
        Of the plateau schedule on the learning rate.
    waited : int
        Validations since the last one that brought something new, or since the rate fell.
    loss_sum, loss_count : float, int
        Losses since the last row of the log.
    seconds : float
        Time trained, over all runs.
    history : list of dict
        Rows of the log.
    """

    step: int = 0
    best: float | None = None
    scores: dict[str, float] = field(default_factory=dict)
    best_step: int = 0
    factor: float = 1.0
    waited: int = 0
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)


def save_checkpoint(path: Path, spec: Mapping[str, Any], state: State, arrays: Arrays) -> None:
    """Write a checkpoint, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written; the one before is kept.
    """
    text = json.dumps({"kind": _KIND, "format": _FORMAT, "spec": spec, "state": asdict(state)})
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with partial.open("wb") as file:
            np.savez(file, metadata=np.array(text), **arrays)  # type: ignore[arg-type]
        partial.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path}: cannot write the checkpoint ({error.strerror or error}); the one before is "
            "kept, so free some space and go on with --resume"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def load_checkpoint(path: Path, spec: Mapping[str, Any]) -> tuple[State, dict[str, NDArray[Any]]]:
    """Read a checkpoint of a network.

    Raises
    ------
    TrainingError
        If there is none, it is damaged, or another network's.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            metadata = json.loads(str(file["metadata"]))
            if metadata["kind"] != _KIND:
                raise ValueError("of another kind")
            arrays = {name: file[name] for name in file.files if name != "metadata"}
        version, found = metadata["format"], metadata["spec"]
        state = State(**metadata["state"]) if version <= _FORMAT else State()
    except FileNotFoundError:
        raise TrainingError(
            f"{path}: no such checkpoint; leave --resume out to start from the beginning"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise TrainingError(
            f"{path}: not a training checkpoint, or damaged ({error}); start again with "
            "--overwrite, from best.npz or last.npz with --init if they are good"
        ) from None
    if version > _FORMAT:
        raise TrainingError(f"{path}: written by a newer version; update s2-superres")
    if found != dict(spec):
        raise TrainingError(
            f"{path}: is of another network ({_text(found)}, not {_text(spec)}); give the "
            "settings it was started with, or another --out"
        )
    return state, arrays


def _text(spec: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in spec.items())
