"""Without OpenCV every metric gives the same value, more slowly, and says so once."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures import quality_metrics as qm
from image_similarity_measures.opencv import plain

Array = np.ndarray[Any, Any]
DATA = Path(__file__).parents[1] / "data"
SOURCE = Path(ism.__file__).parent


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenCV cannot be imported."""
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr("image_similarity_measures.opencv._failed", [])


def test_all_that_is_asked_of_opencv_is_there() -> None:
    asked: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute):
                owner = ast.unparse(node.value)
                asked |= {node.attr} if owner in ("cv", "cv2", "opencv()") else set()
    assert len(asked) > 20
    assert {name for name in asked if not hasattr(plain, name)} == {"IMREAD_UNCHANGED", "imread"}


@pytest.fixture(params=["uint8", "uint16", "int16", "float32", "float64"])
def scores(
    request: pytest.FixtureRequest, make_pair: Callable[..., tuple[Array, Array]]
) -> Callable[[], dict[str, Any]]:
    """Everything of a pair of this dtype with some invalid pixels."""
    org, pred = make_pair(90, 70, 3, dtype=request.param)
    mask = np.ones(org.shape[:2], bool)
    mask[5:9, 40:44] = mask[-1, -1] = False
    data_range = 1.0 if org.dtype.kind == "f" else 255.0 if org.dtype.itemsize == 1 else 4095.0

    def compute() -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, used in (("whole", None), ("masked", mask)):
            report = ism.compare(org, pred, data_range=data_range, mask=used)
            found |= {f"{name} {metric}": value for metric, value in report.metrics.items()}
            _, local = ism.uiq(org, pred, mask=used, full=True)
            found[f"{name} uiq map"] = local
            found[f"{name} uniform"] = ism.ssim(
                org, pred, data_range=data_range, mask=used, window="uniform"
            )
        return found

    return compute


@pytest.mark.filterwarnings("ignore::image_similarity_measures.SimilarityWarning")
def test_every_metric_is_the_same_to_six_digits(
    scores: Callable[[], dict[str, Any]], request: pytest.FixtureRequest
) -> None:
    expected = scores()
    request.getfixturevalue("without")
    found = scores()
    assert found.keys() == expected.keys() and "whole issm" in found
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-6, err_msg=name)


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_those_of_0_3_are_the_same(
    make_pair: Callable[..., tuple[Array, Array]], request: pytest.FixtureRequest
) -> None:
    pair = make_pair(60, 50, 2)
    expected = {name: function(*pair) for name, function in qm.metric_functions.items()}
    request.getfixturevalue("without")
    for name, function in qm.metric_functions.items():
        assert function(*pair) == pytest.approx(expected[name], rel=1e-9), name
    with pytest.raises(ism.InputError, match="cannot take int32"):
        qm.fsim(*(image.astype("int32") for image in pair))


def test_the_report_says_it_once(without: None) -> None:
    with pytest.warns(ism.SimilarityWarning) as caught:
        report = ism.compare(DATA / "reference.tif", DATA / "upsampled.tif")
    (note,) = report.notes
    assert "slower" in note and "libgl1" in note and "opencv-python-headless" in note
    assert len(caught) == 1
    with pytest.warns(ism.SimilarityWarning, match="slower"):
        ism.ssim(*(np.ones((20, 20), "uint8"),) * 2)


def test_the_command_works_where_the_import_fails(tmp_path: Path) -> None:
    """As in a container without libGL; the note comes once, however many pairs there are."""
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object')")
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for name in ("1.tif", "2.tif"):
            (tmp_path / folder / name).write_bytes((DATA / "reference.tif").read_bytes())
    done = subprocess.run(
        [
            *(sys.executable, "-m", "image_similarity_measures", "--metric", "all"),
            *("--org-img-path", str(tmp_path / "a"), "--pred-img-path", str(tmp_path / "b")),
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pairs = json.loads(done.stdout)["pairs"]
    assert [pair["metrics"]["ssim"] for pair in pairs] == [1.0, 1.0]
    assert done.stderr.count("libGL.so.1") == 1


def test_what_only_opencv_can_read_says_what_is_missing(without: None, tmp_path: Path) -> None:
    path = tmp_path / "light.pfm"
    path.write_text("no image")
    with pytest.raises(ism.ReadError, match=r"light\.pfm.*opencv-python-headless"):
        ism.compare(path, path)


images = st.tuples(
    st.integers(8, 30), st.integers(8, 30), st.sampled_from([1, 2, 3]), st.integers(0, 2**32 - 1)
)


def image(shape: tuple[int, int, int, int], dtype: str = "uint8") -> Array:
    *size, seed = shape
    return np.random.default_rng(seed).integers(0, 256, size).astype(dtype)


@given(images, st.integers(1, 8), st.data())
def test_filters_are_opencvs(
    shape: tuple[int, int, int, int], size: int, data: st.DataObject
) -> None:
    """Edges, even windows and their anchors included."""
    pixels = image(shape, data.draw(st.sampled_from(["uint8", "uint16", "float32", "float64"])))
    at = data.draw(st.integers(0, size - 1))
    kernel, window = np.linspace(0.1, 1, size), np.ones((size, size), np.uint8)

    def same(function: str, *arguments: Any, **options: Any) -> None:
        expected, found = (
            getattr(module, function)(
                pixels,
                *(getattr(module, a) if isinstance(a, str) else a for a in arguments),
                **{k: getattr(module, o) if isinstance(o, str) else o for k, o in options.items()},
            )
            for module in (cv2, plain)
        )
        assert found.dtype == expected.dtype
        found = found.reshape(expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-4, err_msg=function)

    same("sepFilter2D", "CV_64F", kernel, kernel[::-1].copy(), anchor=(at, at))
    same("boxFilter", "CV_64F", (size, size), anchor=(at, at), normalize=False)
    same("erode", window, anchor=(at, at))
    same("dilate", window, anchor=(at, at))
    depth = "CV_64F" if pixels.dtype == np.float64 else "CV_32F"
    same("Scharr", depth, 1, 0, scale=1 / 16, borderType="BORDER_CONSTANT")
    same("Scharr", depth, 0, 1)
    if pixels.dtype.kind == "u":
        same("Scharr", "CV_16U", 0, 1)


@given(images)
def test_edges_and_groups_are_opencvs(shape: tuple[int, int, int, int]) -> None:
    pixels = image(shape)[:, :, 0]
    smooth = cv2.GaussianBlur(pixels, (5, 5), 1)
    for plane in (pixels, smooth):
        np.testing.assert_array_equal(plain.Canny(plane, 100, 200), cv2.Canny(plane, 100, 200))
    across, down = (
        cv2.Sobel(smooth, cv2.CV_16S, *o, borderType=cv2.BORDER_REPLICATE) for o in ((1, 0), (0, 1))
    )
    edges = cv2.Canny(across, down, 100, 100)
    np.testing.assert_array_equal(plain.Canny(across, down, 100, 100), edges)
    count, labels = cv2.connectedComponents(edges, connectivity=8, ltype=cv2.CV_32S)
    found = plain.connectedComponents(edges, connectivity=8, ltype=plain.CV_32S)
    assert found[0] == count and found[1].dtype == labels.dtype
    # The same groups, maybe in another order.
    assert len(np.unique(np.stack([labels.ravel(), found[1].ravel()]), axis=1)[0]) == count


@given(images, st.floats(0.01, 2))
def test_arithmetic_is_opencvs(shape: tuple[int, int, int, int], factor: float) -> None:
    a, b = image(shape), image(shape)[::-1].copy()
    np.testing.assert_array_equal(plain.absdiff(a, b), cv2.absdiff(a, b).reshape(a.shape))
    np.testing.assert_allclose(plain.mean(a), cv2.mean(a))
    assert plain.norm(a, plain.NORM_INF) == cv2.norm(a.reshape(len(a), -1), cv2.NORM_INF)
    np.testing.assert_allclose(plain.meanStdDev(a), cv2.meanStdDev(a), rtol=1e-12, atol=1e-9)
    for name in ("accumulateProduct", "accumulateSquare"):
        totals = [np.ones(a.shape) for _ in range(2)]
        given = (a, b) if name == "accumulateProduct" else (a,)
        for module, total in zip((plain, cv2), totals, strict=True):
            getattr(module, name)(*given, total)
        np.testing.assert_array_equal(*totals)
    x, y = (image.astype("float64") for image in (a, b))
    np.testing.assert_allclose(
        plain.addWeighted(x, factor, y, -2, 1),
        cv2.addWeighted(x, factor, y, -2, 1).reshape(x.shape),
    )
    np.testing.assert_allclose(
        plain.scaleAdd(x, factor, y), cv2.scaleAdd(x, factor, y).reshape(x.shape)
    )
    bands = [np.ascontiguousarray(a[:, :, band]) for band in range(a.shape[2])]
    np.testing.assert_array_equal(plain.merge(bands), cv2.merge(bands).reshape(a.shape))
    np.testing.assert_allclose(
        plain.convertScaleAbs(a, factor),
        cv2.convertScaleAbs(a, alpha=factor).reshape(a.shape),
        atol=1,
    )
