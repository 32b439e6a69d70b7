"""What defines a network's graph, and what follows from it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from s2_superres.bands import BANDS_20M, BANDS_60M, INPUTS, Band
from s2_superres.errors import WeightsError
from s2_superres.networks import phased
from s2_superres.networks.family import Family, families, find_family
from s2_superres.raster.degradation import degradation_taps, projection_taps
from s2_superres.raster.grid import UNIT

_BODY_HEAD_AND_TAIL = 2


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that defines a network's graph.

    Attributes
    ----------
    family : str
        Its `Family`'s name.
    resolution : {20, 60}
        Resolution in metres of the bands that it brings to 10 m.
    features, blocks : int
        Channels of the body and number of its residual blocks.
    consistent : bool
        Whether the projection is the last layer.
    trained : bool
        False leaves the body out, in families that make something without: the compact network's
        local regression alone.
    phased : bool
        Whether it tells from the measured band where the sensor's own pixels lay, see
        `s2_superres.networks.phased`, in families that can.
    """

    family: str
    resolution: int
    features: int = 128
    blocks: int = 6
    consistent: bool = True
    trained: bool = True
    phased: bool = False

    def __post_init__(self) -> None:
        family = find_family(self.family)
        if self.resolution not in (20, 60):
            raise WeightsError(
                f"unknown network {self.family!r} for {self.resolution} m; choose 20 or 60 m"
            )
        if self.features < 1 or self.blocks < 0:
            raise WeightsError(
                f"{self.features} features and {self.blocks} blocks; give 1 or more and 0 or more"
            )
        if self.phased and not (family.phases and self.trained):
            able = ", ".join(each.name for each in families() if each.phases)
            raise WeightsError(f"{self.family}: cannot be phased; take network {able}")

    @property
    def kind(self) -> Family:
        """Its family."""
        return find_family(self.family)

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

    @property
    def halo(self) -> int:
        """Support of the network in 10 m pixels, rounded up to a multiple of 6.

        An output pixel depends on no input pixel, of any resolution, that lies
        wholly farther away (Chebyshev distance).
        """
        return _whole_pixels(self.kind.reach(self) + self._inner_support)

    @property
    def _inner_support(self) -> int:
        """Support of the body and the projection, in 10 m pixels."""
        projection = _projection_support(self.ratio)
        support = 2 * self.blocks + _BODY_HEAD_AND_TAIL if self.trained else 0
        if self.phased:
            support += phased.support(projection)
        return support + (projection if self.consistent else 0)

    @property
    def trim(self) -> int:
        """How much of the halo, in 10 m pixels, is there for what comes before the body only.

        The body need not be computed there: it is most of the work, and the compact
        network's regression looks several times as far.
        """
        if not self.kind.trims or not self.trained:
            return 0
        return self.halo - _whole_pixels(self._inner_support)

    @property
    def least_size(self) -> int:
        """The fewest 10 m pixels along an image that its filters can mirror."""
        reach: int = projection_taps(self.ratio).shape[1] // 2 if self.consistent else 1
        return self.ratio * max(reach, self.kind.mirrored)

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


def standard_spec(family: str, resolution: int, *, consistent: bool = True) -> NetworkSpec:
    """Return the network of a family in its own size."""
    kind = find_family(family)
    return NetworkSpec(family, resolution, kind.features, kind.blocks, consistent)


def _whole_pixels(support: int) -> int:
    """Round up to whole pixels of 60 m, which the grids of all bands share."""
    return -(-support // UNIT) * UNIT


def _projection_support(ratio: int) -> int:
    margin = (len(degradation_taps(ratio)) - ratio) // 2
    reach = projection_taps(ratio).shape[1] // 2
    support: int = ratio * (reach + 1) + margin
    return support
