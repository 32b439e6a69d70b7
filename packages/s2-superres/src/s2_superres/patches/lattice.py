"""Where patches may lie in a scene: a lattice, as coarse as gives enough of them."""

from __future__ import annotations

import math

from s2_superres.patches.patchset import PatchSettings

#: Candidates per patch asked for, so that enough are left after gaps and clouds.
_SPARE = 2


def lattice_stride(settings: PatchSettings, shape: tuple[int, int]) -> int:
    """Distance of candidate patches in target pixels.

    A whole patch where that gives enough candidates, else less, down to a quarter: beyond
    that, patches of a small scene would only repeat each other.
    """
    ratio, size, least = settings.ratio, settings.size, _least_stride(settings)
    for stride in range(size, least, -ratio):
        if math.prod((n - size) // stride + 1 for n in shape) >= _SPARE * settings.count:
            return stride
    return least


def lattice_shifts(settings: PatchSettings, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns to leave out before a scene is degraded, one pair after the other.

    Of each block of ratio x ratio pixels that is averaged, a scene that begins a pixel further
    makes another block, so a small scene gives up to ratio^2 different pairs for one.
    """
    ratio, size = settings.ratio, settings.size
    stride = lattice_stride(settings, shape)
    candidates = math.prod((n - size) // stride + 1 for n in shape)
    wanted = math.ceil(_SPARE * settings.count / max(candidates, 1))
    every = [(r, c) for r in range(ratio) for c in range(ratio)]
    # Far from each other first; those that would leave no room for a patch are left out.
    every.sort(key=lambda shift: ((shift[0] + ratio * shift[1]) * 7) % ratio**2)
    fit = [
        s
        for s in every
        if all((n - k) // ratio * ratio >= size for n, k in zip(shape, s, strict=True))
    ]
    return fit[: max(1, wanted)]


def _least_stride(settings: PatchSettings) -> int:
    return max(settings.ratio, settings.size // 4 // settings.ratio * settings.ratio)
