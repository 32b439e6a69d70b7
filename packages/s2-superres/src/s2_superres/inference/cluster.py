"""Windows or whole products on a Dask cluster: one that is there, or processes of this machine."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import platform
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from s2_superres._version import __version__
from s2_superres.errors import InputError, InstallationError, WorkerError
from s2_superres.inference.pool import Died, Event, Share
from s2_superres.products.openers import Source
from s2_superres.products.remote import is_url

if TYPE_CHECKING:
    from distributed import Client

Task = TypeVar("Task")
Result = TypeVar("Result")

#: Seconds until a scheduler that does not answer, or has no worker, is out of reach.
PATIENCE = 10.0
#: Seconds without any worker until a cluster is given up: it may be about to start some.
_DESERTED = 300.0
#: Cores for each process of a cluster that is started here; networks use several well.
_CORES = 4
#: Seconds between two looks whether the work is given up, and for what is begun to be removed.
_LOOK, _CLEANING = 2.0, 30.0


@contextmanager
def connected(address: str, patience: float = PATIENCE) -> Iterator[Client]:
    """Connect to a cluster whose workers are like this process, or start one.

    Parameters
    ----------
    address : str
        Of a scheduler, such as ``tcp://10.0.0.1:8786``; a scheduler's file; or ``local`` or
        ``local:4`` for so many processes of this machine.
    patience : float
        Seconds to wait for an answer, and for a worker.

    Raises
    ------
    InstallationError
        If Dask's scheduler is not installed here.
    InputError
        If the address is none.
    WorkerError
        If no scheduler answers, it has no workers, or one has another version; later, if it has
        lost all workers and got no other for five minutes.
    """
    try:
        import distributed
    except ImportError:
        raise InstallationError(
            "--dask needs distributed; pip install 's2-superres[dask]'"
        ) from None
    kind, _, number = address.partition(":")
    if kind == "local":
        if number and not (number.isdecimal() and int(number)):
            raise InputError(f"--dask {address}: give a number of processes, local:4")
        with (
            _local(int(number or 0)) as cluster,
            distributed.Client(cluster, set_as_default=False) as client,
        ):
            client.register_plugin(_undisturbed())
            with _quiet(), _watched(client), explained(client):
                yield client
        return
    there = {"scheduler_file": address} if Path(address).is_file() else {"address": address}
    try:
        with _quiet():
            # Not the default one: after a failure, whatever Dask computes next would be sent to it.
            client = distributed.Client(**there, timeout=patience, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise WorkerError(
            f"{address}: no Dask scheduler answers ({reason}); check the address, and that it runs"
        ) from None
    with client, _quiet(), _watched(client), explained(client):
        try:
            client.wait_for_workers(1, timeout=patience)
        except TimeoutError:
            raise WorkerError(
                f"{address}: the scheduler has no workers; start some, `dask worker {address}`"
            ) from None
        check_workers(client)
        yield client


@contextmanager
def explained(client: Client) -> Iterator[None]:
    """Say in one line what became of a cluster that does not do its work.

    Raises
    ------
    WorkerError
    """
    from distributed import KilledWorker

    try:
        yield
    except KilledWorker:
        raise WorkerError(
            "every worker that was given one of the windows died, maybe for want of memory; take "
            "a smaller --tile, or workers with more memory"
        ) from None
    except (CancelledError, OSError):
        if client.status == "running" and not isinstance(sys.exception(), CancelledError):
            raise
        raise WorkerError(
            "the Dask scheduler is out of reach since the work began; what is finished stays, so "
            "start it again and run this again"
        ) from None


@contextmanager
def _watched(client: Client) -> Iterator[None]:
    """End the wait for a cluster without workers, which Dask would let go on for ever.

    Raises
    ------
    WorkerError
    """
    over, deserted = threading.Event(), threading.Event()

    def watch() -> None:
        seen = time.monotonic()
        while not over.wait(min(_LOOK, _DESERTED)):
            try:
                if client.nthreads():
                    seen = time.monotonic()
            except Exception:  # The scheduler is what is gone, and that is told elsewhere.
                return
            if time.monotonic() - seen > _DESERTED:
                deserted.set()
                client.close()
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    except (WorkerError, CancelledError, OSError):
        if not deserted.is_set():
            raise
        raise WorkerError(
            f"the Dask scheduler has had no worker for {_DESERTED:.0f} s; what is finished stays, "
            "so start workers and run this again"
        ) from None
    finally:
        over.set()
        watcher.join()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep to ourselves what Dask logs of that: an error says it in one line."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _local(workers: int) -> Iterator[Any]:
    import dask
    from distributed import LocalCluster

    cores = os.cpu_count() or 1
    count = workers or max(1, cores // _CORES)
    threads = str(max(1, cores // count))
    # A worker that died is started again; on a busy machine that takes longer than Dask waits.
    patient = dask.config.set({"distributed.deploy.lost-worker-timeout": "1h"})
    with (
        patient,
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            # A worker that takes more is started again, and what it was at with it.
            memory_limit=1.0 / count,
            dashboard_address=":0",
            silence_logs=50,
            env={
                "TF_NUM_INTRAOP_THREADS": threads,
                "OMP_NUM_THREADS": threads,
                "TF_FORCE_GPU_ALLOW_GROWTH": "true",
            },
        ) as cluster,
    ):
        yield cluster


def _undisturbed() -> Any:
    """Return what keeps Ctrl-C from our own workers: they stop when they are told to."""
    from distributed import WorkerPlugin

    class Undisturbed(WorkerPlugin):
        def setup(self, worker: Any) -> None:
            signal.signal(signal.SIGINT, signal.SIG_IGN)

    return Undisturbed()


def check_workers(client: Client) -> None:
    """Check that all workers run what this process runs: pixels must not depend on who made them.

    Raises
    ------
    WorkerError
        Naming the worker and both versions.
    """
    for name, parts in (("s2-superres", 9), ("tensorflow", 2), ("Python", 2)):
        if name == "Python":
            own: str | None = platform.python_version()
            found = client.run(platform.python_version)
        else:
            own = _version(name)
            found = client.run(importlib.metadata.version, name, on_error="return")
        for worker, version in found.items():
            theirs = "no" if isinstance(version, Exception) else str(version)
            if own is not None and theirs.split(".")[:parts] != own.split(".")[:parts]:
                raise _other(worker, theirs, name, own)


def _other(worker: str, theirs: str, name: str, own: str) -> WorkerError:
    return WorkerError(
        f"the worker {worker} has {theirs} {name} and this machine {own}; install the same on all"
    )


def _version(name: str) -> str | None:
    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def absolute(source: Source) -> Source:
    """Return a path as it is from any folder: workers may be started in another."""
    if isinstance(source, str | Path) and not is_url(source):
        return Path(source).absolute()
    return source


def window_executor(client: Client) -> Executor:
    """Return what `predict` hands windows to, as many at a time as there are threads for twice."""
    executor: Any = client.get_executor(pure=False)
    executor._max_workers = _room(client)
    return executor  # type: ignore[no-any-return]


def _room(client: Client) -> int:
    return max(1, sum(int(threads) for threads in client.nthreads().values()))


def run_on_cluster(
    client: Client, work: Callable[[Task, Share], Result], tasks: Iterator[Task]
) -> Generator[Event[Task, Result], None, None]:
    """Yield what comes of tasks as they end, see `s2_superres.inference.pool.run_in_processes`.

    At any time no more of them are on the cluster than it has threads. What a worker was at
    when it died, another begins anew, up to the number of times that Dask allows.
    """
    from distributed import as_completed

    stop = f"s2-superres-{uuid.uuid4()}"
    pending: dict[Any, Task] = {}
    ended = as_completed(loop=client.loop)

    def fill() -> None:
        while len(pending) < _room(client):
            try:
                task = next(tasks)
            except StopIteration:
                return
            future = client.submit(_on_worker, work, task, stop, __version__, pure=False)
            pending[future] = task
            ended.add(future)

    try:
        with explained(client):
            fill()
            while pending:
                future = next(ended)
                task = pending.pop(future)
                yield Event(task, _result(future))
                del future
                fill()
    finally:
        _give_up(client, stop, list(pending))


def _result(future: Any) -> Any:
    from distributed import KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return Died("it killed every worker that was given it")


def _give_up(client: Client, stop: str, futures: list[Any]) -> None:
    """Let workers stop at the next window and remove what they have begun."""
    from distributed import Event as Flag
    from distributed import wait

    if not futures:
        return
    with suppress(Exception), client.as_current():  # The cluster may be what is gone.
        Flag(stop, client=client).set()
        wait(futures, timeout=_CLEANING)


class _GivenUp(BaseException):
    """Ends what a worker is at."""


def _on_worker(work: Callable[[Any, Share], Any], task: Any, stop: str, version: str) -> Any:
    from distributed import Event as Flag
    from distributed import get_worker

    if version != __version__:  # It came after the others were looked at.
        raise _other(get_worker().address, __version__, "s2-superres", version)
    flag = Flag(stop)
    looked = 0.0

    def share(done: float) -> None:
        nonlocal looked
        if time.monotonic() - looked > _LOOK:
            looked = time.monotonic()
            if flag.is_set():
                raise _GivenUp

    share(0.0)
    return work(task, share)
