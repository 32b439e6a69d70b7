"""The command ``train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from s2_superres.choices import OPTIMIZERS, PRECISIONS, SCHEDULES
from s2_superres.cli.options import one_of
from s2_superres.cli.progress import Display, StepProgress


def preset_names() -> tuple[str, ...]:
    """Return the presets."""
    from s2_superres.training.presets import PRESETS

    return tuple(PRESETS)


OutOption = Annotated[
    Path, typer.Option("--out", metavar="RUN", help="Folder of the run.", show_default=False)
]
DataOption = Annotated[
    list[str] | None,
    typer.Option(metavar="DIR", help="Folder of patches; may be repeated.", show_default=False),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Settings as JSON or TOML, such as another run's config.json; options replace them.",
        show_default=False,
    ),
]
PresetOption = Annotated[
    str | None,
    typer.Option(
        metavar="adapt",
        parser=one_of(preset_names),
        help="Settings for a purpose, which --config and options replace; adapt: make the weights "
        "that ship fit a region.",
        show_default=False,
    ),
]
NetworkOption = Annotated[str | None, typer.Option(metavar="{networks}", show_default="compact")]
ResolutionOption = Annotated[int | None, typer.Option(metavar="20|60", show_default="20")]
StepsOption = Annotated[int | None, typer.Option(metavar="N", show_default="20000")]
EpochsOption = Annotated[
    float | None,
    typer.Option(
        metavar="N", help="Passes over the patches, instead of --steps.", show_default=False
    ),
]
BatchOption = Annotated[
    int | None, typer.Option(metavar="N", help="Patches per step.", show_default="4")
]
OptimizerOption = Annotated[
    str | None, typer.Option(metavar="|".join(OPTIMIZERS), show_default="muon")
]
RateOption = Annotated[float | None, typer.Option(metavar="RATE", show_default="0.0007")]
ScheduleOption = Annotated[
    str | None, typer.Option(metavar="|".join(SCHEDULES), show_default="cosine")
]
PrecisionOption = Annotated[
    str | None, typer.Option(metavar="|".join(PRECISIONS), show_default="auto")
]
ConsistentOption = Annotated[
    bool | None,
    typer.Option(
        "--consistent/--no-consistent",
        help="Train with the projection on the measured band.",
        show_default="consistent",
    ),
]
InitOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="FILE",
        help="Weights to start from, the mean of them if repeated; 'shipped' for those that ship.",
        show_default=False,
    ),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Any other setting of config.json; may be repeated.",
        show_default=False,
    ),
]
SeedOption = Annotated[int | None, typer.Option(metavar="N", show_default="0")]
MixedOption = Annotated[
    bool | None, typer.Option("--mixed-levels", help="Allow L1C and L2A together.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the checkpoint in RUN.")]
OverwriteOption = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Start again in a folder that holds a run; its weights stay until the first "
        "validation.",
    ),
]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]


def train(
    out: OutOption,
    data: DataOption = None,
    preset: PresetOption = None,
    config: ConfigOption = None,
    network: NetworkOption = None,
    resolution: ResolutionOption = None,
    steps: StepsOption = None,
    epochs: EpochsOption = None,
    batch: BatchOption = None,
    optimizer: OptimizerOption = None,
    learning_rate: RateOption = None,
    schedule: ScheduleOption = None,
    precision: PrecisionOption = None,
    consistent: ConsistentOption = None,
    init: InitOption = None,
    settings: SetOption = None,
    seed: SeedOption = None,
    mixed_levels: MixedOption = None,
    resume: ResumeOption = False,
    overwrite: OverwriteOption = False,
    quiet: QuietOption = False,
) -> None:
    """Train a network on patches."""
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
    if resume and overwrite:
        raise typer.BadParameter("--resume and --overwrite: go on, or start again")

    from s2_superres.training.config import CONFIG, TrainingConfig, parse_settings, read_config
    from s2_superres.training.presets import PRESETS

    chosen = TrainingConfig()
    if preset is not None:
        chosen = chosen.change(PRESETS[preset])
    if resume:
        chosen = chosen.change(read_config(out / CONFIG), out / CONFIG)
    if config is not None:
        chosen = chosen.change(read_config(config), config)
    given = {name: value for name, value in given.items() if value is not None}
    given |= parse_settings(settings or [])
    if given.get("steps") is not None and given.get("epochs") is not None:
        raise typer.BadParameter("--steps and --epochs: give one of them")
    _run(chosen.change(given), out, resume=resume, overwrite=overwrite, quiet=quiet)


def _run(config: Any, out: Path, *, resume: bool, overwrite: bool, quiet: bool) -> None:
    from s2_superres.errors import TrainingStopped
    from s2_superres.training import run

    try:
        with Display(quiet=quiet, every=StepProgress.EVERY) as display:
            result = run.train(
                config, out, resume=resume, overwrite=overwrite, report=StepProgress(display)
            )
    except TrainingStopped as stopped:
        typer.echo(str(stopped), err=True)
        raise typer.Exit(128 + stopped.number) from None
    if not quiet:
        typer.echo(result.summary())
