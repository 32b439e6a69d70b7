"""Scenes as they were measured, with what trained networks make of them as truth.

Wald's protocol has a truth only one scale down, where a scene of 20 m bands keeps a
quarter of its pixels. What several networks make of all of them, and of their turned
and mirrored copies, is in the mean better than each alone, and a network that learns
from it keeps a part of that (Hinton et al. 2015, https://arxiv.org/abs/1503.02531).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, INPUTS
from s2_superres.choices import DEFAULT_NETWORK, LEVELS
from s2_superres.errors import InputError
from s2_superres.inference.arrays import ArraySource, sharpen
from s2_superres.networks import support
from s2_superres.networks.family import family_names
from s2_superres.networks.selection import Network, choose_networks
from s2_superres.patches.degraded import Rows
from s2_superres.patches.scene import SceneReader
from s2_superres.raster.radiometry import Radiometry

#: Quarter turns, and whether mirrored before.
_ORIENTATIONS = tuple((turns, mirrored) for turns in range(4) for mirrored in (False, True))


class Teachers:
    """Networks that tell how a scene would look at 10 m.

    Parameters
    ----------
    names : sequence of str
        Families of the weights that ship, ``none``, or weights files.
    resolution : {20, 60}
        Of the bands to bring to 10 m.

    Raises
    ------
    WeightsError
        If weights are unusable, or for other bands.
    """

    def __init__(self, names: Sequence[str], resolution: int) -> None:
        self.resolution = resolution
        self._networks = [_network(name, resolution) for name in names]
        #: What tells these teachers from others.
        self.label = ", ".join(_label(network) for network in self._networks)

    def reach(self) -> int:
        """Return how many 10 m pixels around it a pixel depends on, a multiple of 12."""
        halo = max(support.halo(network.load().spec) for network in self._networks)
        return -(-halo // 12) * 12

    def sharpen(self, inputs: dict[int, NDArray[np.float32]], level: str) -> NDArray[np.float32]:
        """Return the mean of all networks over all eight orientations of a scene.

        Parameters
        ----------
        inputs : dict of int to ndarray of float32
            Per resolution, ``(bands, rows, cols)`` in digital numbers without offset; NaN is
            no data.
        level : str

        Returns
        -------
        ndarray of float32, shape (bands, rows, cols) at 10 m
        """
        from s2_superres.networks.compute import Compute
        from s2_superres.networks.sharpener import sharpener

        radiometry = Radiometry.uniform(0.0, None, None, np.float32)
        compute = Compute().ready()
        rows, cols = inputs[10].shape[1:]
        total = np.zeros((len(BY_RESOLUTION[self.resolution]), rows, cols), np.float32)
        for network in self._networks:
            one = replace(network, level=level if level in LEVELS else LEVELS[0])
            made = sharpener((one,), compute)
            for turns, mirrored in _ORIENTATIONS:
                source = ArraySource({r: _turn(x, turns, mirrored) for r, x in inputs.items()})
                results, _ = sharpen(source, made, radiometry)
                total += _turn_back(results[self.resolution], turns, mirrored)
        total /= len(self._networks) * len(_ORIENTATIONS)
        return total


class TaughtScene:
    """A scene that is not degraded; everything is counted in 10 m pixels.

    Parameters
    ----------
    scene : SceneReader
        With bands at their own resolutions.
    teachers : Teachers

    Raises
    ------
    InputError
        If the scene has no bands at 10 m.
    """

    def __init__(self, scene: SceneReader, teachers: Teachers) -> None:
        self._scene, self._teachers = scene, teachers
        self.path = scene.path
        self._ratio = ratio = teachers.resolution // 10
        if any(factor != ratio for factor in scene.factors.values()):
            raise InputError(
                f"{scene.facts.source}: holds no bands at 10 m for teachers to sharpen others by; "
                "leave it out, or add --skip-unusable"
            )
        rows, cols = scene.facts.shape
        self.facts = replace(scene.facts, shape=(rows * ratio, cols * ratio))

    def __enter__(self) -> Self:
        self._scene.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._scene.__exit__(*error)

    def rows(self, row: int, rows: int) -> Rows:
        """Return some rows, the same as if the whole scene were sharpened.

        Parameters
        ----------
        row, rows : int
            10 m rows, multiples of the ratio.
        """
        height, width = self.facts.shape
        reach = self._teachers.reach()
        top, bottom = max(0, row - reach), min(height, row + rows + reach)
        inputs: dict[int, NDArray[np.float32]] = {}
        measured = np.ones((rows, width), np.bool_)
        kept = slice(row - top, row - top + rows)
        for resolution in INPUTS[self._teachers.resolution]:
            k = resolution // 10
            read = self._scene.read(resolution, top // k, (bottom - top) // k)
            values, ok, own = read.columns(0, width // k)
            inputs[resolution] = np.where(ok, values, np.float32(np.nan))
            measured &= (ok & own).repeat(k, axis=0).repeat(k, axis=1)[kept]
        target = self._teachers.sharpen(inputs, self.facts.level)[:, kept]
        cut = {r: x[:, (row - top) // (r // 10) :][:, : rows * 10 // r] for r, x in inputs.items()}
        return Rows(cut, target, measured)

    def require_clouds(self) -> None:
        """See `SceneReader`."""
        self._scene.require_clouds()

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """Return where the source says cloud, for the same rows as of `rows`."""
        clouds = self._scene.clouds(row // self._ratio, rows // self._ratio)
        return clouds.repeat(self._ratio, axis=0).repeat(self._ratio, axis=1)


def _network(name: str, resolution: int) -> Network:
    family, file = (name, None) if name in family_names() else (DEFAULT_NETWORK, name)
    [network] = choose_networks((resolution,), LEVELS[0], network=family, weights=file)
    return network


def _label(network: Network) -> str:
    weights = network.load()
    # Runs call their weights alike; their folders tell them apart.
    folder = f"{Path(network.path).parent.name}/" if network.path else ""
    return f"{folder}{weights.name} {weights.sha256[:16]}".rstrip()


def _turn(image: NDArray[np.float32], turns: int, mirrored: bool) -> NDArray[np.float32]:
    image = image[..., ::-1] if mirrored else image
    return np.ascontiguousarray(np.rot90(image, turns, (1, 2)))


def _turn_back(image: NDArray[np.float32], turns: int, mirrored: bool) -> NDArray[np.float32]:
    image = np.rot90(image, -turns, (1, 2))
    return image[..., ::-1] if mirrored else image
