"""The methods that a validation compares: interpolation, networks, weights files."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from s2_superres.choices import DEFAULT_NETWORK, LEVELS, NO_NETWORK, RIVALS
from s2_superres.errors import InputError, WeightsError
from s2_superres.networks.selection import Network
from s2_superres.networks.weights import load_weights

RESOLUTIONS = (20, 60)
_UNPROJECTED = " unprojected"
_WEIGHTS = re.compile(
    rf"(?:(?P<name>[^=/\\]+)=)?(?:(?P<level>{'|'.join(LEVELS)}):)?(?P<path>.+)", re.DOTALL
)


@dataclass(frozen=True)
class Method:
    """One way to bring coarse bands to the finer grid.

    Attributes
    ----------
    name : str
    networks : mapping of (int, str) to Network
        By resolution and level; where it has none, the method says nothing.
        Empty for bicubic interpolation.
    """

    name: str
    networks: Mapping[tuple[int, str], Network] = field(default_factory=dict)

    @property
    def is_interpolation(self) -> bool:
        """Whether this is bicubic interpolation."""
        return not self.networks

    def serves(self, resolution: int, level: str) -> bool:
        """Whether it can sharpen these bands."""
        return self.is_interpolation or (resolution, level) in self.networks

    def tells_errors(self, resolution: int, level: str) -> bool:
        """Whether its weights for these bands tell error bars."""
        network = self.networks.get((resolution, level))
        return network is not None and network.load().tells_errors

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of it as plain values."""
        return {
            "name": self.name,
            "kind": "interpolation" if self.is_interpolation else "network",
            "networks": [_facts(network) for network in _distinct(self.networks)],
        }


def _distinct(networks: Mapping[tuple[int, str], Network]) -> list[tuple[list[str], Network]]:
    """Networks that differ in more than the level, each with its levels."""
    found: dict[Network, list[str]] = {}
    for (_, level), network in networks.items():
        same = network if network.path is None else replace(network, level="")
        found.setdefault(same, []).append(level)
    return [(levels, network) for network, levels in found.items()]


def _facts(one: tuple[list[str], Network]) -> dict[str, Any]:
    levels, network = one
    weights = network.load()
    spec = weights.spec
    return {
        "resolution": network.resolution,
        "levels": levels,
        "family": spec.family if spec.trained else "regression",
        "features": spec.features if spec.trained else 0,
        "blocks": spec.blocks if spec.trained else 0,
        "consistent": spec.consistent,
        "weights": weights.name,
        "sha256": weights.sha256,
        "metadata": dict(weights.metadata),
    }


def choose_methods(
    *,
    resolutions: Sequence[int] = RESOLUTIONS,
    networks: Sequence[str] = (),
    weights: Sequence[str] = (),
    against: Sequence[str] = ("bicubic",),
    consistent: bool = True,
) -> tuple[Method, ...]:
    """Choose what to compare.

    Parameters
    ----------
    resolutions : sequence of int
        Of the bands to sharpen.
    networks : sequence of str
        Families of the weights that ship, ``"none"`` for the local regression
        without weights; ``"default"`` if neither these nor files are named.
    weights : sequence of str
        Files as ``[NAME=][L1C:|L2A:]FILE``. Files of one name are one method,
        told apart by resolution and level. ``"none"`` as among `networks`.
    against : sequence of str
        Of `s2_superres.choices.RIVALS`; ``unprojected`` adds every network without its projection.
    consistent : bool
        Whether outputs are projected onto the measured bands.

    Returns
    -------
    tuple of Method
        Interpolation first.

    Raises
    ------
    InputError, WeightsError
        If a name, file or combination cannot be used.
    """
    for name in against:
        if name not in RIVALS:
            raise InputError(f"{name!r} to compare against: choose from {', '.join(RIVALS)}")
    families = list(networks) or ([] if weights else [DEFAULT_NETWORK])
    families += [NO_NETWORK] * (NO_NETWORK in weights)
    methods = {family: _family(family, family, resolutions, consistent) for family in families}
    for text in weights:
        if text != NO_NETWORK:
            _add_file(methods, text, consistent)
    for method in methods.values():
        if not any(resolution in resolutions for resolution, _ in method.networks):
            network = next(iter(method.networks.values()))
            raise WeightsError(
                f"{network.path}: sharpens {network.resolution} m bands, "
                f"not {' or '.join(map(str, resolutions))} m; leave it out, or ask for them"
            )
    found = list(methods.values())
    if "unprojected" in against:
        found += [_unprojected(method) for method in found if _projects(method)]
    if "bicubic" in against:
        found.insert(0, Method("bicubic"))
    names = [method.name for method in found]
    for name in names:
        if names.count(name) > 1:
            raise InputError(
                f"two methods would be called {name!r}; give the weights another name with "
                "--weights NAME=FILE"
            )
    return tuple(found)


def _family(name: str, family: str, resolutions: Sequence[int], consistent: bool) -> Method:
    return Method(
        name,
        {
            (resolution, level): Network(resolution, level, family, None, consistent)
            for resolution in resolutions
            for level in LEVELS
        },
    )


def _add_file(methods: dict[str, Method], text: str, consistent: bool) -> None:
    """Add a weights file to the method of its name, or as one of its own."""
    parts = _WEIGHTS.fullmatch(text)
    given, level, path = (None, None, text)
    if parts is not None and not Path(text).exists():
        given, level, path = parts["name"], parts["level"], parts["path"]
    file = Path(path).absolute()
    resolution = load_weights(file).spec.resolution
    added = {
        (resolution, one): Network(resolution, one, "file", str(file), consistent)
        for one in ((level,) if level else LEVELS)
    }
    choices = [given] if given else [file.stem, f"{file.parent.name}/{file.stem}"]
    for name in choices:
        known = methods[name].networks if name in methods else {}
        if not added.keys() & known.keys():
            methods[name] = Method(name, {**known, **added})
            return
    raise WeightsError(
        f"{path}: {choices[-1]!r} has other weights for {resolution} m already; give it another "
        "name with --weights NAME=FILE"
    )


def _projects(method: Method) -> bool:
    return any(network.consistent for network in method.networks.values())


def _unprojected(method: Method) -> Method:
    return Method(
        method.name + _UNPROJECTED,
        {key: replace(network, consistent=False) for key, network in method.networks.items()},
    )
