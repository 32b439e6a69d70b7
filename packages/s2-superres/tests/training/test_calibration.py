"""Error bars: learnt on known noise, believed as far as places left out allow, and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from s2_superres import superresolve
from s2_superres.bands import BY_RESOLUTION, Band
from s2_superres.errors import TrainingError, WeightsError
from s2_superres.networks.graph import build_network
from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import Weights, load_weights, save_weights, variables_of
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.patchset import PatchSettings
from s2_superres.patches.split import Split
from s2_superres.raster.degradation import degrade
from s2_superres.training.calibration import (
    CalibrationSettings,
    PlaceErrors,
    calibrate,
    measure,
)

PLACES = [f"place{number}" for number in range(6)]
#: Noise of the truth, in DN, in dark and in bright fields.
QUIET, LOUD = 20, 120


@settings(deadline=None, max_examples=25)
@given(
    level=st.floats(1e-3, 10),
    spread=st.floats(0, 0.15),
    heavy=st.booleans(),
    seed=st.integers(0, 999),
)
def test_error_bars_hold_nine_in_ten_of_known_noise(
    level: float, spread: float, heavy: bool, seed: int
) -> None:
    """Whatever its level and density, also on places left out, where these differ little."""
    rng = np.random.default_rng(seed)
    places = {}
    for name in PLACES:
        scales = rng.uniform(0.5, 2, (4000, 2)).astype(np.float32)
        noise = rng.laplace(size=scales.shape) if heavy else rng.normal(size=scales.shape)
        errors = np.abs(noise * scales * level * np.exp(rng.normal(0, spread)))
        places[name] = PlaceErrors(errors.astype(np.float32), scales)
    found = measure(places)
    pooled = np.concatenate([p.errors <= p.scales * found.factors for p in places.values()])
    assert pooled.mean(axis=0) == pytest.approx(0.9, abs=0.01)
    assert np.mean(list(found.by_place.values())) == pytest.approx(0.9, abs=0.03)
    told = found.to_dict()
    assert told["coverage_by_place"][told["worst_place"]] == min(found.by_place.values())


def test_places_weigh_alike() -> None:
    """A place with a hundred times the pixels does not rule the factor."""
    small = PlaceErrors(np.full((10, 1), 3, "f4"), np.ones((10, 1), "f4"))
    large = PlaceErrors(np.full((1000, 1), 1, "f4"), np.ones((1000, 1), "f4"))
    assert measure({"small": small, "large": large}).factors == (3.0,)
    found = measure({"small": small, "large": large})
    assert found.coverage == {"small": (0.0,), "large": (1.0,)}


def scene(seed: int) -> dict[str, NDArray[np.generic]]:
    """Fields, dark and bright, that all bands share; the 20 m bands are noisier where bright."""
    rng = np.random.default_rng(seed)
    bright = rng.random((8, 8)) < 0.5
    base = np.where(bright, 4000, 1500).repeat(12, axis=0).repeat(12, axis=1).astype(float)
    detail = rng.uniform(-100, 100, base.shape)
    b10 = np.stack([base + k * detail for k in (1.0, 0.8, 0.6, 1.4)])
    b20 = degrade(np.stack([base + k * detail for k in (0.5, 0.7, 0.9, 1.1, 1.3, 1.5)]), 2)
    noise = np.where(bright, LOUD, QUIET).repeat(6, axis=0).repeat(6, axis=1)
    noisy = b20 + rng.normal(0, 1, b20.shape) * noise
    return {"b10": np.rint(b10).astype("u2"), "b20": np.rint(noisy).astype("u2")}


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with a head, trained on six places and calibrated by four."""
    folder = tmp_path_factory.mktemp("noise")
    names = [*PLACES, "a", "b", "c", "d"]
    for seed, name in enumerate(names):
        np.savez(folder / f"L2A_{name}.npz", **scene(seed))  # type: ignore[arg-type]
    options = CutOptions(Split(("a", "b", "c", "d"), 0.0))
    cut_patches([folder], folder / "p", PatchSettings(20, 24, 12), options)
    said: list[str] = []
    plain = network()
    weights, found = calibrate(
        plain, [str(folder / "p")], CalibrationSettings(steps=150, learning_rate=0.02),
        warn=said.append,
    )  # fmt: skip
    assert weights.body.keys() == plain.arrays.keys()
    for name, array in plain.arrays.items():
        np.testing.assert_array_equal(weights.body[name], array, err_msg=name)
    assert said and "calibrated by 4 places" in said[0]
    assert np.mean(list(found.by_place.values())) == pytest.approx(0.9, abs=0.05)
    # One width for dark and bright fields would be 1.79 times the RMSE of both together.
    assert max(found.width_by_rmse) < 1.75
    save_weights(folder / "told.npz", weights.spec, weights.arrays, weights.metadata, "float32")
    return folder / "told.npz"


def network() -> Weights:
    spec = NetworkSpec("compact", 20, features=8, blocks=1)
    arrays = {name: v.numpy() for name, v in variables_of(build_network(spec)).items()}
    return Weights(spec, arrays, name="untrained")


def sharpen(path: Path | None, **options: object) -> tuple[NDArray[np.floating], ...]:
    arrays = scene(77)
    changes = {name: options.pop(name) for name in ("b10", "b20") if name in options}
    arrays.update(changes)  # type: ignore[arg-type]
    found = superresolve(
        arrays["b10"], arrays["b20"], level="L2A", precision="float32",
        weights=None if path is None else {20: path}, **options,
    )  # type: ignore[call-overload]  # fmt: skip
    return found.b20, found.err20


def test_the_head_tells_where_the_noise_is(calibrated: Path) -> None:
    """On a scene that it has not seen, one scale down, where the noise is that of the truth."""
    fine, coarse = (degrade(scene(77)[name].astype(np.float32), 2) for name in ("b10", "b20"))
    _, error = sharpen(calibrated, with_error=True, b10=fine, b20=coarse)
    bright = fine[0] > 2750
    loud, quiet = error[:, bright].mean(), error[:, ~bright].mean()
    assert loud > 1.8 * quiet
    assert quiet > QUIET and loud < 4 * LOUD


def test_the_network_stays_as_it_was_and_its_error_bars_have_no_seams(calibrated: Path) -> None:
    """But for what float32 rounds: TensorFlow adds up in another order if more is asked for."""
    values, error = sharpen(calibrated, with_error=True)
    assert error.shape == values.shape and error.dtype == np.float32 and (error > 0).all()
    plain, none = sharpen(calibrated)
    assert none is None
    np.testing.assert_allclose(plain, values, rtol=1e-6)
    _, cut = sharpen(calibrated, with_error=True, tile=132)
    np.testing.assert_array_equal(cut, error)


def test_no_error_is_told_where_nothing_was_measured(calibrated: Path) -> None:
    """No data and saturated pixels, band by band."""
    b20 = scene(77)["b20"].copy()
    b20[1, 4, 5], b20[2, 8, 9] = 0, 65535
    _, error = sharpen(calibrated, with_error=True, b20=b20)
    nan = np.isnan(error)
    assert nan[1, 8:10, 10:12].all() and nan[2, 16:18, 18:20].all() and nan.sum() == 8


def test_weights_without_a_head_say_so(tmp_path: Path) -> None:
    path = tmp_path / "plain.npz"
    plain = network()
    save_weights(path, plain.spec, plain.arrays, {})
    with pytest.raises(WeightsError, match="plain: these weights tell no errors"):
        sharpen(path, with_error=True)
    with pytest.raises(WeightsError, match="none: these weights tell no errors"):
        sharpen(None, with_error=True, network="none")


def test_a_head_that_does_not_fit_says_so(calibrated: Path, tmp_path: Path) -> None:
    told = load_weights(calibrated)
    arrays = {**told.arrays, "error_tail/bias": np.zeros(3, np.float32)}
    save_weights(tmp_path / "odd.npz", told.spec, arrays, {})
    with pytest.raises(WeightsError, match=r"odd: its error head does not fit \(error_tail/bias\)"):
        sharpen(tmp_path / "odd.npz", with_error=True)


def test_a_run_may_start_from_weights_with_a_head(calibrated: Path) -> None:
    """It starts from the network alone."""
    from s2_superres.networks.weights import apply_weights, mean_weights

    told = load_weights(calibrated)
    model = build_network(told.spec)
    apply_weights(model, told)
    assert set(variables_of(model)) == set(told.body)
    assert not mean_weights([told, replace(told, arrays=told.body)]).tells_errors


def test_too_few_places_are_refused(calibrated: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "L2A_one.npz", **scene(1))  # type: ignore[arg-type]
    cut_patches([tmp_path], tmp_path / "p", PatchSettings(20, 24, 4), CutOptions(Split(share=0)))
    with pytest.raises(TrainingError, match="0 places for validation are too few to calibrate"):
        calibrate(network(), [str(tmp_path / "p")])
    wrong = replace(network(), spec=NetworkSpec("compact", 60, features=8, blocks=1))
    with pytest.raises(TrainingError, match="patches for 20 m tell nothing of weights for 60 m"):
        calibrate(wrong, [str(calibrated.parent / "p")])


def test_validate_tells_what_error_bars_hold(calibrated: Path, tmp_path: Path) -> None:
    """Per scene and band, counted by hand; bicubic interpolation tells none."""
    from s2_superres.validation import Settings, choose_methods, read_scenes, validate
    from s2_superres.validation.table import table
    from s2_superres.validation.wald import compare, degrade_valid

    np.savez(tmp_path / "L2A_new.npz", **scene(99))  # type: ignore[arg-type]
    methods = choose_methods(resolutions=(20,), weights=[f"told={calibrated}"], against=["bicubic"])
    quick = Settings((20,), full_scale=False)
    [new] = read_scenes([tmp_path / "L2A_new.npz"])
    bicubic, told = sorted(compare(new, 20, methods, quick).scores, key=lambda s: s.method)
    assert bicubic.bars is None and told.bars is not None
    degraded = {r: degrade_valid(new.bands[r], 2) for r in (10, 20)}
    made = superresolve(
        degraded[10], degraded[20], level="L2A", precision="float32", with_error=True,
        nodata=None, weights={20: calibrated},
    )  # fmt: skip
    held = np.abs(made.b20 - new.bands[20]) <= made.err20
    assert told.bars.coverage == pytest.approx(held.mean(axis=(1, 2)), abs=0.01)
    assert told.bars.half_width == pytest.approx(made.err20.mean(axis=(1, 2)), rel=0.01)
    document = validate([new], methods, quick).to_dict()
    assert "error bars of told: pixels that they hold" in table(document)
    assert f"{np.mean(told.bars.coverage):.0%}" in table(document)


def test_the_command_adds_a_head_and_replaces_nothing_unasked(
    calibrated: Path, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from s2_superres.cli.app import app

    plain, out = tmp_path / "plain.npz", tmp_path / "told.npz"
    save_weights(plain, network().spec, network().arrays, {})
    words = ["calibrate", str(plain), "--data", str(calibrated.parent / "p"), "--out", str(out)]
    done = CliRunner().invoke(app, [*words, "--steps", "3"])
    assert done.exit_code == 0, done.output
    assert "of pixels within the error bars" in done.output
    assert load_weights(out).tells_errors
    again = CliRunner().invoke(app, words)
    assert again.exit_code != 0 and "exists already" in str(again.exception or again.output)


def test_a_file_holds_the_error_bars_of_its_bands(calibrated: Path, tmp_path: Path) -> None:
    """As on arrays, rounded up, without the bands' offset, and 0 where there is no data."""
    import rasterio

    from s2_superres.inference.plan import Options
    from s2_superres.inference.predict import predict
    from s2_superres.raster.grid import Grid
    from s2_superres.testing.products import write_product
    from s2_superres.testing.spec import ProductSpec

    arrays = scene(5)

    def pixels(band: Band, rows: int, cols: int) -> NDArray[np.uint16]:
        bands = BY_RESOLUTION[band.resolution]
        if band.resolution == 60:
            return np.full((rows, cols), 3000, np.uint16)
        plane = arrays[f"b{band.resolution}"][bands.index(band)].astype(np.uint16)
        if band.name == "B8A":
            plane[4, 5] = 0
        return plane

    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 96, 96)
    safe = write_product(tmp_path, ProductSpec("L2A", "05.09", grid), pixels)
    options = Options(
        bands=["B8A", "B05"], weights=[calibrated], precision="float32", with_error=True
    )
    summary = predict(safe, tmp_path / "out.tif", options)
    assert summary.plan["bands"] == ["B05", "B8A", "B05_err90", "B8A_err90"]
    with rasterio.open(tmp_path / "out.tif") as file:
        assert file.descriptions == ("B05", "B8A", "B05_err90", "B8A_err90")
        assert file.offsets[2:] == (0.0, 0.0) and file.scales[2:] == pytest.approx([1e-4] * 2)
        red_edge, error = file.read((1, 3))
        gap = file.read(4)
    b20 = arrays["b20"].astype(np.uint16) + 1000
    b20[3, 4, 5] = 0
    told = superresolve(
        arrays["b10"] + 1000, b20, level="L2A",
        offset=-1000, precision="float32", with_error=True, weights=[calibrated],
    )  # fmt: skip
    np.testing.assert_array_equal(error, np.ceil(told.err20[0]))
    assert np.abs(red_edge - told.b20[0]).max() <= 0.5 + 1e-2
    assert (gap[8:10, 10:12] == 0).all() and (gap == 0).sum() == 4
