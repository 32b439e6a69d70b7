"""The 0.3 surface: its names, signatures and numbers.

The numbers were printed by image-similarity-measures 0.3.6 on Python 3.11 with NumPy 1.26,
scikit-image 0.20 and OpenCV 4.11.
"""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
import tomllib
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity

import image_similarity_measures as ism
from image_similarity_measures import cli, evaluate
from image_similarity_measures import quality_metrics as qm
from image_similarity_measures.legacy.phase import phase_congruency_sum

DATA = Path(__file__).parents[1] / "data"
PAIR = str(DATA / "reference.tif"), str(DATA / "upsampled.tif")
EXAMPLES = Path(__file__).parents[5] / "shared" / "data" / "metrics"

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def generated(dtype: str, bands: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """A smooth surface with integer noise, the same everywhere; 8-bit data divided by 16."""
    row, col, band = np.indices((40, 48, bands), dtype=np.int64)

    def noise(seed: int) -> np.ndarray:
        mixed = (row * 7919 + col * 104729 + band * 1299709 + seed) * 2654435761
        return (mixed % 4294967296) >> 20

    org = (row * col * (band + 1) * 2) % 3000 + noise(17) // 16 + 200
    pred = org + noise(91) // 32 - 60
    if dtype == "uint8":
        org, pred = org // 16, pred // 16
    return org.astype(dtype), pred.astype(dtype)


PUBLISHED = {
    "uint8": {
        "fsim": 0.864561809741546, "issm": 0.0, "psnr": 64.81255360353511,
        "rmse": 0.0005746092647314072, "sam": 87.24332429874117, "sre": 51.63488167751913,
        "ssim": 0.9996652251234079, "uiq": 0.9878527328581257,
    },
    "uint16": {
        "fsim": 0.8592168892025402, "issm": 0.8675689278839164, "psnr": 40.853460857936795,
        "rmse": 0.009064152836799622, "sam": 87.40707839545672, "sre": 63.783688048304505,
        "ssim": 0.9893527148380772, "uiq": 0.9880720129166368,
    },
    "int16": {
        "fsim": 0.8592168892025402, "issm": 0.8675689278839164, "psnr": 40.853460857936795,
        "rmse": 0.009064152836799622, "sam": 89.9352126724258, "sre": 63.783688048304505,
        "ssim": 0.9893527148380772, "uiq": 0.9880720129166368,
    },
    "int32": {
        "issm": 0.8675689278839164, "psnr": 40.853461350156024, "rmse": 0.009064146203633503,
        "sam": 1.8422590083039472, "sre": 63.78368805451088, "ssim": 0.9893527148380772,
        "uiq": 0.9880720129166368,
    },
    "float32": {
        "fsim": 0.8592168889149323, "issm": 0.8675689278851607, "psnr": 40.853460857936795,
        "rmse": 0.009064152836799622, "sam": 1.8422486782073975, "sre": 63.783688048304505,
        "ssim": 0.989352822303772, "uiq": 0.9880720129166368,
    },
    "float64": {
        "fsim": 0.8592168892025402, "issm": 0.8675689278839164, "psnr": 40.853461350156024,
        "rmse": 0.009064146203633503, "sam": 1.8422590083039472, "sre": 63.78368805451088,
        "ssim": 0.9893527148380772, "uiq": 0.9880720129166368,
    },
}  # fmt: skip

SIX_BANDS = {
    "fsim": 0.8579881678714919, "issm": 0.9263110174812891, "psnr": 40.85354298445334,
    "rmse": 0.009064068086445332, "sam": 87.82165813617297, "sre": 64.16958085851948,
    "ssim": 0.9922185471658412, "uiq": 0.991458249851294,
}  # fmt: skip

SHIPPED = {
    "fsim": 0.8018341360986684, "issm": 0.7693316833513626, "psnr": 36.103556098820434,
    "rmse": 0.012317524291574955, "sam": 89.15890183181148, "sre": 64.70744936182874,
    "ssim": 0.9667469693074207, "uiq": 0.8856317151822872,
}  # fmt: skip

ON_EXAMPLES = {
    "lafayette": {
        "fsim": 0.5405408280321194, "issm": 0.17465904909778843, "psnr": 30.028211009378765,
        "rmse": 0.028430407866835594, "sam": 88.8642221567248, "sre": 64.65728401348346,
        "ssim": 0.7687234378738796, "uiq": 0.4396107823052119,
    },
    "singapore": {
        "fsim": 0.6065146307254211, "issm": 0.133647886351807, "psnr": 23.879422595287842,
        "rmse": 0.0636659786105156, "sam": 89.24550823067034, "sre": 65.21741981183922,
        "ssim": 0.6543283753736631, "uiq": 0.46065134827249954,
    },
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_evaluation_takes_all_and_a_single_name() -> None:
    """0.3 took the word for a list of letters; capitals and blanks do no harm."""
    every = evaluate.evaluation(*PAIR, "all")  # type: ignore[arg-type]
    assert list(every) == list(qm.metric_functions)
    psnr = {"psnr": every["psnr"]}
    assert evaluate.evaluation(*PAIR, "psnr") == psnr  # type: ignore[arg-type]
    assert evaluate.evaluation(*PAIR, ["PSNR"]) == psnr
    two = evaluate.evaluation(*PAIR, "psnr, SSIM")  # type: ignore[arg-type]
    assert list(two) == ["psnr", "ssim"]


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_a_range_that_0_3_cannot_square_is_an_error_of_the_package(
    capsys: pytest.CaptureFixture[str],
) -> None:
    image = np.ones((20, 20, 3), "uint8")
    with pytest.raises(ism.InputError, match="max_p is 1e\\+200"):
        qm.ssim(image, image, max_p=1e200)  # type: ignore[arg-type]
    both = ["--org-img-path", PAIR[0], "--pred-img-path", PAIR[1]]
    assert cli.run([*both, "--metric=ssim", "--data-range=1e200", "--definitions=0.3"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("dtype", "name"), [(dtype, name) for dtype, values in PUBLISHED.items() for name in values]
)
def test_each_function_gives_the_number_of_0_3(dtype: str, name: str) -> None:
    org, pred = generated(dtype)
    value = qm.metric_functions[name](org, pred)
    assert type(value) is float
    assert value == pytest.approx(PUBLISHED[dtype][name], rel=1e-7)


@pytest.mark.parametrize("name", SIX_BANDS)
def test_more_than_four_bands_give_the_number_of_0_3(name: str) -> None:
    assert qm.metric_functions[name](*generated("uint16", 6)) == pytest.approx(
        SIX_BANDS[name], rel=1e-7
    )


def test_the_shipped_pair_scores_as_with_0_3() -> None:
    assert evaluate.evaluation(*PAIR, list(qm.metric_functions)) == pytest.approx(SHIPPED, rel=1e-7)


@pytest.mark.parametrize("place", ON_EXAMPLES)
def test_the_example_pairs_score_as_with_0_3(place: str) -> None:
    pair = [str(EXAMPLES / f"{place}_{which}.tif") for which in ("org", "pred")]
    if not Path(pair[0]).exists():
        pytest.skip("the example images are not here")
    values = evaluate.evaluation(pair[0], pair[1], list(qm.metric_functions))
    assert values == pytest.approx(ON_EXAMPLES[place], rel=1e-7)


def test_options_are_those_of_0_3() -> None:
    org, pred = generated("uint16")
    assert qm.fsim(org, pred, T1=0.5, T2=100) == pytest.approx(0.8587616308268038, rel=1e-9)
    assert qm.sam(org, pred, convert_to_degree=False) == pytest.approx(1.5255413075495219)
    assert qm.uiq(org, pred, step_size=3, window_size=5) == pytest.approx(0.9742187453640831)
    assert qm.uiq(org, pred, 2) == pytest.approx(0.987927492551443)
    org, pred = generated("uint8")
    assert qm.psnr(org, pred, max_p=255) == pytest.approx(40.69827909028547, rel=1e-9)
    assert qm.rmse(org, pred, 255) == pytest.approx(0.009227476, rel=1e-7)
    assert qm.ssim(org, pred, 255) == pytest.approx(0.9890964444535882, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "parameters"),
    {
        "fsim": "org_img pred_img T1=0.85 T2=160",
        "issm": "org_img pred_img",
        "psnr": "org_img pred_img max_p=4095",
        "rmse": "org_img pred_img max_p=4095",
        "sam": "org_img pred_img convert_to_degree=True",
        "sre": "org_img pred_img",
        "ssim": "org_img pred_img max_p=4095",
        "uiq": "org_img pred_img step_size=1 window_size=8",
    }.items(),
)
def test_signatures_are_those_of_0_3(name: str, parameters: str) -> None:
    found = inspect.signature(qm.metric_functions[name]).parameters.values()
    written = [
        p.name if p.default is p.empty else f"{p.name}={p.default}"
        for p in found
        if p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    assert " ".join(written) == parameters
    assert len(written) == len(found)


def test_the_dictionary_lists_the_functions_in_the_order_of_0_3() -> None:
    assert list(qm.metric_functions) == [
        "fsim",
        "issm",
        "psnr",
        "rmse",
        "sam",
        "sre",
        "ssim",
        "uiq",
    ]


def test_flat_windows_and_zero_pixels_keep_their_old_values() -> None:
    org, pred = generated("uint16")
    org[5:25, 5:25] = pred[5:25, 5:25] = 7
    org[0, 0] = 0
    assert qm.uiq(org, pred) == pytest.approx(0.8708799202421904, rel=1e-9)
    assert qm.sam(org.astype(float), pred.astype(float)) == 0.0
    same = np.full((20, 20, 2), 9, np.uint8)
    assert qm.uiq(same, same) == 0.0
    assert qm.sre(same, same) == np.inf
    assert qm.psnr(same, same) == np.inf
    assert np.isnan(qm.fsim(same, same))


def test_two_dimensions_compare_rows_with_columns_as_in_0_3() -> None:
    org, pred = (image[:40, :40, 0] for image in generated("uint16"))
    assert qm.rmse(org, pred) == pytest.approx(0.17807066440582275, rel=1e-6)
    assert qm.psnr(org, pred) == pytest.approx(14.787635624196946, rel=1e-6)
    assert qm.sam(org, pred) == pytest.approx(87.08994991799139, rel=1e-9)


@pytest.mark.parametrize("name", ["fsim", "issm", "sre", "ssim", "uiq"])
def test_two_dimensions_are_refused_where_0_3_failed(name: str) -> None:
    org, pred = (image[:, :, 0] for image in generated("uint16"))
    with pytest.raises(ism.InputError, match="needs \\(rows, cols, bands\\)"):
        qm.metric_functions[name](org, pred)


def test_nan_goes_through_as_in_0_3() -> None:
    org, pred = generated("float32")
    org[3, 3, 1] = np.nan
    for name in ("psnr", "rmse", "sre", "ssim"):
        assert np.isnan(qm.metric_functions[name](org, pred))
    assert qm.sam(org, pred) == 0.0
    assert qm.uiq(org, pred) == pytest.approx(0.9853105099220586, rel=1e-7)


@pytest.mark.parametrize("name", qm.metric_functions)
def test_shapes_that_differ_are_an_assertion_error_as_in_0_3(name: str) -> None:
    org, pred = generated("uint16")
    with pytest.raises(AssertionError, match="Input shapes not identical"):
        qm.metric_functions[name](org, pred[:20])


def test_what_0_3_could_not_do_names_the_cure() -> None:
    org, pred = generated("int32")
    with pytest.raises(ism.InputError, match=r"int32.*image_similarity_measures\.fsim"):
        qm.fsim(org, pred)
    with pytest.raises(ValueError, match="too big for image"):
        qm.uiq(org, pred, window_size=41)


DEFECTS = """
import sys, warnings
import numpy as np
import image_similarity_measures.quality_metrics as qm
warnings.simplefilter("always")
org = np.random.default_rng(0).integers(1, 4096, (24, 24, 3)).astype(np.uint16)
pred = org[::-1].copy()
flat = np.ones((9, 9, 1), np.uint8)
calls = {
    "fsim": lambda: qm.fsim(org, pred), "issm": lambda: qm.issm(org, pred),
    "sam": lambda: qm.sam(org, pred), "sre": lambda: qm.sre(org, pred),
    "uiq": lambda: qm.uiq(flat, flat), "psnr": lambda: qm.psnr(org[..., 0], pred[..., 0]),
    "rmse": lambda: qm.rmse(org[..., 0], pred[..., 0]),
}
for name, call in calls.items():
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        call(); call()
    ours = [w for w in caught if w.category is FutureWarning]
    assert len(ours) == 1, (name, caught)
    assert f"image_similarity_measures.{name}," in str(ours[0].message), ours[0]
    assert ours[0].filename == "<string>", ours[0].filename
for call in (lambda: qm.psnr(org, pred), lambda: qm.rmse(org, pred), lambda: qm.ssim(org, pred),
             lambda: qm.uiq(org, pred)):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call()
print("fine")
"""


def test_each_defective_function_warns_once_at_the_callers_line_and_the_right_ones_never() -> None:
    done = subprocess.run(
        [sys.executable, "-c", DEFECTS], capture_output=True, text=True, check=False
    )
    assert done.stdout == "fine\n", done.stderr


@settings(max_examples=30, deadline=None)
@given(
    rows=st.integers(1, 12),
    cols=st.integers(1, 12),
    step=st.integers(1, 5),
    size=st.tuples(st.integers(1, 6), st.integers(1, 6)),
)
def test_sliding_windows_are_views_in_reading_order(
    rows: int, cols: int, step: int, size: tuple[int, int]
) -> None:
    image = np.arange(rows * cols).reshape(rows, cols)
    windows = list(qm.sliding_window(image, step, size))
    corners = [(x, y) for y in range(0, rows, step) for x in range(0, cols, step)]
    assert [(x, y) for x, y, _ in windows] == corners
    for x, y, window in windows:
        assert window[0, 0] == image[y, x]
        assert window.shape == (min(size[1], rows - y), min(size[0], cols - x))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), step=st.integers(1, 3), size=st.integers(1, 6))
def test_uiq_is_the_mean_over_single_windows(seed: int, step: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 6, (2, 9, 8, 2)).astype(np.float32)
    values = []
    for (_, _, x), (_, _, y) in zip(
        qm.sliding_window(images[0], step, (size, size)),
        qm.sliding_window(images[1], step, (size, size)),
        strict=True,
    ):
        if x.shape[:2] == (size, size):
            for band in range(2):
                a, b = x[..., band].astype(float), y[..., band].astype(float)
                top = 4 * ((a - a.mean()) * (b - b.mean())).mean() * a.mean() * b.mean()
                bottom = (a.var() + b.var()) * (a.mean() ** 2 + b.mean() ** 2)
                values.append(top / bottom if bottom else 0.0)
    assert qm.uiq(images[0], images[1], step_size=step, window_size=size) == pytest.approx(
        np.mean(values), abs=1e-5
    )


class TestEvaluate:
    """The 0.3 module ``evaluate`` and its command."""

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "image_similarity_measures.evaluate", *arguments],
            capture_output=True,
            text=True,
            check=False,
        )

    def test_the_command_prints_0_3s_json(self) -> None:
        done = self.command("--org_img_path", PAIR[0], f"--pred_img_path={PAIR[1]}")
        assert done.returncode == 0, done.stderr
        result = json.loads(done.stdout)
        assert list(result) == ["image1", "image2", "metrics"]
        assert [result["image1"], result["image2"]] == list(PAIR)
        assert result["metrics"] == {"psnr": pytest.approx(SHIPPED["psnr"], rel=1e-9)}

    def test_metrics_repeat_and_all_means_all(self) -> None:
        files = "--org_img_path", PAIR[0], "--pred_img_path", PAIR[1]
        two = json.loads(self.command(*files, "--metric", "ssim", "--metric=rmse").stdout)
        assert set(two["metrics"]) == {"ssim", "rmse"}
        every = json.loads(self.command(*files, "--metric", "all", "--loader=rasterio").stdout)
        assert every["metrics"] == pytest.approx(SHIPPED, rel=1e-7)

    def test_a_missing_file_is_one_line_and_exit_1(self) -> None:
        done = self.command("--org_img_path", "none.tif", "--pred_img_path", PAIR[1])
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1].startswith("error: cannot read none.tif: ")
        assert "Traceback" not in done.stderr

    def test_an_unknown_metric_is_wrong_usage(self) -> None:
        done = self.command("--org_img_path=a", "--pred_img_path=b", "--metric", "nope")
        assert done.returncode == 2

    def test_files_are_read_as_0_3_read_them(self, tmp_path: Path) -> None:
        pixels = np.arange(5 * 4 * 3, dtype=np.uint8).reshape(5, 4, 3)
        png, upper = str(tmp_path / "a.png"), str(tmp_path / "a.TIF")
        cv2.imwrite(png, pixels)
        cv2.imwrite(upper, pixels)
        tiff = evaluate.read_image(PAIR[0])
        assert tiff.shape == (64, 64, 4)
        assert tiff.dtype == np.uint16
        np.testing.assert_array_equal(evaluate.read_image(png), pixels)
        np.testing.assert_array_equal(evaluate.read_image(upper), pixels)
        as_rgb = evaluate.read_image_with_loader(png, "rasterio")
        np.testing.assert_array_equal(as_rgb, pixels[:, :, ::-1])
        np.testing.assert_array_equal(evaluate.read_image_with_loader(png, "opencv"), pixels)

    @pytest.mark.parametrize("loader", ["auto", "opencv", "rasterio"])
    def test_a_file_that_cannot_be_read_is_named(self, tmp_path: Path, loader: str) -> None:
        broken = tmp_path / "broken.png"
        broken.write_text("no image")
        for path in (broken, tmp_path / "missing.png"):
            with pytest.raises(ism.ReadError, match=path.name):
                evaluate.read_image_with_loader(str(path), loader)

    def test_unknown_metrics_and_loaders_are_named(self) -> None:
        with pytest.raises(ism.UsageError, match="nope"):
            evaluate.evaluation(*PAIR, ["nope"])
        with pytest.raises(ism.UsageError, match="pillow"):
            evaluate.evaluation_with_loader(*PAIR, ["psnr"], loader="pillow")

    def test_main_writes_to_stdout(self, capsys: pytest.CaptureFixture[str]) -> None:
        evaluate.main(["--org_img_path", PAIR[0], "--pred_img_path", PAIR[1]])
        assert json.loads(capsys.readouterr().out)["image1"] == PAIR[0]
        with pytest.raises(SystemExit, match="error: cannot read missing"):
            evaluate.main(["--org_img_path", "missing", "--pred_img_path", PAIR[1]])

    def test_images_that_are_too_small_are_one_line(self, tmp_path: Path) -> None:
        tiny = str(tmp_path / "tiny.png")
        cv2.imwrite(tiny, np.zeros((5, 5, 3), "uint8"))
        for metric in ("ssim", "issm", "uiq"):
            asked = ["--org_img_path", tiny, "--pred_img_path", tiny, "--metric", metric]
            with pytest.raises(SystemExit, match=rf"error: {metric} .*tiny\.png.*5"):
                evaluate.main(asked)

    def test_a_missing_opencv_is_explained(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "cv2", None)
        monkeypatch.setattr("image_similarity_measures.opencv._failed", [])
        asked = ["--org_img_path", PAIR[0], "--pred_img_path", PAIR[1]]
        with pytest.raises(SystemExit, match=r"error: OpenCV cannot be imported.*headless"):
            evaluate.main([*asked, "--loader", "opencv"])


def test_forms_seen_in_public_code_work() -> None:
    from image_similarity_measures.quality_metrics import rmse, ssim

    org, pred = generated("float64")
    assert rmse(org / 4095, pred / 4095, max_p=1) == pytest.approx(rmse(org, pred), rel=1e-5)
    assert ssim(org, pred, 100) < ssim(org, pred)


def test_the_extras_of_0_3_can_still_be_asked_for() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert {"rasterio", "speedups"} <= project["optional-dependencies"].keys()


def test_importing_the_module_is_quiet_and_needs_no_opencv() -> None:
    code = (
        "import sys, warnings; warnings.simplefilter('error');"
        "import image_similarity_measures.quality_metrics;"
        "heavy = {'cv2', 'skimage', 'phasepack', 'rasterio'} & set(sys.modules);"
        "print(sorted(heavy))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "[]\n", done.stderr


def test_warnings_can_be_silenced_like_any_other() -> None:
    org, pred = generated("uint16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", FutureWarning)
        value = qm.sre(org, pred)
    assert value > 0


class TestOracles:
    """What 0.3 took from other packages is computed here, to the same digits."""

    @given(st.integers(7, 60), st.integers(7, 60), st.integers(1, 3), st.data())
    @settings(max_examples=30, deadline=None)
    def test_ssim_is_that_of_scikit_image(
        self, rows: int, cols: int, bands: int, data: st.DataObject
    ) -> None:
        dtype = data.draw(st.sampled_from(["uint8", "uint16", "int16", "float32", "float64"]))
        rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
        org = (rng.random((rows, cols, bands)) * 250).astype(dtype)
        pred = (org * 0.9 + rng.random(org.shape) * 20).astype(dtype)
        expected = structural_similarity(org, pred, data_range=255, channel_axis=2)
        assert qm.ssim(org, pred, 255) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.filterwarnings("ignore")
    @pytest.mark.parametrize("shape", [(40, 48), (41, 48), (33, 37)])
    def test_phase_congruency_is_that_of_phasepack(self, shape: tuple[int, int]) -> None:
        phasepack = pytest.importorskip("phasepack")
        image = np.random.default_rng(1).integers(0, 4000, shape).astype("uint16")
        image[20:, 5:30] += 2000
        settings_of_0_3 = {"nscale": 4, "minWaveLength": 6, "mult": 2, "sigmaOnf": 0.5978}
        for array in (image, image.astype("float64"), np.zeros(shape)):
            expected = np.sum(phasepack.phasecong(array, **settings_of_0_3)[4], axis=0)
            found = phase_congruency_sum(array)
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)


def test_a_plain_installation_has_all_that_0_3_needs() -> None:
    """`pip install image-similarity-measures` and the old imports are enough."""
    code = (
        "import sys; sys.modules |= dict.fromkeys(('skimage', 'phasepack', 'pyfftw'));"
        "import numpy as np;"
        "from image_similarity_measures.quality_metrics import metric_functions;"
        "image = np.random.default_rng(1).integers(0, 4000, (40, 40, 2)).astype('uint16');"
        "print(*(f'{name}={function(image, image):.3g}' for name, function in "
        "metric_functions.items()))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 8 and "fsim=1 " in done.stdout
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    needed = {re.match(r"[\w-]+", text)[0] for text in project["dependencies"]}
    assert not needed & {"scikit-image", "phasepack"}
