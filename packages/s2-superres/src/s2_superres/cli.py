"""The command ``s2-superres``: options in, one function call, text out."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NoReturn

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


def _numbers(text: str) -> tuple[float, float, float, float]:
    """Read ``1,2,3,4`` or ``1 2 3 4``, with or without brackets."""
    parts = text.strip(" []()").replace(",", " ").split()
    try:
        left, bottom, right, top = (float(part) for part in parts)
    except ValueError:
        raise typer.BadParameter(f"{text!r}: give four numbers, such as 1,2,3,4") from None
    return left, bottom, right, top


@app.command()
def predict(
    product: ProductArgument,
    output: Annotated[
        Path | None,
        typer.Argument(
            metavar="OUTPUT.tif",
            help="The GeoTIFF to write; by default PRODUCT_10m.tif in this folder.",
            show_default=False,
        ),
    ] = None,
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="B05,B8A,...",
            help="Bands of the output; all 20 m and 60 m bands by default.",
            show_default=False,
        ),
    ] = None,
    include_10m: Annotated[
        bool, typer.Option("--include-10m", help="Add the four 10 m bands as they are.")
    ] = False,
    bbox: Annotated[
        Any,
        typer.Option(
            metavar="W,S,E,N", parser=_numbers, help="Area in degrees.", show_default=False
        ),
    ] = None,
    bounds: Annotated[
        Any,
        typer.Option(
            metavar="L,B,R,T",
            parser=_numbers,
            help="Area in the product's CRS.",
            show_default=False,
        ),
    ] = None,
    aoi: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Area covered by a vector file.", show_default=False),
    ] = None,
    granule: GranuleOption = None,
    network: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the weights that ship: default, compact, dsen2 or vdsen2; none for the "
            "local regression without weights.",
        ),
    ] = "default",
    weights: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Weights to take instead: ours or Keras 2 HDF5; may be repeated, "
            "20 m and 60 m are told apart. 'none' as --network none.",
            show_default=False,
        ),
    ] = None,
    consistent: Annotated[
        bool,
        typer.Option(
            "--consistent/--no-consistent",
            help="Project the output so that, degraded, it returns the measured bands.",
        ),
    ] = True,
    precision: Annotated[
        str,
        typer.Option(
            metavar="auto|float32|bfloat16",
            help="Arithmetic of the network; auto takes bfloat16 where it is faster.",
        ),
    ] = "auto",
    tile: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS",
            help="Side of a window; smaller takes less memory, larger is faster.",
            show_default="512, 1024 for the compact network",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads of the network.", show_default="all cores"),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|gpu[:N]", help="Where the network runs.")
    ] = "auto",
    file_format: Annotated[
        str, typer.Option("--format", metavar="cog|gtiff", help="Cloud-optimised or tiled GeoTIFF.")
    ] = "cog",
    co: Annotated[
        list[str] | None,
        typer.Option(
            "--co",
            metavar="NAME=VALUE",
            help="GDAL's creation options; may be repeated.",
            show_default=False,
        ),
    ] = None,
    quicklook: Annotated[
        Path | None,
        typer.Option(metavar="FILE.png", help="Draw before and after.", show_default=False),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that are there already.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done, and what it costs.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Print the plan before the work starts.")
    ] = False,
) -> None:
    """Bring the 20 m and 60 m bands of a product to 10 m."""
    for name, value, choices in (
        ("--precision", precision, ("auto", "float32", "bfloat16")),
        ("--format", file_format, ("cog", "gtiff")),
        ("--network", network, ("default", "compact", "dsen2", "vdsen2", "none")),
    ):
        if value not in choices:
            raise typer.BadParameter(
                f"{value!r}: choose one of {', '.join(choices)}", None, None, name
            )

    from s2_superres import predict as prediction
    from s2_superres import report
    from s2_superres.progress import ProgressBar
    from s2_superres.writing import parse_options

    options = prediction.Options(
        bands=bands.replace(",", " ").split() if bands is not None else None,
        include_10m=include_10m,
        bbox=bbox,
        bounds=bounds,
        aoi=aoi,
        granule=granule,
        network=network,
        weights=("none" if weights == [Path("none")] else weights) or None,
        consistent=consistent,
        precision=precision,
        tile=tile,
        threads=threads,
        device=device,
        format="cog" if file_format == "cog" else "gtiff",
        creation_options=parse_options(co or []),
        overwrite=overwrite,
    )
    run = prediction.prepare(product, options)
    output = output or Path(f"{run.product.name}_10m.tif")
    if dry_run:
        cost = prediction.estimate(run)
        text = json.dumps(report.plan_dict(run, cost)) if as_json else report.plan_text(run, cost)
        typer.echo(text)
        return
    prediction.check_paths(run, output, quicklook)
    if verbose:
        typer.echo(json.dumps(run.to_dict(), indent=2), err=True)
    pixels = run.area.rows * run.area.cols
    with ProgressBar(len(run.windows), pixels, quiet=quiet) as bar:
        summary = prediction.predict(run, output, progress=bar)
    if quicklook is not None:
        prediction.draw_quicklook(run, summary, quicklook)
    if as_json:
        typer.echo(json.dumps(summary.to_dict()))
    elif not quiet:
        typer.echo(report.summary_text(summary))


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
