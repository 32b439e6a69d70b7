"""The command ``s2-superres``: options in, one function call, text out."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from s2_superres import __version__
from s2_superres.errors import S2SuperresError

app = typer.Typer(
    help="All Sentinel-2 bands at 10 m.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProductArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PRODUCT",
        help="A .SAFE folder, its .zip, or its MTD_MSIL1C.xml or MTD_MSIL2A.xml.",
        show_default=False,
    ),
]
GranuleOption = Annotated[
    str | None,
    typer.Option(
        metavar="TILE",
        help="Which granule, for products before the end of 2016 that hold several.",
        show_default=False,
    ),
]


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


@app.command()
def info(
    product: ProductArgument,
    granule: GranuleOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print what a product is: level, baseline, offsets, grid and bands."""
    from s2_superres.product import open_product
    from s2_superres.summary import summarize

    found = open_product(product, granule)
    typer.echo(json.dumps(found.to_dict(), indent=2) if as_json else summarize(found))


@app.command()
def sample(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to put it; made if it is not there.")
    ],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace a sample that is there already.")
    ] = False,
) -> None:
    """Put a small real product into a folder, to try the other commands on."""
    from s2_superres.sample import copy_sample

    typer.echo(copy_sample(folder, overwrite=overwrite))


class _Stopped(SystemExit):
    """Raised by a signal, so that everything half written is removed on the way out."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _Stopped(signal.Signals(number).name)


def main() -> None:
    """Run the command; what users did wrong is one line on stderr and exit 1."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        app()
    except S2SuperresError as error:
        _fail(str(error))
    except _Stopped as stopped:
        _fail(f"stopped by {stopped.code}; unfinished output was removed")
    except MemoryError:
        _fail("out of memory: take a smaller --tile, or an area of the product")
    except BrokenPipeError:
        # Whoever read our output has had enough of it.
        sys.stderr.close()
        sys.exit(1)


def _fail(message: str) -> NoReturn:
    one_line = " ".join(message.split("\n"))
    print(f"error: {one_line}", file=sys.stderr)
    sys.exit(1)
