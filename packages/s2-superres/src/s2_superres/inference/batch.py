"""Many products, each into a file of its own: those that are finished are not made again."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from s2_superres.choices import LEVELS
from s2_superres.errors import BusyError, InputError, OutputError, in_one_line
from s2_superres.files.paths import keep_out_of_products
from s2_superres.inference.finished import difference
from s2_superres.inference.item import complete
from s2_superres.inference.ledger import Ledger, Outcome
from s2_superres.inference.plan import Options, Prepared, choose_bands, prepare
from s2_superres.inference.pool import Died, Event, Share, run_in_processes
from s2_superres.interrupts import stop_behind
from s2_superres.networks.selection import choose_networks
from s2_superres.products.openers import Source, open_granules
from s2_superres.products.product import Product
from s2_superres.products.sources import OUTPUT, Listed, expand
from s2_superres.writers.formats import DEFAULT, formats

if TYPE_CHECKING:
    from distributed import Client

#: In the ledger, of an output that another run is writing.
ELSEWHERE = "in work elsewhere"
FINISHED = "finished before"

#: Called with the products that came to an end, how many there are, the name of one in work,
#: and the share of the whole that is done.
BatchProgress = Callable[[int, int, str, float], None]


@dataclass(frozen=True)
class Batch:
    """What to make of many products, and how to go about it.

    Attributes
    ----------
    sources : tuple of Listed
    folder : Path
        Of the outputs; made if it is not there.
    options : Options
    jobs : int
        Products at a time, each by a process with its share of the threads.
    shard : tuple of int, optional
        ``(i, n)``: only the i-th part of n, from 1 on, chosen by the names of the sources.
    ledger : Path, optional
        ``ledger.jsonl`` in the folder by default; of a shard with its numbers.
    verify : bool
        First compare every file with the product's checksums.
    """

    sources: tuple[Listed, ...]
    folder: Path
    options: Options = field(default_factory=Options)
    jobs: int = 1
    shard: tuple[int, int] | None = None
    ledger: Path | None = None
    verify: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1:
            raise InputError(f"{self.jobs} jobs: give 1 or more")
        if self.shard is not None and not 1 <= self.shard[0] <= self.shard[1]:
            raise InputError(
                f"shard {self.shard[0]}/{self.shard[1]}: give one of 1/{self.shard[1]} to "
                f"{self.shard[1]}/{self.shard[1]}"
            )

    @property
    def mine(self) -> tuple[Listed, ...]:
        """The sources of this shard."""
        if self.shard is None:
            return self.sources
        part, count = self.shard
        return tuple(each for each in self.sources if each.shard(count) == part)

    @property
    def ledger_path(self) -> Path:
        """Where the ledger is."""
        path = self.ledger or self.folder / "ledger.jsonl"
        if self.shard is None:
            return path
        return path.with_name(f"{path.stem}-{self.shard[0]}-of-{self.shard[1]}{path.suffix}")

    def output(self, product: Product) -> Path:
        """Return the file that a product becomes."""
        suffix = formats()[self.options.format or DEFAULT].suffixes[0]
        # Names that a catalogue or mapping gives may hold anything.
        name = re.sub(r"[^\w.+-]+", "_", product.name).lstrip(".") or "product"
        return self.folder / f"{name}{OUTPUT}{suffix}"

    def check(self, *, make: bool = True) -> None:
        """Check what is the same for all products, and make the folder.

        Raises
        ------
        S2SuperresError
            If the bands, weights, device or folder cannot be used.
        """
        options = self.options
        choose_bands(options.bands, options.include_10m)
        # Of either level: which weights a product takes is seen when it is opened.
        choose_networks((20, 60), LEVELS[0], network=options.network, weights=options.weights)
        keep_out_of_products(self.folder / "x")
        if not make:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.folder}: cannot be made ({error.strerror}); choose another folder"
            ) from None

    def tasks(self, report: Callable[[Outcome], None]) -> Iterator[Task]:
        """Open the products one by one; what cannot be opened, or is there twice, is reported."""
        # Links are signed here; what signs them need not be able to go elsewhere.
        options = replace(self.options, sign=None)
        if self.jobs > 1:
            share = max(1, (options.threads or os.cpu_count() or 1) // self.jobs)
            options = replace(options, threads=share)
        taken: dict[Path, str] = {}
        for listed in self.mine:
            try:
                products = open_granules(
                    listed.source, options.granule, offset=options.offset, sign=self.options.sign
                )
            except Exception as error:  # Whatever it is, the others are to be done.
                report(Outcome(listed.label, status="failed", message=in_one_line(error)))
                continue
            for product in products:
                output = self.output(product)
                if output in taken:
                    report(
                        Outcome(
                            listed.label, product.name, status="failed",
                            message=f"has the name of {taken[output]}, and one output cannot be "
                            "both; leave one out",
                        )
                    )  # fmt: skip
                    continue
                taken[output] = listed.label
                yield Task(listed.label, product, output, options, self.verify)


@dataclass(frozen=True)
class Task:
    """One product and what to make of it. Picklable."""

    label: str
    product: Product
    output: Path
    options: Options
    verify: bool = False

    def outcome(self, **facts: object) -> Outcome:
        """Return what came of it."""
        return replace(Outcome(self.label, self.product.name, str(self.output)), **facts)  # type: ignore[arg-type]


def sharpen(task: Task, share: Share) -> Outcome:
    """Make the output of a product, unless it is there."""
    begin = time.perf_counter()
    try:
        outcome = _sharpen(task, share)
    except BusyError:
        outcome = task.outcome(status="skipped", message=ELSEWHERE)
    except Exception as error:  # One of thousands must not end the rest.
        if stopped := stop_behind(error):
            raise stopped from None
        outcome = task.outcome(status="failed", message=in_one_line(error))
    return replace(outcome, seconds=time.perf_counter() - begin)


def _sharpen(task: Task, share: Share) -> Outcome:
    from s2_superres.inference.predict import predict
    from s2_superres.products.verify import verify

    run = prepare(task.product, task.options)
    if is_there(run, task.output):
        complete(run, task.output)
        return task.outcome(status="skipped", message=FINISHED)
    if task.verify:
        verify(run.product)
    pixels = run.area.rows * run.area.cols
    try:
        summary = predict(run, task.output, progress=lambda windows, done: share(done / pixels))
    except BusyError:
        raise
    except OutputError:
        # Another run may have finished it since.
        if is_there(run, task.output):
            complete(run, task.output)
            return task.outcome(status="skipped", message=FINISHED)
        raise
    return task.outcome(valid_share=round(summary.valid_share, 6))


def is_there(run: Prepared, output: Path) -> bool:
    """Whether the output is finished.

    Raises
    ------
    OutputError
        If it is there, is something else, and is not to be replaced.
    """
    if not output.exists():
        return False
    differs = difference(run, output)
    if differs and not run.options.overwrite:
        raise OutputError(
            f"{output}: is there and is something else ({differs}); choose another folder or give "
            "--overwrite"
        )
    return not differs


def run_batch(
    batch: Batch, progress: BatchProgress | None = None, client: Client | None = None
) -> Generator[Outcome, None, None]:
    """Make the outputs of a batch; yield what came of each product, also into the ledger.

    Parameters
    ----------
    batch : Batch
    progress : callable, optional
    client : distributed.Client, optional
        Of the cluster that is to make them, in the place of this process and `Batch.jobs`.

    Raises
    ------
    S2SuperresError
        If what is the same for all products cannot be used.
    """
    batch.check()
    reports: list[Outcome] = []
    shares: dict[Path, float] = {}
    ended = 0

    def tell(task: Task, share: float) -> None:
        shares[task.output] = share
        if progress is not None:
            total = max(len(batch.mine), ended + len(shares))
            progress(ended, total, task.product.name, (ended + sum(shares.values())) / total)

    with Ledger(batch.ledger_path) as ledger:
        tasks = batch.tasks(reports.append)
        for event in _events(batch, tasks, tell, client):
            if event is not None:
                shares.pop(event.task.output, None)
                reports.append(_outcome(event))
            for outcome in reports:
                ended += 1
                ledger.write(outcome)
                yield outcome
            reports.clear()


def _events(
    batch: Batch,
    tasks: Iterator[Task],
    tell: Callable[[Task, float], None],
    client: Client | None,
) -> Iterator[Event[Task, Outcome] | None]:
    """Yield tasks that ended, and None where there may be reports of others."""
    if client is not None:
        from s2_superres.inference.cluster import run_on_cluster

        for event in run_on_cluster(client, sharpen, tasks):
            yield event
            tell(event.task, 1.0)
    elif batch.jobs == 1:
        for task in tasks:
            yield None
            tell(task, 0.0)
            yield Event(task, sharpen(task, partial(tell, task)))
    else:
        for event in run_in_processes(sharpen, tasks, batch.jobs):
            if event.result is None:
                tell(event.task, event.share)
            yield event if event.result is not None else None
    yield None


def _outcome(event: Event[Task, Outcome]) -> Outcome:
    if isinstance(event.result, Outcome):
        return event.result
    assert isinstance(event.result, Died)
    return event.task.outcome(
        status="failed",
        message=f"the process that sharpened it died ({event.result.how}), maybe for want of "
        "memory; take fewer --jobs or a smaller --tile",
    )


def predict_batch(
    sources: Source | Iterable[Source],
    folder: str | os.PathLike[str],
    options: Options | None = None,
    *,
    jobs: int = 1,
    shard: tuple[int, int] | None = None,
    ledger: str | os.PathLike[str] | None = None,
    recursive: bool = False,
    progress: BatchProgress | None = None,
    client: Client | None = None,
) -> list[Outcome]:
    """Sharpen many products, each into a file of its own; what is finished is skipped.

    Parameters
    ----------
    sources : source or iterable of source
        Products, folders of products, patterns, lists and STAC collections, see
        `s2_superres.products.sources.expand`.
    folder : path
        Of the outputs, ``PRODUCT_10m.tif`` each; made if it is not there.
    options : Options, optional
        With `overwrite`, outputs that are something else are replaced; what is finished is
        skipped all the same.
    jobs : int
        Products at a time, each by a process with its share of the threads.
    shard : tuple of int, optional
        ``(i, n)``: only the i-th part of n, from 1 on, chosen by the names of the sources.
    ledger : path, optional
        Takes a line of JSON for each product; ``ledger.jsonl`` in the folder by default.
    recursive : bool
        Look into folders within folders.
    progress : callable, optional
        Called with the products that came to an end, how many there are, the name of one in
        work, and the share of the whole that is done.
    client : distributed.Client, optional
        Of a Dask cluster whose workers are to make them, in the place of `jobs`. Paths have to
        mean the same to them: give whole ones.

    Returns
    -------
    list of Outcome
        One for each product, in the order in which they came to an end: look for those whose
        `status` is ``"failed"``.

    Raises
    ------
    S2SuperresError
        If what is the same for all products cannot be used.
    """
    options = options or Options()
    batch = Batch(
        tuple(expand(sources, recursive=recursive, sign=options.sign)),
        Path(folder),
        options,
        jobs,
        shard,
        None if ledger is None else Path(ledger),
    )
    return list(run_batch(batch, progress, client))
