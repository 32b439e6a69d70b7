"""Every setting of a training run, and the files that hold them."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from s2_superres.errors import TrainingError
from s2_superres.networks.network import FAMILIES, PRECISIONS, NetworkSpec, compact_spec, dsen2_spec
from s2_superres.training.batches import TURNS, Sampling

OPTIMIZERS = ("muon", "adamw", "nadam")
SCHEDULES = ("cosine", "plateau")


@dataclass(frozen=True)
class TrainingConfig:
    """A training run.

    Attributes
    ----------
    data : tuple of str
        Folders of patches.
    network : {"compact", "dsen2", "vdsen2"}
    resolution : {20, 60}
    features, blocks : int, optional
        Width and depth of the network's body; the family's own by default.
    consistent : bool
        Whether the projection on the measured band is the last layer.
    phased : bool
        Whether the compact network tells from the measured band where the sensor's own pixels
        lay.
    init : tuple of str
        Weights files to start from: the mean of them.
    precision : {"float32", "bfloat16"}
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

    data: tuple[str, ...] = ()
    network: str = "compact"
    resolution: int = 20
    features: int | None = None
    blocks: int | None = None
    consistent: bool = True
    phased: bool = False
    init: tuple[str, ...] = ()
    precision: str = "bfloat16"
    steps: int = 20000
    epochs: float | None = None
    batch: int = 4
    optimizer: str = "muon"
    learning_rate: float = 7e-4
    body_ratio: float = 20.0
    unprojected: float = 0.1
    weight_decay: float = 1e-4
    clip_norm: float = 1.0
    schedule: str = "cosine"
    warmup: int = 200
    upright_steps: int = 0
    upright_rate: float = 2e-4
    patience: int = 5
    lowest_rate: float = 1e-5
    ema: float = 0.999
    turns: str = "all"
    gain: float = 0.1
    band_gain: float = 0.05
    mix: float = 0.0
    spectral: float = 0.0
    to_l1c: float = 0.0
    l1c_weight: float = 1.0
    place_exponent: float = 0.6
    validate_every: int = 500
    validation_patches: int = 64
    seed: int = 0
    mixed_levels: bool = False

    def __post_init__(self) -> None:
        for name, choices in (
            ("network", FAMILIES),
            ("resolution", (20, 60)),
            ("precision", PRECISIONS),
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("turns", TURNS),
        ):
            if getattr(self, name) not in choices:
                raise TrainingError(
                    f"{name} {getattr(self, name)!r}: choose one of {', '.join(map(str, choices))}"
                )
        for name in ("steps", "batch", "patience", "validate_every", "validation_patches"):
            self._require(name, getattr(self, name) >= 1, "1 or more")
        for name in (
            "warmup", "seed", "weight_decay", "clip_norm", "lowest_rate", "gain", "band_gain",
            "place_exponent", "unprojected", "upright_steps",
        ):  # fmt: skip
            self._require(name, getattr(self, name) >= 0, "0 or more")
        for name in ("learning_rate", "body_ratio", "l1c_weight", "upright_rate"):
            self._require(name, getattr(self, name) > 0, "more than 0")
        if self.phased and self.network != "compact":
            raise TrainingError(f"phased: {self.network} has no such part; take network compact")
        self._require("epochs", self.epochs is None or self.epochs > 0, "more than 0")
        self._require("ema", 0 <= self.ema < 1, "0 or more and less than 1")
        for name in ("mix", "spectral", "to_l1c"):
            self._require(name, 0 <= getattr(self, name) <= 1, "0 to 1")

    def _require(self, name: str, ok: bool, allowed: str) -> None:
        value = getattr(self, name)
        if not ok or (isinstance(value, float) and not math.isfinite(value)):
            raise TrainingError(f"{name} {value}: give {allowed}")

    @property
    def spec(self) -> NetworkSpec:
        """The network that is trained."""
        if self.network == "compact":
            spec = compact_spec(self.resolution, consistent=self.consistent)
        else:
            spec = dsen2_spec(self.resolution, family=self.network, consistent=self.consistent)
        return replace(
            spec,
            phased=self.phased,
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

    def change(self, values: Mapping[str, Any]) -> TrainingConfig:
        """Return the settings with some replaced; ``steps`` alone put an end to ``epochs``.

        Raises
        ------
        TrainingError
            If a name is unknown or a value is of the wrong type.
        """
        values = dict(values)
        if "flips" in values:
            # As older versions called it.
            flips = _checked("flips", values.pop("flips"), "bool")
            values.setdefault("turns", "all" if flips else "none")
        kinds = {item.name: str(item.type) for item in fields(self)}
        checked: dict[str, Any] = {}
        for name, value in values.items():
            if name not in kinds:
                raise TrainingError(
                    f"unknown setting {name!r}; the settings are {', '.join(sorted(kinds))}"
                )
            checked[name] = _checked(name, value, kinds[name])
        if "steps" in checked:
            checked.setdefault("epochs", None)
        return replace(self, **checked)


def _checked(name: str, value: Any, kind: str) -> Any:
    """Return a value of a file as what its field needs."""
    optional = kind.endswith(" | None")
    kind = kind.removesuffix(" | None")
    if value is None and optional:
        return None
    if kind == "tuple[str, ...]":
        values = [value] if isinstance(value, str) else value or ()
        if isinstance(values, list | tuple) and all(isinstance(item, str) for item in values):
            return tuple(values)
    elif kind == "float" and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif kind == type(value).__name__:
        return value
    words = {"int": "a whole number", "float": "a number", "bool": "true or false", "str": "text"}
    raise TrainingError(f"{name} {value!r}: give {words.get(kind, 'a list of paths')}")


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
        raise TrainingError(f"{path}: holds no settings by name")
    return values
