"""What defines a network's graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from s2_superres.bands import BANDS_20M, BANDS_60M, INPUTS, Band
from s2_superres.errors import WeightsError


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that defines a network's graph; whether its family can do that, the family says.

    Attributes
    ----------
    family : str
        Its family's name, see `s2_superres.networks.family`.
    resolution : {20, 60}
        Resolution in metres of the bands that it brings to 10 m.
    features, blocks : int
        Channels of the body and number of its residual blocks.
    consistent : bool
        Whether the projection is the last layer.
    trained : bool
        False leaves the body out, in families that make something without.
    phased : bool
        Whether it tells from the measured band where the sensor's own pixels lay, see
        `s2_superres.networks.sensor_grid`, in families that can.
    """

    family: str
    resolution: int
    features: int = 128
    blocks: int = 6
    consistent: bool = True
    trained: bool = True
    phased: bool = False

    def __post_init__(self) -> None:
        if self.resolution not in (20, 60):
            raise WeightsError(
                f"unknown network {self.family!r} for {self.resolution} m; choose 20 or 60 m"
            )
        if self.features < 1 or self.blocks < 0:
            raise WeightsError(
                f"{self.features} features and {self.blocks} blocks; give 1 or more and 0 or more"
            )

    @property
    def ratio(self) -> int:
        """10 m pixels per pixel of the bands that are sharpened."""
        return self.resolution // 10

    @property
    def inputs(self) -> tuple[int, ...]:
        """Resolutions of the inputs, in order."""
        return INPUTS[self.resolution]

    @property
    def bands(self) -> tuple[Band, ...]:
        """The output bands, in order."""
        return BANDS_20M if self.resolution == 20 else BANDS_60M

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkSpec:
        """Rebuild a spec; unknown fields mean a file from a newer version."""
        known = {field.name for field in fields(cls)}
        unknown = ", ".join(sorted(set(values) - known))
        if unknown:
            raise WeightsError(
                f"the network has settings this version does not know ({unknown}): "
                "update s2-superres"
            )
        return cls(**values)
