"""Checkpoints: everything that a training run needs to go on as if it had not stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import TrainingError
from s2_superres.files.atomic import whole_file
from s2_superres.files.npz import read_npz

_KIND = "s2-superres training checkpoint"
_FORMAT = 1
#: What to do when a file of a run cannot be written.
AFTER_ROOM = "the last checkpoint is kept, so free some space and go on with --resume"

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
    origin : dict or None
        How the weights that it started from were made; None if an older version wrote this.
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
    origin: dict[str, Any] | None = None


def save_checkpoint(path: Path, spec: Mapping[str, Any], state: State, arrays: Arrays) -> None:
    """Write a checkpoint, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written; the one before is kept.
    """
    text = json.dumps({"kind": _KIND, "format": _FORMAT, "spec": spec, "state": asdict(state)})
    with whole_file(path, AFTER_ROOM) as file:
        np.savez(file, metadata=np.array(text), **arrays)  # type: ignore[arg-type]


def load_checkpoint(path: Path, spec: Mapping[str, Any]) -> tuple[State, dict[str, NDArray[Any]]]:
    """Read a checkpoint of a network.

    Raises
    ------
    TrainingError
        If there is none, it is damaged, or another network's.
    """
    try:
        arrays = read_npz(path)
        metadata = json.loads(str(arrays.pop("metadata")))
        if metadata["kind"] != _KIND:
            raise ValueError("of another kind")
        newer, found = metadata["format"] > _FORMAT, metadata["spec"]
        state = State() if newer else State(**metadata["state"])
    except FileNotFoundError:
        raise TrainingError(
            f"{path}: no such checkpoint; leave --resume out to start from the beginning"
        ) from None
    except OSError as error:
        raise TrainingError(
            f"{path}: cannot be read ({error.strerror or error}); check its permissions"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"{path}: not a training checkpoint, or damaged ({error}); start again with "
            "--overwrite, from best.npz or last.npz with --init if they are good"
        ) from None
    if newer:
        raise TrainingError(f"{path}: written by a newer version; update s2-superres")
    if found != dict(spec):
        raise TrainingError(
            f"{path}: is of another network ({_text(found)}, not {_text(spec)}); give the "
            "settings it was started with, or another --out"
        )
    return state, arrays


def _text(spec: Mapping[str, Any]) -> str:
    return " ".join(f"{name}={value}" for name, value in spec.items())
