"""The command ``patches``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from s2_superres.cli.options import OffsetOption, SignOption
from s2_superres.cli.progress import Display, RowProgress

SourcesArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...",
        help="Products with all their granules, links to STAC items, .npz crops, or folders of "
        "crops.",
        show_default=False,
        readable=False,  # Ours to say, in a line.
    ),
]
OutOption = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to put the patches.")]
ResolutionOption = Annotated[
    int, typer.Option(metavar="20|60", help="For the network of these bands.")
]
SizeOption = Annotated[
    int | None,
    typer.Option(metavar="PIXELS", help="Side of a patch.", show_default="32, 96 for 60 m", min=1),
]
CountOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Most patches per scene.", show_default="8000, 500 for 60 m", min=1
    ),
]
SeedOption = Annotated[int, typer.Option(metavar="N", help="Of what is drawn at random.")]
MeasuredOption = Annotated[
    float,
    typer.Option(
        metavar="SHARE", help="Least share of a patch that is measured, and clear if asked for."
    ),
]
SkipCloudsOption = Annotated[
    bool,
    typer.Option("--skip-clouds", help="Learn nothing where the product's mask has clouds."),
]
SigmaOption = Annotated[
    float | None,
    typer.Option(
        metavar="PIXELS",
        help="Point spread of the degradation in fine pixels.",
        show_default="1/2, 1/6 for 60 m",
    ),
]
TeacherOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="{shipped}|none|FILE",
        help="Degrade nothing; take as truth what these weights make of the scene, in the mean "
        "if repeated.",
        show_default=False,
    ),
]
ValidationOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PLACE",
        help="Keep this place (MGRS tile, or place of crops) for validation; may be repeated.",
        show_default=False,
    ),
]
ShareOption = Annotated[
    float, typer.Option(metavar="SHARE", help="Share of the places not told of, for validation.")
]
MixedOption = Annotated[bool, typer.Option("--mixed-levels", help="Allow L1C and L2A in one set.")]
SkipUnusableOption = Annotated[
    bool, typer.Option("--skip-unusable", help="Leave out sources that give no patch.")
]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace patches that are there already.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]


def patches(
    sources: SourcesArgument,
    out: OutOption,
    resolution: ResolutionOption = 20,
    size: SizeOption = None,
    count: CountOption = None,
    seed: SeedOption = 0,
    measured: MeasuredOption = 0.5,
    skip_clouds: SkipCloudsOption = False,
    sigma: SigmaOption = None,
    teacher: TeacherOption = None,
    validation: ValidationOption = None,
    validation_share: ShareOption = 0.25,
    offset: OffsetOption = None,
    sign: SignOption = None,
    mixed_levels: MixedOption = False,
    skip_unusable: SkipUnusableOption = False,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Cut training patches from products, degraded by Wald's protocol."""
    from s2_superres.patches.cutting import CutOptions, cut_patches
    from s2_superres.patches.patchset import PatchSettings
    from s2_superres.patches.split import Split

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
        offset,
        sign,
    )
    with Display(quiet=quiet) as display:
        progress = RowProgress(display)
        done = cut_patches(sources, out, settings, options, progress=progress, warn=display.line)
    if not quiet:
        typer.echo(done.summary())
