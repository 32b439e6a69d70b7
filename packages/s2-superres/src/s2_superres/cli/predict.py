"""The command ``predict``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from s2_superres.choices import PRECISIONS
from s2_superres.cli.options import (
    BboxOption,
    BoundsOption,
    ConsistentOption,
    DeviceOption,
    GranuleOption,
    OffsetOption,
    OverwriteOption,
    ProductArgument,
    ThreadsOption,
    VerifyOption,
    choice,
    format_names,
    network_names,
    one_of,
)
from s2_superres.cli.product import check_files
from s2_superres.cli.progress import Display, WindowProgress

OutputArgument = Annotated[
    Path | None,
    typer.Argument(
        metavar="OUTPUT.tif",
        help="The GeoTIFF to write; by default PRODUCT_10m.tif in this folder.",
        show_default=False,
    ),
]
BandsOption = Annotated[
    str | None,
    typer.Option(
        metavar="B05,B8A,...",
        help="Bands of the output; all 20 m and 60 m bands by default.",
        show_default=False,
    ),
]
Include10mOption = Annotated[
    bool, typer.Option("--include-10m", help="Add the four 10 m bands as they are.")
]
WithErrorOption = Annotated[
    bool,
    typer.Option(
        "--with-error",
        help="Add per sharpened band B05_err90 and so on: half the width in DN of an interval "
        "that holds the truth in 90 % of pixels.",
    ),
]
AoiOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Area covered by a vector file.", show_default=False),
]
MaskOption = Annotated[
    bool,
    typer.Option("--mask-outside", help="Make no data of what lies outside --aoi's polygons."),
]
NetworkOption = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        parser=one_of(network_names),
        help="Of the weights that ship: default, compact or dsen2; none for the "
        "local regression without weights.",
    ),
]
WeightsOption = Annotated[
    list[Path] | None,
    typer.Option(
        metavar="FILE",
        help="Weights to take instead: ours or Keras 2 HDF5; may be repeated, "
        "20 m and 60 m are told apart. 'none' as --network none.",
        show_default=False,
    ),
]
PrecisionOption = Annotated[
    str,
    choice(PRECISIONS, help="Arithmetic of the network; auto takes bfloat16 where it is faster."),
]
TileOption = Annotated[
    int | None,
    typer.Option(
        metavar="PIXELS",
        help="Side of a window; smaller takes less memory, larger is faster.",
        show_default="720, 636 for dsen2, 512 for vdsen2",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="cog|gtiff",
        parser=one_of(format_names),
        help="Cloud-optimised or tiled GeoTIFF.",
        show_default="by the output's ending, else cog",
    ),
]
CreationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--co",
        metavar="NAME=VALUE",
        help="GDAL's creation options; may be repeated.",
        show_default=False,
    ),
]
QuicklookOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE.png", help="Draw before and after.", show_default=False),
]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help="Say what would be done, and what it costs.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bar and no summary.")]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Print the plan before the work starts.")
]


def predict(
    product: ProductArgument,
    output: OutputArgument = None,
    bands: BandsOption = None,
    include_10m: Include10mOption = False,
    with_error: WithErrorOption = False,
    bbox: BboxOption = None,
    bounds: BoundsOption = None,
    aoi: AoiOption = None,
    mask_outside: MaskOption = False,
    granule: GranuleOption = None,
    offset: OffsetOption = None,
    verify: VerifyOption = False,
    network: NetworkOption = "default",
    weights: WeightsOption = None,
    consistent: ConsistentOption = True,
    precision: PrecisionOption = "auto",
    tile: TileOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    file_format: FormatOption = None,
    co: CreationOption = None,
    quicklook: QuicklookOption = None,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Bring the 20 m and 60 m bands of a product to 10 m."""
    without = weights == [Path("none")]
    if without and network not in ("default", "none"):
        raise typer.BadParameter(f"--network {network} and --weights none: give one of them")

    from s2_superres.cli import summary as words
    from s2_superres.inference.cost import estimate
    from s2_superres.inference.outputs import check_paths, rehearse
    from s2_superres.inference.plan import Options, prepare
    from s2_superres.inference.predict import predict as sharpen
    from s2_superres.inference.quicklook import draw_quicklook
    from s2_superres.writers.spec import parse_options

    options = Options(
        bands=bands,
        include_10m=include_10m,
        with_error=with_error,
        bbox=bbox,
        bounds=bounds,
        aoi=aoi,
        mask_outside=mask_outside,
        granule=granule,
        offset=offset,
        network=network,
        weights=("none" if without else weights) or None,
        consistent=consistent,
        precision=precision,
        tile=tile,
        threads=threads,
        device=device,
        format=file_format,
        creation_options=parse_options(co or []),
        overwrite=overwrite,
    )
    run = prepare(product, options)
    output = output or Path(f"{run.product.name}_10m.tif")
    check_paths(run, output, quicklook)
    if verify:
        check_files(run.product, quiet=quiet)
    if dry_run:
        rehearse(run, output)
        cost = estimate(run)
        typer.echo(
            json.dumps(words.plan_dict(run, cost)) if as_json else words.plan_text(run, cost)
        )
        return
    if verbose:
        typer.echo(json.dumps(run.to_dict(), indent=2), err=True)
    with Display(quiet=quiet) as display:
        progress = WindowProgress(display, len(run.windows), run.area.rows * run.area.cols)
        summary = sharpen(run, output, progress=progress)
    if quicklook is not None:
        draw_quicklook(run, summary, quicklook)
    if as_json:
        typer.echo(json.dumps(summary.to_dict()))
    elif not quiet:
        typer.echo(words.summary_text(summary))
