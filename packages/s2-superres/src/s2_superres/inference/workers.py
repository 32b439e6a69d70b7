"""Windows of a run on an executor: in other processes, or on other machines."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

from s2_superres.bands import Band
from s2_superres.inference import blocks
from s2_superres.inference.plan import Prepared
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
    source = _open_source(unit.product, unit.bands)
    return blocks.process(source, unit.window, unit.job, unit.compare)


#: The product that this process read last.
_open: dict[tuple[str, str, tuple[Band, ...]], Reader] = {}


def _open_source(product: Product, bands: tuple[Band, ...]) -> Reader:
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
    """Hand windows out, a bounded number at a time, and store them as they come back."""
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
