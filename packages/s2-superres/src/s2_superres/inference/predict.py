"""From a product to a file: the one place where reading, networks and writing meet."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path
from typing import Any

from s2_superres.inference import blocks
from s2_superres.inference.item import write_item
from s2_superres.inference.outputs import check_paths, open_output, place, stack
from s2_superres.inference.plan import Options, Prepared, prepare
from s2_superres.inference.results import Progress, Summary, Tally, note_of
from s2_superres.inference.stages import overlap
from s2_superres.inference.workers import run_on
from s2_superres.products.decoding import GDAL_CACHE
from s2_superres.products.openers import Source, open_reader
from s2_superres.products.product import Product
from s2_superres.raster.windows import Plan, Window
from s2_superres.writers.spec import written

#: Agreement with the measured bands is taken from so many windows, evenly spread.
_COMPARED_WINDOWS = 16


def predict(
    product: Product | Source | Prepared,
    output: str | Path,
    options: Options | None = None,
    *,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Summary:
    """Sharpen a product, or a part of it, into one file.

    Parameters
    ----------
    product : Product, path, URL, dict, STAC item or Prepared
        Whatever `open_product` takes; or what `prepare` made.
    output : path
        Appears when it is complete, or not at all.
    options : Options, optional
        Not with a `Prepared`, which has its own.
    executor : concurrent.futures.Executor, optional
        Runs the windows elsewhere, in any order, such as a
        ``ProcessPoolExecutor`` or ``dask.distributed.Client.get_executor()``.
        By default they run here, reading and writing alongside.
    progress : callable, optional
        Called with the windows and the 10 m pixels done so far.

    Returns
    -------
    Summary

    Raises
    ------
    S2SuperresError
        If something in the way can be named; nothing is left behind.
    """
    start = time.perf_counter()
    run = product if isinstance(product, Prepared) else prepare(product, options)
    output = Path(output)
    check_paths(run, output)
    tally = Tally(run, progress)
    with written(open_output(run, output)) as writer:

        def store(result: blocks.Result) -> None:
            writer.write(place(run, result.core), stack(run, result), note_of(result))
            tally.add(result)

        todo = []
        for window, compare in compared(run.windows):
            note = writer.notes.get(place(run, window.core))
            if note is None:
                todo.append((window, compare))
            else:
                tally.recall(window.core, note)
        if executor is None:
            _run_here(run, todo, store)
        else:
            run_on(executor, run, todo, store)
    item = write_item(run, output)
    return replace(tally.summary(output, time.perf_counter() - start), item=item)


def compared(windows: Plan) -> Iterator[tuple[Window, bool]]:
    """Yield the windows, and whether to compare each with what was measured."""
    step = -(-len(windows) // _COMPARED_WINDOWS)
    for number, window in enumerate(windows):
        yield window, number % step == 0


def _run_here(
    run: Prepared,
    todo: Iterable[tuple[Window, bool]],
    store: Callable[[blocks.Result], None],
) -> None:
    """Read and write alongside the network, in this process."""
    import rasterio

    job = run.job
    # GDAL's cache is one for all threads, and by default a share of the machine's memory.
    with (
        rasterio.Env(GDAL_CACHEMAX=GDAL_CACHE),
        open_reader(run.product, run.sources) as source,
    ):

        def load(item: tuple[Window, bool]) -> tuple[blocks.Block, bool]:
            return blocks.load(source, item[0], job), item[1]

        def compute(item: tuple[blocks.Block, bool]) -> tuple[blocks.Block, Any, bool]:
            return item[0], blocks.compute(item[0], job), item[1]

        def finish(item: tuple[blocks.Block, Any, bool]) -> None:
            block, predictions, compare = item
            store(blocks.finish(block, predictions, job, compare))

        overlap(todo, load, compute, finish)
