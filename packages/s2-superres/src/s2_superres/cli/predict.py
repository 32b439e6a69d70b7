"""The command ``predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from s2_superres.choices import DEFAULT_NETWORK, NO_NETWORK, PRECISIONS
from s2_superres.cli import batch, single
from s2_superres.cli.batch import Many
from s2_superres.cli.options import (
    BboxOption,
    BoundsOption,
    ConsistentOption,
    DeviceOption,
    GranuleOption,
    HarmonisedOption,
    MasksOption,
    OffsetOption,
    OverwriteOption,
    ReflectanceOption,
    SignOption,
    StacOption,
    ThreadsOption,
    VerifyOption,
    choice,
    chosen_values,
    format_names,
    network_names,
    one_of,
)
from s2_superres.cli.single import How

ProductsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PRODUCT [OUTPUT]",
        help="A .SAFE folder, its .zip, or its MTD_MSIL1C.xml or MTD_MSIL2A.xml; a STAC item or a "
        "mapping of bands as .json, or a link to an item or a zip. Then the GeoTIFF (.tif) or Zarr "
        "store (.zarr) to write, by default PRODUCT_10m.tif in this folder. With --out-dir, any "
        "number of products; also folders of them, quoted patterns such as '2024/*.SAFE', a .txt "
        "with one a line, or a STAC ItemCollection.",
        show_default=False,
        readable=False,
    ),
]
OutDirOption = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Write PRODUCT_10m.tif of each product there. What is finished, by what the file "
        "says that it was made from, is not made again.",
        show_default=False,
    ),
]
RecursiveOption = Annotated[
    bool, typer.Option("--recursive", help="With --out-dir, look into folders within folders.")
]
JobsOption = Annotated[
    int,
    typer.Option(metavar="N", min=1, help="With --out-dir, products at a time, each by a process."),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="With --out-dir, only the I-th of N parts, split by the products' names: one for "
        "each job of an array.",
        show_default=False,
    ),
]
DaskOption = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS|local[:N]",
        help="Work on a Dask cluster, or N processes of this machine: with --out-dir on whole "
        "products, else on the windows of one.",
        show_default=False,
    ),
]
LedgerOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --out-dir, add a line of JSON there for each product.",
        show_default="DIR/ledger.jsonl",
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
        help="Add per sharpened band B05_err90 and so on: half the width of an interval "
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
        metavar="default|{shipped}|none",
        parser=one_of(network_names),
        help="Of the weights that ship; none for the local regression without weights.",
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
        show_default="{tiles}",
    ),
]
FormatOption = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="{formats}",
        parser=one_of(format_names),
        help="Cloud-optimised or tiled GeoTIFF, or Zarr.",
        show_default="by the output's ending, else cog",
    ),
]
CreationOption = Annotated[
    list[str] | None,
    typer.Option(
        "--co",
        metavar="NAME=VALUE",
        help="Creation options, GDAL's for GeoTIFFs; may be repeated.",
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
    products: ProductsArgument,
    out_dir: OutDirOption = None,
    recursive: RecursiveOption = False,
    jobs: JobsOption = 1,
    shard: ShardOption = None,
    ledger: LedgerOption = None,
    dask: DaskOption = None,
    bands: BandsOption = None,
    include_10m: Include10mOption = False,
    with_error: WithErrorOption = False,
    masks: MasksOption = None,
    harmonised: HarmonisedOption = False,
    reflectance: ReflectanceOption = False,
    bbox: BboxOption = None,
    bounds: BoundsOption = None,
    aoi: AoiOption = None,
    mask_outside: MaskOption = False,
    granule: GranuleOption = None,
    offset: OffsetOption = None,
    sign: SignOption = None,
    verify: VerifyOption = False,
    network: NetworkOption = DEFAULT_NETWORK,
    weights: WeightsOption = None,
    consistent: ConsistentOption = True,
    precision: PrecisionOption = "auto",
    tile: TileOption = None,
    threads: ThreadsOption = None,
    device: DeviceOption = "auto",
    file_format: FormatOption = None,
    co: CreationOption = None,
    quicklook: QuicklookOption = None,
    stac: StacOption = False,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Bring the 20 m and 60 m bands of a product, or of many, to 10 m."""
    from s2_superres.inference.plan import Options
    from s2_superres.writers.spec import parse_options

    options = Options(
        bands=bands, include_10m=include_10m, with_error=with_error, masks=masks,
        values=chosen_values(harmonised, reflectance), bbox=bbox, bounds=bounds, aoi=aoi,
        mask_outside=mask_outside, granule=granule, offset=offset, sign=sign, network=network,
        weights=_weights(weights, network), consistent=consistent, precision=precision, tile=tile,
        threads=threads, device=device, format=file_format,
        creation_options=parse_options(co or []), stac=stac, overwrite=overwrite,
    )  # fmt: skip
    how = How(dask, verify, dry_run, as_json, quiet, verbose)
    many = Many(recursive, jobs, shard, ledger)
    if dask is not None and jobs > 1:
        raise typer.BadParameter("--jobs and --dask: give one of them")
    if out_dir is None:
        single.sharpen(*_product_and_output(products, many, sign), quicklook, options, how)
    elif quicklook is not None:
        raise typer.BadParameter("--quicklook is of one product; leave it or --out-dir out")
    else:
        batch.sharpen(products, out_dir, options, many, how)


def _weights(files: list[Path] | None, network: str) -> list[Path] | str | None:
    """Return the weights asked for, or the word for none."""
    if files != [Path("none")]:
        return files or None
    if network not in (DEFAULT_NETWORK, NO_NETWORK):
        raise typer.BadParameter(f"--network {network} and --weights none: give one of them")
    return "none"


def _product_and_output(products: list[str], many: Many, sign: Any) -> tuple[str, Path | None]:
    """Return the product and the output of a run without --out-dir."""
    from s2_superres.errors import InputError
    from s2_superres.products.sources import is_several

    given = {
        "--recursive": many.recursive,
        "--jobs": many.jobs > 1,
        "--shard": many.shard,
        "--ledger": many.ledger,
    }
    for flag, value in given.items():
        if value:
            raise typer.BadParameter(f"{flag} is for many products; give a folder with --out-dir")
    if len(products) > 2:
        raise typer.BadParameter(f"{len(products)} products; give a folder with --out-dir")
    if is_several(products[0], sign):
        raise InputError(
            f"{products[0]}: stands for several products; give one, or a folder with --out-dir"
        )
    return products[0], Path(products[1]) if len(products) == 2 else None
