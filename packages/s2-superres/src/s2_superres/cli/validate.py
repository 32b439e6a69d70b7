"""The command ``validate``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from s2_superres.choices import LEVELS, RIVALS
from s2_superres.cli.options import (
    BboxOption,
    BoundsOption,
    ConsistentOption,
    DeviceOption,
    GranuleOption,
    OffsetOption,
    OverwriteOption,
    SignOption,
    ThreadsOption,
    choice,
    network_names,
    one_of,
)
from s2_superres.cli.progress import Display

if TYPE_CHECKING:
    from s2_superres.products.sources import Listed
    from s2_superres.validation.methods import Method
    from s2_superres.validation.results import Validation
    from s2_superres.validation.scenes import Selection

SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Products or links to STAC items, or .npz files with the arrays b10, b20 and b60; "
        "also folders of them, quoted patterns, a .txt with one a line, or a STAC ItemCollection.",
        show_default=False,
        readable=False,
    ),
]
ResolutionOption = Annotated[str, choice(("20", "60", "all"), help="Bands to restore.")]
WeightsOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=][L1C:|L2A:]FILE",
        help="Weights to score, ours or Keras 2 HDF5; may be repeated. Files of one NAME "
        "are one method, told apart by resolution and level.",
        show_default=False,
    ),
]
NetworkOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="default|{shipped}|none",
        parser=one_of(network_names),
        help="Of the weights that ship; none for the local regression without weights; may be "
        "repeated.",
        show_default="default, unless --weights is given",
    ),
]
AgainstOption = Annotated[
    list[str] | None,
    choice(
        RIVALS,
        help="What to compare with: interpolation, or the same networks without their "
        "projection; may be repeated.",
        show_default="bicubic",
    ),
]
FullScaleOption = Annotated[
    bool,
    typer.Option(
        "--full-scale/--no-full-scale",
        help="Also sharpen at full scale, degrade that, and compare with the measured bands.",
    ),
]
SideOption = Annotated[
    int,
    typer.Option(metavar="PIXELS", help="Without an area, take the centre of what is larger.",
                 min=6),
]  # fmt: skip
LevelOption = Annotated[
    str | None,
    choice(LEVELS, help="Level of .npz files whose name does not tell it.", show_default=False),
]
SigmaOption = Annotated[
    float | None,
    typer.Option(
        metavar="PIXELS",
        help="Point spread of the degradation, in pixels of the finer grid.",
        show_default="1 / ratio",
    ),
]
JsonOption = Annotated[
    str | None,
    typer.Option(
        "--json", metavar="FILE", help="Write all scores; - for stdout.", show_default=False
    ),
]
ReportOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.html", help="Write a report with images.", show_default=False),
]
PerBandOption = Annotated[bool, typer.Option("--bands", help="Print every band's RMSE.")]
PrecisionOption = Annotated[
    str,
    choice(
        ("float32", "bfloat16", "auto"),
        help="Arithmetic of the networks; float32 gives the same scores everywhere.",
    ),
]
TileOption = Annotated[
    int | None,
    typer.Option(metavar="PIXELS", help="Side of a window.", show_default=False),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", help="Look into folders within folders.")
]
JobsOption = Annotated[
    int, typer.Option(metavar="N", min=1, help="Sources at a time, each by a process.")
]
LedgerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Add a line of JSON there for each source.", show_default=False
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")]


def validate(
    sources: SourcesArgument,
    resolution: ResolutionOption = "all",
    weights: WeightsOption = None,
    network: NetworkOption = None,
    against: AgainstOption = None,
    consistent: ConsistentOption = True,
    full_scale: FullScaleOption = True,
    bbox: BboxOption = None,
    bounds: BoundsOption = None,
    side: SideOption = 1080,
    granule: GranuleOption = None,
    level: LevelOption = None,
    offset: OffsetOption = None,
    sign: SignOption = None,
    sigma: SigmaOption = None,
    json_file: JsonOption = None,
    report: ReportOption = None,
    bands: PerBandOption = False,
    precision: PrecisionOption = "float32",
    tile: TileOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    overwrite: OverwriteOption = False,
    recursive: RecursiveOption = False,
    jobs: JobsOption = 1,
    ledger: LedgerOption = None,
    quiet: QuietOption = False,
) -> None:
    """Score networks on bands that were degraded on purpose."""
    from s2_superres import validation as rooms
    from s2_superres.networks.compute import Compute
    from s2_superres.products.sources import expand
    from s2_superres.validation.batch import validate_sources
    from s2_superres.validation.methods import RESOLUTIONS

    as_json = None if json_file in (None, "-") else Path(str(json_file))
    resolutions = RESOLUTIONS if resolution == "all" else (int(resolution),)
    methods = rooms.choose_methods(
        resolutions=resolutions,
        networks=network or [],
        weights=weights or [],
        against=against or ["bicubic"],
        consistent=consistent,
    )
    listed = expand(sources, recursive=recursive, also=(".npz",), sign=sign)
    selection = rooms.Selection(bbox, bounds, granule, level, side, sign, offset)
    _check_outputs(as_json, report, listed, methods, selection, overwrite=overwrite)
    settings = rooms.Settings(
        resolutions=resolutions,
        required=resolution != "all",
        sigma=sigma,
        full_scale=full_scale,
        pictures=report is not None,
        compute=Compute(precision, tile, threads, device),
    )
    with Display(quiet=quiet, measured=False) as display:
        found = validate_sources(
            listed, methods, settings, selection, jobs=jobs, ledger=ledger, progress=display
        )
    _tell(found, as_json, report, json_file == "-", bands=bands, quiet=quiet)


def _check_outputs(
    as_json: Path | None,
    report: Path | None,
    sources: Sequence[Listed],
    methods: Sequence[Method],
    selection: Selection,
    *,
    overwrite: bool,
) -> None:
    """Check that outputs can be written, and are neither inputs nor one another."""
    from s2_superres.files.kinds import REPORT, SCORES
    from s2_superres.files.paths import check_output, protect_inputs
    from s2_superres.validation.batch import places

    for path, kind in ((as_json, SCORES), (report, REPORT)):
        if path is not None:
            check_output(path, kind, overwrite=overwrite)
    weights = {one.path for method in methods for one in method.networks.values()}
    outputs = [path for path in (as_json, report) if path is not None]
    if outputs:
        protect_inputs(outputs, [*places(sources, selection), *filter(None, weights)])


def _tell(
    found: Validation, as_json: Path | None, report: Path | None, to_stdout: bool,
    *, bands: bool, quiet: bool,
) -> None:  # fmt: skip
    """Write and print what was found."""
    from s2_superres.files.atomic import write_text
    from s2_superres.validation.html import html_report
    from s2_superres.validation.table import table

    document = found.to_dict()
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if as_json is not None:
        write_text(as_json, text)
    if report is not None:
        write_text(report, html_report(document, [c.pictures for c in found.comparisons]))
    if to_stdout:
        typer.echo(text, nl=False)
    elif not quiet:
        typer.echo(table(document, per_band=bands), nl=False)
    for failure in found.failed:
        typer.echo(f"error: {failure}", err=True)
    if found.failed:
        raise typer.Exit(1)
