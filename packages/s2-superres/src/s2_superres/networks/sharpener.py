"""Networks that are loaded, and how to run them: windows in, sharpened windows out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import INPUTS
from s2_superres.errors import WeightsError
from s2_superres.networks import support
from s2_superres.networks.compute import Compute
from s2_superres.networks.engine import Prediction, Predictor
from s2_superres.networks.family import family_of
from s2_superres.networks.selection import Network
from s2_superres.networks.weights import Weights


class Sharpener:
    """Loaded networks, one per resolution, and how to run them.

    It compiles each network for the size of the windows that it is given. Pickled, it is the
    networks' names and the hashes of their weights: where it arrives, a process loads each once,
    see `sharpener`.

    Parameters
    ----------
    networks : sequence of Network
    compute : Compute
        Ready, see `Compute.ready`.
    errors : bool
        Whether to tell error bars as well.

    Attributes
    ----------
    weights : dict of int to Weights
        By resolution.
    halos, trims : tuple of int
        Of each network, see `s2_superres.networks.support`.

    Raises
    ------
    WeightsError
        If weights cannot be used, or error bars are asked for and they tell none.
    """

    def __init__(
        self, networks: Sequence[Network], compute: Compute, *, errors: bool = False
    ) -> None:
        self.networks, self.compute, self.errors = tuple(networks), compute, errors
        self.weights: dict[int, Weights] = {n.resolution: n.load() for n in self.networks}
        specs = [weights.spec for weights in self.weights.values()]
        self.halos = tuple(support.halo(spec) for spec in specs)
        self.trims = tuple(support.trim(spec) for spec in specs)
        if errors:
            for weights in self.weights.values():
                weights.require_errors()
        self._predictors: dict[tuple[int, int, int], Predictor] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        hashes = tuple(weights.sha256 for weights in self.weights.values())
        return _arrived, (self.networks, self.compute, self.errors, hashes)

    @property
    def inputs(self) -> tuple[int, ...]:
        """Resolutions of the bands that the networks take together."""
        return INPUTS[max(self.weights)]

    @property
    def halo(self) -> int:
        """The widest halo."""
        return max(self.halos)

    @property
    def tile(self) -> int:
        """Side of a window in 10 m pixels, its halo included."""
        if self.compute.tile is not None:
            return self.compute.tile
        return min(family_of(weights.spec).tile for weights in self.weights.values())

    def sharpen(self, resolution: int, inputs: Mapping[int, NDArray[np.float32]]) -> Prediction:
        """Sharpen one window of one resolution's bands.

        Parameters
        ----------
        resolution : {20, 60}
        inputs : mapping of int to ndarray
            Per resolution ``(bands, rows, cols)`` at its own grid, in the networks' scale.

        Returns
        -------
        Prediction
            Without the network's trim at each side.

        Raises
        ------
        OutOfMemoryError
            If the window does not fit in memory.
        """
        rows, cols = inputs[10].shape[1:]
        key = resolution, rows, cols
        # A network uses all cores by itself; two at once would only take twice the memory.
        with self._lock:
            if key not in self._predictors:
                weights = self.weights[resolution]
                trim = support.trim(weights.spec)
                self._predictors[key] = Predictor(
                    weights, rows, cols, self.compute, trim=trim, errors=self.errors
                )
            return self._predictors[key](inputs)


_loading = threading.Lock()


def sharpener(networks: tuple[Network, ...], compute: Compute, errors: bool = False) -> Sharpener:
    """Return this process's own `Sharpener`, loaded once for all who ask for the same."""
    # Several threads of a worker may ask at once.
    with _loading:
        return _load(networks, compute, errors)


@lru_cache(maxsize=8)
def _load(networks: tuple[Network, ...], compute: Compute, errors: bool) -> Sharpener:
    return Sharpener(networks, compute, errors=errors)


def _arrived(
    networks: tuple[Network, ...], compute: Compute, errors: bool, hashes: tuple[str, ...]
) -> Sharpener:
    """Take up here what was pickled elsewhere."""
    found = sharpener(networks, compute, errors)
    for weights, expected in zip(found.weights.values(), hashes, strict=True):
        if weights.sha256 != expected:
            raise WeightsError(
                f"{weights.name}: these weights are others here than where the run began; give "
                "all workers the same files and the same version of s2-superres"
            )
    return found
