"""The command line: options in, a report out."""

from __future__ import annotations

import contextlib
import io
import math
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from image_similarity_measures import __version__
from image_similarity_measures.errors import ImageSimilarityError, OutputError, UsageError
from image_similarity_measures.metrics import names

if TYPE_CHECKING:
    from image_similarity_measures.report.report import Failure, Report

__all__ = ["main", "run"]

PASSED, FAILED, MISUSED, UNDER, INTERRUPTED = 0, 1, 2, 3, 130

METRIC_NAMES = ", ".join(names())


class Format(StrEnum):
    """How the result is written."""

    json = "json"
    csv = "csv"
    table = "table"


class Definitions(StrEnum):
    """Whose values are computed."""

    current = "1"
    legacy = "0.3"


class Loader(StrEnum):
    """The libraries that 0.3 could read with."""

    auto = "auto"
    opencv = "opencv"
    rasterio = "rasterio"


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"image-similarity-measures {__version__}")
        raise typer.Exit


@app.command()
def score_files(
    org: Annotated[
        str,
        typer.Option(
            "--org-img-path",
            "--org_img_path",
            metavar="PATH",
            show_default=False,
            help="The original: a file, a URL, or a folder whose files are paired by name.",
        ),
    ],
    pred: Annotated[
        str,
        typer.Option(
            "--pred-img-path",
            "--pred_img_path",
            metavar="PATH",
            show_default=False,
            help="What is compared with it: the same.",
        ),
    ],
    metric: Annotated[
        list[str] | None,
        typer.Option(
            "--metric",
            metavar="NAME",
            help=f"One of {METRIC_NAMES}, or all; may be repeated. psnr if left out.",
        ),
    ] = None,
    per_band: Annotated[
        bool, typer.Option("--per-band", help="Add the values of each band.")
    ] = False,
    format_: Annotated[Format, typer.Option("--format", help="Form of the result.")] = Format.json,
    data_range: Annotated[
        str | None,
        typer.Option(
            "--data-range",
            metavar="[MIN,]MAX",
            help="Largest possible value, and the least if that is not 0: --data-range=-30,5. If "
            "left out, what a file's bits per value allow, else 255 for 8-bit and 4095 for wider "
            "integers; floating point needs it.",
        ),
    ] = None,
    bit_depth: Annotated[
        int | None,
        typer.Option("--bit-depth", metavar="N", min=1, max=64, help="Data range of 2^N - 1."),
    ] = None,
    nodata: Annotated[
        float | None,
        typer.Option(
            "--nodata",
            metavar="VALUE",
            help="Leave out pixels with this value, in place of what the files name.",
        ),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option("--bands", metavar="N,N,...", help="Bands to compare, counted from 1."),
    ] = None,
    allow_grid_mismatch: Annotated[
        bool,
        typer.Option(
            "--allow-grid-mismatch", help="Compare rasters of one size that lie elsewhere."
        ),
    ] = False,
    maps: Annotated[
        Path | None,
        typer.Option(
            "--maps",
            metavar="DIR",
            help="Write quality maps of fsim, sam, ssim and uiq there, as GeoTIFFs.",
        ),
    ] = None,
    definitions: Annotated[
        Definitions,
        typer.Option("--definitions", help="0.3 gives the values of that version, faults and all."),
    ] = Definitions.current,
    loader: Annotated[
        Loader,
        typer.Option(
            "--loader", help="Library that reads the files; opencv for --definitions 0.3 alone."
        ),
    ] = Loader.auto,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under",
            metavar="NAME=BOUND",
            help="Exit with 3 if a pair is worse: below the bound or, for rmse and sam, where "
            "lower is better, above it; or if a file has no partner. May be repeated.",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", metavar="FILE", help="Write the result there; - is stdout."),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the output and maps that exist.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="No warnings and no progress on stderr.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Say on stderr what is done, and how fast.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
    ] = False,
) -> int:
    """Score how similar two images or rasters are, or the pairs of two folders.

    Exit codes: 0 done, 1 error, 2 wrong usage, 3 below --fail-under. A pair that cannot be scored
    does not keep those after it from being scored.
    """
    from image_similarity_measures import metrics as registry
    from image_similarity_measures.files import writable, write_text
    from image_similarity_measures.report import comparison, pairs

    del version
    for option, path in (("--org-img-path", org), ("--pred-img-path", pred)):
        if not path:
            raise UsageError(f"{option} is empty; give a file or a folder")
    bounds = _bounds(fail_under or [])
    if bit_depth is not None:
        if data_range is not None:
            raise UsageError("--data-range and --bit-depth exclude each other; give one")
        data_range = str(2**bit_depth - 1)
    ends = _ends(data_range)
    # A metric with a bound is computed even if nobody asked to see it.
    metrics = registry.select([*(metric or ([] if bounds else ["psnr"])), *bounds])
    if metric and "all" in metric:
        metrics = ("all", *bounds)
    if output == Path("-"):
        output = None
    targets = [] if output is None else [writable(output, overwrite)]
    if output is None and sys.stdout is None:
        raise OutputError("stdout is closed; give a file with --output")
    progress = _Progress(wanted=not quiet and sys.stderr is not None and sys.stderr.isatty())
    compare: Callable[[str, str], Report]
    holding: contextlib.AbstractContextManager[None] = progress
    if definitions is Definitions.legacy:
        # It computes in one thread and tells no progress: nothing to hold Ctrl-C back for.
        holding = contextlib.nullcontext()
        _refuse_with_legacy(
            {
                "--nodata": nodata,
                "--bands": bands,
                "--maps": maps,
                "--per-band": per_band or None,
                "--allow-grid-mismatch": allow_grid_mismatch or None,
            }
        )
        compare = partial(
            comparison.compare_as_0_3,
            metrics=metrics,
            data_range=ends,
            loader=loader.value,
        )
    else:
        if loader is Loader.opencv:
            raise UsageError("--loader opencv needs --definitions 0.3; leave it out")
        compare = partial(
            comparison.compare,
            metrics=metrics,
            data_range=ends,
            nodata=nodata,
            bands=_band_numbers(bands),
            allow_grid_mismatch=allow_grid_mismatch,
            overwrite=overwrite,
            progress=progress,
        )
    found, alone = pairs.pair_up(org, pred)
    batch = Path(org).is_dir()
    if not quiet:
        for path in alone:
            _say(f"warning: {path} has no partner and is left out")
    jobs: list[Callable[[str, str], Report]] = [compare] * len(found)
    if maps is not None:
        from image_similarity_measures.report.maps import map_paths

        jobs = []
        for files in map_paths(maps, [second for _, second in found], registry.select(metrics)):
            # All of them free, or none is begun.
            targets += [writable(file, overwrite) for file in files.values()]
            jobs.append(partial(compare, maps=files))
    images = {Path(image).resolve() for pair in found for image in pair}
    for target in targets:
        if target in images:
            raise OutputError(f"{target} is one of the images; choose another place")
    reports, failed = _score(
        jobs, found, progress, holding, batch=batch, quiet=quiet, verbose=verbose
    )
    text = _written(reports, failed, alone, form=format_, per_band=per_band, batch=batch)
    if output is None:
        _print(text)
    else:
        write_text(output, text, overwrite=overwrite)
    code = _verdict(reports, alone, bounds)
    return FAILED if failed else code


def _score(
    jobs: Sequence[Callable[[str, str], Report]],
    found: Sequence[tuple[str, str]],
    progress: _Progress,
    holding: contextlib.AbstractContextManager[None],
    *,
    batch: bool,
    quiet: bool,
    verbose: bool,
) -> tuple[list[Report], list[Failure]]:
    """Score the pairs, each with its job; in a batch, what is wrong with one is no end."""
    from image_similarity_measures.opencv import slower_without
    from image_similarity_measures.report.report import Failure

    told = False
    reports: list[Report] = []
    failed: list[Failure] = []
    for number, (job, (first, second)) in enumerate(zip(jobs, found, strict=True), 1):
        progress.label = f"pair {number} of {len(found)}, " if len(found) > 1 else ""
        begin = time.perf_counter()
        try:
            with warnings.catch_warnings(), holding:
                # What they say is in the report's notes, or was asked for with --definitions.
                warnings.simplefilter("ignore")
                report = job(first, second)
        except _ERRORS as error:
            if isinstance(error, UsageError) or not batch:
                raise
            message = _explained(error)
            failed.append(Failure(first, second, message))
            _say(f"error: {message}" if second in message else f"error: {second}: {message}")
            continue
        reports.append(report)
        if not quiet:
            for note in report.notes:
                if note != slower_without():
                    _say(f"warning: {second}: {note}")
                elif not told:
                    _say(f"warning: {note}")
                    told = True
        if verbose:
            _say(f"{first} | {second}: {time.perf_counter() - begin:.2f} s")
    return reports, failed


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
        given = None if arguments is None else list(arguments)
        code = command.main(given, prog_name="image-similarity-measures", standalone_mode=False)
    except wrong_usage as error:
        message = getattr(error, "format_message", error.__str__)()
        _say(f"error: {_one_line(message)}; see --help")
        return MISUSED
    except UsageError as error:
        _say(f"error: {error}")
        return MISUSED
    except _ERRORS as error:
        _say(f"error: {_explained(error)}")
        return FAILED
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    if code == INTERRUPTED:  # which newer versions of typer return
        _say("interrupted")
    return int(code or PASSED)


def main() -> None:
    """Run the command and exit with its code."""
    if not {"-v", "--verbose"} & set(sys.argv):
        _keep_stderr_to_ourselves()
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(run())


_ERRORS = ImageSimilarityError, OSError, MemoryError


def _explained(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "not enough memory; leave out fsim and issm, or compare fewer bands"
    return _one_line(str(error))


class _Progress:
    """A percentage on stderr once the work has lasted a second, and a place to interrupt it.

    As a context manager it holds Ctrl-C back until the next call: an exception in the middle of
    a lock or of a thread's start would leave either in disorder. A second Ctrl-C works at once.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.label = ""
        self._wanted = wanted
        self._begin = time.monotonic()
        self._shown = ""
        self._interrupted = False

    def __call__(self, done: int, total: int) -> None:
        if self._interrupted:
            raise KeyboardInterrupt
        text = f"{self.label}{100 * done // total} %"
        if self._wanted and text != self._shown and time.monotonic() - self._begin > 1:
            print(f"\r{text}", end="", file=sys.stderr, flush=True)
            self._shown = text

    def __enter__(self) -> None:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            with contextlib.suppress(ValueError):  # not in the main thread
                signal.signal(signal.SIGINT, self._hold)

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        if signal.getsignal(signal.SIGINT) == self._hold:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self._shown:
            print("\r" + " " * len(self._shown) + "\r", end="", file=sys.stderr, flush=True)
            self._shown = ""
        if self._interrupted and kind is None:
            raise KeyboardInterrupt

    def _hold(self, *details: object) -> None:
        self._interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _bounds(texts: Sequence[str]) -> dict[str, float]:
    from image_similarity_measures import metrics as registry

    bounds = {}
    for text in texts:
        name, _, number = text.partition("=")
        metric = registry.get(name.strip()).name
        try:
            bounds[metric] = float(number)
        except ValueError:
            bounds[metric] = math.nan
        if math.isnan(bounds[metric]):
            raise UsageError(f"--fail-under {text}: give a metric and a number, psnr=30")
    return bounds


def _ends(text: str | None) -> float | tuple[float, float] | None:
    """The data range in words: its largest value, or the least and the largest."""
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    ends = [0.0, *numbers][-2:] if len(numbers) < 3 else []
    if len(ends) < 2 or not ends[0] < ends[1] or not all(map(math.isfinite, ends)):
        raise UsageError(
            f"--data-range {text}: give the largest possible value, or the least and the largest "
            "with a comma between, 0,255"
        )
    return ends[1] if len(numbers) == 1 else (ends[0], ends[1])


def _band_numbers(text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"--bands {text}: give numbers with commas between, 1,2,3") from None


def _refuse_with_legacy(options: dict[str, Any]) -> None:
    for name, value in options.items():
        if value is not None:
            raise UsageError(f"{name} does not go with --definitions 0.3; leave one of them out")


def _written(
    reports: Sequence[Report],
    failed: Sequence[Failure],
    unpaired: Sequence[str],
    *,
    form: Format,
    per_band: bool,
    batch: bool,
) -> str:
    from image_similarity_measures.report import report

    if form is Format.csv:
        return report.to_csv(reports, per_band=per_band)
    if form is Format.json:
        if batch:
            return report.to_json(reports, per_band=per_band, failed=failed, unpaired=unpaired)
        return reports[0].to_json(per_band=per_band)
    if batch:
        return report.to_table(reports, per_band=per_band)
    return reports[0].to_table(per_band=per_band)


def _verdict(reports: Sequence[Report], unpaired: Sequence[str], bounds: dict[str, float]) -> int:
    if not bounds:
        return PASSED
    failures = [f"{path} has no partner" for path in unpaired]
    for report in reports:
        for name, bound in bounds.items():
            result = report[name]
            if not result.reaches(bound):
                relation = {"higher": "below", "lower": "above"}.get(
                    result.better, "farther from 0 than"
                )
                failures.append(
                    f"{report.image2}: {name} {result.value:.6g} is {relation} {bound:g}"
                )
    for failure in failures:
        _say(f"failed: {failure}")
    return UNDER if failures else PASSED


def _print(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(f"cannot write to stdout: {error.strerror}") from error


def _say(text: str) -> None:
    if sys.stderr is not None:  # it may be closed, and print would take stdout instead
        print(text, file=sys.stderr)


def _one_line(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _keep_stderr_to_ourselves() -> None:
    """Send to nowhere what C libraries write to stderr; libtiff cannot be told not to."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        ours = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, errors="backslashreplace")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        sys.stderr = ours
