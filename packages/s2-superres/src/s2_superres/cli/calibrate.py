"""The command ``s2-superres calibrate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from s2_superres.cli.options import OverwriteOption
from s2_superres.cli.progress import Display


def calibrate(
    weights: Annotated[
        str, typer.Argument(metavar="WEIGHTS", help="A weights file.", show_default=False)
    ],
    data: Annotated[
        list[str],
        typer.Option(
            "--data",
            metavar="DIR",
            help="Patches with places for training, and for validation that the weights have not "
            "seen; may be repeated.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE.npz", help="Where to write.", show_default=False)
    ],
    steps: Annotated[
        int, typer.Option(metavar="N", help="How often patches are drawn.", min=1)
    ] = 500,
    batch: Annotated[int, typer.Option(metavar="N", help="Patches per step.", min=1)] = 4,
    seed: Annotated[int, typer.Option(metavar="N", help="Of what is drawn at random.", min=0)] = 0,
    overwrite: OverwriteOption = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Add to weights what tells error bars, and measure how far to believe them."""
    from s2_superres.bands import BY_RESOLUTION
    from s2_superres.files.kinds import WEIGHTS
    from s2_superres.files.paths import check_output
    from s2_superres.networks.weights import load_weights, save_weights
    from s2_superres.training import calibration

    check_output(out, WEIGHTS, overwrite=overwrite)
    settings = calibration.CalibrationSettings(steps, batch, seed)
    found = load_weights(weights)

    warnings: list[str] = []
    with Display(quiet=quiet) as display:

        def report(step: int, steps: int) -> None:
            display(f"step {step}/{steps}", step / steps)

        told, how = calibration.calibrate(
            found, data, settings, report=report, warn=warnings.append
        )
    for line in warnings:
        typer.echo(f"warning: {line}", err=True)
    save_weights(out, told.spec, told.arrays, told.metadata, "float32")
    if quiet:
        return
    for place, share in sorted(how.by_place.items()):
        typer.echo(f"{place}  {share:.1%} of pixels within the error bars")
    typer.echo(f"mean  {sum(how.by_place.values()) / len(how.by_place):.1%}")
    bands = BY_RESOLUTION[told.spec.resolution]
    widths = "  ".join(
        f"{band.name} {width:.2f}" for band, width in zip(bands, how.width_by_rmse, strict=True)
    )
    typer.echo(f"mean half-width / RMSE  {widths}")
