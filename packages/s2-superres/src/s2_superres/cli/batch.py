"""What ``predict`` does with many products: plan, progress, and what came of them."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from s2_superres.cli.progress import BatchProgress, Display, duration

if TYPE_CHECKING:
    from s2_superres.inference.batch import Batch
    from s2_superres.inference.ledger import Outcome


def read_shard(text: str | None) -> tuple[int, int] | None:
    """Read ``2/8``."""
    if text is None:
        return None
    part, slash, count = text.partition("/")
    if not (slash and part.isdecimal() and count.isdecimal()):
        raise typer.BadParameter(f"--shard {text}: give the part and how many there are, 2/8")
    return int(part), int(count)


def run(batch: Batch, dask: str | None, *, as_json: bool, quiet: bool, verbose: bool) -> None:
    """Sharpen the products, say what came of them, and exit with 1 if one of them failed."""
    from s2_superres.inference.batch import run_batch
    from s2_superres.inference.cluster import absolute, connected

    if dask is not None:
        sources = tuple(replace(each, source=absolute(each.source)) for each in batch.sources)
        batch = replace(batch, sources=sources, folder=batch.folder.absolute())
    outcomes: list[Outcome] = []
    with ExitStack() as stack:
        client = None if dask is None else stack.enter_context(connected(dask))
        display = stack.enter_context(Display(quiet=quiet))
        for outcome in stack.enter_context(
            closing(run_batch(batch, BatchProgress(display), client))
        ):
            outcomes.append(outcome)
            if verbose:
                display.line(f"{outcome.status}  {outcome.product or outcome.source}  "
                             f"{outcome.message or duration(outcome.seconds)}")  # fmt: skip
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    for outcome in failed:
        named = outcome.source in outcome.message
        text = outcome.message if named else f"{outcome.source}: {outcome.message}"
        typer.echo(f"error: {text}", err=True)
    counts = Counter(outcome.status for outcome in outcomes)
    if as_json:
        told: dict[str, Any] = {status: counts[status] for status in ("done", "skipped", "failed")}
        told["ledger"] = str(batch.ledger_path)
        told["products"] = [outcome.to_dict() for outcome in outcomes]
        typer.echo(json.dumps(told))
    elif not quiet:
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


def rehearse(batch: Batch, *, as_json: bool) -> None:
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
