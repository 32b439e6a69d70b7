"""The command ``s2-superres``: options in, one function call, text out."""

from __future__ import annotations

import json
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from s2_superres import __version__
from s2_superres.cli.calibrate import calibrate
from s2_superres.errors import S2SuperresError
from s2_superres.interrupts import stop_signals

if TYPE_CHECKING:
    from s2_superres.products.product import Product

app = typer.Typer(
    help="All Sentinel-2 bands at 10 m.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ProductArgument = Annotated[
    str,
    typer.Argument(
        metavar="PRODUCT",
        help="A .SAFE folder, its .zip, or its MTD_MSIL1C.xml or MTD_MSIL2A.xml; a STAC item or a "
        "mapping of bands as .json, or a link to an item.",
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
OffsetOption = Annotated[
    float | None,
    typer.Option(
        metavar="-1000|0",
        help="What to add to the digital numbers, where a catalogue contradicts itself.",
        show_default=False,
    ),
]
VerifyOption = Annotated[
    bool,
    typer.Option("--verify", help="First compare every file with the product's checksums."),
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
    offset: OffsetOption = None,
    verify: VerifyOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Print what a product is: level, baseline, offsets, grid and bands."""
    from s2_superres.products.openers import open_product
    from s2_superres.products.summary import summarize

    found = open_product(product, granule, offset=offset)
    if verify:
        _verify(found)
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
    from s2_superres.products.sample import copy_sample

    typer.echo(copy_sample(folder, overwrite=overwrite))


def _verify(product: Product, *, quiet: bool = False) -> None:
    """Compare a product's files with their checksums, saying how far it is."""
    from s2_superres.products.verify import verify
    from s2_superres.progress import StatusLine

    with StatusLine(quiet=quiet) as status:
        done = verify(
            product, lambda part, whole: status(f"verified {part >> 20} of {whole >> 20} MiB")
        )
    if not quiet:
        typer.echo(f"verified: {done.summary()}", err=True)


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
    offset: OffsetOption = None,
    verify: VerifyOption = False,
    network: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Of the weights that ship: default, compact or dsen2; none for the "
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
            show_default="720, 636 for dsen2, 512 for vdsen2",
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

    without = weights == [Path("none")]
    if without and network not in ("default", "none"):
        raise typer.BadParameter(f"--network {network} and --weights none: give one of them")

    from s2_superres.inference import predict as prediction
    from s2_superres.inference import summary as report
    from s2_superres.progress import ProgressBar
    from s2_superres.writers.geotiff import parse_options

    options = prediction.Options(
        bands=bands,
        include_10m=include_10m,
        bbox=bbox,
        bounds=bounds,
        aoi=aoi,
        granule=granule,
        offset=offset,
        network=network,
        weights=("none" if without else weights) or None,
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
    prediction.check_paths(run, output, quicklook)
    if verify:
        _verify(run.product, quiet=quiet)
    if dry_run:
        prediction.rehearse(run, output)
        cost = prediction.estimate(run)
        text = json.dumps(report.plan_dict(run, cost)) if as_json else report.plan_text(run, cost)
        typer.echo(text)
        return
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


@app.command()
def patches(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Products with all their granules, .npz crops, or folders of crops.",
            show_default=False,
            readable=False,  # Ours to say, in a line.
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to put the patches.")],
    resolution: Annotated[
        int, typer.Option(metavar="20|60", help="For the network of these bands.")
    ] = 20,
    size: Annotated[
        int | None,
        typer.Option(
            metavar="PIXELS", help="Side of a patch.", show_default="32, 96 for 60 m", min=1
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Most patches per scene.", show_default="8000, 500 for 60 m", min=1
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of what is drawn at random.")] = 0,
    measured: Annotated[
        float,
        typer.Option(
            metavar="SHARE", help="Least share of a patch that is measured, and clear if asked for."
        ),
    ] = 0.5,
    skip_clouds: Annotated[
        bool,
        typer.Option("--skip-clouds", help="Learn nothing where the product's mask has clouds."),
    ] = False,
    sigma: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="Point spread of the degradation in fine pixels.",
            show_default="1/2, 1/6 for 60 m",
        ),
    ] = None,
    teacher: Annotated[
        list[str] | None,
        typer.Option(
            metavar="compact|dsen2|none|FILE",
            help="Degrade nothing; take as truth what these weights make of the scene, in the mean "
            "if repeated.",
            show_default=False,
        ),
    ] = None,
    validation: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PLACE",
            help="Keep this place (MGRS tile, or place of crops) for validation; may be repeated.",
            show_default=False,
        ),
    ] = None,
    validation_share: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Share of the places not told of, for validation."),
    ] = 0.25,
    mixed_levels: Annotated[
        bool, typer.Option("--mixed-levels", help="Allow L1C and L2A in one set.")
    ] = False,
    skip_unusable: Annotated[
        bool, typer.Option("--skip-unusable", help="Leave out sources that give no patch.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace patches that are there already.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Cut training patches from products, degraded by Wald's protocol."""
    from s2_superres.patches.cutting import CutOptions, Split, cut_patches
    from s2_superres.patches.patchset import PatchSettings
    from s2_superres.training.log import RowProgress

    if size is None:
        size = 32 if resolution == 20 else 96
    if count is None:
        count = 8000 if resolution == 20 else 500
    settings = PatchSettings(resolution, size, count, seed, sigma, skip_clouds, measured=measured)
    if teacher and sigma is not None:
        raise typer.BadParameter("--sigma: with --teacher nothing is degraded")
    options = CutOptions(
        Split(tuple(validation or ()), validation_share),
        mixed_levels,
        skip_unusable,
        overwrite,
        tuple(teacher or ()),
    )
    with RowProgress(quiet=quiet) as progress:
        done = cut_patches(sources, out, settings, options, progress=progress, warn=progress.warn)
    if not quiet:
        typer.echo(done.summary())


@app.command()
def train(
    out: Annotated[
        Path, typer.Option("--out", metavar="RUN", help="Folder of the run.", show_default=False)
    ],
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="DIR", help="Folder of patches; may be repeated.", show_default=False),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Settings as JSON or TOML, such as another run's config.json; options replace "
            "them.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(metavar="compact|dsen2|vdsen2", show_default="compact"),
    ] = None,
    resolution: Annotated[int | None, typer.Option(metavar="20|60", show_default="20")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", show_default="20000")] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            metavar="N", help="Passes over the patches, instead of --steps.", show_default=False
        ),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="N", help="Patches per step.", show_default="4")
    ] = None,
    optimizer: Annotated[
        str | None, typer.Option(metavar="muon|adamw|nadam", show_default="muon")
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(metavar="RATE", show_default="0.0007")
    ] = None,
    schedule: Annotated[
        str | None, typer.Option(metavar="cosine|plateau", show_default="cosine")
    ] = None,
    precision: Annotated[
        str | None, typer.Option(metavar="float32|bfloat16", show_default="bfloat16")
    ] = None,
    consistent: Annotated[
        bool | None,
        typer.Option(
            "--consistent/--no-consistent",
            help="Train with the projection on the measured band.",
            show_default="consistent",
        ),
    ] = None,
    init: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Weights to start from, the mean of them if repeated.",
            show_default=False,
        ),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any other setting of config.json; may be repeated.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", show_default="0")] = None,
    mixed_levels: Annotated[
        bool | None, typer.Option("--mixed-levels", help="Allow L1C and L2A together.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint in RUN.")
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Start again in a folder that holds a run; its weights stay until the first "
            "validation.",
        ),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Train a network on patches."""
    from s2_superres.training.config import TrainingConfig, parse_settings, read_config

    if resume and overwrite:
        raise typer.BadParameter("--resume and --overwrite: go on, or start again")
    chosen = TrainingConfig()
    if resume:
        chosen = chosen.change(read_config(out / "config.json"))
    if config is not None:
        chosen = chosen.change(read_config(config))
    given = {
        "data": data,
        "network": network,
        "resolution": resolution,
        "steps": steps,
        "epochs": epochs,
        "batch": batch,
        "optimizer": optimizer,
        "learning_rate": learning_rate,
        "schedule": schedule,
        "precision": precision,
        "consistent": consistent,
        "init": init,
        "seed": seed,
        "mixed_levels": mixed_levels,
    }
    given = {name: value for name, value in given.items() if value is not None}
    given |= parse_settings(settings or [])
    if given.get("steps") is not None and given.get("epochs") is not None:
        raise typer.BadParameter("--steps and --epochs: give one of them")
    chosen = chosen.change(given)

    from s2_superres.errors import TrainingStopped
    from s2_superres.training.log import StepProgress
    from s2_superres.training.run import train as run_training

    try:
        result = run_training(
            chosen, out, resume=resume, overwrite=overwrite, report=StepProgress(quiet=quiet)
        )
    except TrainingStopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(130) from None
    if not quiet:
        typer.echo(result.summary())


app.command()(calibrate)


@app.command()
def validate(
    sources: Annotated[
        list[Path],
        typer.Argument(
            metavar="SOURCE...",
            help="Products, or .npz files with the arrays b10, b20 and b60.",
            show_default=False,
            readable=False,
        ),
    ],
    resolution: Annotated[str, typer.Option(metavar="20|60|all", help="Bands to restore.")] = "all",
    weights: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=][L1C:|L2A:]FILE",
            help="Weights to score, ours or Keras 2 HDF5; may be repeated. Files of one NAME "
            "are one method, told apart by resolution and level.",
            show_default=False,
        ),
    ] = None,
    network: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Of the weights that ship: default, compact or dsen2; none for the "
            "local regression without weights; may be repeated.",
            show_default="default, unless --weights is given",
        ),
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="bicubic|unprojected",
            help="What to compare with: interpolation, or the same networks without their "
            "projection; may be repeated.",
            show_default="bicubic",
        ),
    ] = None,
    consistent: Annotated[
        bool,
        typer.Option(
            "--consistent/--no-consistent",
            help="Project the output so that, degraded, it returns the measured bands.",
        ),
    ] = True,
    full_scale: Annotated[
        bool,
        typer.Option(
            "--full-scale/--no-full-scale",
            help="Also sharpen at full scale, degrade that, and compare with the measured bands.",
        ),
    ] = True,
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
    side: Annotated[
        int,
        typer.Option(
            metavar="PIXELS", help="Without an area, take the centre of what is larger.", min=6
        ),
    ] = 1080,
    granule: GranuleOption = None,
    level: Annotated[
        str | None,
        typer.Option(
            metavar="L1C|L2A",
            help="Level of .npz files whose name does not tell it.",
            show_default=False,
        ),
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            metavar="PIXELS",
            help="Point spread of the degradation, in pixels of the finer grid.",
            show_default="1 / ratio",
        ),
    ] = None,
    json_file: Annotated[
        str | None,
        typer.Option(
            "--json", metavar="FILE", help="Write all scores; - for stdout.", show_default=False
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE.html", help="Write a report with images.", show_default=False),
    ] = None,
    bands: Annotated[bool, typer.Option("--bands", help="Print every band's RMSE.")] = False,
    precision: Annotated[
        str,
        typer.Option(
            metavar="float32|bfloat16|auto",
            help="Arithmetic of the networks; float32 gives the same scores everywhere.",
        ),
    ] = "float32",
    tile: Annotated[
        int | None,
        typer.Option(metavar="PIXELS", help="Side of a window.", show_default=False),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads of the network.", show_default="all cores"),
    ] = None,
    device: Annotated[
        str, typer.Option(metavar="auto|cpu|gpu[:N]", help="Where the network runs.")
    ] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace outputs that are there already.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no table.")] = False,
) -> None:
    """Score networks on bands that were degraded on purpose."""
    for name, values, choices in (
        ("--resolution", [resolution], ("20", "60", "all")),
        ("--network", network or [], ("default", "compact", "dsen2", "vdsen2", "none")),
        ("--against", against or [], ("bicubic", "unprojected")),
        ("--level", [level] if level else [], ("L1C", "L2A")),
        ("--precision", [precision], ("float32", "bfloat16", "auto")),
    ):
        for value in values:
            if value not in choices:
                raise typer.BadParameter(
                    f"{value!r}: choose one of {', '.join(choices)}", None, None, name
                )

    from s2_superres.files.atomic import write_text
    from s2_superres.files.kinds import REPORT, SCORES
    from s2_superres.files.paths import check_output, protect_inputs
    from s2_superres.progress import StatusLine
    from s2_superres.validation.html import html_report
    from s2_superres.validation.methods import RESOLUTIONS, choose_methods
    from s2_superres.validation.scenes import Selection, find_input, read_scenes
    from s2_superres.validation.table import table
    from s2_superres.validation.wald import Settings
    from s2_superres.validation.wald import validate as score

    as_json = None if json_file in (None, "-") else Path(str(json_file))
    outputs = [path for path in (as_json, report) if path is not None]
    for path, kind in ((as_json, SCORES), (report, REPORT)):
        if path is not None:
            check_output(path, kind, overwrite=overwrite)
    resolutions = RESOLUTIONS if resolution == "all" else (int(resolution),)
    methods = choose_methods(
        resolutions=resolutions,
        networks=network or [],
        weights=weights or [],
        against=against or ["bicubic"],
        consistent=consistent,
    )
    files = {network.path for method in methods for network in method.networks.values()}
    protect_inputs(outputs, [*map(find_input, sources), *filter(None, files)])
    settings = Settings(
        resolutions=resolutions,
        required=resolution != "all",
        sigma=sigma,
        full_scale=full_scale,
        pictures=report is not None,
        precision=precision,
        tile=tile,
        threads=threads,
        device=device,
    )
    scenes = read_scenes(sources, Selection(bbox, bounds, granule, level, side))
    with StatusLine(quiet=quiet) as status:
        found = score(scenes, methods, settings, status)
    document = found.to_dict()
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if as_json is not None:
        write_text(as_json, text)
    if report is not None:
        write_text(report, html_report(document, [c.pictures for c in found.comparisons]))
    if json_file == "-":
        typer.echo(text, nl=False)
    elif not quiet:
        typer.echo(table(document, per_band=bands), nl=False)


class _Stopped(SystemExit):
    """Raised by a signal, so that everything half written is removed on the way out."""


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    raise _Stopped(signal.Signals(number).name)


def _stop_again(ignored: sys.UnraisableHookArgs) -> None:
    """Repeat a signal that came during a destructor, where Python drops what is raised."""
    if not isinstance(ignored.exc_value, _Stopped):
        sys.__unraisablehook__(ignored)
        return
    number = signal.Signals[str(ignored.exc_value.code)]
    again = threading.Timer(0.1, signal.raise_signal, [number])
    again.daemon = True
    again.start()


def main() -> None:
    """Run the command; what users did wrong is one line on stderr and exit 1."""
    for number in stop_signals():
        signal.signal(number, _stop)
    sys.unraisablehook = _stop_again
    try:
        app()
    except S2SuperresError as error:
        _fail(str(error))
    except _Stopped as stopped:
        _fail(f"stopped by {stopped.code}; unfinished output was removed")
    except BrokenPipeError:
        # Whoever read our output has had enough of it.
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        # What no module foresaw.
        _fail(f"{error.filename or 'a file'}: {error.strerror or error}")
    except MemoryError:
        _fail("out of memory: take a smaller --tile, or an area of the product")


def _fail(message: str) -> NoReturn:
    one_line = " ".join(message.split("\n"))
    print(f"error: {one_line}", file=sys.stderr)
    sys.exit(1)
