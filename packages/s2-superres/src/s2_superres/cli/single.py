"""What ``predict`` does with one product: plan, progress, and what came of it."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from s2_superres.cli.product import check_files
from s2_superres.cli.progress import Display, WindowProgress

if TYPE_CHECKING:
    from s2_superres.inference.plan import Options, Prepared


@dataclass(frozen=True, slots=True)
class How:
    """How a run is gone about, whatever it makes.

    Attributes
    ----------
    dask : str or None
        The cluster to work on.
    verify : bool
        Whether checksums are compared first.
    dry_run : bool
        Whether to say what would be done instead of doing it.
    as_json, quiet, verbose : bool
        What is said of it, and in which form.
    """

    dask: str | None
    verify: bool
    dry_run: bool
    as_json: bool
    quiet: bool
    verbose: bool


def sharpen(
    product: str, output: Path | None, quicklook: Path | None, options: Options, how: How
) -> None:
    """Sharpen the product, or say what that would take, and print what came of it."""
    from s2_superres.cli.summary import summary_text
    from s2_superres.inference.cluster import absolute, connected, window_executor
    from s2_superres.inference.outputs import check_paths, default_output
    from s2_superres.inference.plan import prepare
    from s2_superres.inference.predict import predict
    from s2_superres.inference.quicklook import draw_quicklook

    run = prepare(product if how.dask is None else absolute(product), options)
    output = output or default_output(run)
    check_paths(run, output, quicklook)
    if how.verify:
        check_files(run.product, quiet=how.quiet)
    if how.dry_run:
        _rehearse(run, output, as_json=how.as_json)
        return
    if how.verbose:
        typer.echo(json.dumps(run.to_dict(), indent=2), err=True)
    with ExitStack() as stack:
        executor = None
        if how.dask is not None:
            executor = window_executor(stack.enter_context(connected(how.dask)))
        display = stack.enter_context(Display(quiet=how.quiet))
        progress = WindowProgress(display, len(run.windows), run.area.rows * run.area.cols)
        summary = predict(run, output, executor=executor, progress=progress)
    if quicklook is not None:
        draw_quicklook(run, summary, quicklook)
    if how.as_json:
        typer.echo(json.dumps(summary.to_dict()))
    elif not how.quiet:
        typer.echo(summary_text(summary))


def _rehearse(run: Prepared, output: Path, *, as_json: bool) -> None:
    """Say what would be done, and what it costs."""
    from s2_superres.cli.summary import plan_dict, plan_text
    from s2_superres.inference.cost import estimate
    from s2_superres.inference.outputs import rehearse

    rehearse(run, output)
    cost = estimate(run)
    typer.echo(json.dumps(plan_dict(run, cost)) if as_json else plan_text(run, cost))
