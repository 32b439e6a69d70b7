"""Work shared out to processes of their own, where one that dies costs only what it was doing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

from s2_superres.errors import WorkerError
from s2_superres.interrupts import Stopped, obey

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Called by the work with the share of it that is done.
Share = Callable[[float], None]
#: Seconds until a process that was asked to stop is asked again, and how often before it is ended.
_PATIENCE, _REQUESTS = 5.0, 4


@dataclass(frozen=True)
class Died:
    """In the place of a result: the process died before it had one.

    Attributes
    ----------
    how : str
        In words, such as ``killed by SIGKILL``.
    """

    how: str


@dataclass(frozen=True)
class Event(Generic[Task, Result]):
    """What came of a task.

    Attributes
    ----------
    task : Task
    result : Result, Died or None
        None while the work goes on.
    share : float
        How much of it is done, 0 to 1.
    """

    task: Task
    result: Result | Died | None = None
    share: float = 1.0


def run_in_processes(
    work: Callable[[Task, Share], Result], tasks: Iterator[Task], jobs: int
) -> Iterator[Event[Task, Result]]:
    """Yield what comes of tasks, in the order in which they end.

    Parameters
    ----------
    work : callable
        ``(task, share) -> result``, a function of a module; it raises nothing.
    tasks : iterator
        A task is taken when a process is free for it. Tasks and results can be pickled.
    jobs : int
        Processes; each is started when there is a task for it.

    Raises
    ------
    WorkerError
        If the processes cannot begin.
    """
    workers: list[_Worker[Task, Result]] = []
    left, begun = True, False
    try:
        while left or workers:
            idle = [worker for worker in workers if worker.task is None]
            while left and (idle or len(workers) < jobs):
                try:
                    task = next(tasks)
                except StopIteration:
                    left = False
                    break
                worker = idle.pop() if idle else _Worker[Task, Result](work)
                if worker not in workers:
                    workers.append(worker)
                worker.give(task)
            for worker in [worker for worker in workers if worker.task is None]:
                worker.leave()
                workers.remove(worker)
            for worker in _ready(workers):
                event = worker.take()
                if isinstance(event.result, Died):
                    workers.remove(worker)
                    if not begun:
                        raise WorkerError(
                            f"the worker processes do not begin ({event.result.how}); in a "
                            "script, call it below `if __name__ == '__main__':`"
                        )
                begun = True
                yield event
    finally:
        _stop_all(workers)


def _ready(workers: list[_Worker[Task, Result]]) -> list[_Worker[Task, Result]]:
    found = set(map(id, wait([worker.pipe for worker in workers]))) if workers else set()
    return [worker for worker in workers if id(worker.pipe) in found]


@dataclass(eq=False)
class _Worker(Generic[Task, Result]):
    """A process and the pipe to it."""

    work: Callable[[Task, Share], Result]
    task: Task | None = None
    pipe: Connection[Any, Any] = field(init=False)
    process: Any = field(init=False)

    def __post_init__(self) -> None:
        # A fork would copy TensorFlow's locks without the threads that release them.
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(self.work, theirs), daemon=True)
        self.process.start()
        # So that the pipe ends when the process does.
        theirs.close()

    def give(self, task: Task) -> None:
        self.task = task
        with suppress(OSError):  # It died; the end of the pipe tells.
            self.pipe.send(task)

    def take(self) -> Event[Task, Result]:
        task = self.task
        assert task is not None
        try:
            kind, value = self.pipe.recv()
        except (EOFError, OSError):
            self.process.join()
            return Event(task, Died(_how(self.process.exitcode)))
        if kind == "share":
            return Event(task, None, value)
        self.task = None
        return Event(task, value)

    def leave(self) -> None:
        """Let it end by itself."""
        with suppress(OSError):
            self.pipe.send(None)
        self.process.join(_PATIENCE)


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"ended with {code}"


def _stop_all(workers: list[_Worker[Any, Any]]) -> None:
    """Ask all to stop, which remove what they have begun; end those that do not."""
    for _ in range(_REQUESTS):
        alive = [worker.process for worker in workers if worker.process.is_alive()]
        for process in alive:
            process.terminate()
        until = time.monotonic() + _PATIENCE
        for process in alive:
            process.join(max(0.0, until - time.monotonic()))
    for worker in workers:
        if worker.process.is_alive():
            worker.process.kill()
            worker.process.join()
        worker.pipe.close()


def _serve(work: Callable[[Any, Share], Any], pipe: Connection[Any, Any]) -> None:
    """Work in a process of its own until there is nothing more, or it is asked to stop."""
    # Ctrl-C goes to all processes of a terminal; the one that waits for this one passes it on.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    obey([signal.SIGTERM])
    # Several processes on one GPU: each takes what it needs, and not all there is.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    try:
        pipe.send(("share", 0.0))
        while (task := pipe.recv()) is not None:
            pipe.send(("result", work(task, lambda share: pipe.send(("share", share)))))
    except Stopped as stopped:
        stopped.heard = True
    except (EOFError, BrokenPipeError):
        return
