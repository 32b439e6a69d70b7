"""What a run starts from: weights, and the network that they are of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from s2_superres.networks.weights import Weights, find_weights, load_weights, mean_weights
from s2_superres.patches.patchset import PatchSet
from s2_superres.training.config import SHIPPED, TrainingConfig


def start_weights(config: TrainingConfig, sets: Sequence[PatchSet]) -> Weights | None:
    """Load the weights to start from, the mean of them if they are several.

    Raises
    ------
    WeightsError
        If they cannot be used, are of different networks, or none ship.
    """
    if not config.init:
        return None
    level = sets[0].scenes[0].level
    return mean_weights(
        [
            find_weights(config.resolution, level, config.network)
            if path == SHIPPED
            else load_weights(path)
            for path in config.init
        ]
    )


def shaped(config: TrainingConfig, start: Weights) -> TrainingConfig:
    """Return the settings with the network of the weights, where they leave that open."""
    spec = start.spec
    if spec.family != config.network or spec.resolution != config.resolution:
        # The weights are refused with what differs.
        return config
    return replace(
        config,
        phased=spec.phased if config.phased is None else config.phased,
        features=spec.features if config.features is None else config.features,
        blocks=spec.blocks if config.blocks is None else config.blocks,
    )
