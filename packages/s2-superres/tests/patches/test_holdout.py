"""One place alone still has a part for validation, of which training sees no pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.errors import TrainingError
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.holdout import hold_out
from s2_superres.patches.patchset import PatchSettings
from s2_superres.patches.scenes import ProductScene
from s2_superres.patches.split import Split
from s2_superres.products.openers import open_product
from s2_superres.training.config import TrainingConfig
from s2_superres.training.run import open_sets


def crop(path: Path, rows: int, cols: int) -> Path:
    """A crop whose 20 m pixels tell their row."""
    row = np.arange(1, rows + 1, dtype=np.uint16)[:, None]
    b20 = np.broadcast_to(row, (6, rows, cols))
    b10 = np.broadcast_to(row.repeat(2, axis=0), (4, 2 * rows, 2 * cols))
    np.savez(path, b10=b10, b20=b20)
    return path


def test_no_row_is_on_both_sides(tmp_path: Path) -> None:
    """Neither in the truth nor in what the inputs were degraded of."""
    source, said = crop(tmp_path / "L2A_hill.npz", 120, 48), list[str]()
    patches = cut_patches([source], tmp_path / "out", PatchSettings(20, 8, 60), warn=said.append)
    sides = {scene.split: scene for scene in patches.scenes}
    assert sides.keys() == {"train", "validation"}
    assert sides["train"].place == "hill" and sides["validation"].place == "hill (held out)"
    rows = {side: patches.maps[scene.name] for side, scene in sides.items()}
    assert rows["train"]["target"].max() <= 90 < rows["validation"]["target"].min()
    for name in ("x10", "x20"):
        assert rows["train"][name].max() <= 90 < rows["validation"][name].min()
    [line] = said
    assert line.startswith("hill is the only place: the last 30 of 120 rows are kept for valid")
    assert line.endswith("; other places, or --validation-share 0, leave it whole")


def test_all_scenes_of_the_only_place_are_divided(tmp_path: Path) -> None:
    """Two dates of a place: its lower part is learnt from in neither."""
    sources = [crop(tmp_path / f"{name}.npz", 80, 40) for name in ("L2A_a", "L2A_b")]
    lines = ["file,place", "L2A_a.npz,hill", "L2A_b.npz,hill"]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    patches = cut_patches(sources, tmp_path / "out", PatchSettings(20, 8, 20))
    assert sorted((scene.name, scene.split) for scene in patches.scenes) == [
        ("L2A_a", "train"), ("L2A_a_held_out", "validation"),
        ("L2A_b", "train"), ("L2A_b_held_out", "validation"),
    ]  # fmt: skip


@pytest.mark.parametrize("share", [0.0, 0.25])
def test_a_place_stays_whole_where_that_is_asked_for_or_needed(
    tmp_path: Path, share: float
) -> None:
    """And what has no room for two parts is told of."""
    source, said = crop(tmp_path / "L2A_hill.npz", 120 if share == 0 else 15, 48), list[str]()
    patches = cut_patches(
        [source], tmp_path / "out", PatchSettings(20, 8, 20), CutOptions(Split(share=share)),
        warn=said.append,
    )  # fmt: skip
    assert [scene.split for scene in patches.scenes] == ["train"]
    assert len(said) == (0 if share == 0 else 1)
    assert all("too small" in line and "last.npz" in line for line in said)


def test_a_part_without_data_is_left_out_with_a_line(tmp_path: Path) -> None:
    """As at the edge of a swath."""
    source = crop(tmp_path / "L2A_hill.npz", 120, 48)
    with np.load(source) as found:
        arrays = {name: found[name].copy() for name in found}
    arrays["b10"][:, 160:] = 0
    np.savez(source, **arrays)  # type: ignore[arg-type]
    said: list[str] = []
    patches = cut_patches([source], tmp_path / "out", PatchSettings(20, 8, 20), warn=said.append)
    assert [scene.split for scene in patches.scenes] == ["train"]
    assert "left out" in said[-1] and "no patch" in said[-1]


@given(
    st.integers(1, 90),
    st.floats(0.01, 1.0),
    st.sampled_from([(20, 8), (20, 32), (60, 12), (60, 36)]),
)
def test_parts_cover_a_scene_once_and_hold_a_patch_each(
    tmp_path_factory: pytest.TempPathFactory, sixties: int, share: float, kind: tuple[int, int]
) -> None:
    """Whatever the sizes and the share."""
    resolution, size = kind
    path = tmp_path_factory.mktemp("crops") / "L2A_a.npz"
    shapes = {"b10": (4, sixties * 6, 6), "b20": (6, sixties * 3, 3), "b60": (2, sixties, 1)}
    np.savez(path, **{name: np.ones(shape, np.uint16) for name, shape in shapes.items()})  # type: ignore[arg-type]
    scene = ProductScene(open_product(path), resolution)
    parts = hold_out([scene], share, PatchSettings(resolution, size, 5))
    rows = [part.facts.shape[0] for part in parts]
    assert sum(rows) == scene.facts.shape[0]
    if len(parts) == 2:
        assert min(rows) >= size and rows[0] % (resolution // 10) == 0
    else:
        assert scene.facts.shape[0] < 2 * size + resolution // 10


def test_no_folder_trains_on_what_another_holds_out(tmp_path: Path) -> None:
    """A place cut alone, and the same place among others."""
    hill, lake = (crop(tmp_path / f"L2A_{name}.npz", 80, 40) for name in ("hill", "lake"))
    settings = PatchSettings(20, 8, 4)
    cut_patches([hill], tmp_path / "alone", settings)
    cut_patches([hill, lake], tmp_path / "both", settings, CutOptions(Split(("lake",))))
    config = TrainingConfig(data=(str(tmp_path / "alone"), str(tmp_path / "both")))
    with pytest.raises(TrainingError, match="both: hill is whole here, and a part"):
        open_sets(config)
    assert open_sets(config.change({"data": [str(tmp_path / "alone")] * 2}))
