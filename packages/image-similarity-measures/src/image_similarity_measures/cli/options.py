"""The options of the command, and what can be chosen."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from image_similarity_measures._version import __version__
from image_similarity_measures.metrics import names


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


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"image-similarity-measures {__version__}")
        raise typer.Exit


OrgOption = Annotated[
    str,
    typer.Option(
        "--org-img-path",
        "--org_img_path",
        metavar="PATH",
        show_default=False,
        help="The original: a file, a URL, a folder whose files are paired by name, or a pattern "
        "such as 'truth/*_b.tif', whose files are paired by what * stands for.",
    ),
]
PredOption = Annotated[
    str,
    typer.Option(
        "--pred-img-path",
        "--pred_img_path",
        metavar="PATH",
        show_default=False,
        help="What is compared with it: the same.",
    ),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", help="Pair the files of subfolders too, by their paths.")
]
MetricOption = Annotated[
    list[str] | None,
    typer.Option(
        "--metric",
        metavar="NAME",
        help=f"One of {', '.join(names())}, or all; may be repeated. psnr if left out.",
    ),
]
PerBandOption = Annotated[bool, typer.Option("--per-band", help="Add the values of each band.")]
FormatOption = Annotated[Format, typer.Option("--format", help="Form of the result.")]
DataRangeOption = Annotated[
    str | None,
    typer.Option(
        "--data-range",
        metavar="[MIN,]MAX",
        help="Largest possible value, and the least if that is not 0: --data-range=-30,5. If "
        "left out, what a file's bits per value allow, else 255 for 8-bit and 4095 for wider "
        "integers; floating point needs it.",
    ),
]
BitDepthOption = Annotated[
    int | None,
    typer.Option("--bit-depth", metavar="N", min=1, max=64, help="Data range of 2^N - 1."),
]
NodataOption = Annotated[
    float | None,
    typer.Option(
        "--nodata",
        metavar="VALUE",
        help="Leave out pixels with this value, in place of what the files name.",
    ),
]
BandsOption = Annotated[
    str | None,
    typer.Option("--bands", metavar="N,N,...", help="Bands to compare, counted from 1."),
]
MismatchOption = Annotated[
    bool,
    typer.Option("--allow-grid-mismatch", help="Compare rasters of one size that lie elsewhere."),
]
MapsOption = Annotated[
    Path | None,
    typer.Option(
        "--maps",
        metavar="DIR",
        help="Write quality maps of fsim, sam, ssim and uiq there, as GeoTIFFs.",
    ),
]
DefinitionsOption = Annotated[
    Definitions,
    typer.Option("--definitions", help="0.3 gives the values of that version, faults and all."),
]
LoaderOption = Annotated[
    Loader,
    typer.Option(
        "--loader", help="Library that reads the files; opencv for --definitions 0.3 alone."
    ),
]
FailUnderOption = Annotated[
    list[str] | None,
    typer.Option(
        "--fail-under",
        metavar="NAME=BOUND",
        help="Exit with 3 if a pair is worse: below the bound or, for rmse and sam, where "
        "lower is better, above it; or if a file has no partner. May be repeated.",
    ),
]
JobsOption = Annotated[
    int, typer.Option("--jobs", metavar="N", min=1, help="Pairs at a time, each by a process.")
]
LedgerOption = Annotated[
    Path | None,
    typer.Option(
        "--ledger",
        metavar="FILE",
        help="Write a line of JSON there for each pair that cannot be scored, as it fails.",
    ),
]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", metavar="FILE", help="Write the result there; - is stdout."),
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the output, ledger and maps that exist.")
]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="No warnings and no progress on stderr.")
]
VerboseOption = Annotated[
    bool, typer.Option("-v", "--verbose", help="Say on stderr what is done, and how fast.")
]
VersionOption = Annotated[
    bool,
    typer.Option("--version", callback=_print_version, is_eager=True, help="Print version."),
]
