"""The compact network: DSen2's body half as wide, behind a local regression.

A quarter of the operations. The untrained regression of `s2_superres.networks.injection` is its
base and one of its inputs. A second, smaller part may follow, see
`s2_superres.networks.sensor_grid`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s2_superres.networks.family import Family

if TYPE_CHECKING:
    from s2_superres.networks.body import Body
    from s2_superres.networks.spec import NetworkSpec

#: Details are small beside reflectances: bring them to the same order for the body.
_DETAIL_GAIN = 8.0
#: And back: an optimiser's steps on the last layers then suit the size of the output.
_OUTPUT_GAIN = 1 / 16


def _evens_vapour(spec: NetworkSpec) -> bool:
    """Whether it sees B09 as if no water vapour dimmed it, see `injection.vapour_share`."""
    return spec.resolution == 60 and spec.trained


def _reach(spec: NetworkSpec) -> int:
    from s2_superres.raster.degradation import degradation_taps
    from s2_superres.raster.kernels import VAPOUR_RADIUS, WINDOW_RADIUS, smoothing_taps

    ratio = spec.ratio
    margin = (len(degradation_taps(ratio)) - ratio) // 2
    # The coefficients' window and high-pass, in coarse pixels; the guides at 60 m
    # include interpolated 20 m bands, worth one coarse pixel more.
    coarse = WINDOW_RADIUS + smoothing_taps(2).size // 2 + (1 if ratio > 2 else 0)
    # The last `ratio` is the way across a coarse pixel, and two more for the sensor's blur.
    support: int = ratio * (coarse + 1) + margin + 2
    if _evens_vapour(spec):
        support += ratio * (VAPOUR_RADIUS + 1)
    return support


def _graph(body: Body, inputs: list[Any]) -> Any:
    import keras

    from s2_superres.networks.layers import (
        Degrade,
        Divide,
        Injection,
        Modulation,
        Scale,
        Upsample,
        VapourShare,
    )

    def subtract(a: Any, b: Any, name: str) -> Any:
        return keras.layers.Subtract(name=name, dtype="float32")([a, b])

    def detail(x: Any, name: str) -> Any:
        return Scale(_DETAIL_GAIN, name=name, dtype="float32")(x)

    spec = body.spec
    fine, measured = inputs[0], inputs[-1]
    guide = fine
    if spec.resolution == 60:
        half = Upsample(2, name="up20")(inputs[1])
        guide = keras.layers.Concatenate(name="guide", dtype="float32")([fine, half])
    if _evens_vapour(spec):
        share = VapourShare(spec.ratio, name="vapour_share")([guide, measured])
        measured = Divide(name="evened", dtype="float32")([measured, share])
    interpolated = Upsample(spec.ratio, name="up")(measured)
    if spec.resolution == 20:
        half = interpolated
    base, _ = Injection(spec.ratio, name="injection")([guide, measured])
    if not spec.trained:
        return body.trimmed(base)
    smooth = Upsample(2, name="up_smooth")(Degrade(2, name="smooth")(fine))
    stacked = [
        fine,
        half,
        detail(subtract(fine, smooth, "fine_detail"), "fine_gain"),
        detail(subtract(base, interpolated, "injected_detail"), "injected_gain"),
    ]
    if spec.resolution == 60:
        modulated = Modulation(spec.ratio, name="modulation")([guide, measured])
        stacked += [
            interpolated,
            detail(subtract(modulated, interpolated, "modulated_detail"), "modulated_gain"),
        ]
    stack = body.trimmed(keras.layers.Concatenate(name="stack", dtype="float32")(stacked))
    outputs = len(spec.bands)
    y = body(stack, outputs)
    skip = body.last(stack, outputs, "skip")
    y = keras.layers.Add(name="tail_and_skip", dtype="float32")([y, skip])
    y = Scale(_OUTPUT_GAIN, name="output_gain", dtype="float32")(y)
    y = keras.layers.Add(name="residual", dtype="float32")([body.trimmed(base), y])
    if _evens_vapour(spec):
        fine_share = Upsample(spec.ratio, name="up_share")(share)
        y = keras.layers.Multiply(name="under_vapour", dtype="float32")(
            [y, body.trimmed(fine_share)]
        )
    return y


FAMILIES = (
    Family(
        name="compact",
        summary="half as wide, behind a local regression: a quarter of the operations",
        graph=_graph,
        reach=_reach,
        features=64,
        blocks=6,
        tile=720,
        # `kernels.WINDOW_RADIUS`, more than the reach of the smoothing.
        mirrored=6,
        # It scales its output down itself.
        tail_rate=1.0,
        trims=True,
        phases=True,
        untrained=True,
    ),
)
