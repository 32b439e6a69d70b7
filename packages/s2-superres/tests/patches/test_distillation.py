"""Patches whose truth is what trained networks make of scenes as they were measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from s2_superres import superresolve
from s2_superres.cli.app import app
from s2_superres.errors import InputError, WeightsError
from s2_superres.networks.shipped import SHIPPED
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.patchset import PatchSet, PatchSettings
from s2_superres.patches.split import Split

pytest.importorskip("keras")

ALL = Split(share=0)


def crop(rows: int, cols: int, seed: int = 0) -> dict[str, NDArray[np.uint16]]:
    """Random digital numbers on the three grids; sizes in 60 m pixels."""
    rng = np.random.default_rng(seed)
    return {
        "b10": rng.integers(500, 3000, (4, rows * 6, cols * 6), np.uint16),
        "b20": rng.integers(500, 3000, (6, rows * 3, cols * 3), np.uint16),
        "b60": rng.integers(500, 3000, (2, rows, cols), np.uint16),
    }


def write(path: Path, arrays: dict[str, NDArray[np.uint16]]) -> Path:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    return path


def places(patches: PatchSet, guide: NDArray[np.uint16]) -> list[tuple[int, int]]:
    """Return where in a scene each patch of its 10 m bands lies; random pixels tell."""
    scene, size = patches.scenes[0], patches.settings.size
    windows = np.lib.stride_tricks.sliding_window_view(guide[0], (2, 2))
    found = []
    for index in range(scene.count):
        x10 = patches.read(scene, index)[0]
        hits = np.argwhere((windows == x10[:2, :2, 0]).all(axis=(2, 3)))
        (row, col), *others = [
            (r, c) for r, c in hits if (guide[0, r : r + size, c : c + size] == x10[..., 0]).all()
        ]
        assert not others
        found.append((int(row), int(col)))
    return found


@pytest.mark.parametrize("resolution", [20, 60])
def test_truth_is_the_mean_over_turned_and_mirrored_scenes(
    resolution: int, tiny: dict[int, str], tmp_path: Path
) -> None:
    """Whatever strips the scene was sharpened in, and at its own resolution."""
    arrays = crop(22, 9)
    path = write(tmp_path / "L2A_t.npz", arrays)
    settings = PatchSettings(resolution, 12, 40)
    # A family's name and a file, whose random filters make each orientation another.
    names = ("compact", tiny[20]) if resolution == 20 else (tiny[60],)
    patches = cut_patches([path], tmp_path / "out", settings, CutOptions(ALL, teachers=names))

    total: Any = np.float32(0)
    count = 0
    seen = ("b10", "b20") if resolution == 20 else ("b10", "b20", "b60")
    for name in names:
        teacher: dict[str, Any] = {"network": name}
        if name != "compact":
            teacher = {"weights": {r: tiny[r] for r in (20, resolution)}}
        for turns in range(4):
            for step in (1, -1):
                turned = (np.rot90(arrays[k][..., ::step], turns, (1, 2)) for k in seen)
                made = superresolve(*turned, level="L2A", **teacher)
                bands = made.b20 if resolution == 20 else made.b60
                assert bands is not None
                total = total + np.rot90(bands, -turns, (1, 2))[..., ::step]
                count += 1
    truth = total / count
    found = places(patches, arrays["b10"])
    assert len(set(found)) > 8 and max(row for row, _ in found) > 8 * 12
    for index, (row, col) in enumerate(found):
        *inputs, target = patches.read(patches.scenes[0], index)
        for k, image in zip((1, 2, 6), inputs, strict=False):
            part = arrays[f"b{k}0"][:, row // k : (row + 12) // k, col // k : (col + 12) // k]
            assert (np.moveaxis(image, -1, 0) == part).all()
        part = truth[:, row : row + 12, col : col + 12]
        # bfloat16 rounds otherwise where a window begins elsewhere.
        assert np.abs(np.moveaxis(target, -1, 0) - part).max() <= 3


def test_nothing_is_cut_of_gaps_clouds_and_places_for_validation(tmp_path: Path) -> None:
    one, two = crop(10, 10), crop(10, 10, 1)
    one["b20"][2, 10:14, 10:14] = 0
    sources = [write(tmp_path / "L2A_a.npz", one), write(tmp_path / "L2A_b.npz", two)]
    options = CutOptions(Split(("b",), 0), teachers=("none",))
    patches = cut_patches(sources, tmp_path / "out", PatchSettings(20, 12, 50), options)
    assert [scene.name for scene in patches.scenes] == ["L2A_a"]
    for row, col in places(patches, one["b10"]):
        assert not (20 - 12 < row < 28 and 20 - 12 < col < 28)
    with pytest.raises(InputError, match="no cloud mask"):
        cut_patches(sources, tmp_path / "no", PatchSettings(20, 12, 5, skip_clouds=True), options)


def test_teachers_need_10m_bands_and_weights_of_the_resolution(tmp_path: Path) -> None:
    hr = np.full((9, 48, 48), 2000, np.uint16)
    scl = np.full((48, 48), 4, np.uint8)
    arrays: dict[str, Any] = {"hr": hr, "lr": hr[:2], "scl": scl}
    at_60m = write(tmp_path / "L2A_t.npz", arrays)
    for resolution in (20, 60):
        with pytest.raises(InputError, match=r"L2A_t\.npz: holds no bands at 10 m"):
            cut_patches(
                [at_60m],
                tmp_path / "out",
                PatchSettings(resolution, 12, 5),
                CutOptions(ALL, teachers=("none",)),
            )
    with pytest.raises(WeightsError, match="sharpens 60 m bands"):
        cut_patches(
            [write(tmp_path / "L2A_a.npz", crop(8, 8))],
            tmp_path / "out",
            PatchSettings(20, 12, 5),
            CutOptions(ALL, teachers=(str(SHIPPED / "compact_60m.npz"),)),
        )


def test_the_command_cuts_and_trains_on_taught_patches(tmp_path: Path) -> None:
    write(tmp_path / "L2A_a.npz", crop(10, 10))
    source, out = str(tmp_path / "L2A_a.npz"), str(tmp_path / "P")
    run = CliRunner().invoke(
        app,
        ["patches", source, "--out", out, "--size", "24", "--teacher", "none", "--validation-share",
         "0"],
    )  # fmt: skip
    assert run.exit_code == 0, run.output
    assert PatchSet(out).settings.teachers == "none"
    again = ["patches", source, "--out", out, "--size", "24", "--teacher", "none"]
    run = CliRunner().invoke(app, [*again, "--sigma", "0.5", "--overwrite"])
    assert run.exit_code == 2 and "--sigma" in run.output
    run = CliRunner().invoke(
        app,
        ["train", "--data", out, "--out", str(tmp_path / "run"), "--steps", "2", "--batch", "2"],
    )
    assert run.exit_code == 0, run.output
    assert (tmp_path / "run" / "last.npz").is_file()
