"""The command ``s2-superres``: options in, one function call, text out."""

from __future__ import annotations

import signal
import sys
from typing import Annotated, NoReturn

import typer

from s2_superres._version import __version__
from s2_superres.cli.calibrate import calibrate
from s2_superres.cli.options import Command
from s2_superres.cli.patches import patches
from s2_superres.cli.predict import predict
from s2_superres.cli.product import info, sample
from s2_superres.cli.train import train
from s2_superres.cli.validate import validate
from s2_superres.errors import S2SuperresError
from s2_superres.interrupts import obey, stop_behind, stop_signals

app = typer.Typer(
    help="All Sentinel-2 bands at 10 m.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (info, sample, predict, patches, train, calibrate, validate):
    app.command(cls=Command)(command)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"s2-superres {__version__}")
        raise typer.Exit


@app.callback()
def _common(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """All Sentinel-2 bands at 10 m."""


def main() -> None:
    """Run the command; what users did wrong is one line on stderr and exit 1."""
    obey(stop_signals())
    try:
        app()
    except BaseException as error:
        stopped = stop_behind(error)
        if stopped:
            stopped.heard = True
            name = signal.Signals(stopped.number).name
            left = "; ".join(_notes(error) or _notes(stopped)) or "unfinished output was removed"
            _fail(f"stopped by {name}; {left}", 128 + stopped.number)
        _end(error)


def _end(error: BaseException) -> NoReturn:
    """End as an error asks for."""
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has had enough of it.
        sys.stderr.close()
        sys.exit(1)
    if isinstance(error, S2SuperresError):
        _fail("; ".join([str(error), *_notes(error)]))
    if isinstance(error, OSError):
        # What no module foresaw.
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    if isinstance(error, MemoryError):
        _fail("out of memory: take a smaller --tile, or an area of the product")
    raise error


def _notes(error: BaseException) -> list[str]:
    """Return what was added to an error on its way: what stays for the next run."""
    return getattr(error, "__notes__", [])


def _fail(message: str, code: int = 1) -> NoReturn:
    one_line = " ".join(message.split("\n"))
    print(f"error: {one_line}", file=sys.stderr)
    sys.exit(code)
