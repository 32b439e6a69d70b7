"""The networks' graphs: shapes, supports, agreement with the measured band."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from s2_superres.errors import WeightsError
from s2_superres.networks import support
from s2_superres.networks.family import family_names, family_of, find_family, standard_spec
from s2_superres.networks.graph import build_network
from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import Weights, apply_weights, variables_of
from s2_superres.raster.degradation import degrade
from s2_superres.raster.kernels import WINDOW_RADIUS, smoothing_taps

#: VDSen2 is DSen2 in another size.
FAMILIES = [name for name in family_names() if name != "vdsen2"]
SMALL = [
    NetworkSpec(family, resolution, 4, 1, consistent)
    for family, resolution, consistent in itertools.product(FAMILIES, (20, 60), (False, True))
]
SMALL += [NetworkSpec("compact", 20, 4, 1, consistent, phased=True) for consistent in (False, True)]
UNTRAINED = [NetworkSpec("compact", resolution, trained=False) for resolution in (20, 60)]


def name(spec: NetworkSpec) -> str:
    parts = [spec.family, str(spec.resolution), "consistent" if spec.consistent else "free"]
    if spec.phased:
        parts.append("phased")
    return "-".join(parts if spec.trained else [*parts, "untrained"])


@cache
def model_of(spec: NetworkSpec, seed: int = 0) -> Any:
    """A network with random weights everywhere, the layers that start at zero too."""
    model = build_network(spec)
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        fan = np.prod(variable.shape[:-1])
        variable.assign(rng.normal(0, 1.5 / np.sqrt(fan), variable.shape).astype(np.float32))
    return model


def inputs_of(spec: NetworkSpec, side: int, seed: int = 0) -> list[NDArray[np.float32]]:
    rng = np.random.default_rng(seed)
    bands = {10: 4, 20: 6, 60: 2}
    return [
        rng.uniform(0.05, 0.6, (1, side * 10 // r, side * 10 // r, bands[r])).astype(np.float32)
        for r in spec.inputs
    ]


def run(model: Any, inputs: list[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(model(inputs, training=False))


@pytest.mark.parametrize("spec", [*SMALL, *UNTRAINED], ids=name)
def test_nothing_beyond_the_halo_matters(spec: NetworkSpec) -> None:
    """A change of every input pixel farther away leaves a pixel as it was."""
    halo, core = support.halo(spec), 12
    side = 2 * halo + core + 24
    model = model_of(spec)
    inputs = inputs_of(spec, side)
    first = -(-(halo + 6) // 6) * 6
    near = slice(first - halo, first + core + halo)
    assert first - halo >= 6 and first + core + halo <= side - 6
    changed = []
    for r, x in zip(spec.inputs, inputs, strict=True):
        k = r // 10
        # Only what lies wholly outside of the halo changes.
        kept = slice(near.start // k, -(-near.stop // k))
        other = np.random.default_rng(9).uniform(0.05, 0.6, x.shape).astype(np.float32)
        other[:, kept, kept] = x[:, kept, kept]
        changed.append(other)
    pixels = slice(first, first + core)
    before, after = run(model, inputs), run(model, changed)
    difference = np.abs(after - before)[:, pixels, pixels].max() * 2000
    # Graphs of the whole image differ in the last digits by how convolutions are cut up.
    assert difference < 0.01
    assert np.abs(after - before).max() * 2000 > 1


@pytest.mark.parametrize("spec", [*SMALL, *UNTRAINED], ids=name)
def test_results_do_not_depend_on_where_a_window_begins(spec: NetworkSpec) -> None:
    """The core of a window with its halo is that of the whole image, to 0.01 DN."""
    halo, core, before = support.halo(spec), 12, 12
    side = before + 2 * halo + core + 24
    model = model_of(spec)
    inputs = inputs_of(spec, side)
    length = 2 * halo + core
    window = [
        x[:, (s := before * 10 // r) : s + length * 10 // r, s : s + length * 10 // r]
        for r, x in zip(spec.inputs, inputs, strict=True)
    ]
    whole = run(model, inputs)[:, before + halo :, before + halo :][:, :core, :core]
    part = run(model, window)[:, halo : halo + core, halo : halo + core]
    assert np.abs(whole - part).max() * 2000 < 0.01


@pytest.mark.parametrize("spec", [s for s in SMALL if support.trim(s)], ids=name)
def test_what_a_network_is_trimmed_by_changes_nothing(spec: NetworkSpec) -> None:
    """The core of a window comes out the same where the body is not run on all of the halo."""
    halo, trim, core = support.halo(spec), support.trim(spec), 12
    inputs = inputs_of(spec, 2 * halo + core)
    whole, trimmed = model_of(spec), build_network(spec, trim=trim)
    for variable, source in zip(
        trimmed.trainable_variables, whole.trainable_variables, strict=True
    ):
        variable.assign(source)
    part = run(trimmed, inputs)
    assert part.shape[1] == 2 * (halo - trim) + core
    kept = slice(halo - trim, halo - trim + core)
    expected = run(whole, inputs)[:, halo : halo + core, halo : halo + core]
    assert np.abs(part[:, kept, kept] - expected).max() * 2000 < 0.01


def test_the_mirror_is_as_wide_as_the_widest_filter() -> None:
    """The family says so without loading the filters."""
    widest = max(WINDOW_RADIUS, smoothing_taps(2).size // 2)
    assert find_family("compact").mirrored == widest


def test_the_compact_networks_are_trimmed() -> None:
    """Of the window's wide halo, the body sees what it and the projection look at."""
    specs = [
        standard_spec("compact", 20),
        replace(standard_spec("compact", 20), phased=True),
        standard_spec("compact", 60),
    ]
    assert [support.halo(spec) - support.trim(spec) for spec in specs] == [30, 60, 24]


def test_a_phased_network_begins_as_one_that_is_not() -> None:
    """Its second part adds nothing before it is trained, and weights without it may start it."""
    plain = NetworkSpec("compact", 20, 4, 1)
    arrays = {n: v.numpy() for n, v in variables_of(model_of(plain)).items()}
    model = build_network(replace(plain, phased=True))
    apply_weights(model, Weights(plain, arrays))
    inputs = inputs_of(plain, 24)
    np.testing.assert_allclose(run(model, inputs), run(model_of(plain), inputs), atol=1e-6)


def test_what_the_details_of_a_band_explain_is_found() -> None:
    """Where the measured band is the sharpened one and some of its detail, the products with that
    detail are alike everywhere; those with another are nothing in the mean."""
    from s2_superres.networks.operators import lock_in

    rng = np.random.default_rng(0)
    fine, other = rng.normal(0, 0.1, (2, 1, 48, 48, 1)).astype(np.float32)
    coarse = np.moveaxis(degrade(np.moveaxis(fine + 0.3 * other, -1, 1), 2), 1, -1)
    unlike = rng.normal(0, 0.1, other.shape).astype(np.float32)
    details = np.concatenate([other, unlike], -1)
    found = np.asarray(lock_in(fine, coarse, details, 2)).mean(axis=(0, 1, 2))
    # A projection restores a quarter of what noise holds.
    assert found[0] == pytest.approx(0.3 / 4, rel=0.2) and abs(found[1]) < 0.01


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (NetworkSpec("dsen2", 20, phased=True), "cannot be phased; take network compact"),
        (NetworkSpec("compact", 20, trained=False, phased=True), "cannot be phased"),
        (NetworkSpec("dsen2", 20, trained=False), "nothing untrained; take network compact"),
    ],
)
def test_a_family_is_asked_for_what_it_can_do(spec: NetworkSpec, says: str) -> None:
    for use in (family_of, support.halo, build_network):
        with pytest.raises(WeightsError, match=says):
            use(spec)


@pytest.mark.parametrize("spec", [s for s in [*SMALL, *UNTRAINED] if s.consistent], ids=name)
def test_a_consistent_network_agrees_with_the_measured_band(spec: NetworkSpec) -> None:
    """Degraded, the output is the measured band within 0.05 DN, whatever the weights."""
    inputs = inputs_of(spec, 72)
    output = run(model_of(spec), inputs)
    degraded = degrade(np.moveaxis(output, -1, 1), spec.ratio)
    # What is cut off the projection's filter is a share of what it has to correct.
    scale = max(1.0, float(np.abs(output).max()))
    assert np.abs(degraded - np.moveaxis(inputs[-1], -1, 1)).max() * 2000 < 0.05 * scale


@pytest.mark.parametrize("spec", SMALL, ids=name)
def test_shapes_and_types(spec: NetworkSpec) -> None:
    output = run(build_network(spec), inputs_of(spec, 36))
    assert output.shape == (1, 36, 36, 6 if spec.resolution == 20 else 2)
    assert output.dtype == np.float32


def test_an_untaught_compact_network_is_the_local_regression() -> None:
    """Its tail starts at zero, so that learning starts from the regression."""
    spec = NetworkSpec("compact", 20, 4, 1)
    inputs = inputs_of(spec, 48)
    regression = run(build_network(NetworkSpec("compact", 20, trained=False)), inputs)
    np.testing.assert_allclose(run(build_network(spec), inputs), regression, atol=1e-5)


def test_bfloat16_changes_little() -> None:
    """What is added to the interpolated band stays in float32."""
    spec = NetworkSpec("compact", 20, 8, 2)
    full = model_of(spec)
    half = build_network(spec, "bfloat16")
    half.set_weights(full.get_weights())
    inputs = inputs_of(spec, 48)
    difference = (run(half, inputs) - run(full, inputs)) * 2000
    assert 0 < np.sqrt((difference**2).mean()) < 2


@pytest.mark.parametrize(("resolution", "parameters"), [(20, 1_789_574), (60, 1_787_266)])
def test_dsen2_has_the_published_size(resolution: int, parameters: int) -> None:
    assert build_network(standard_spec("dsen2", resolution)).count_params() == parameters


@pytest.mark.parametrize(
    "spec", [*SMALL, standard_spec("compact", 60), standard_spec("dsen2", 20)], ids=name
)
def test_a_spec_survives_json(spec: NetworkSpec) -> None:
    import json

    assert NetworkSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec


def test_a_spec_of_a_newer_version_is_refused() -> None:
    with pytest.raises(WeightsError, match="attention"):
        NetworkSpec.from_dict({**standard_spec("compact", 20).to_dict(), "attention": True})


@pytest.mark.parametrize(
    "values", [{"family": "u-net"}, {"resolution": 30}, {"features": 0}, {"blocks": -1}]
)
def test_impossible_specs_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(WeightsError):
        family_of(NetworkSpec(**{"family": "compact", "resolution": 20, **values}))


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(WeightsError, match="float16"):
        build_network(NetworkSpec("dsen2", 20, 4, 1), "float16")
