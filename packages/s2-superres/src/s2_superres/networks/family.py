"""What a network family is, and the registry of those there are.

A module in the folder ``families`` with a tuple ``FAMILIES`` is found by lying there. Families of
other packages are entry points in the group ``s2_superres.networks``, or are registered by hand.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.errors import WeightsError
from s2_superres.networks.spec import NetworkSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from s2_superres.networks.body import Body

    #: ``(path) -> (spec, arrays, metadata)``, or None if the file is of another kind.
    Foreign = Callable[
        [Path], tuple[NetworkSpec, dict[str, NDArray[np.float32]], dict[str, Any]] | None
    ]

#: Entry points of other packages, each a `Family`.
GROUP = "s2_superres.networks"


@dataclass(frozen=True)
class Family:
    """A kind of network: all that the package knows of it.

    Attributes
    ----------
    name : str
    summary : str
        What it is, in a line.
    graph : callable
        ``(body, inputs) -> tensor``: the layers from the bands at their own grids to the bands at
        10 m, without the projection; see `s2_superres.networks.body.Body`.
    reach : callable
        ``(spec) -> int``: how many 10 m pixels around it what comes before the body looks at.
    features, blocks : int
        Of the body, unless a training asks for others.
    tile : int
        Side of a window in 10 m pixels, its halo included, that suits it: as large as a run in
        float32 stays below 2 GiB with. A larger one wastes less on its halo.
    mirrored : int
        How many coarse pixels beyond an edge its filters mirror: patches have to be as large.
    tail_rate : float
        How much of the other layers' rate its last one learns with, under Muon.
    trims : bool
        Whether the body is left out where only what comes before needs the pixels. It is worth it
        where that looks much farther.
    phases : bool
        Whether it can look for the sensor's own grid, see `s2_superres.networks.sensor_grid`.
    untrained : bool
        Whether it makes something without its body; the first that does is ``--weights none``.
    foreign : callable, optional
        Reads weights files of other software.
    """

    name: str
    summary: str
    graph: Callable[[Body, list[Any]], Any]
    reach: Callable[[NetworkSpec], int]
    features: int
    blocks: int
    tile: int
    mirrored: int = 1
    tail_rate: float = 1.0
    trims: bool = False
    phases: bool = False
    untrained: bool = False
    foreign: Foreign | None = None


_registered: dict[str, Family] = {}


def register(family: Family) -> None:
    """Add a family of another package, for this process."""
    _registered[family.name] = family


@cache
def _own() -> dict[str, Family]:
    from s2_superres.networks import families as folder

    modules = [import_module(f"{folder.__name__}.{m.name}")
               for m in pkgutil.iter_modules(folder.__path__)]  # fmt: skip
    return {family.name: family for module in modules for family in module.FAMILIES}


@cache
def _others() -> dict[str, Family]:
    """Those of other packages; looked up only where our own do not serve."""
    found = [entry.load() for entry in entry_points(group=GROUP)]
    return {family.name: family for family in found}


def _rooms() -> Iterator[dict[str, Family]]:
    yield _own()
    yield _registered
    yield _others()


def families() -> list[Family]:
    """Return all families, our own first."""
    return [family for room in _rooms() for family in room.values()]


def family_names() -> tuple[str, ...]:
    """Return the families' names."""
    return tuple(family.name for family in families())


def find_family(name: str) -> Family:
    """Return the family of a name.

    Raises
    ------
    WeightsError
        If there is none.
    """
    for room in _rooms():
        if name in room:
            return room[name]
    raise WeightsError(f"unknown network {name!r}: choose one of {', '.join(family_names())}")


def family_of(spec: NetworkSpec) -> Family:
    """Return the family of a spec, having checked that it can do what the spec asks.

    Raises
    ------
    WeightsError
        If there is none of that name, or it cannot.
    """
    family = find_family(spec.family)
    if spec.phased and not (family.phases and spec.trained):
        able = ", ".join(each.name for each in families() if each.phases)
        raise WeightsError(f"{spec.family}: cannot be phased; take network {able}")
    if not (spec.trained or family.untrained):
        raise WeightsError(
            f"{spec.family}: is nothing untrained; take network {untrained_family().name}"
        )
    return family


def untrained_family() -> Family:
    """Return the family of the network that needs no weights."""
    return next(family for family in families() if family.untrained)


def standard_spec(family: str, resolution: int, *, consistent: bool = True) -> NetworkSpec:
    """Return the network of a family in its own size."""
    kind = find_family(family)
    return NetworkSpec(family, resolution, kind.features, kind.blocks, consistent)
