"""What a batch would do, and what it would cost on this machine."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from s2_superres.errors import in_one_line
from s2_superres.inference.batch import Batch, is_there
from s2_superres.inference.cost import Estimate, estimate, memory_limit
from s2_superres.inference.ledger import Outcome
from s2_superres.inference.outputs import check_paths, raster_spec, rehearse
from s2_superres.inference.plan import prepare


@dataclass
class Rehearsal:
    """What a batch would do.

    Attributes
    ----------
    to_do, finished : int
        Products.
    windows, nbytes : int
        Of those to do: how many, and the size of their outputs, uncompressed.
    seconds : float
        From one window of each size that there is.
    memory : int
        Of all processes at once, in bytes.
    broken : list of (str, str)
        Source and what is wrong with it.
    """

    to_do: int = 0
    finished: int = 0
    windows: int = 0
    nbytes: int = 0
    seconds: float = 0.0
    memory: int = 0
    broken: list[tuple[str, str]] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values that JSON can hold."""
        return {
            "to_do": self.to_do,
            "finished": self.finished,
            "broken": len(self.broken),
            "windows": self.windows,
            "uncompressed_bytes": self.nbytes,
            "estimated_seconds": round(self.seconds, 1),
            "estimated_memory_bytes": self.memory,
            "available_memory_bytes": memory_limit(),
            "errors": [{"source": label, "message": text} for label, text in self.broken],
        }


def rehearse_batch(batch: Batch) -> Rehearsal:
    """Open every product, time a window of each size, and reckon with the rest."""
    batch.check(make=False)
    told = Rehearsal()
    timed: dict[tuple[object, ...], Estimate] = {}

    def report(outcome: Outcome) -> None:
        told.broken.append((outcome.source, outcome.message))

    # A window is timed with all threads: so many processes share them, and take as long together.
    for task in replace(batch, jobs=1).tasks(report):
        try:
            run = prepare(task.product, task.options)
            if is_there(run, task.output):
                told.finished += 1
                continue
            if batch.folder.is_dir():
                check_paths(run, task.output)
            kind = run.job.sharpener, run.job.outer
            if kind not in timed:
                if batch.folder.is_dir():
                    rehearse(run, task.output)
                timed[kind] = estimate(run)
        except Exception as error:  # Whatever it is, the others are to be told of.
            told.broken.append((task.label, in_one_line(error)))
            continue
        cost = timed[kind]
        told.to_do += 1
        told.windows += len(run.windows)
        told.nbytes += raster_spec(run, task.output).nbytes
        told.seconds += cost.per_window * len(run.windows)
        told.memory = max(told.memory, cost.memory * batch.jobs)
    return told
