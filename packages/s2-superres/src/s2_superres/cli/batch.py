"""What ``predict`` does with many products: plan, progress, and what came of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from s2_superres.cli.progress import BatchProgress, Display, duration

if TYPE_CHECKING:
    from s2_superres.cli.single import How
    from s2_superres.inference.batch import Batch
    from s2_superres.inference.ledger import Outcome
    from s2_superres.inference.plan import Options


@dataclass(frozen=True, slots=True)
class Many:
    """How many products are gone about.

    Attributes
    ----------
    recursive : bool
        Whether folders within folders are looked into.
    jobs : int
        Products at a time.
    shard : str or None
        ``I/N``: which part of them.
    ledger : path or None
        Where each one's line of JSON goes.
    """

    recursive: bool
    jobs: int
    shard: str | None
    ledger: Path | None


def sharpen(products: Sequence[str], folder: Path, options: Options, many: Many, how: How) -> None:
    """Sharpen the products into a folder, or say what that would take."""
    from s2_superres.inference.batch import Batch
    from s2_superres.products.sources import expand

    batch = Batch(
        tuple(expand(products, recursive=many.recursive, sign=options.sign)),
        folder, options, many.jobs, _read_shard(many.shard), many.ledger, how.verify,
    )  # fmt: skip
    if how.dry_run:
        _rehearse(batch, as_json=how.as_json)
    else:
        _run(batch, how)


def _read_shard(text: str | None) -> tuple[int, int] | None:
    """Read ``2/8``."""
    if text is None:
        return None
    part, slash, count = text.partition("/")
    if not (slash and part.isdecimal() and count.isdecimal()):
        raise typer.BadParameter(f"--shard {text}: give the part and how many there are, 2/8")
    return int(part), int(count)


def _run(batch: Batch, how: How) -> None:
    """Sharpen the products, say what came of them, and exit with 1 if one of them failed."""
    from s2_superres.inference.batch import run_batch
    from s2_superres.inference.cluster import absolute, connected

    if how.dask is not None:
        sources = tuple(replace(each, source=absolute(each.source)) for each in batch.sources)
        batch = replace(batch, sources=sources, folder=batch.folder.absolute())
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        client = None if how.dask is None else stack.enter_context(connected(how.dask))
        display = stack.enter_context(Display(quiet=how.quiet))
        for outcome in stack.enter_context(
            closing(run_batch(batch, BatchProgress(display), client))
        ):
            outcomes.append(outcome)
            if how.verbose:
                display.line(f"{outcome.status}  {outcome.product or outcome.source}  "
                             f"{outcome.message or duration(outcome.seconds)}")  # fmt: skip
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        named = outcome.source in outcome.message
        text = outcome.message if named else f"{outcome.source}: {outcome.message}"
        typer.echo(f"error: {text}", err=True)
    counts = Counter(outcome.status for outcome in outcomes)
    if how.as_json:
        told: dict[str, Any] = {status: counts[status] for status in ("done", "skipped", "failed")}
        told["ledger"] = str(batch.ledger_path)
        told["products"] = [outcome.to_dict() for outcome in outcomes]
        typer.echo(json.dumps(told))
    elif not how.quiet:
        typer.echo(f"{_in_words(outcomes)}; {batch.ledger_path}")
    if failed:
        raise typer.Exit(1)


def _in_words(outcomes: list[Outcome]) -> str:
    """Return how many came to what."""
    if not outcomes:
        return "no product in this shard"
    counts = Counter(
        outcome.message if outcome.status == "skipped" else outcome.status for outcome in outcomes
    )
    order = sorted(counts, key=lambda word: (word == "failed", word != "done", word))
    return ", ".join(f"{counts[word]} {word}" for word in order)


def _rehearse(batch: Batch, *, as_json: bool) -> None:
    """Say what would be done, and what it costs; exit with 1 if a product is broken."""
    from s2_superres.inference.rehearsal import rehearse_batch

    told = rehearse_batch(batch)
    if as_json:
        typer.echo(json.dumps(told.to_dict()))
    else:
        typer.echo(_plan(told.to_dict(), batch.jobs))
    for label, message in told.broken:
        text = message if label in message else f"{label}: {message}"
        typer.echo(f"error: {text}", err=True)
    if told.broken:
        raise typer.Exit(1)


def _plan(told: dict[str, Any], jobs: int) -> str:
    from s2_superres.cli.summary import memory_text

    lines = (
        "products  {to_do} to do, {finished} finished before, {broken} broken".format(**told),
        f"windows   {told['windows']}",
        f"size      up to {told['uncompressed_bytes'] / 1e6:.4g} MB, uncompressed",
        memory_text(told["estimated_memory_bytes"], jobs),
        f"time      about {duration(told['estimated_seconds'])} (from a window timed here)",
    )
    return "\n".join(lines)
