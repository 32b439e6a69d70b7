"""The networks: what goes in, what comes out, and the graphs between.

All take the bands at their own grids, as scaled reflectance ``(DN + offset) / 2000``
in band-last order, and return the sharpened bands at 10 m in the same scale.

dsen2, vdsen2
    Lanaras et al. 2018 (arXiv 1803.04271): a residual network on the 10 m grid.
compact
    The same body half as wide, for a quarter of the operations. The untrained
    regression of `s2_superres.networks.injection` is its base and one of its inputs. A
    second, smaller part may follow, see `_phased`.

A last layer may make the result consistent with the measured band, see
`s2_superres.networks.operators.project`; it has no weights, so it can be switched off, or put
behind any weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BANDS_20M, BANDS_60M, INPUTS, Band
from s2_superres.choices import TRAINING_PRECISIONS
from s2_superres.errors import WeightsError
from s2_superres.raster.degradation import degradation_taps, projection_taps
from s2_superres.raster.kernels import (
    PHASE_FILTERS,
    PHASE_RADIUS,
    VAPOUR_RADIUS,
    WINDOW_RADIUS,
    smoothing_taps,
)

FAMILIES = ("compact", "dsen2", "vdsen2")

# The supports below are counted in pixels of the grid that the module works on.
_BODY_HEAD_AND_TAIL = 2


@dataclass(frozen=True)
class NetworkSpec:
    """Everything that defines a network's graph.

    Attributes
    ----------
    family : {"compact", "dsen2", "vdsen2"}
    resolution : {20, 60}
        Resolution in metres of the bands that it brings to 10 m.
    features, blocks : int
        Channels of the body and number of its residual blocks.
    consistent : bool
        Whether the projection is the last layer.
    trained : bool
        False leaves the body out: the local regression alone (compact only).
    phased : bool
        Whether it tells from the measured band where the sensor's own pixels lay, see
        `_phased` (compact only).
    """

    family: str
    resolution: int
    features: int = 128
    blocks: int = 6
    consistent: bool = True
    trained: bool = True
    phased: bool = False

    def __post_init__(self) -> None:
        if self.family not in FAMILIES or self.resolution not in (20, 60):
            raise WeightsError(
                f"unknown network {self.family!r} for {self.resolution} m: choose one of "
                f"{', '.join(FAMILIES)} for 20 or 60"
            )
        if self.features < 1 or self.blocks < 0:
            raise WeightsError("a network needs 1 or more features and 0 or more blocks")
        if self.phased and (self.family != "compact" or not self.trained):
            raise WeightsError(f"{self.family}: only a trained compact network can be phased")

    @property
    def ratio(self) -> int:
        """10 m pixels per pixel of the bands that are sharpened."""
        return self.resolution // 10

    @property
    def inputs(self) -> tuple[int, ...]:
        """Resolutions of the inputs, in order."""
        return INPUTS[self.resolution]

    @property
    def bands(self) -> tuple[Band, ...]:
        """The output bands, in order."""
        return BANDS_20M if self.resolution == 20 else BANDS_60M

    @property
    def evens_vapour(self) -> bool:
        """Whether it sees B09 as if no water vapour dimmed it, see `injection.vapour_share`."""
        return self.family == "compact" and self.resolution == 60 and self.trained

    @property
    def halo(self) -> int:
        """Support of the network in 10 m pixels, rounded up to a multiple of 6.

        An output pixel depends on no input pixel, of any resolution, that lies
        wholly farther away (Chebyshev distance).
        """
        if self.family == "compact":
            support = _injection_support(self.ratio) + 2
            if self.evens_vapour:
                support += self.ratio * (VAPOUR_RADIUS + 1)
        else:
            support = 2 * self.ratio
        return _whole_pixels(support + self._inner_support)

    @property
    def _inner_support(self) -> int:
        """Support of the body and the projection, in 10 m pixels."""
        support = 2 * self.blocks + _BODY_HEAD_AND_TAIL if self.trained else 0
        if self.phased:
            support += _phase_support(self.ratio)
        return support + (_projection_support(self.ratio) if self.consistent else 0)

    @property
    def trim(self) -> int:
        """How much of the halo, in 10 m pixels, is there for what comes before the body only.

        The body need not be computed there: it is most of the work, and the compact
        network's regression looks several times as far.
        """
        if self.family != "compact" or not self.trained:
            return 0
        return self.halo - _whole_pixels(self._inner_support)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> NetworkSpec:
        """Rebuild a spec; unknown fields mean a file from a newer version."""
        known = {field.name for field in fields(cls)}
        if not set(values) <= known:
            unknown = ", ".join(sorted(set(values) - known))
            raise WeightsError(
                f"the network has settings this version does not know ({unknown}): "
                "update s2-superres"
            )
        return cls(**values)


def dsen2_spec(resolution: int, *, family: str = "dsen2", consistent: bool = True) -> NetworkSpec:
    """Return the published DSen2 (6 x 128) or VDSen2 (32 x 256)."""
    features, blocks = (256, 32) if family == "vdsen2" else (128, 6)
    return NetworkSpec(family, resolution, features, blocks, consistent)


def compact_spec(resolution: int, *, consistent: bool = True) -> NetworkSpec:
    """Return the compact network."""
    return NetworkSpec("compact", resolution, features=64, consistent=consistent)


def _whole_pixels(support: int) -> int:
    """Round up to whole pixels of 60 m, which the grids of all bands share."""
    return -(-support // 6) * 6


def _projection_support(ratio: int) -> int:
    margin = (len(degradation_taps(ratio)) - ratio) // 2
    reach = projection_taps(ratio).shape[1] // 2
    support: int = ratio * (reach + 1) + margin
    return support


def _phase_support(ratio: int) -> int:
    convolutions = _BODY_HEAD_AND_TAIL + sum(_PHASE_DILATIONS)
    features: int = PHASE_FILTERS.shape[0] // 2
    return convolutions + max(_projection_support(ratio), PHASE_RADIUS + features)


def _injection_support(ratio: int) -> int:
    margin = (len(degradation_taps(ratio)) - ratio) // 2
    # The coefficients' window and high-pass, in coarse pixels; the guides at 60 m
    # include interpolated 20 m bands, worth one coarse pixel more.
    coarse = WINDOW_RADIUS + smoothing_taps(2).size // 2 + (1 if ratio > 2 else 0)
    # The last `ratio` is the way across a coarse pixel, and one more for the sensor's blur.
    return ratio * (coarse + 1) + margin


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
        multiple of 6: for windows whose edges are thrown away, see `NetworkSpec.trim`.
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

    from s2_superres.networks.layers import Consistent, Upsample

    if precision not in TRAINING_PRECISIONS:
        raise WeightsError(f"unknown precision {precision!r}: choose float32 or bfloat16")
    channels = {10: 4, 20: 6, 60: 2}
    inputs = [
        keras.Input((None, None, channels[r]), name=f"x{r}", dtype="float32") for r in spec.inputs
    ]
    policy = "mixed_bfloat16" if precision == "bfloat16" else "float32"
    graph = _Graph(spec, policy, trim, inference)
    if spec.family != "compact":
        ups = [
            Upsample(r // 10, name=f"up{r}", dtype="float32")(x)
            for r, x in zip(spec.inputs[1:], inputs[1:], strict=True)
        ]
        stacked = keras.layers.Concatenate(name="stack", dtype="float32")([inputs[0], *ups])
        y = graph.body(graph.trimmed(stacked), len(spec.bands))
        y = keras.layers.Add(name="residual", dtype="float32")([graph.trimmed(ups[-1]), y])
    else:
        y = _compact(spec, graph, inputs)
    if spec.phased:
        y = _phased(graph, y, graph.trimmed(inputs[-1], spec.ratio))
    if spec.consistent:
        measured = graph.trimmed(inputs[-1], spec.ratio)
        y = Consistent(spec.ratio, name="consistent", dtype="float32")([y, measured])
    return keras.Model(inputs, y, name=f"{spec.family}_{spec.resolution}m")


#: What a residual branch is multiplied by, and the end of the name of the layer before that.
_BRANCH_GAIN = 0.1
_LAST_OF_BRANCH = "_conv2"


def fold(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Put the factor of the residual branches into the weights before it.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        Weights by layer and variable, as ``"block0_conv2/kernel"``.

    Returns
    -------
    dict of str to ndarray
        Weights of the same network built for `inference`; those changed in float32.
    """
    return {
        name: array.astype(np.float32) * _BRANCH_GAIN if f"{_LAST_OF_BRANCH}/" in name else array
        for name, array in arrays.items()
    }


@dataclass(frozen=True)
class _Graph:
    """Layers of a residual body, with the names that the weights are stored under."""

    spec: NetworkSpec
    policy: str
    trim: int
    inference: bool

    def trimmed(self, x: Any, ratio: int = 1) -> Any:
        """Cut the edges off an image whose pixels are `ratio` times 10 m wide."""
        import keras

        return keras.layers.Cropping2D(self.trim // ratio)(x) if self.trim else x

    def conv(self, x: Any, features: int, name: str, **options: Any) -> Any:
        import keras

        options = {"kernel_initializer": "he_uniform", "dtype": self.policy, **options}
        return keras.layers.Conv2D(features, 3, padding="same", name=name, **options)(x)

    def last(self, x: Any, outputs: int, name: str) -> Any:
        """Return a convolution that starts at 0."""
        policy = self.policy if self.inference else "float32"
        return self.conv(x, outputs, name, dtype=policy, kernel_initializer="zeros")

    def body(self, x: Any, outputs: int) -> Any:
        """Head, residual blocks whose branches are scaled by 0.1, tail."""
        import keras

        from s2_superres.networks.layers import Scale

        x = self.conv(x, self.spec.features, "head", activation="relu")
        for i in range(self.spec.blocks):
            y = self.conv(x, self.spec.features, f"block{i}_conv1", activation="relu")
            y = self.conv(y, self.spec.features, f"block{i}{_LAST_OF_BRANCH}")
            if not self.inference:
                y = Scale(_BRANCH_GAIN, name=f"block{i}_scale", dtype=self.policy)(y)
            x = keras.layers.Add(name=f"block{i}", dtype=self.policy)([x, y])
        return self.last(x, outputs, "tail")


#: Details are small beside reflectances: bring them to the same order for the body.
_DETAIL_GAIN = 8.0
#: And back: an optimiser's steps on the last layers then suit the size of the output.
_OUTPUT_GAIN = 1 / 16


def _compact(spec: NetworkSpec, graph: _Graph, inputs: list[Any]) -> Any:
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

    fine, measured = inputs[0], inputs[-1]
    guide = fine
    if spec.resolution == 60:
        half = Upsample(2, name="up20")(inputs[1])
        guide = keras.layers.Concatenate(name="guide", dtype="float32")([fine, half])
    if spec.evens_vapour:
        share = VapourShare(spec.ratio, name="vapour_share")([guide, measured])
        measured = Divide(name="evened", dtype="float32")([measured, share])
    interpolated = Upsample(spec.ratio, name="up")(measured)
    if spec.resolution == 20:
        half = interpolated
    base = Injection(spec.ratio, name="injection")([guide, measured])
    if not spec.trained:
        return graph.trimmed(base)
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
    stack = graph.trimmed(keras.layers.Concatenate(name="stack", dtype="float32")(stacked))
    outputs = len(spec.bands)
    y = graph.body(stack, outputs)
    skip = graph.last(stack, outputs, "skip")
    y = keras.layers.Add(name="tail_and_skip", dtype="float32")([y, skip])
    y = Scale(_OUTPUT_GAIN, name="output_gain", dtype="float32")(y)
    y = keras.layers.Add(name="residual", dtype="float32")([graph.trimmed(base), y])
    if spec.evens_vapour:
        fine_share = Upsample(spec.ratio, name="up_share")(share)
        y = keras.layers.Multiply(name="under_vapour", dtype="float32")(
            [y, graph.trimmed(fine_share)]
        )
    return y


#: Channels of the convolutions that look for phases, and how far apart the pixels are that each of
#: them combines.
_PHASE_FEATURES = 48
_PHASE_DILATIONS = (1, 2, 4, 6)


def _phased(graph: _Graph, y: Any, measured: Any) -> Any:
    """Correct sharpened bands for where the pixels of the sensor lay, see `networks.phase`.

    Convolutions find the swing in what is left to explain, and details weighed by it are added.
    """
    import keras

    from s2_superres.networks.phase import Leak, LockIn, WeighedSum, details_of

    filters = PHASE_FILTERS.shape[-1]
    details = details_of(y)
    z = LockIn(graph.spec.ratio, name="phase_lock_in", dtype="float32")([y, measured, details])
    z = graph.conv(z, _PHASE_FEATURES, "phase_head")
    for i, dilation in enumerate(_PHASE_DILATIONS):
        more = Leak(name=f"phase_leak{i}", dtype=graph.policy)(z)
        more = graph.conv(more, _PHASE_FEATURES, f"phase_block{i}", dilation_rate=dilation)
        z = keras.layers.Add(name=f"phase_sum{i}", dtype=graph.policy)([z, more])
    weights = graph.last(z, y.shape[-1] * filters, "phase_tail")
    correction = WeighedSum(filters, name="phase_correction", dtype="float32")([weights, details])
    return keras.layers.Add(name="phased", dtype="float32")([y, correction])
