"""Every setting of a training run, and the files that hold them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic.dataclasses import dataclass

from s2_superres.choices import OPTIMIZERS, PRECISIONS, SCHEDULES
from s2_superres.errors import TrainingError, WeightsError
from s2_superres.networks.family import family_names, family_of, standard_spec
from s2_superres.networks.spec import NetworkSpec
from s2_superres.training.batches import TURNS, Sampling

#: The file of a run's settings, in its folder.
CONFIG = "config.json"
#: Stands for the weights that ship among those to start from.
SHIPPED = "shipped"


#: What to give instead, by pydantic's types of errors.
_ALLOWED = {
    "bool_type": "give true or false",
    "finite_number": "give a finite number",
    "float_type": "give a number",
    "greater_than": "give more than {gt:g}",
    "greater_than_equal": "give {ge:g} or more",
    "int_type": "give a whole number",
    "less_than": "give less than {lt:g}",
    "less_than_equal": "give {le:g} or less",
    "string_type": "give text",
    "tuple_type": "give a list of paths",
}


def _one_of(choices: Iterable[Any] | Callable[[], Iterable[Any]]) -> AfterValidator:
    def check(value: Any) -> Any:
        found = tuple(choices() if callable(choices) else choices)
        if value not in found:
            raise ValueError(f"choose one of {', '.join(map(str, found))}")
        return value

    return AfterValidator(check)


def _listed(value: Any) -> Any:
    """Take one path, or none, for a list of them, and JSON's lists."""
    if value is None or isinstance(value, str):
        return () if value is None else (value,)
    return tuple(value) if isinstance(value, list) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(_listed)]
Count = Annotated[int, Field(ge=1)]
CountOrNone = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid", strict=True, allow_inf_nan=False))
class TrainingConfig:
    """A training run.

    Attributes
    ----------
    data : tuple of str
        Folders of patches.
    network : {"compact", "dsen2", "vdsen2"}
    resolution : {20, 60}
    features, blocks : int, optional
        Width and depth of the network's body; those of `init` or the family by default.
    consistent : bool
        Whether the projection on the measured band is the last layer.
    phased : bool, optional
        Whether the compact network tells from the measured band where the sensor's own pixels
        lay; as in `init` by default, else not.
    init : tuple of str
        Weights files to start from, or ``"shipped"``: the mean of them.
    precision : {"auto", "float32", "bfloat16"}
        ``auto`` takes bfloat16 where the device is faster with it; a run keeps what that was.
    steps : int
    epochs : float, optional
        As many steps as that many passes over the training patches, instead of `steps`.
    batch : int
        Patches per step.
    optimizer : {"muon", "adamw", "nadam"}
    learning_rate : float
        At its highest; Muon's for everything but the body's kernels.
    body_ratio : float
        Muon: how many times `learning_rate` the body's kernels move.
    unprojected : float
        Weight of the loss before the last layer, the projection, beside that behind it: what
        keeps the network's own output at the right level, which a projection forgives.
    weight_decay : float
        AdamW only.
    clip_norm : float
        Greatest norm of one variable's gradient for AdamW and Nadam, 0 for any.
    schedule : {"cosine", "plateau"}
        Down to 0 over the run, or halved when `patience` validations brought nothing new.
    warmup : int
        Steps over which the rate rises from 0; at most a tenth of the run.
    upright_steps : int
        So many of the run's last steps turn no patch, see `turns`. They have a schedule of
        their own.
    upright_rate : float
        `learning_rate` of these steps.
    patience : int
    lowest_rate : float
        Of the plateau schedule.
    ema : float
        Decay per step of the average of the weights that is validated and saved; 0 for none.
    anchor : float
        How much of the weights that are validated and saved stays that of `init`, so that
        nothing it knew is forgotten (Wortsman et al. 2022, Robust fine-tuning of zero-shot
        models, CVPR).
    turns, gain, band_gain, mix, spectral, to_l1c, l1c_weight, place_exponent
        See `batches.Sampling`.
    validate_every : int
        Steps between validations, which also write a checkpoint.
    validation_patches : int
        Most patches per validation scene.
    seed : int
    mixed_levels : bool
        Allow L1C and L2A together.
    """

    data: Paths = ()
    network: Annotated[str, _one_of(family_names)] = "compact"
    resolution: Annotated[int, _one_of((20, 60))] = 20
    features: int | None = None
    blocks: int | None = None
    consistent: bool = True
    phased: bool | None = None
    init: Paths = ()
    precision: Annotated[str, _one_of(PRECISIONS)] = "auto"
    steps: Count = 20000
    epochs: Positive | None = None
    batch: Count = 4
    optimizer: Annotated[str, _one_of(OPTIMIZERS)] = "muon"
    learning_rate: Positive = 7e-4
    body_ratio: Positive = 20.0
    unprojected: NotNegative = 0.1
    weight_decay: NotNegative = 1e-4
    clip_norm: NotNegative = 1.0
    schedule: Annotated[str, _one_of(SCHEDULES)] = "cosine"
    warmup: CountOrNone = 200
    upright_steps: CountOrNone = 0
    upright_rate: Positive = 2e-4
    patience: Count = 5
    lowest_rate: NotNegative = 1e-5
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    anchor: Annotated[float, Field(ge=0, lt=1)] = 0.0
    turns: Annotated[str, _one_of(TURNS)] = "all"
    gain: NotNegative = 0.1
    band_gain: NotNegative = 0.05
    mix: Share = 0.0
    spectral: Share = 0.0
    to_l1c: Share = 0.0
    l1c_weight: Positive = 1.0
    place_exponent: NotNegative = 0.6
    validate_every: Count = 500
    validation_patches: Count = 64
    seed: CountOrNone = 0
    mixed_levels: bool = False

    @model_validator(mode="wrap")
    @classmethod
    def _explained(
        cls, values: Any, handler: ModelWrapValidatorHandler[TrainingConfig]
    ) -> TrainingConfig:
        """Turn what pydantic finds into one line that names the settings."""
        try:
            config = handler(values)
        except ValidationError as error:
            found = (_explanation(one["loc"], one) for one in error.errors())
            raise TrainingError("; ".join(dict.fromkeys(found))) from None
        try:
            family_of(config.spec)
        except WeightsError as error:
            raise TrainingError(str(error)) from None
        if config.anchor and not config.init:
            raise TrainingError("anchor: there is nothing to stay at; name weights with --init")
        return config

    @property
    def spec(self) -> NetworkSpec:
        """The network that is trained."""
        spec = standard_spec(self.network, self.resolution, consistent=self.consistent)
        return replace(
            spec,
            phased=bool(self.phased),
            features=spec.features if self.features is None else self.features,
            blocks=spec.blocks if self.blocks is None else self.blocks,
        )

    @property
    def sampling(self) -> Sampling:
        """How batches are drawn."""
        return Sampling(**{item.name: getattr(self, item.name) for item in fields(Sampling)})

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain JSON types."""
        return {**asdict(self), "data": list(self.data), "init": list(self.init)}

    def change(self, values: Mapping[str, Any], source: str | Path | None = None) -> TrainingConfig:
        """Return the settings with some replaced; ``steps`` alone put an end to ``epochs``.

        Parameters
        ----------
        values : mapping of str to object
        source : path, optional
            File that they are from, which errors name.

        Raises
        ------
        TrainingError
            If a name is unknown, or a value is of the wrong type or out of its range.
        """
        changed = dict(values)
        if "flips" in changed:
            # As older versions called it.
            flips = changed.pop("flips")
            if not isinstance(flips, bool):
                raise TrainingError(f"flips {flips!r}: give true or false")
            changed.setdefault("turns", "all" if flips else "none")
        if "steps" in changed:
            changed.setdefault("epochs", None)
        try:
            return replace(self, **changed)
        except TrainingError as error:
            raise TrainingError(f"{source}: {error}" if source else str(error)) from None


def _explanation(place: Sequence[int | str], error: Mapping[str, Any]) -> str:
    """Say in a few words what is wrong with a setting."""
    name = str(place[0])
    if error["type"] == "unexpected_keyword_argument":
        known = sorted(item.name for item in fields(TrainingConfig))
        return f"unknown setting {name!r}; the settings are {', '.join(known)}"
    allowed = _ALLOWED.get(error["type"], error["msg"].removeprefix("Value error, "))
    return f"{name} {error['input']!r}: {allowed.format(**error.get('ctx', {}))}"


def parse_settings(items: Sequence[str]) -> dict[str, Any]:
    """Read ``name=value`` texts; a value is JSON, or else text.

    Raises
    ------
    TrainingError
        If there is no ``=``.
    """
    values: dict[str, Any] = {}
    for item in items:
        name, equals, text = item.partition("=")
        if not equals:
            raise TrainingError(f"setting {item!r}: give NAME=VALUE, such as gain=0.2")
        try:
            values[name.strip()] = json.loads(text)
        except ValueError:
            values[name.strip()] = text
    return values


def read_config(path: str | Path) -> dict[str, Any]:
    """Read settings from a JSON or TOML file.

    Returns
    -------
    dict
        For `TrainingConfig.change`.

    Raises
    ------
    TrainingError
        If the file cannot be read or is neither.
    """
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
        values = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    except ValueError as error:
        raise TrainingError(
            f"{path}: neither JSON nor TOML ({error}); the ending .toml makes it TOML"
        ) from None
    if not isinstance(values, dict):
        raise TrainingError(f"{path}: holds no settings by name; give name and value pairs")
    return values
