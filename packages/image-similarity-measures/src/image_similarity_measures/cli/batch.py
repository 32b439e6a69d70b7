"""Pairs scored one after the other, or several at a time in processes of their own."""

from __future__ import annotations

import signal
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from image_similarity_measures.errors import ImageSimilarityError, UsageError

from .interrupts import Hold, Interrupted
from .progress import ProgressBar

if TYPE_CHECKING:
    from concurrent.futures import Future

    from image_similarity_measures.report.report import Failure, Report

ERRORS = ImageSimilarityError, OSError, MemoryError

# Workers look whether they are to stop, and so does who waits for them, this often.
_POLL = 0.1


def explained(error: BaseException) -> str:
    """The error in one line."""
    if isinstance(error, MemoryError):
        return "not enough memory; leave out fsim and issm, or compare fewer bands"
    return " ".join(str(error).split()).rstrip(".")


@dataclass(frozen=True, slots=True)
class Task:
    """Two files to compare, and where their maps go."""

    org: str
    pred: str
    maps: Mapping[str, Path] | None = None


@dataclass(frozen=True, slots=True)
class Scoring:
    """How each pair is compared; crosses to other processes.

    Attributes
    ----------
    options : dict
        Arguments of `compare`, or of `compare_as_0_3`.
    legacy : bool
        Which of the two.
    """

    options: dict[str, Any] = field(default_factory=dict)
    legacy: bool = False

    def score(self, task: Task, progress: Any = None) -> Report:
        """Compare; what would be warned of is in the report's notes."""
        from image_similarity_measures.report import comparison

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if self.legacy:
                return comparison.compare_as_0_3(task.org, task.pred, **self.options)
            return comparison.compare(
                task.org, task.pred, maps=task.maps, progress=progress, **self.options
            )


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a task: a report, or why there is none."""

    task: Task
    result: Report | Failure
    seconds: float


def run_tasks(
    tasks: Sequence[Task], scoring: Scoring, *, jobs: int, bar: ProgressBar, batch: bool
) -> Iterator[Outcome]:
    """Score the tasks, in the order given or, with several jobs, as they come to an end.

    Raises
    ------
    UsageError
        Whatever is wrong is wrong for all of them.
    Interrupted
        By a signal; maps begun are gone.
    ImageSimilarityError, OSError, MemoryError
        Of the only pair, where it is no batch.
    """
    if jobs > 1 and len(tasks) > 1:
        return _by_processes(tasks, scoring, min(jobs, len(tasks)), bar)
    return _one_by_one(tasks, scoring, bar, batch)


def _one_by_one(
    tasks: Sequence[Task], scoring: Scoring, bar: ProgressBar, batch: bool
) -> Iterator[Outcome]:
    for number, task in enumerate(tasks):
        begin = time.perf_counter()
        try:
            result = _here(number, tasks, scoring, bar)
        except ERRORS as error:
            if not batch or isinstance(error, UsageError):
                raise
            result = _failure(task, error)
        finally:
            bar.clear()
        yield Outcome(task, result, time.perf_counter() - begin)


def _here(
    number: int, tasks: Sequence[Task], scoring: Scoring, bar: ProgressBar
) -> Report | Failure:
    if scoring.legacy:
        # One thread, no progress: nothing to hold a signal back for.
        return scoring.score(tasks[number])
    label = f"pair {number + 1} of {len(tasks)}" if len(tasks) > 1 else "comparing"
    with Hold() as hold:

        def progress(done: int, total: int) -> None:
            hold.check()
            bar.show(label, (number + done / total) / len(tasks))

        return scoring.score(tasks[number], progress)


def _failure(task: Task, error: BaseException) -> Failure:
    from image_similarity_measures.report.report import Failure

    return Failure(task.org, task.pred, explained(error))


# In a worker, what tells it to stop.
_stop: Any = None


def _begin_worker(stop: Any) -> None:
    """Whoever waits for the workers is the one that signals stop; it tells them."""
    global _stop
    _stop = stop
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)


def _work(task: Task, scoring: Scoring) -> Outcome:
    def progress(done: int, total: int) -> None:
        if _stop.is_set():
            raise Interrupted(signal.SIGTERM)

    begin = time.perf_counter()
    try:
        result: Report | Failure = scoring.score(task, progress)
    except UsageError:
        raise
    except ERRORS as error:
        result = _failure(task, error)
    return Outcome(task, result, time.perf_counter() - begin)


def _by_processes(
    tasks: Sequence[Task], scoring: Scoring, jobs: int, bar: ProgressBar
) -> Iterator[Outcome]:
    """In new processes, which share no locks or threads with this one."""
    done = 0
    left = list(tasks)
    while left:
        # After a worker died, one at a time: which pair it died of is known then.
        for outcome in _pool(left, scoring, jobs):
            bar.show(f"{done} of {len(tasks)} pairs", done / len(tasks))
            if outcome is None:
                continue
            left.remove(outcome.task)
            done += 1
            bar.clear()
            yield outcome
        if left and jobs == 1:
            task = left.pop(0)
            done += 1
            died = OSError(
                f"the process that compared {task.pred} died, maybe for want of memory; "
                "fewer --jobs need less"
            )
            yield Outcome(task, _failure(task, died), 0.0)
        jobs = 1


def _pool(tasks: Sequence[Task], scoring: Scoring, jobs: int) -> Iterator[Outcome | None]:
    """Outcomes as they come, None while none does; ends early if a worker dies."""
    # Only where they are used: `--help` does not wait for them.
    import multiprocessing
    from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    with Hold() as hold, ProcessPoolExecutor(jobs, context, _begin_worker, (stop,)) as pool:
        try:
            # Few at a time: those of a pool that breaks are lost.
            waiting = list(tasks)[::-1]
            running: set[Future[Outcome]] = set()
            while waiting or running:
                while waiting and len(running) < 2 * jobs:
                    running.add(pool.submit(_work, waiting.pop(), scoring))
                finished, running = wait(running, _POLL, FIRST_COMPLETED)
                hold.check()
                if not finished:
                    yield None
                for future in finished:
                    yield future.result()
        except BrokenProcessPool:
            return
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
