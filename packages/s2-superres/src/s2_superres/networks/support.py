"""How far networks look, in 10 m pixels, and what follows for their windows."""

from __future__ import annotations

from s2_superres.networks import sensor_grid
from s2_superres.networks.family import family_of
from s2_superres.networks.spec import NetworkSpec
from s2_superres.raster.degradation import degradation_taps, projection_taps
from s2_superres.raster.grid import UNIT

_BODY_HEAD_AND_TAIL = 2


def halo(spec: NetworkSpec) -> int:
    """Return the support of a network, rounded up to a multiple of 6.

    An output pixel depends on no input pixel, of any resolution, that lies
    wholly farther away (Chebyshev distance).
    """
    return _whole_pixels(family_of(spec).reach(spec) + _inner_support(spec))


def trim(spec: NetworkSpec) -> int:
    """Return how much of the halo is there for what comes before the body only.

    The body need not be computed there: it is most of the work, and the compact
    network's regression looks several times as far.
    """
    if not family_of(spec).trims or not spec.trained:
        return 0
    return halo(spec) - _whole_pixels(_inner_support(spec))


def least_size(spec: NetworkSpec) -> int:
    """Return the fewest 10 m pixels along an image that the network's filters can mirror."""
    reach: int = projection_taps(spec.ratio).shape[1] // 2 if spec.consistent else 1
    return spec.ratio * max(reach, family_of(spec).mirrored)


def _inner_support(spec: NetworkSpec) -> int:
    """Support of the body and the projection."""
    projection = _projection_support(spec.ratio)
    support = 2 * spec.blocks + _BODY_HEAD_AND_TAIL if spec.trained else 0
    if spec.phased:
        support += sensor_grid.support(projection)
    return support + (projection if spec.consistent else 0)


def _whole_pixels(support: int) -> int:
    """Round up to whole pixels of 60 m, which the grids of all bands share."""
    return -(-support // UNIT) * UNIT


def _projection_support(ratio: int) -> int:
    margin = (len(degradation_taps(ratio)) - ratio) // 2
    reach = projection_taps(ratio).shape[1] // 2
    support: int = ratio * (reach + 1) + margin
    return support
