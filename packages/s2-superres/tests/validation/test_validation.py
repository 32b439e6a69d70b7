"""Wald's protocol: what is degraded, what is scored, and what a report shows."""

from __future__ import annotations

import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.errors import AreaError, InputError, ProductError, S2SuperresError, WeightsError
from s2_superres.files.png import encode_png
from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import build_with_weights, save_weights, untrained
from s2_superres.raster.bicubic import bicubic
from s2_superres.raster.degradation import degrade
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec
from s2_superres.validation.html import html_report
from s2_superres.validation.methods import Method, choose_methods
from s2_superres.validation.results import means
from s2_superres.validation.run import validate
from s2_superres.validation.scenes import Scene, Selection, read_scene, read_scenes
from s2_superres.validation.scoring import SCORED, score
from s2_superres.validation.settings import Settings
from s2_superres.validation.table import table
from s2_superres.validation.wald import compare, degrade_valid

BICUBIC = Method("bicubic")


def arrays(rows: int = 144, cols: int = 108) -> dict[str, np.ndarray]:
    """Made-up bands that share their detail."""
    return {
        f"b{bands[0].resolution}": np.stack(
            [landscape(b, rows * 10 // b.resolution, cols * 10 // b.resolution) for b in bands]
        ).astype(np.uint16)
        for bands in (BANDS_10M, BANDS_20M, BANDS_60M)
    }


def write_crop(path: Path, **changes: np.ndarray | None) -> Path:
    values = {**arrays(), **changes}
    np.savez(path, **{key: value for key, value in values.items() if value is not None})
    return path


@pytest.fixture
def crop(tmp_path: Path) -> Path:
    return write_crop(tmp_path / "L1C_made_up.npz")


@pytest.fixture
def regression() -> Method:
    """The local regression, which needs no weights."""
    return choose_methods(weights=["none"], against=())[0]


# --- bicubic interpolation ---------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [2, 3, 6])
def test_bicubic_is_what_opencv_calls_cubic(ratio: int) -> None:
    """Inside; at the edge OpenCV repeats the last pixel, and this mirrors the image."""
    image = np.random.default_rng(0).uniform(0, 10000, (2, 12, 17)).astype(np.float32)
    ours = bicubic(image, ratio)
    size = 17 * ratio, 12 * ratio
    theirs = np.stack([cv2.resize(b, size, interpolation=cv2.INTER_CUBIC) for b in image])
    inside = np.s_[:, 2 * ratio : -2 * ratio, 2 * ratio : -2 * ratio]
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=0.05)


@given(st.integers(2, 6), st.floats(-1e4, 1e4, width=32, allow_subnormal=False))
def test_bicubic_keeps_a_constant(ratio: int, value: float) -> None:
    out = bicubic(np.full((1, 3, 4), value, np.float32), ratio)
    assert out.shape == (1, 3 * ratio, 4 * ratio)
    np.testing.assert_allclose(out, value, rtol=1e-5)


def test_bicubic_shifts_nothing() -> None:
    """A ramp stays the same ramp inside: both grids share their corner."""
    ramp = (np.arange(12, dtype=np.float32) + 0.5) * 6
    fine = bicubic(np.tile(ramp, (1, 12, 1)), 6)
    inside = slice(18, -18)
    # With a = -0.75 a ramp is met on average over the phases, not in each of them.
    expected = np.arange(72) + 0.5
    np.testing.assert_allclose(fine[0, 36, inside].mean(), expected[inside].mean(), rtol=1e-6)
    assert np.abs(fine[0, 36, inside] - expected[inside]).max() < 0.5


# --- degradation of what has holes -------------------------------------------------------------


@pytest.mark.parametrize("ratio", [2, 6])
def test_a_degraded_pixel_is_no_data_where_a_pixel_it_is_made_of_is(ratio: int) -> None:
    """And every other pixel is what it is without the hole."""
    image = np.random.default_rng(0).uniform(1, 9000, (1, 72, 72)).astype(np.float32)
    holed = image.copy()
    holed[0, 30, 40] = np.nan
    coarse, clean = degrade_valid(holed, ratio), degrade(image, ratio)
    impulse = np.zeros_like(image)
    impulse[0, 30, 40] = 1
    touched = degrade(impulse, ratio) > 1e-5  # A smaller part is less than a tenth of a DN.
    assert touched.any() and np.array_equal(np.isnan(coarse), touched)
    np.testing.assert_allclose(coarse[~touched], clean[~touched], atol=0.1)


# --- scenes ------------------------------------------------------------------------------------


def test_a_crop_is_read_with_its_level_and_place(crop: Path) -> None:
    """From the name; an index beside it adds what it knows."""
    scene = read_scene(crop)
    assert (scene.level, scene.size, dict(scene.facts)) == ("L1C", (144, 108), {})
    np.testing.assert_array_equal(scene.bands[20], arrays()["b20"])
    crop.with_name("index.csv").write_text(
        "file,level,place\nother.npz,L1C,there\nL1C_made_up.npz,L2A,here\n"
    )
    scene = read_scene(crop)
    assert scene.level == "L2A" and scene.facts["place"] == "here"
    assert read_scene(crop, Selection(level="L1C")).level == "L1C"


def test_granules_of_one_product_are_scenes_of_their_own(several_granules: Path) -> None:
    granules = sorted((several_granules / "GRANULE").iterdir())
    scenes = list(read_scenes(granules, Selection(side=60)))
    assert [scene.facts["tile"] for scene in scenes] == ["T33UUB", "T33UVB"]
    found = validate(scenes, [BICUBIC], Settings(resolutions=(20,), full_scale=False))
    assert len(found.comparisons) == 2


def test_no_data_and_saturated_pixels_become_nan(tmp_path: Path) -> None:
    b20 = arrays()["b20"]
    b20[1, 3, 4], b20[5, 6, 7] = 0, 65535
    scene = read_scene(write_crop(tmp_path / "L1C_holes.npz", b20=b20))
    assert np.argwhere(np.isnan(scene.bands[20])).tolist() == [[1, 3, 4], [5, 6, 7]]


def test_the_same_scene_of_two_baselines_is_the_same(tmp_path: Path) -> None:
    """The offset of newer products is taken out; no data stays no data."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 144, 108)
    old, new = (
        read_scene(write_product(tmp_path, ProductSpec("L1C", baseline, grid), landscape))
        for baseline in ("03.01", "05.09")
    )
    for resolution in (10, 20, 60):
        np.testing.assert_array_equal(old.bands[resolution], new.bands[resolution])
    assert old.name != new.name and new.facts["tile"] == "T33UUB"


@given(st.integers(36, 150))
def test_what_is_too_large_is_cut_to_its_centre_on_whole_60_m_pixels(
    tmp_path_factory: pytest.TempPathFactory, side: int
) -> None:
    """And it is said."""
    path = tmp_path_factory.mktemp("crops") / "L1C_a.npz"
    rows, cols = np.mgrid[:144, :108]
    code = (rows * 200 + cols + 1).astype(np.uint16)
    values = {
        f"b{r}": np.broadcast_to(code[:: r // 10, :: r // 10], (n, 1440 // r, 1080 // r))
        for r, n in ((10, 4), (20, 6), (60, 2))
    }
    np.savez(path, **values)
    scene = read_scene(path, Selection(side=side))
    assert max(scene.size) <= side or side >= 144
    assert bool(scene.note) == (side < 144)
    first = int(scene.bands[10][0, 0, 0]) - 1
    top, left = divmod(first, 200)
    assert top % 6 == left % 6 == 0
    below = 144 - top - scene.size[0]
    assert abs(below - top) <= 6
    for resolution in (20, 60):
        assert scene.bands[resolution][0, 0, 0] == first + 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"b10": None}, "no b10"),
        ({"b20": np.ones((6, 70, 54), np.uint16)}, "the 20 m bands are uint16 of (6, 70, 54)"),
        ({"b60": np.ones((3, 24, 18), np.uint16)}, "(2, rows, cols)"),
        ({"b20": np.ones((6, 72, 54), np.float32)}, "whole digital numbers"),
    ],
)
def test_a_crop_that_does_not_fit_together_is_named(
    tmp_path: Path, changes: dict[str, np.ndarray | None], says: str
) -> None:
    path = write_crop(tmp_path / "L1C_odd.npz", **changes)
    with pytest.raises(ProductError, match=re.escape(str(path))) as raised:
        read_scene(path)
    assert says in str(raised.value)


def test_damaged_and_unknown_sources_are_named(tmp_path: Path, crop: Path) -> None:
    cut = tmp_path / "L1C_cut.npz"
    cut.write_bytes(crop.read_bytes()[:5000])
    text = tmp_path / "L1C_text.npz"
    text.write_text("not an array")
    plain = tmp_path / "L1C_plain.npz"
    np.save(plain.open("wb"), np.zeros(3))
    unknown = write_crop(tmp_path / "somewhere.npz")
    broken = tmp_path / "L1C_stream.npz"
    np.savez_compressed(broken, **arrays())
    whole = broken.read_bytes()
    broken.write_bytes(whole[:2000] + bytes(2000) + whole[4000:])
    (tmp_path / "loop.SAFE").symlink_to(tmp_path / "loop.SAFE")
    missing = [tmp_path / name for name in ("L1C_missing.npz", "no.SAFE", "loop.SAFE")]
    for path in (cut, text, plain, broken, unknown, *missing):
        with pytest.raises(S2SuperresError, match=re.escape(path.name)):
            read_scene(path)
    for path in missing:
        with pytest.raises(InputError, match=f"{path.name}: cannot be read .*check the path"):
            read_scenes([crop, path])
    (tmp_path / "index.csv").write_bytes("file,place\nL1C_made_up.npz,Malm\xf6\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"index\.csv: not an index of crops in UTF-8"):
        read_scene(crop)
    (tmp_path / "index.csv").unlink()
    with pytest.raises(AreaError, match="coordinates"):
        read_scene(crop, Selection(bounds=(0, 0, 1, 1)))


# --- the protocol ------------------------------------------------------------------------------


def test_bicubic_is_scored_as_a_naive_protocol_scores_it(crop: Path) -> None:
    """Degrade, interpolate, compare: by hand, for both resolutions."""
    scene = read_scene(crop)
    for resolution, ratio, rows, cols in ((20, 2, 72, 54), (60, 6, 24, 18)):
        found = compare(scene, resolution, [BICUBIC])
        truth = arrays()[f"b{resolution}"].astype(np.float64)
        assert found.shape == truth.shape[1:] == (rows, cols)
        restored = bicubic(degrade(truth, ratio), ratio)
        rmse = np.sqrt(((truth - restored) ** 2).mean(axis=(1, 2)))
        (score,) = found.scores
        np.testing.assert_allclose(score.per_band["rmse"], rmse, rtol=1e-5)
        assert score.overall["rmse"] == pytest.approx(rmse.mean(), rel=1e-5)
        full = degrade(bicubic(truth, ratio), ratio)
        agreement = np.sqrt(((truth - full) ** 2).mean(axis=(1, 2)))
        np.testing.assert_allclose(score.agreement, agreement, rtol=1e-3)
        assert set(score.overall) == set(SCORED)
        assert found.valid_share == 1


def test_a_crop_is_cut_to_whole_degraded_pixels(tmp_path: Path) -> None:
    """Multiples of 4 pixels of 10 m at 20 m, of 36 at 60 m; nothing else is lost."""
    path = tmp_path / "L1C_odd.npz"
    np.savez(path, **arrays(114, 150))
    scene = read_scene(path)
    assert compare(scene, 20, [BICUBIC]).shape == (56, 74)
    assert compare(scene, 60, [BICUBIC]).shape == (18, 24)


def test_a_network_is_given_the_degraded_bands(crop: Path, regression: Method) -> None:
    """The regression's score is that of its network run on degraded bands by hand."""
    scene = read_scene(crop)
    (score,) = compare(scene, 20, [regression], Settings(full_scale=False)).scores
    truth = arrays()["b20"].astype(np.float32)
    fine, coarse = (degrade(arrays()[key], 2) / 2000 for key in ("b10", "b20"))
    # Mirrored widely, so that the network's own edges are far outside.
    margin = 96
    inputs = [
        np.moveaxis(np.pad(bands, ((0, 0), (m, m), (m, m)), mode="symmetric"), 0, -1)[None]
        for bands, m in ((fine, margin), (coarse, margin // 2))
    ]
    model = build_with_weights(untrained(20))
    out = np.asarray(model(inputs))[0, margin:-margin, margin:-margin]
    rmse = np.sqrt(((np.moveaxis(out, -1, 0) * 2000 - truth) ** 2).mean(axis=(1, 2)))
    np.testing.assert_allclose(score.per_band["rmse"], rmse, rtol=1e-3)
    assert score.agreement == ()


def test_a_projected_output_agrees_with_the_measured_bands(crop: Path, regression: Method) -> None:
    """And without its projection it does not."""
    methods = choose_methods(weights=["none"], against=["unprojected"])
    assert [m.name for m in methods] == ["none", "none unprojected"]
    with_it, without = compare(read_scene(crop), 20, methods).scores
    assert max(with_it.agreement) < 0.1 < 1 < min(without.agreement)


def test_pixels_without_data_do_not_count(tmp_path: Path) -> None:
    """A hole changes no error outside its reach, and all scores leave it out."""
    values = arrays()
    b10, b20 = values["b10"].copy(), values["b20"].copy()
    b20[2, 20:30, 20:30] = 0
    b10[0, 100:104, 90] = 0
    scene = read_scene(write_crop(tmp_path / "L1C_holes.npz", b10=b10, b20=b20))
    (score,) = compare(scene, 20, [BICUBIC]).scores
    truth = values["b20"].astype(np.float32)
    error = bicubic(degrade(truth, 2), 2) - truth
    found = compare(scene, 20, [BICUBIC])
    assert 0.8 < found.valid_share < 1
    # Band 0 has no hole of its own: its error is the clean one over the pixels that count.
    valid = np.ones((72, 54), bool)
    valid[18:32, 18:32] = False
    near = np.zeros_like(valid)
    near[14:36, 14:36] = True
    near[46:56, 40:52] = True
    low = np.sqrt((error[0][~near] ** 2).sum() / valid.sum())
    high = np.sqrt((error[0] ** 2).sum() / (~near).sum())
    assert low < score.per_band["rmse"][0] < high
    assert all(np.isfinite(value) for value in score.overall.values())


def test_pixels_that_were_not_measured_do_not_count(tmp_path: Path) -> None:
    """Where a mask says so, or says it of most that an input is made of: nonsense there changes
    no score, and a picture does not show it."""
    clean = arrays()
    ok20, ok10 = np.ones((72, 54), np.bool_), np.ones((144, 108), np.bool_)
    ok20[30, 20], ok10[100:102, 60:62] = False, False
    b20 = clean["b20"].copy()
    b20[:, 30, 20] = 9000
    scores = {}
    for name, changes in {"clean": {}, "lost": {"b20": b20}}.items():
        path = write_crop(tmp_path / f"L1C_{name}.npz", ok20=ok20, ok10=ok10, **changes)
        scores[name] = compare(read_scene(path), 20, [BICUBIC], Settings(pictures=True))
    lost = scores["lost"]
    assert lost.valid_share == pytest.approx(1 - 2 / (72 * 54))
    assert lost.pictures is not None
    assert np.isnan(lost.pictures.truth[0]).sum() == 2
    # The degraded band, which is partly made of it, is all that differs.
    truth = clean["b20"].astype(np.float32)
    valid = np.ones((72, 54), np.bool_)
    valid[30, 20] = valid[50, 30] = False
    error = bicubic(degrade(truth, 2), 2) - truth
    wanted = np.sqrt(np.square(error[:, valid], dtype=np.float64).mean(axis=1))
    np.testing.assert_allclose(scores["clean"].scores[0].per_band["rmse"], wanted, rtol=1e-5)
    assert lost.scores[0].overall["rmse"] < 2 * scores["clean"].scores[0].overall["rmse"]


@pytest.mark.parametrize("shape", [(72, 53), (6, 72, 54)])
def test_masks_that_do_not_fit_are_named(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_crop(tmp_path / "L1C_odd.npz", ok20=np.ones(shape, np.bool_))
    with pytest.raises(InputError, match=r"L1C_odd\.npz: ok20 is bool of"):
        read_scene(path)


def test_a_scene_of_which_nothing_was_measured_is_named(tmp_path: Path) -> None:
    path = write_crop(tmp_path / "L1C_lost.npz", ok10=np.zeros((144, 108), np.bool_))
    with pytest.raises(InputError, match="ok10 is false everywhere"):
        read_scene(path)
    odd = np.zeros((72, 54), np.bool_)
    odd[0, 0] = True
    b20 = np.where(odd, 0, arrays()["b20"]).astype(np.uint16)
    scene = read_scene(write_crop(tmp_path / "L1C_lost.npz", ok20=odd, b20=b20))
    with pytest.raises(InputError, match="by its masks, no pixel with data was measured"):
        compare(scene, 20, [BICUBIC])


def test_dark_water_below_zero_is_scored(tmp_path: Path) -> None:
    """By every metric, those too that clip to reflectances of 0 to 1."""
    truth = np.random.default_rng(0).uniform(10, 80, (3, 36, 36)).astype(np.float32)
    overall, _ = score(truth, truth - 60, np.ones((36, 36), np.bool_))
    assert overall["rmse"] == pytest.approx(60)
    assert all(np.isfinite(value) for value in overall.values())


def test_a_scene_without_any_data_is_named(tmp_path: Path) -> None:
    empty = np.zeros((6, 72, 54), np.uint16)
    scene = read_scene(write_crop(tmp_path / "L1C_empty.npz", b20=empty))
    with pytest.raises(InputError, match=r"L1C_empty.*no pixel has data"):
        compare(scene, 20, [BICUBIC])


def corner_of(scene: Scene, side: int) -> Scene:
    bands = {r: b[:, : side * 10 // r, : side * 10 // r] for r, b in scene.bands.items()}
    return Scene(f"corner of {side}", scene.source, scene.level, bands)


def test_what_cannot_be_scored_is_an_error_or_a_note(tmp_path: Path) -> None:
    """An error if it was asked for, a note if all that is possible was."""
    no_60m = read_scene(write_crop(tmp_path / "L1C_no60.npz", b60=None))
    whole = read_scene(write_crop(tmp_path / "L1C_whole.npz"))
    small, tiny = (corner_of(whole, side) for side in (48, 24))
    for scene, says in ((no_60m, "holds no 60 m bands"), (small, "too few to degrade by 6")):
        found = validate([scene], [BICUBIC])
        assert [c.resolution for c in found.comparisons] == [20]
        assert says in found.notes[0]
        with pytest.raises(InputError, match=says):
            validate([scene], [BICUBIC], Settings(resolutions=(60,), required=True))
    with pytest.raises(InputError, match=r"24 x 24 pixels.*32 x 32"):
        validate([tiny], [BICUBIC])
    with pytest.raises(InputError, match="second scene named"):
        validate([no_60m, no_60m], [BICUBIC])
    with pytest.raises(InputError, match="nothing to validate"):
        validate([], [BICUBIC])


def test_means_are_over_the_scenes_a_method_was_scored_on() -> None:
    """A method for one level has its mean over that level; what is undefined has none."""

    def comparison(**rmse: float | None) -> dict[str, object]:
        results = [
            {"method": name, "overall": {"rmse": value}, "agreement": None}
            for name, value in rmse.items()
        ]
        return {"resolution": 20, "results": results}

    found = means([comparison(a=1.0, b=2.0), comparison(a=4.0), comparison(a=10.0, b=None)])
    assert [(m["method"], m["scenes"], m["overall"]["rmse"]) for m in found] == [
        ("a", 3, 5.0),
        ("b", 2, None),
    ]


# --- methods -----------------------------------------------------------------------------------


def tiny_weights(path: Path, resolution: int, family: str = "dsen2") -> Path:
    """Weights of a very small network, all zero: it returns its bilinear input."""
    spec = NetworkSpec(family, resolution, features=2, blocks=0)
    inputs = {20: 10, 60: 12}[resolution]
    outputs = {20: 6, 60: 2}[resolution]
    shapes = {"head": (3, 3, inputs, 2), "tail": (3, 3, 2, outputs)}
    values: dict[str, np.ndarray] = {
        f"{name}/kernel": np.zeros(shape) for name, shape in shapes.items()
    }
    values |= {f"{name}/bias": np.zeros(shape[-1]) for name, shape in shapes.items()}
    save_weights(path, spec, values, {"recipe": "none"})
    return path


def test_files_of_one_name_are_one_method(tmp_path: Path) -> None:
    """Told apart by resolution and level; unnamed ones are called by their file."""
    for name in ("a.npz", "b.npz", "run1/best.npz", "run2/best.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        tiny_weights(tmp_path / name, 60)
    tiny_weights(tmp_path / "c.npz", 20)
    named = choose_methods(
        weights=[f"net=L1C:{tmp_path}/a.npz", f"net=L2A:{tmp_path}/b.npz", f"net={tmp_path}/c.npz"]
    )
    assert [m.name for m in named] == ["bicubic", "net"]
    assert set(named[1].networks) == {(20, "L1C"), (20, "L2A"), (60, "L1C"), (60, "L2A")}
    assert str(named[1].networks[60, "L2A"].path).endswith("b.npz")
    facts = named[1].to_dict()["networks"]
    assert [(n["resolution"], n["levels"], n["weights"]) for n in facts] == [
        (60, ["L1C"], "a"), (60, ["L2A"], "b"), (20, ["L1C", "L2A"], "c"),
    ]  # fmt: skip
    one_level = choose_methods(weights=[f"L1C:{tmp_path}/a.npz"], against=())[0]
    assert one_level.serves(60, "L1C") and not one_level.serves(60, "L2A")
    unnamed = choose_methods(
        weights=[f"{tmp_path}/run1/best.npz", f"{tmp_path}/run2/best.npz"], against=()
    )
    assert [m.name for m in unnamed] == ["best", "run2/best"]


def test_no_two_methods_have_one_name(tmp_path: Path) -> None:
    """Their rows could not be told apart, and their means would be mixed."""
    for name in ("a.npz", "bicubic.npz", "x/run/best.npz", "y/run/best.npz", "best.npz"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        tiny_weights(tmp_path / name, 60)
    a = tmp_path / "a.npz"
    for weights, against, name in (
        ([f"bicubic={a}"], ["bicubic"], "bicubic"),
        ([str(tmp_path / "bicubic.npz")], ["bicubic"], "bicubic"),
        ([f"a={a}", f"a unprojected={a}"], ["unprojected"], "a unprojected"),
        ([str(tmp_path / f"{n}best.npz") for n in ("", "x/run/", "y/run/")], [], "run/best"),
    ):
        with pytest.raises(S2SuperresError, match=f"'{name}'.*NAME=FILE"):
            choose_methods(weights=weights, against=against)
    methods = choose_methods(weights=[f"bicubic={a}"], against=[])
    assert [m.name for m in methods] == ["bicubic"]


def test_a_path_that_looks_like_a_name_is_a_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    tiny_weights(tmp_path / "lr=3.npz", 20)
    assert choose_methods(weights=["lr=3.npz"], against=())[0].name == "lr=3"


def test_weights_that_do_not_serve_are_named(tmp_path: Path) -> None:
    path = tiny_weights(tmp_path / "sixty.npz", 60)
    with pytest.raises(WeightsError, match=r"sixty\.npz: sharpens 60 m bands, not 20 m"):
        choose_methods(resolutions=(20,), weights=[str(path)])
    with np.load(path) as file:
        stored = dict(file)
    metadata = {**json.loads(str(stored["metadata"])), "format": "1"}
    np.savez(tmp_path / "odd.npz", **{**stored, "metadata": np.array(json.dumps(metadata))})
    with pytest.raises(WeightsError, match=r"odd\.npz: not a weights file"):
        choose_methods(weights=[str(tmp_path / "odd.npz")])
    with pytest.raises(WeightsError, match="other weights for 60 m"):
        choose_methods(weights=[f"a={path}", f"a={path}"])
    with pytest.raises(WeightsError, match="missing"):
        choose_methods(weights=[str(tmp_path / "missing.npz")])
    with pytest.raises(InputError, match="to compare against"):
        choose_methods(weights=[str(path)], against=["nearest"])


# --- the document, the table and the report ----------------------------------------------------


@pytest.fixture(scope="module")
def validation(tmp_path_factory: pytest.TempPathFactory):
    """Two scenes, one of them without 60 m bands, and two methods."""
    folder = tmp_path_factory.mktemp("validation")
    scenes = [
        read_scene(write_crop(folder / "L1C_<one>.npz")),
        read_scene(write_crop(folder / "L2A_two.npz", b60=None)),
    ]
    methods = choose_methods(weights=["none"])
    return validate(scenes, methods, Settings(pictures=True))


def test_the_document_is_strict_json_and_says_where_it_comes_from(validation) -> None:
    document = json.loads(json.dumps(validation.to_dict(), allow_nan=False))
    assert document["schema"] == "s2-superres-validation/1"
    assert [(c["scene"], c["resolution"]) for c in document["comparisons"]] == [
        ("L1C_<one>", 20), ("L1C_<one>", 60), ("L2A_two", 20),
    ]  # fmt: skip
    first = document["comparisons"][0]
    assert first["bands"] == ["B05", "B06", "B07", "B8A", "B11", "B12"]
    for result in first["results"]:
        assert set(result["overall"]) == set(document["metrics"]) == set(SCORED)
        assert len(result["per_band"]["uiq"]) == 6 and "sam" not in result["per_band"]
        assert len(result["agreement_per_band"]) == 6
    assert document["methods"][1]["networks"][0]["family"] == "regression"
    assert document["metrics"]["rmse"] == {
        "title": "Root mean squared error", "unit": "DN", "better": "lower",
    }  # fmt: skip


def test_the_table_shows_every_scene_and_the_mean(validation) -> None:
    document = validation.to_dict()
    lines = table(document, per_band=True).splitlines()
    mean = next(line for line in lines if line.startswith("  mean"))
    values = [
        [r["overall"]["rmse"] for r in c["results"]]
        for c in document["comparisons"]
        if c["resolution"] == 20
    ]
    assert mean.split()[1:] == [f"{value:.1f}" for value in np.mean(values, axis=0)]
    assert any("60 m bands of L1C_<one> (L1C)" in line for line in lines)
    assert any(line.split() == list(document["comparisons"][1]["bands"]) for line in lines)
    assert lines[-1].startswith("note: ") and "L2A_two" in lines[-1]


class Checker(HTMLParser):
    """Collects images and links, and checks that what is opened is closed."""

    VOID = frozenset({"meta", "img", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.sources: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.sources += [v for k, v in given.items() if k in ("src", "srcset") and v]
        self.links += [v for k, v in given.items() if k == "href" and v]
        self.ids += [v for k, v in given.items() if k == "id" and v]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_report_is_one_well_formed_file_that_needs_no_other(validation) -> None:
    """All images inside, no script, names escaped, links lead somewhere."""
    text = html_report(validation.to_dict(), [c.pictures for c in validation.comparisons])
    checker = Checker()
    checker.feed(text)
    assert checker.open == []
    assert "<script" not in text and "http" not in text
    assert "L1C_<one>" not in text and "L1C_&lt;one&gt;" in text
    assert set(checker.links) <= {f"#{name}" for name in checker.ids} and checker.links
    # Truth, input, two methods and two error maps, for each of three comparisons.
    assert len(checker.sources) == 3 * 6
    for source in checker.sources:
        assert source.startswith("data:image/png;base64,")


def test_a_phone_shows_the_whole_report(validation) -> None:
    """At 390 pixels a line that may not break made the page wider than the screen.

    Only cells of tables, which scroll on their own, may keep their lines; a browser has been
    asked once (scrollWidth 390), which tests cannot.
    """
    text = html_report(validation.to_dict(), [None] * len(validation.comparisons))
    rules = re.findall(
        r"([^{}]+)\{([^{}]*)\}", text[text.index("<style>") : text.index("</style>")]
    )
    assert [where.strip() for where, rule in rules if "nowrap" in rule] == ["th,td"]
    assert 'name=viewport content="width=device-width' in text
    assert text.count("<table") == text.count("<div class=scroll")


def test_a_png_is_what_was_encoded() -> None:
    """OpenCV reads the same pixels."""
    image = np.random.default_rng(0).integers(0, 256, (3, 7, 5), np.uint8)
    data = np.frombuffer(encode_png(image), np.uint8)
    np.testing.assert_array_equal(
        cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1], np.moveaxis(image, 0, -1)
    )


def test_error_maps_share_one_scale(validation) -> None:
    """The same error has the same colour, whoever made it."""
    pictures = validation.comparisons[0].pictures
    assert pictures is not None
    wrong = pictures.truth + 50
    shown = type(pictures)(pictures.truth, pictures.degraded, {"bicubic": wrong, "none": wrong})
    text = html_report(validation.to_dict(), [shown, None, None])
    *_, first, second = re.findall(r'base64,([^"]+)"', text)
    assert first == second
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(first), np.uint8), cv2.IMREAD_COLOR)
    assert len(np.unique(decoded.reshape(-1, 3), axis=0)) == 1


# --- real data ---------------------------------------------------------------------------------


def test_bicubic_reaches_the_figures_known_of_real_crops() -> None:
    """RMSE in DN, measured elsewhere on the same crops, to a percent or two."""
    folder = Path(__file__).parents[5] / "shared" / "data" / "sentinel2"
    if not folder.is_dir():
        pytest.skip("no development data here")
    scene = read_scene(folder / "L1C_hvn2_usa.npz")
    known = {20: 111.9, 60: 54.3}
    for resolution, rmse in known.items():
        found = compare(scene, resolution, [BICUBIC], Settings(full_scale=False))
        assert found.scores[0].overall["rmse"] == pytest.approx(rmse, rel=0.02)
