"""The command line: options in, a report out."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import typer

from image_similarity_measures.errors import OutputError, UsageError

from . import options as option
from .batch import ERRORS, Scoring, Task, explained, run_tasks
from .interrupts import Interrupted, interruptible
from .parsing import band_numbers, ends_of_range, metric_bounds, refuse_empty, refuse_with_legacy
from .printing import keep_stderr_to_ourselves, names_can_be_shown, print_text, say
from .progress import ProgressBar
from .results import Results

if TYPE_CHECKING:
    from image_similarity_measures.report.pairs import Pairing

__all__ = ["main", "run"]

PASSED, FAILED, MISUSED, UNDER = 0, 1, 2, 3

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def score_files(
    org: option.OrgOption,
    pred: option.PredOption,
    recursive: option.RecursiveOption = False,
    metric: option.MetricOption = None,
    per_band: option.PerBandOption = False,
    format_: option.FormatOption = option.Format.json,
    data_range: option.DataRangeOption = None,
    bit_depth: option.BitDepthOption = None,
    nodata: option.NodataOption = None,
    bands: option.BandsOption = None,
    allow_grid_mismatch: option.MismatchOption = False,
    maps: option.MapsOption = None,
    definitions: option.DefinitionsOption = option.Definitions.current,
    loader: option.LoaderOption = option.Loader.auto,
    fail_under: option.FailUnderOption = None,
    jobs: option.JobsOption = 1,
    ledger: option.LedgerOption = None,
    output: option.OutputOption = None,
    overwrite: option.OverwriteOption = False,
    quiet: option.QuietOption = False,
    verbose: option.VerboseOption = False,
    version: option.VersionOption = False,
) -> int:
    """Score how similar two images or rasters are, or the pairs of two folders or patterns.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 below --fail-under, 130 and 143 stopped. A pair
    that cannot be scored does not keep those after it from being scored.
    """
    from image_similarity_measures import metrics as registry
    from image_similarity_measures.report.pairs import pair_up

    refuse_empty({"--org-img-path": org, "--pred-img-path": pred})
    bounds = metric_bounds(fail_under or [])
    # A metric with a bound is computed even if nobody asked to see it.
    names = registry.select([*(metric or ([] if bounds else ["psnr"])), *bounds])
    asked: dict[str, Any] = {
        "metrics": ("all", *bounds) if metric and "all" in metric else names,
        "data_range": ends_of_range(data_range, bit_depth),
    }
    rest = {
        "nodata": nodata,
        "bands": band_numbers(bands),
        "allow_grid_mismatch": allow_grid_mismatch,
    }
    legacy = definitions is option.Definitions.legacy
    if legacy:
        refuse_with_legacy({**rest, "maps": maps, "per_band": per_band})
        asked["loader"] = loader.value
    elif loader is option.Loader.opencv:
        raise UsageError("--loader opencv needs --definitions 0.3; leave it out")
    else:
        asked |= rest | {"overwrite": overwrite}
    output = None if output == Path("-") else output
    results = Results(pair_up(org, pred, recursive=recursive))
    tasks = _tasks(results.pairing, names, maps, (output, ledger), overwrite=overwrite)
    if not quiet:
        results.say_what_is_left_out()
    _score(
        tasks, Scoring(asked, legacy), results, jobs, ledger,
        overwrite=overwrite, quiet=quiet, verbose=verbose,
    )  # fmt: skip
    return _conclude(results, output, format_, bounds, per_band=per_band, overwrite=overwrite)


def _tasks(
    pairing: Pairing,
    names: Sequence[str],
    maps: Path | None,
    outputs: Sequence[Path | None],
    *,
    overwrite: bool,
) -> list[Task]:
    """What is to be done, with all that is written free to write, or nothing is begun."""
    from image_similarity_measures.files import writable

    targets = [writable(path, overwrite) for path in outputs if path is not None]
    if outputs[0] is None and sys.stdout is None:
        raise OutputError("stdout is closed; give a file with --output")
    tasks = [Task(*pair) for pair in pairing.pairs]
    if maps is not None:
        from image_similarity_measures.report.maps import map_paths

        files = map_paths(maps, [second for _, second in pairing.pairs], names)
        targets += [writable(file, overwrite) for each in files for file in each.values()]
        tasks = [Task(*pair, maps=each) for pair, each in zip(pairing.pairs, files, strict=True)]
    images = {Path(image).resolve() for pair in pairing.pairs for image in pair}
    for target in targets:
        if target in images:
            raise OutputError(f"{target} is one of the images; choose another place")
        if targets.count(target) > 1:
            raise OutputError(f"{target} is asked for twice; choose another place for one of them")
    return tasks


def _score(
    tasks: Sequence[Task],
    scoring: Scoring,
    results: Results,
    jobs: int,
    ledger: Path | None,
    *,
    overwrite: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    from image_similarity_measures.files import no_empty_folder
    from image_similarity_measures.report.ledger import Ledger
    from image_similarity_measures.report.report import Failure

    bar = ProgressBar(wanted=not quiet)
    with contextlib.ExitStack() as stack:
        # Of several processes, the one that made it may not be the last to leave it.
        for folder in {path.parent for task in tasks for path in (task.maps or {}).values()}:
            stack.enter_context(no_empty_folder(folder))
        book = None
        if ledger is not None:
            book = stack.enter_context(Ledger(ledger, overwrite=overwrite))
        batch = results.pairing.batch
        for outcome in run_tasks(tasks, scoring, jobs=jobs, bar=bar, batch=batch):
            results.add(outcome, quiet=quiet, verbose=verbose)
            if book is not None and isinstance(outcome.result, Failure):
                book.write(outcome.result)
    results.sort()


def _conclude(
    results: Results,
    output: Path | None,
    form: option.Format,
    bounds: dict[str, float],
    *,
    per_band: bool,
    overwrite: bool,
) -> int:
    from image_similarity_measures.files import write_text

    text = results.written(form, per_band=per_band)
    if output is None:
        print_text(text)
    else:
        write_text(output, text, overwrite=overwrite)
    shortfalls = results.shortfalls(bounds)
    for shortfall in shortfalls:
        say(f"failed: {shortfall}")
    if results.failed:
        return FAILED
    return UNDER if shortfalls else PASSED


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the command's name; taken from ``sys.argv`` by default.

    Returns
    -------
    int
        The exit code. Errors are one line on stderr.
    """
    # Found by way of typer, some versions of which bring their own copy of click.
    wrong_usage = cast(type[Exception], typer.BadParameter.__mro__[1])
    command = typer.main.get_command(app)
    try:
        with interruptible():
            given = None if arguments is None else list(arguments)
            code = command.main(given, prog_name="image-similarity-measures", standalone_mode=False)
    except wrong_usage as error:
        message = getattr(error, "format_message", error.__str__)()
        say(f"error: {explained(Exception(message))}; see --help")
        return MISUSED
    except UsageError as error:
        say(f"error: {error}")
        return MISUSED
    except ERRORS as error:
        say(f"error: {explained(error)}")
        return FAILED
    except Interrupted as stopped:
        say("interrupted")
        return stopped.code
    return int(code or PASSED)


def main() -> None:
    """Run the command and exit with its code."""
    if not {"-v", "--verbose"} & set(sys.argv):
        keep_stderr_to_ourselves()
    names_can_be_shown()
    sys.exit(run())
