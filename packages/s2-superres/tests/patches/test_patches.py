"""Patches: degraded as they should be, split by place, whole or not there."""

from __future__ import annotations

import csv
import itertools
import json
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from s2_superres.errors import InputError, OutputError, ProductError
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.degraded import read_degraded
from s2_superres.patches.lattice import lattice_stride
from s2_superres.patches.patchset import PatchSet, PatchSettings
from s2_superres.patches.scene import SceneFacts
from s2_superres.patches.scenes import ProductScene
from s2_superres.patches.split import Split
from s2_superres.products.openers import open_product
from s2_superres.raster.degradation import degradation_taps, degrade
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import landscape, write_product, zip_product
from s2_superres.testing.spec import SATURATED, ProductSpec

Crop = dict[str, NDArray[Any]]

#: Where a place is the only one, nothing of it is held out.
WHOLE = CutOptions(Split(share=0.0))


def crop(rows: int, cols: int, seed: int = 0, low: int = 1) -> Crop:
    """Random digital numbers on the three grids; sizes in 60 m pixels."""
    rng = np.random.default_rng(seed)
    return {
        "b10": rng.integers(low, 9000, (4, rows * 6, cols * 6), np.uint16),
        "b20": rng.integers(low, 9000, (6, rows * 3, cols * 3), np.uint16),
        "b60": rng.integers(low, 9000, (2, rows, cols), np.uint16),
    }


def write(path: Path, arrays: Crop) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def places(
    arrays: Crop, resolution: int, sigma: float | None = None, shift: tuple[int, int] = (0, 0)
) -> Crop:
    """Whole inputs, degraded from the target's pixel `shift` on."""
    ratio = resolution // 10
    rows, cols = (
        (n - ratio * s) // ratio**2 * ratio**2
        for n, s in zip(arrays["b10"].shape[1:], shift, strict=True)
    )
    inputs = {}
    for r in (10, 20) if resolution == 20 else (10, 20, 60):
        top, left = (s * resolution // r for s in shift)
        cut = arrays[f"b{r}"][:, top : top + rows * 10 // r, left : left + cols * 10 // r]
        inputs[f"x{r}"] = degrade(cut, ratio, sigma)
    return inputs


def find(target: NDArray[Any], patch: NDArray[Any]) -> tuple[int, int]:
    """Where a patch (rows, cols, bands) lies in an image of random values."""
    at = np.argwhere((target == patch[0, 0][:, None, None]).all(axis=0))
    assert len(at) == 1
    return int(at[0][0]), int(at[0][1])


@pytest.mark.parametrize("sigma", [None, 1.7])
@pytest.mark.parametrize(("resolution", "size", "shape"), [(20, 8, (13, 15)), (60, 12, (37, 44))])
def test_patches_are_cut_from_the_whole_degraded_scene(
    tmp_path: Path, resolution: int, size: int, shape: tuple[int, int], sigma: float | None
) -> None:
    """Also at their edges, which would tell if the degradation stopped there.

    Small scenes are degraded once per position of the blocks that are averaged.
    """
    arrays = crop(*shape)
    write(tmp_path / "L2A_a.npz", arrays)
    ratio = resolution // 10
    settings = PatchSettings(resolution, size, 1500, sigma=sigma)
    patches = cut_patches([tmp_path / "L2A_a.npz"], tmp_path / "out", settings, WHOLE)
    truth = arrays[f"b{resolution}"]
    shifts = list(np.ndindex(ratio, ratio))
    whole = {shift: places(arrays, resolution, sigma, shift) for shift in shifts}
    scene = patches.scenes[0]
    assert scene.count >= 30
    found = set()
    for index in range(scene.count):
        *inputs, target = patches.read(scene, index)
        row, col = find(truth, target)
        found.add((row, col))
        wanted = truth[:, row : row + size, col : col + size]
        np.testing.assert_array_equal(np.moveaxis(target, -1, 0), wanted)
        shift = row % ratio, col % ratio
        row, col = row - shift[0], col - shift[1]
        for (name, image), patch in zip(whole[shift].items(), inputs, strict=True):
            k = int(name[1:]) // 10
            part = image[:, row // k : (row + size) // k, col // k : (col + size) // k]
            # Rounded to whole digital numbers.
            assert np.abs(np.moveaxis(patch, -1, 0) - part).max() <= 0.5 + 1e-2
    assert len(found) == scene.count
    assert {(row % ratio, col % ratio) for row, col in found} == set(shifts)


def test_one_pass_is_enough_for_a_large_scene(tmp_path: Path) -> None:
    arrays = crop(37, 44)
    write(tmp_path / "L2A_a.npz", arrays)
    patches = cut_patches([tmp_path / "L2A_a.npz"], tmp_path / "out", PatchSettings(20, 8, 20))
    targets = patches.maps["L2A_a"]["target"]
    assert all(np.mod(find(arrays["b20"], target), 2).tolist() == [0, 0] for target in targets)


def test_rows_of_a_product_are_those_of_the_whole_scene(tmp_path: Path) -> None:
    """Streamed in strips, with the offset taken out, as if read at once."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 360, 432)
    safe = write_product(tmp_path, ProductSpec("L2A", "05.09", grid), landscape)
    with ProductScene(open_product(safe), 60) as scene:
        height = scene.facts.shape[0]
        whole = read_degraded(scene, 60, 0, height)
        parts = [read_degraded(scene, 60, row, 12) for row in range(0, height, 12)]
    for r in (10, 20, 60):
        joined = np.concatenate([part.inputs[r] for part in parts], axis=1)
        np.testing.assert_allclose(joined, whole.inputs[r], rtol=1e-6)
    truth = landscape(open_product(safe).bands[0], 60, 72)[:60, :72]
    np.testing.assert_array_equal(whole.target[0], truth)


@pytest.mark.parametrize("zipped", [False, True])
def test_a_products_patches_have_no_gap_and_no_saturation(tmp_path: Path, zipped: bool) -> None:
    """No pixel of a patch, degraded or not, rests on one without data."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 480, 480)
    spec = ProductSpec("L1C", "05.09", grid)

    def pixels(band: Any, rows: int, cols: int) -> NDArray[np.uint16]:
        values = np.full((rows, cols), 3000, np.uint16)
        values[:, : cols // 4] = 0
        if band.name == "B11":
            values[rows // 2, cols // 2] = SATURATED
        return values

    safe = write_product(tmp_path, spec, pixels)
    source = zip_product(safe, tmp_path / "product.zip") if zipped else safe
    patches = cut_patches([source], tmp_path / "out", PatchSettings(20, 16, 100))
    scene = patches.scenes[0]
    assert scene.offset == -1000 and scene.place == "T33UUB" and scene.level == "L1C"
    for name in ("x10", "x20", "target"):
        assert (patches.maps[scene.name][name] == 3000).all()
    lattice = lattice_stride(patches.settings, (240, 240))
    assert 0 < scene.count < len(range(0, 225, lattice)) ** 2 * 3 / 4


def test_dark_water_below_the_offset_stays_negative(tmp_path: Path) -> None:
    """A stored 800 of baseline 04.00 on is a reflectance of -0.02, not zero nor no data."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 120, 120)
    spec = ProductSpec("L2A", "04.00", grid)
    safe = write_product(tmp_path, spec, lambda band, rows, cols: np.full((rows, cols), 1, "u2"))
    product = open_product(safe)
    low = replace(product, offsets=dict.fromkeys(product.offsets, -1201.0))
    with ProductScene(low, 20) as scene:
        pixels = scene.read(20, 0, 10)
    assert (pixels.values == -200).all() and pixels.valid.all() and pixels.measured.all()


def with_scl(safe: Path, clouds: NDArray[np.uint8]) -> None:
    import rasterio

    image = next(safe.rglob("*_B05_20m.jp2"))
    with rasterio.open(
        image.with_name(image.name.replace("_B05_", "_SCL_")), "w", driver="JP2OpenJPEG",
        height=clouds.shape[0], width=clouds.shape[1], count=1, dtype="uint8", QUALITY=100,
        REVERSIBLE="YES",
    ) as file:  # fmt: skip
        file.write(clouds, 1)


def half_clouded(level: str, folder: Path) -> Path:
    """A product whose right half has 1000s, the left 2000s."""

    def pixels(band: Any, rows: int, cols: int) -> NDArray[np.uint16]:
        values = np.full((rows, cols), 2000, np.uint16)
        values[:, cols // 2 :] = 1000
        return values

    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 480, 480)
    return write_product(folder, ProductSpec(level, "05.09", grid), pixels)


@pytest.mark.parametrize("resolution", [20, 60])
@pytest.mark.parametrize("kind", ["scl", "classes", "polygons"])
def test_clouds_of_the_products_own_mask_are_left_out(
    tmp_path: Path, kind: str, resolution: int
) -> None:
    """Scene classification, classes, or polygons: whatever the product holds."""
    import rasterio

    safe = half_clouded("L2A" if kind == "scl" else "L1C", tmp_path)
    quality = next(safe.glob("GRANULE/*")) / "QI_DATA"
    quality.mkdir(exist_ok=True)
    if kind == "scl":
        clouds = np.full((240, 240), 4, np.uint8)
        clouds[:, 120:] = 9
        with_scl(safe, clouds)
    elif kind == "classes":
        classes = np.zeros((3, 80, 80), np.uint8)
        classes[1, :, 40:] = 1
        with rasterio.open(
            quality / "MSK_CLASSI_B00.jp2", "w", driver="JP2OpenJPEG", height=80, width=80,
            count=3, dtype="uint8", QUALITY=100, REVERSIBLE="YES",
        ) as file:  # fmt: skip
            file.write(classes)
    else:
        left, right, top, bottom = 302400, 304800, 6200040, 6195240
        ring = f"{left} {top} {right} {top} {right} {bottom} {left} {bottom} {left} {top}"
        (quality / "MSK_CLOUDS_B00.gml").write_text(
            '<eop:Mask xmlns:eop="e" xmlns:gml="g"><eop:maskMembers><eop:MaskFeature>'
            "<eop:extentOf><gml:Polygon><gml:exterior><gml:LinearRing>"
            f'<gml:posList srsDimension="2">{ring}</gml:posList></gml:LinearRing>'
            "</gml:exterior></gml:Polygon></eop:extentOf></eop:MaskFeature></eop:maskMembers>"
            "</eop:Mask>"
        )
    settings = PatchSettings(resolution, 12, 60, skip_clouds=True)
    patches = cut_patches([safe], tmp_path / "out", settings)
    scene = patches.scenes[0]
    assert scene.count > 3
    assert (patches.maps[scene.name]["target"] == 2000).all()
    if kind == "scl":
        taught = CutOptions(Split(share=0), teachers=("none",))
        patches = cut_patches([safe], tmp_path / "taught", settings, taught)
        assert patches.scenes[0].count > 3
        assert (patches.maps[scene.name]["x10"] == 2000).all()


def test_clouds_without_a_mask_are_an_error(tmp_path: Path) -> None:
    safe = half_clouded("L1C", tmp_path)
    with pytest.raises(InputError, match="has no cloud mask"):
        cut_patches([safe], tmp_path / "out", PatchSettings(20, 16, 5, skip_clouds=True))


def test_crops_with_every_band_at_60m_are_not_degraded_but_where_needed(tmp_path: Path) -> None:
    """The 10 m bands are there at 60 m already; clipped and clouded pixels are left out."""
    rng = np.random.default_rng(0)
    hr = rng.integers(100, 9000, (9, 72, 72), np.uint16)
    lr = rng.integers(100, 9000, (2, 72, 72), np.uint16)
    scl = np.full((72, 72), 4, np.uint8)
    lr[0, :36, :36] = 1
    scl[36:, 36:] = 8
    write(tmp_path / "L2A_t.npz", {"hr": hr, "lr": lr, "scl": scl})
    settings = PatchSettings(60, 12, 100, skip_clouds=True)
    patches = cut_patches([tmp_path / "L2A_t.npz"], tmp_path / "out", settings, WHOLE)
    scene = patches.scenes[0]
    shifts = set()
    for index in range(scene.count):
        x10, half, sixth, target = patches.read(scene, index)
        row, col = find(lr, target)
        assert not (row < 36 and col < 36) and not (row + 12 > 36 and col + 12 > 36)
        assert (x10 == np.moveaxis(hr[[0, 1, 2, 6], row : row + 12, col : col + 12], 0, -1)).all()
        top, left = row % 6, col % 6
        shifts.add((top, left))
        row, col = row - top, col - left
        whole = (slice(None), slice(top, top + 66), slice(left, left + 66))
        x20, x60 = degrade(hr[3:][whole], 2), degrade(lr[whole], 6)
        # The last block of the scene is cut off where it begins later; look inside.
        if row + 12 <= 54 and col + 12 <= 54:
            part = np.moveaxis(x20[:, row // 2 : row // 2 + 6, col // 2 : col // 2 + 6], 0, -1)
            assert np.abs(half - part).max() <= 0.51
            part = np.moveaxis(x60[:, row // 6 : row // 6 + 2, col // 6 : col // 6 + 2], 0, -1)
            assert np.abs(sixth - part).max() <= 0.51
    assert len(shifts) > 1


def test_crops_with_every_band_at_60m_stand_for_scenes_of_20m(tmp_path: Path) -> None:
    """Blurred by tenths of a pixel; B08 is a mix of B07 and B8A; no data widens by the blur."""
    rng = np.random.default_rng(0)
    hr = rng.integers(100, 9000, (9, 40, 40), np.uint16)
    hr[4, 20, 20] = 0
    arrays = {"hr": hr, "lr": hr[:2], "scl": np.full((40, 40), 4, np.uint8)}
    write(tmp_path / "L2A_t.npz", arrays)
    patches = cut_patches(
        [tmp_path / "L2A_t.npz"], tmp_path / "out", PatchSettings(20, 8, 30), WHOLE
    )

    def blurred(band: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
        taps = np.exp(-0.5 * (np.arange(-2, 3) / sigma) ** 2)
        padded = np.pad(band, 2, mode="symmetric")
        windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5))
        return np.einsum("rcij,i,j->rc", windows, taps, taps) / taps.sum() ** 2

    b08 = 0.4 * hr[5] + 0.6 * hr[6]
    guides = np.stack([blurred(band, 0.37) for band in [*hr[:3], b08]])
    truth = np.stack([blurred(b, 0.61 if i > 3 else 0.51) for i, b in enumerate(hr[3:])])
    half = degrade(truth, 2)
    scene = patches.scenes[0]
    assert scene.count > 3
    aligned = 0
    for index in range(scene.count):
        x10, x20, target = (np.moveaxis(each, -1, 0) for each in patches.read(scene, index))
        errors = [
            np.abs(truth[:, r : r + 8, c : c + 8] - target).max()
            for r, c in itertools.product(range(33), repeat=2)
        ]
        assert min(errors) <= 0.51
        row, col = divmod(int(np.argmin(errors)), 33)
        assert not (10 < row < 23 and 10 < col < 23)
        assert np.abs(guides[:, row : row + 8, col : col + 8] - x10).max() <= 1.01
        if row % 2 == col % 2 == 0 and row + 8 < 38 and col + 8 < 38:
            aligned += 1
            part = half[:, row // 2 : row // 2 + 4, col // 2 : col // 2 + 4]
            assert np.abs(x20 - part).max() <= 1.01
    assert aligned


def test_stand_ins_are_not_cut_among_real_scenes(tmp_path: Path) -> None:
    """Mixed with them they make worse networks; for 60 m they are real scenes themselves."""
    hr = np.full((9, 48, 48), 2000, np.uint16)
    write(tmp_path / "L2A_t.npz", {"hr": hr, "lr": hr[:2], "scl": np.full((48, 48), 4, np.uint8)})
    write(tmp_path / "L2A_a.npz", crop(288, 288))
    with pytest.raises(InputError, match=r"L2A_t\.npz: .*folders of their own"):
        cut_patches([tmp_path], tmp_path / "out", PatchSettings(20, 8, 5))
    assert not (tmp_path / "out").exists()
    assert len(cut_patches([tmp_path], tmp_path / "out", PatchSettings(60, 6, 5)).scenes) == 2


def test_patches_lie_in_random_order_and_repeat_by_the_seed(tmp_path: Path) -> None:
    write(tmp_path / "L2A_a.npz", crop(40, 40))
    made = [
        cut_patches([tmp_path / "L2A_a.npz"], tmp_path / str(i), PatchSettings(20, 8, 30, seed))
        for i, seed in enumerate((1, 1, 2))
    ]
    one, same, other = (np.array(each.maps["L2A_a"]["target"]) for each in made)
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)
    rows = [find(crop(40, 40)["b20"], patch)[0] for patch in one]
    assert rows != sorted(rows)


facts = st.builds(
    SceneFacts,
    name=st.uuids().map(str),
    place=st.sampled_from("abcdefg"),
    level=st.sampled_from(["L1C", "L2A"]),
    split=st.sampled_from([None, None, "train", "validation"]),
    offset=st.just(0.0),
    source=st.just("x"),
    shape=st.just((10, 10)),
)


@given(
    facts=st.lists(facts, min_size=1),
    share=st.floats(0, 1),
    seed=st.integers(0, 9),
    order=st.randoms(),
)
def test_the_split_is_by_place(
    facts: list[SceneFacts], share: float, seed: int, order: Any
) -> None:
    """One side per place, validation wherever a source says so, in whatever order."""
    sides = Split(share=share).assign(facts, seed)
    assert set(sides) == {fact.place for fact in facts}
    assert set(sides.values()) <= {"train", "validation"}
    for fact in facts:
        if fact.split == "validation":
            assert sides[fact.place] == "validation"
    if not any(fact.split for fact in facts):
        assert "train" in sides.values()
        assert "validation" in sides.values() or share == 0 or len(sides) == 1
    mixed = list(facts)
    order.shuffle(mixed)
    assert Split(share=share).assign(mixed, seed) == sides


def test_what_macos_puts_beside_crops_is_none(tmp_path: Path) -> None:
    """A folder of crops stands for its crops."""
    write(tmp_path / "L2A_a.npz", crop(8, 8))
    (tmp_path / "._L2A_a.npz").write_bytes(b"\0\5\26\7")
    patches = cut_patches([tmp_path], tmp_path / "out", PatchSettings(20, 8, 4), WHOLE)
    assert [scene.name for scene in patches.scenes] == ["L2A_a"]


def test_an_index_tells_place_level_and_split(tmp_path: Path) -> None:
    """Both levels and all dates of one place lie on one side."""
    rows = [
        ("first.npz", "L1C", "train", "lake"),
        ("second.npz", "L2A", "validation", "lake"),
        ("third.npz", "L2A", "train", "hill"),
    ]
    for seed, (name, *_) in enumerate(rows):
        write(tmp_path / name, crop(16, 16, seed))
    with (tmp_path / "index.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("file", "level", "split", "place"), *rows])
    options = CutOptions(mixed_levels=True)
    patches = cut_patches([tmp_path], tmp_path / "out", PatchSettings(20, 8, 4), options)
    found = {scene.name: (scene.level, scene.split, scene.place) for scene in patches.scenes}
    assert found == {
        "first": ("L1C", "validation", "lake"),
        "second": ("L2A", "validation", "lake"),
        "third": ("L2A", "train", "hill"),
    }


def test_named_places_are_for_validation_and_unknown_ones_an_error(tmp_path: Path) -> None:
    for seed, name in enumerate(("L2A_lake", "L2A_hill")):
        write(tmp_path / f"{name}.npz", crop(16, 16, seed))
    sources = [tmp_path / "L2A_lake.npz", tmp_path / "L2A_hill.npz"]
    split = CutOptions(Split(("hill",), 0.0))
    patches = cut_patches(sources, tmp_path / "out", PatchSettings(20, 8, 4), split)
    assert {scene.place: scene.split for scene in patches.scenes} == {
        "lake": "train",
        "hill": "validation",
    }
    with pytest.raises(InputError, match="'sea': not there; choose from hill, lake"):
        cut_patches(
            sources, tmp_path / "o", PatchSettings(20, 8, 4), CutOptions(Split(("sea",), 0.0))
        )


def test_an_interrupted_run_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole scenes stay, half a scene does not, and the end is that of one run."""
    from s2_superres.patches import sampling as module

    sources = [write(tmp_path / f"L2A_{i}.npz", crop(24, 24, i)) for i in range(3)]
    settings = PatchSettings(20, 8, 20)
    unbroken = cut_patches(sources, tmp_path / "one", settings)
    calls: list[Any] = []
    real = read_degraded

    def stopping(*args: Any) -> Any:
        calls.append(args)
        # Three strips to a scene, the third call of the second scene.
        if len(calls) == 6:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(module, "read_degraded", stopping)
    with pytest.raises(KeyboardInterrupt):
        cut_patches(sources, tmp_path / "two", settings)
    left = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert left == ["L2A_0"]
    with pytest.raises(InputError, match="run it again"):
        PatchSet(tmp_path / "two")
    (tmp_path / "two" / ".L2A_1.part").mkdir()
    before = len(calls)
    resumed = cut_patches(sources, tmp_path / "two", settings)
    assert {str(args[0].facts.name) for args in calls[before:]} == {"L2A_1", "L2A_2"}
    assert resumed.scenes == unbroken.scenes
    for name, arrays in unbroken.maps.items():
        for key, array in arrays.items():
            np.testing.assert_array_equal(resumed.maps[name][key], array)
    assert not list((tmp_path / "two").glob(".*"))


def test_patches_are_never_replaced_unasked(tmp_path: Path) -> None:
    source = write(tmp_path / "L2A_a.npz", crop(16, 16))
    settings = PatchSettings(20, 8, 4)
    cut_patches([source], tmp_path / "out", settings)
    with pytest.raises(OutputError, match="--overwrite"):
        cut_patches([source], tmp_path / "out", settings)
    again = cut_patches(
        [source], tmp_path / "out", replace(settings, count=5), CutOptions(overwrite=True)
    )
    assert again.scenes[0].count == 5


@pytest.mark.skipif(sys.platform == "win32", reason="no locks on folders")
def test_two_runs_do_not_share_a_folder(tmp_path: Path) -> None:
    source = write(tmp_path / "L2A_a.npz", crop(16, 16))
    settings = PatchSettings(20, 8, 4)
    asked = []

    def meanwhile(done: int, total: int) -> None:
        with pytest.raises(OutputError, match="another run is writing there"):
            cut_patches([source], tmp_path / "out", settings, CutOptions(overwrite=True))
        asked.append(done)

    assert cut_patches([source], tmp_path / "out", settings, progress=meanwhile).scenes
    assert asked


def test_scenes_cut_with_other_settings_are_not_taken_over(tmp_path: Path) -> None:
    source = write(tmp_path / "L2A_a.npz", crop(16, 16))
    cut_patches([source], tmp_path / "out", PatchSettings(20, 8, 4))
    (tmp_path / "out" / "manifest.json").unlink()
    with pytest.raises(OutputError, match="other settings"):
        cut_patches([source], tmp_path / "out", PatchSettings(20, 8, 5))


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    source = write(tmp_path / "L2A_a.npz", crop(16, 16))
    precious = tmp_path / "out" / "L2A_a" / "thesis.txt"
    precious.parent.mkdir(parents=True)
    precious.write_text("mine")
    with pytest.raises(OutputError, match="another folder"):
        cut_patches([source], tmp_path / "out", PatchSettings(20, 8, 4), CutOptions(overwrite=True))
    assert precious.read_text() == "mine"


FULL = """
import resource, signal, sys
from s2_superres.cli import app as cli
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
cli.main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="limits of POSIX")
def test_a_full_disk_keeps_whole_scenes(tmp_path: Path) -> None:
    """One line, exit 1; the small scene that fitted is there and its neighbour is not."""
    small = write(tmp_path / "L2A_small.npz", crop(8, 8))
    large = write(tmp_path / "L2A_large.npz", crop(40, 40))
    out = tmp_path / "out"
    done = subprocess.run(
        [sys.executable, "-c", FULL, "patches", small, large, "--out", out, "--size", "16",
         "--count", "100"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {out}: cannot be written")
    assert done.stderr.count("\n") == 1
    assert [path.name for path in out.iterdir()] == ["L2A_small"]


def refused(sources: list[Path], out: Path, words: str, **options: Any) -> None:
    settings = options.pop("settings", PatchSettings(20, 8, 4))
    with pytest.raises((InputError, ProductError), match=words):
        cut_patches(sources, out, settings, CutOptions(**options))
    assert not (out / "manifest.json").exists()


def broken_stream(path: Path) -> Path:
    """A compressed crop whose first array does not unpack."""
    np.savez_compressed(path, **crop(16, 16))  # type: ignore[arg-type]
    whole = path.read_bytes()
    # Both the zip's own header and deflate's first block lie before.
    path.write_bytes(whole[:2000] + bytes(2000) + whole[4000:])
    return path


def test_bad_sources_are_named(tmp_path: Path) -> None:
    """Every kind of unusable source is one line with the file's name and the cure."""
    good = write(tmp_path / "L2A_good.npz", crop(16, 16))
    out = tmp_path / "out"
    l1c = write(tmp_path / "L1C_other.npz", crop(16, 16))
    refused([good, l1c], out, "L1C_other.npz is L1C.*--mixed-levels")
    refused([tmp_path / "none.npz"], out, "none.npz: cannot be read")
    refused([good, good], out, "L2A_good: given twice")
    tiny = write(tmp_path / "L2A_tiny.npz", crop(2, 2))
    refused([good, tiny], out, "L2A_tiny.npz: 6 x 6 pixels of 20 m are too few")
    empty = write(tmp_path / "L2A_empty.npz", {k: v * 0 for k, v in crop(16, 16).items()})
    refused([empty], out, "L2A_empty.npz: has no patch of 8 x 8 pixels without a gap")
    (tmp_path / "L2A_text.npz").write_text("no zip")
    refused([tmp_path / "L2A_text.npz"], out, "L2A_text.npz: cannot be read as .npz")
    (tmp_path / "L2A_cut.npz").write_bytes(good.read_bytes()[:3000])
    refused([tmp_path / "L2A_cut.npz"], out, "L2A_cut.npz: cannot be read as .npz")
    with (tmp_path / "L2A_npy.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    refused([tmp_path / "L2A_npy.npz"], out, "L2A_npy.npz: cannot be read as .npz")
    refused([broken_stream(tmp_path / "L2A_z.npz")], out, "L2A_z.npz: cannot be read as .npz")
    no60 = write(tmp_path / "L2A_no60.npz", {k: v for k, v in crop(16, 16).items() if k != "b60"})
    refused([no60], out, "has no 60 m bands", settings=PatchSettings(60, 6, 4))
    wrong = crop(16, 16)
    write(tmp_path / "L2A_wrong.npz", {**wrong, "b10": wrong["b10"][:, :90]})
    refused([tmp_path / "L2A_wrong.npz"], out, "the 10 m bands are uint16 of")
    floats = {k: v.astype("f4") for k, v in crop(16, 16).items()}
    refused([write(tmp_path / "L2A_f.npz", floats)], out, "whole digital numbers")
    refused([good], out, "no cloud mask", settings=PatchSettings(20, 8, 4, skip_clouds=True))
    refused([tmp_path], out, "of different levels|and .* more like it")
    (tmp_path / "index.csv").write_bytes("file,level,place\na.npz,L2A,Malm\xf6\n".encode("latin-1"))
    refused([good], out, "index.csv: not an index of crops in UTF-8")
    (tmp_path / "index.csv").write_text("name,level\na.npz,L2A\n")
    refused([good], out, "index.csv: not an index of crops .*it has no column file")


def test_unusable_sources_are_left_out_when_asked(tmp_path: Path) -> None:
    good = write(tmp_path / "L2A_good.npz", crop(16, 16))
    tiny = write(tmp_path / "L2A_tiny.npz", crop(2, 2))
    empty = write(tmp_path / "L2A_void.npz", {k: v * 0 for k, v in crop(16, 16).items()})
    broken = broken_stream(tmp_path / "L2A_z.npz")
    said: list[str] = []
    patches = cut_patches(
        [good, tiny, empty, broken], tmp_path / "out", PatchSettings(20, 8, 4),
        CutOptions(skip_unusable=True), warn=said.append,
    )  # fmt: skip
    assert [scene.name for scene in patches.scenes] == ["L2A_good"]
    assert len(said) == 3


def test_scenes_without_a_cloud_mask_are_unusable_where_clouds_are_left_out(
    tmp_path: Path,
) -> None:
    """Products and crops alike, told before anything is cut."""
    hr = np.full((9, 72, 72), 2000, np.uint16)
    masked = {"hr": hr, "lr": hr[:2], "scl": np.full((72, 72), 4, np.uint8)}
    sources = [
        write(tmp_path / "L2A_masked.npz", masked),
        write(tmp_path / "L2A_plain.npz", crop(16, 16)),
        half_clouded("L2A", tmp_path),
    ]
    settings, out = PatchSettings(60, 12, 4, skip_clouds=True), tmp_path / "out"
    refused(sources, out, "no cloud mask.*and 1 more like it", settings=settings)
    assert not out.exists()
    said: list[str] = []
    options = replace(WHOLE, skip_unusable=True)
    patches = cut_patches(sources, out, settings, options, warn=said.append)
    assert [scene.name for scene in patches.scenes] == ["L2A_masked"]
    assert len(said) == 2 and all("no cloud mask" in line for line in said)


def test_damage_that_shows_late_is_left_out_when_asked(tmp_path: Path) -> None:
    """A code stream that breaks off is found when its pixels are read."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 480, 480)
    safe = write_product(tmp_path, ProductSpec("L2A", "05.09", grid), landscape)
    image = next(safe.rglob("*_B05_20m.jp2"))
    whole = image.read_bytes()
    image.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) - len(whole) // 2))
    sources = [safe, write(tmp_path / "L2A_good.npz", crop(48, 48))]
    refused(sources, tmp_path / "out", "B05_20m.jp2")
    said: list[str] = []
    patches = cut_patches(
        sources, tmp_path / "out", PatchSettings(20, 8, 4), CutOptions(skip_unusable=True),
        warn=said.append,
    )  # fmt: skip
    assert [scene.name for scene in patches.scenes] == ["L2A_good"]
    assert len(said) == 1 and "B05_20m.jp2" in said[0]


@pytest.mark.parametrize("zipped", [False, True])
def test_every_granule_of_a_product_is_a_scene(
    several_granules: Path, tmp_path: Path, zipped: bool
) -> None:
    """Named after its tile; a granule's folder stands for that one alone."""
    safe = several_granules
    names = [open_product(safe, tile).name for tile in ("T33UUB", "T33UVB")]
    granules = sorted((safe / "GRANULE").iterdir())
    sources = [zip_product(safe, tmp_path / "several.zip")] if zipped else [safe]
    for number, paths in enumerate((sources, granules)):
        out = tmp_path / str(number)
        patches = cut_patches(paths, out, PatchSettings(20, 8, 4))
        assert [scene.name for scene in patches.scenes] == names
        assert [scene.place for scene in patches.scenes] == ["T33UUB", "T33UVB"]
    alone = cut_patches(granules[:1], tmp_path / "alone", PatchSettings(20, 8, 4), WHOLE)
    assert [scene.name for scene in alone.scenes] == names[:1]


def test_patches_are_not_put_into_a_product(tmp_path: Path) -> None:
    """Whichever of its files stands for it."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 240)
    safe = write_product(tmp_path, ProductSpec("L2A", "05.09", grid), landscape)
    before = sorted(safe.rglob("*"))
    for source in (safe, safe / "MTD_MSIL2A.xml", next((safe / "GRANULE").iterdir())):
        with pytest.raises(OutputError, match="write somewhere else"):
            cut_patches([source], safe / "GRANULE" / "x", PatchSettings(20, 8, 4))
    assert sorted(safe.rglob("*")) == before


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"resolution": 30}, "give 20 or 60"),
        ({"size": 7}, "multiple of 2"),
        ({"resolution": 60, "size": 32}, "multiple of 6"),
        ({"count": 0}, "1 or more"),
        ({"sigma": -1.0}, "0 to less than 50"),
        ({"sigma": 50.0}, "0 to less than 50"),
        ({"seed": -1}, "seed"),
    ],
)
def test_impossible_settings_are_refused(values: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        PatchSettings(**{"resolution": 20, "size": 32, "count": 8, **values})


def test_damaged_sets_are_named(tmp_path: Path) -> None:
    source = write(tmp_path / "L2A_a.npz", crop(16, 16))
    out = tmp_path / "out"
    cut_patches([source], out, PatchSettings(20, 8, 4))
    array = out / "L2A_a" / "x10.npy"
    array.write_bytes(array.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"x10\.npy: cannot be read"):
        _ = PatchSet(out).maps
    np.save(array, np.zeros((3, 8, 8, 4), "<i2"))
    with pytest.raises(InputError, match="the manifest tells of"):
        _ = PatchSet(out).maps
    manifest = out / "manifest.json"
    values = json.loads(manifest.read_text())
    manifest.write_text(json.dumps({**values, "format": 99}))
    with pytest.raises(InputError, match="newer version"):
        PatchSet(out)
    for text in ("{", json.dumps({**values, "format": "1"}), "[]"):
        manifest.write_text(text)
        with pytest.raises(InputError, match="damaged"):
            PatchSet(out)
    # A folder in its place stands for all that the system refuses to read.
    array.unlink()
    array.mkdir()
    manifest.write_text(json.dumps(values))
    with pytest.raises(InputError, match=r"x10\.npy: cannot be read \(Is a directory\)"):
        _ = PatchSet(out).maps
    manifest.unlink()
    manifest.mkdir()
    with pytest.raises(InputError, match=r"manifest\.json: cannot be read \(Is a directory\)"):
        PatchSet(out)
    manifest.rmdir()
    with pytest.raises(InputError, match="no such file"):
        PatchSet(tmp_path)


def naive_measured(crop: Crop, row: int, col: int, size: int) -> NDArray[np.bool_]:
    """Where the 20 m truth is measured, pixel by pixel: with more than half of all inputs'
    weight."""
    weights = np.array(degradation_taps(2))
    reach = (weights.size - 2) // 2
    out = np.zeros((size, size), np.bool_)
    for r in range(size):
        for c in range(size):
            good = bool(crop["ok20"][row + r, col + c])
            for name, (i, j) in {
                "ok10": (row + r, col + c),
                "ok20": ((row + r) // 2, (col + c) // 2),
            }.items():
                wide = np.pad(crop[name], reach, mode="symmetric")
                under = wide[2 * i : 2 * i + weights.size, 2 * j : 2 * j + weights.size]
                good &= bool((np.outer(weights, weights) * under).sum() > 0.5)
            out[r, c] = good
    return out


def masked_crop(path: Path, share: float = 0.1) -> Crop:
    """A crop that lost a share of its pixels, which hold nonsense."""
    arrays = crop(8, 9, seed=4)
    rng = np.random.default_rng(5)
    for r in (10, 20, 60):
        arrays[f"ok{r}"] = rng.random(arrays[f"b{r}"].shape[1:]) >= share
    write(path, arrays)
    return arrays


def test_what_was_not_measured_is_marked_and_kept_as_it_is(tmp_path: Path) -> None:
    """The mask of each patch is that of a naive count; values are those of the crop."""
    arrays = masked_crop(tmp_path / "L2A_a.npz")
    settings = PatchSettings(20, 8, 9, measured=0.2)
    patches = cut_patches([tmp_path / "L2A_a.npz"], tmp_path / "out", settings, WHOLE)
    [scene] = patches.scenes
    shares = []
    for index in range(scene.count):
        target = patches.read(scene, index)[-1]
        row, col = find(arrays["b20"], target)
        if row % 2 or col % 2:
            continue
        mask = patches.measured(scene, index)[..., 0]
        np.testing.assert_array_equal(mask, naive_measured(arrays, row, col, 8))
        shares.append(mask.mean())
    assert len(shares) > 1 and min(shares) >= 0.2 and max(shares) < 1


def test_crops_with_masks_lie_beside_crops_without(tmp_path: Path) -> None:
    masked_crop(tmp_path / "L2A_a.npz")
    write(tmp_path / "L2A_b.npz", crop(8, 9))
    split = CutOptions(Split(share=0))
    some = cut_patches([tmp_path], tmp_path / "some", PatchSettings(20, 8, 9, measured=0.2), split)
    assert [bool((some.maps[name]["measured"] == 1).all()) for name in ("L2A_a", "L2A_b")] == [
        False, True,
    ]  # fmt: skip
    only = CutOptions(Split(share=0), skip_unusable=True)
    whole = cut_patches([tmp_path], tmp_path / "whole", PatchSettings(20, 8, 9), only)
    assert [scene.name for scene in whole.scenes] == ["L2A_b"]
    assert whole.measured(whole.scenes[0], 0).all()


def test_gaps_of_a_crop_are_filled_and_nothing_is_learnt_there(tmp_path: Path) -> None:
    """No data, and what is too bright to be stored, takes a neighbour's value in every array."""
    arrays = {name: np.full_like(array, 3000) for name, array in crop(8, 8).items()}
    arrays["b20"][:, 4, 5] = 0
    arrays["b10"][1, 20:22, 20:23] = 65535
    write(tmp_path / "L1C_a.npz", arrays)
    settings = PatchSettings(20, 24, 1, measured=0.5)
    patches = cut_patches([tmp_path / "L1C_a.npz"], tmp_path / "out", settings)
    [scene] = patches.scenes
    for name in ("x10", "x20", "target"):
        assert (patches.maps[scene.name][name] == 3000).all()
    mask = patches.measured(scene, 0)[..., 0]
    assert not mask[4, 5] and not mask[10, 10] and mask[14:, 14:].all() and mask.mean() > 0.8


@pytest.mark.parametrize(
    ("mask", "words"),
    [
        (np.ones((24, 23), np.bool_), r"ok20 is bool of \(24, 23\)"),
        (np.ones((6, 24, 24), np.bool_), "ok20 is bool of"),
        (np.full((24, 24), np.nan), "ok20 is float64 of"),
        (np.zeros((24, 24), np.bool_), "ok20 is false everywhere"),
    ],
)
def test_masks_that_do_not_fit_are_named(tmp_path: Path, mask: NDArray[Any], words: str) -> None:
    write(tmp_path / "L2A_a.npz", crop(8, 8) | {"ok20": mask})
    with pytest.raises(InputError, match=rf"L2A_a\.npz: {words}"):
        cut_patches([tmp_path / "L2A_a.npz"], tmp_path / "out", PatchSettings(20, 8, 9))
