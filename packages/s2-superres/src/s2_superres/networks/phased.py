"""The part that corrects sharpened bands for where the sensor's pixels lay, see `phase`.

Convolutions find the swing in what is left to explain, and details weighed by it are added.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s2_superres.raster.kernels import PHASE_FILTERS, PHASE_RADIUS

if TYPE_CHECKING:
    from s2_superres.networks.body import Body

#: Channels of the convolutions that look for phases, and how far apart the pixels are that each of
#: them combines.
_FEATURES = 48
_DILATIONS = (1, 2, 4, 6)
_HEAD_AND_TAIL = 2


def support(projection: int) -> int:
    """Return how many 10 m pixels around it a pixel depends on; `projection` is that layer's."""
    convolutions = _HEAD_AND_TAIL + sum(_DILATIONS)
    details: int = PHASE_FILTERS.shape[0] // 2
    return convolutions + max(projection, PHASE_RADIUS + details)


def correct(body: Body, y: Any, measured: Any) -> Any:
    """Add the layers behind sharpened bands `y`."""
    import keras

    from s2_superres.networks.phase import Leak, LockIn, WeighedSum, details_of

    filters = PHASE_FILTERS.shape[-1]
    details = details_of(y)
    z = LockIn(body.spec.ratio, name="phase_lock_in", dtype="float32")([y, measured, details])
    z = body.conv(z, _FEATURES, "phase_head")
    for i, dilation in enumerate(_DILATIONS):
        more = Leak(name=f"phase_leak{i}", dtype=body.policy)(z)
        more = body.conv(more, _FEATURES, f"phase_block{i}", dilation_rate=dilation)
        z = keras.layers.Add(name=f"phase_sum{i}", dtype=body.policy)([z, more])
    weights = body.last(z, y.shape[-1] * filters, "phase_tail")
    correction = WeighedSum(filters, name="phase_correction", dtype="float32")([weights, details])
    return keras.layers.Add(name="phased", dtype="float32")([y, correction])
