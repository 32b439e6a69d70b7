"""The Keras model of a spec.

All networks take the bands at their own grids, as scaled reflectance ``(DN + offset) / 2000`` in
band-last order, and return the sharpened bands at 10 m in the same scale. Their families, in
`s2_superres.networks.families`, are what lies between.

A last layer may make the result consistent with the measured band, see
`s2_superres.networks.operators.project`; it has no weights, so it can be switched off, or put
behind any weights.
"""

from __future__ import annotations

from typing import Any

from s2_superres.bands import BY_RESOLUTION
from s2_superres.choices import ARITHMETICS
from s2_superres.errors import WeightsError
from s2_superres.networks import sensor_grid
from s2_superres.networks.body import Body
from s2_superres.networks.family import family_of
from s2_superres.networks.spec import NetworkSpec


def build_network(
    spec: NetworkSpec, precision: str = "float32", trim: int = 0, *, inference: bool = False
) -> Any:
    """Build the Keras model of a spec, with untrained weights.

    Parameters
    ----------
    spec : NetworkSpec
    precision : {"float32", "bfloat16"}
        Arithmetic of the convolutions; what is added to the interpolated band stays
        in float32 either way.
    trim : int
        How much narrower than the input the output is at each side, in 10 m pixels, a
        multiple of 6: for windows whose edges are thrown away, see
        `s2_superres.networks.support`.
    inference : bool
        For weights that have been through `fold`: without the factor of the residual
        branches, so that backends run a convolution and the addition behind it as one
        operation, and with the last convolutions in `precision` as well, which only a
        training needs in float32.

    Returns
    -------
    keras.Model
        Inputs ``(batch, rows, cols, 4)`` and ``(batch, rows / 2, cols / 2, 6)``, for
        60 m also ``(batch, rows / 6, cols / 6, 2)``; output
        ``(batch, rows, cols, bands)``; all float32. Rows and columns are free, in
        multiples of 2, for 60 m of 6.
    """
    import keras

    from s2_superres.networks.layers import Consistent

    if precision not in ARITHMETICS:
        raise WeightsError(f"unknown precision {precision!r}: choose float32 or bfloat16")
    inputs = [
        keras.Input((None, None, len(BY_RESOLUTION[r])), name=f"x{r}", dtype="float32")
        for r in spec.inputs
    ]
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    body = Body(spec, policy, trim, inference)
    y = family_of(spec).graph(body, inputs)
    if spec.phased:
        y = sensor_grid.correct(body, y, body.trimmed(inputs[-1], spec.ratio))
    if spec.consistent:
        measured = body.trimmed(inputs[-1], spec.ratio)
        y = Consistent(spec.ratio, name="consistent", dtype="float32")([y, measured])
    return keras.Model(inputs, y, name=f"{spec.family}_{spec.resolution}m")
