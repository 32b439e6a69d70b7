"""Windows of a run on an executor: in other processes, or on other machines."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    wait,
)
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from s2_superres.bands import Band
from s2_superres.errors import WorkerError
from s2_superres.inference import blocks
from s2_superres.inference.plan import Prepared
from s2_superres.networks.forks import tensorflow_is_alive
from s2_superres.products.openers import open_reader
from s2_superres.products.product import Product
from s2_superres.products.reading import Reader
from s2_superres.raster.windows import Window

#: Windows handed to an executor before the first of them is back.
_IN_FLIGHT_PER_WORKER = 2
_WORKERS_UNKNOWN = 8


@dataclass(frozen=True)
class Unit:
    """One window of one product: all that another process needs to sharpen it."""

    product: Product
    bands: tuple[Band, ...]
    window: Window
    job: blocks.Job
    compare: bool


def run_unit(unit: Unit) -> blocks.Result:
    """Sharpen one window; weights and files stay open in the process for the next."""
    with reading:
        source = open_source(unit.product, unit.bands)
        block = blocks.load(source, unit.window, unit.job)
    return blocks.finish(block, blocks.compute(block, unit.job), unit.job, unit.compare)


#: Files are read by one thread at a time; Dask has several.
reading = threading.Lock()
#: The product that this process read last.
_open: dict[tuple[str, str, tuple[Band, ...]], Reader] = {}


def open_source(product: Product, bands: tuple[Band, ...]) -> Reader:
    """Return the reader of a product, which stays open until another product is read."""
    key = product.path, product.name, bands
    if key not in _open:
        while _open:
            _open.popitem()[1].close()
        _open[key] = open_reader(product, bands)
    return _open[key]


def run_on(
    executor: Executor,
    run: Prepared,
    todo: Iterable[tuple[Window, bool]],
    store: Callable[[blocks.Result], None],
) -> None:
    """Hand windows out, a bounded number at a time, and store them as they come back.

    Raises
    ------
    WorkerError
        If the executor's processes would hang, or one of them died.
    """
    refuse_hanging_forks(executor)
    try:
        _hand_out(executor, run, todo, store)
    except BrokenExecutor:
        raise WorkerError(
            f"{run.product.name}: a worker process died, maybe for want of memory; take fewer "
            "workers or a smaller tile. In a script, start them below "
            "`if __name__ == '__main__':`"
        ) from None


def refuse_hanging_forks(executor: Executor) -> None:
    """Check that no process would be forked from this one while TensorFlow is alive in it."""
    if not isinstance(executor, ProcessPoolExecutor) or not tensorflow_is_alive():
        return
    context = getattr(executor, "_mp_context", None)
    workers = getattr(executor, "_max_workers", 0)
    begun = len(getattr(executor, "_processes", None) or ())
    if context is not None and context.get_start_method() == "fork" and begun < workers:
        raise WorkerError(
            "the executor forks its workers from a process where TensorFlow has run, and they "
            "would wait for ever; give ProcessPoolExecutor("
            "mp_context=multiprocessing.get_context('spawn'))"
        )


def _hand_out(
    executor: Executor,
    run: Prepared,
    todo: Iterable[tuple[Window, bool]],
    store: Callable[[blocks.Result], None],
) -> None:
    units = (Unit(run.product, run.sources, window, run.job, compare) for window, compare in todo)
    workers = getattr(executor, "_max_workers", None) or _WORKERS_UNKNOWN
    pending: set[Future[blocks.Result]] = set()
    with ExitStack() as stack:
        stack.callback(lambda: [future.cancel() for future in pending])
        for unit in islice(units, workers * _IN_FLIGHT_PER_WORKER):
            pending.add(executor.submit(run_unit, unit))
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            for future in done:
                store(future.result())
                for unit in islice(units, 1):
                    pending.add(executor.submit(run_unit, unit))
