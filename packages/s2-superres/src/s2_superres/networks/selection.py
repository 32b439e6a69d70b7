"""Which networks to run, named so that another process can find them again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from s2_superres.bands import INPUTS
from s2_superres.choices import DEFAULT_NETWORK, NO_NETWORK
from s2_superres.errors import InputError, WeightsError
from s2_superres.networks.weights import Weights, find_weights, load_weights, untrained

PathLike = str | os.PathLike[str]
#: A file, several, or one per resolution; each is recognised by what is in it.
WeightsFiles = PathLike | Sequence[PathLike] | Mapping[int, PathLike]


@dataclass(frozen=True)
class Network:
    """One network with its weights.

    Attributes
    ----------
    resolution : {20, 60}
        Of the bands that it brings to 10 m.
    level : {"L1C", "L2A"}
    family : str
        Of the weights that ship: ``"default"``, ``"compact"``, ``"dsen2"``…, or
        ``"none"`` for the regression without weights.
    path : str, optional
        A weights file to take instead.
    consistent : bool
        Whether the output is projected onto the measured band.
    """

    resolution: int
    level: str
    family: str = DEFAULT_NETWORK
    path: str | None = None
    consistent: bool = True

    @property
    def inputs(self) -> tuple[int, ...]:
        """Resolutions of the bands that it takes."""
        return INPUTS[self.resolution]

    def load(self) -> Weights:
        """Load the weights.

        Raises
        ------
        WeightsError
            If they cannot be used, or none ship.
        """
        if self.path is not None:
            weights = load_weights(self.path)
        elif self.family == NO_NETWORK:
            weights = untrained(self.resolution)
        else:
            weights = find_weights(self.resolution, self.level, self.family)
        return replace(weights, spec=replace(weights.spec, consistent=self.consistent))


def choose_networks(
    resolutions: Sequence[int],
    level: str,
    *,
    network: str = DEFAULT_NETWORK,
    weights: WeightsFiles | None = None,
    consistent: bool = True,
) -> tuple[Network, ...]:
    """Choose one network per resolution.

    Parameters
    ----------
    resolutions : sequence of int
        Of the bands to sharpen: 20, 60 or both.
    level : {"L1C", "L2A"}
    network : str
        Family of the weights that ship, or ``"none"``.
    weights : path, sequence of paths or mapping of resolution to path, optional
        Files to take instead of those that ship; ``"none"`` for the regression
        without weights.
    consistent : bool

    Raises
    ------
    WeightsError
        If a file is unusable, two are for the same resolution, or none is for a
        resolution that is asked for.
    """
    if isinstance(weights, str | os.PathLike) and str(weights) == NO_NETWORK:
        network, weights = NO_NETWORK, None
    paths = _paths_by_resolution(weights)
    if paths and not set(paths) & set(resolutions):
        resolution, path = next(iter(paths.items()))
        raise WeightsError(
            f"{path}: sharpens {resolution} m bands, and none are asked for; "
            "leave it out, or ask for them"
        )
    return tuple(
        Network(resolution, level, network, paths.get(resolution), consistent)
        for resolution in resolutions
    )


def _paths_by_resolution(weights: WeightsFiles | None) -> dict[int, str]:
    if weights is None:
        return {}
    if isinstance(weights, Mapping):
        if not set(weights) <= {20, 60}:
            raise InputError(f"weights for {', '.join(map(repr, weights))}: give them for 20, 60")
        paths = {resolution: os.fspath(_path(path)) for resolution, path in weights.items()}
        for resolution, path in paths.items():
            found = load_weights(path).spec.resolution
            if found != resolution:
                raise WeightsError(
                    f"{path}: sharpens {found} m bands, not {resolution} m; give it for {found}"
                )
        return paths
    files = weights if isinstance(weights, list | tuple) else [_path(weights)]
    paths = {}
    for file in files:
        path = str(Path(_path(file)).absolute())
        resolution = load_weights(path).spec.resolution
        if resolution in paths:
            raise WeightsError(
                f"{path}: sharpens {resolution} m bands, as does {paths[resolution]}; give one"
            )
        paths[resolution] = path
    return paths


def _path(file: object) -> PathLike:
    if not isinstance(file, str | os.PathLike):
        raise InputError(
            f"weights of {type(file).__name__}: give a file's path, several, or a mapping of 20 "
            "and 60 to paths"
        )
    return file
