"""Where the sensor's own pixels lay: a second, smaller part of a network, which corrects for that.

The sensor's pixels lie on a grid of their own, turned by the satellite's heading against that of
the product, and ESA's processing interpolates between them. How much that blurs and shifts a detail
swings along the image, with a period of some four pixels. What the swings are like is the same in
every scene of a descending pass; where they begin differs from band to band. What is left to
explain in a measured band, multiplied by details of the sharpened one, tells of that.
Convolutions find the swing in that, and details weighed by it are added to the sharpened bands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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

    from s2_superres.networks.layers import Leak, LockIn, WeighedSum

    filters = PHASE_FILTERS.shape[-1]
    details = _details_of(y)
    z = LockIn(body.spec.ratio, name="phase_lock_in", dtype="float32")([y, measured, details])
    z = body.conv(z, _FEATURES, "phase_head")
    for i, dilation in enumerate(_DILATIONS):
        more = Leak(name=f"phase_leak{i}", dtype=body.policy)(z)
        more = body.conv(more, _FEATURES, f"phase_block{i}", dilation_rate=dilation)
        z = keras.layers.Add(name=f"phase_sum{i}", dtype=body.policy)([z, more])
    weights = body.last(z, y.shape[-1] * filters, "phase_tail")
    correction = WeighedSum(filters, name="phase_correction", dtype="float32")([weights, details])
    return keras.layers.Add(name="phased", dtype="float32")([y, correction])


def _details_of(y: Any) -> Any:
    """Return details of each band along rows and columns, as `PHASE_FILTERS` begin."""
    import keras

    size, _, filters = PHASE_FILTERS.shape
    start = np.repeat(PHASE_FILTERS[:, :, None, :], y.shape[-1], axis=2)
    return keras.layers.DepthwiseConv2D(
        size,
        padding="same",
        depth_multiplier=filters,
        use_bias=False,
        depthwise_initializer=lambda shape, dtype=None: keras.ops.convert_to_tensor(start, dtype),
        name="phase_features",
        dtype="float32",
    )(y)
