"""How long a run is, and the learning rate of each of its steps."""

from __future__ import annotations

import math
from dataclasses import replace

from s2_superres.errors import TrainingError
from s2_superres.training.config import TrainingConfig


def total_steps(config: TrainingConfig, patches: int) -> int:
    """Return how many steps a run takes on so many training patches."""
    if config.epochs is None:
        return config.steps
    return max(1, math.ceil(config.epochs * patches / config.batch))


def turned_steps(config: TrainingConfig, steps: int) -> int:
    """Return after how many of a run's steps patches are turned no more.

    Raises
    ------
    TrainingError
        If not a single one is left before.
    """
    if config.upright_steps >= steps:
        raise TrainingError(
            f"upright_steps {config.upright_steps}: the run has no more than {steps} steps; give "
            "less, or turns none for a run that turns nothing"
        )
    return steps - config.upright_steps


def learning_rate(config: TrainingConfig, step: int, steps: int, factor: float = 1.0) -> float:
    """Return the rate of a step, counted from 0; `factor` is the plateau schedule's."""
    turned = turned_steps(config, steps)
    if step >= turned:
        part = replace(config, learning_rate=config.upright_rate, upright_steps=0)
        return learning_rate(part, step - turned, steps - turned, factor)
    steps = turned
    # A short run spends no more than a tenth on it.
    warmup = min(config.warmup, steps // 10)
    warm = min(1.0, (step + 1) / warmup) if warmup else 1.0
    if config.schedule == "cosine":
        return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * step / steps))
    return max(config.learning_rate * factor, min(config.lowest_rate, config.learning_rate)) * warm
