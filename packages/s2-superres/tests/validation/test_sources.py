"""Of many sources what cannot be scored is told, and the rest is scored as one by one."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.errors import InputError
from s2_superres.inference.pool import Share
from s2_superres.products.sources import expand
from s2_superres.testing.products import landscape
from s2_superres.validation import batch, read_scenes, validate
from s2_superres.validation.batch import Scored, Task, score, validate_sources
from s2_superres.validation.methods import Method
from s2_superres.validation.results import Validation

BICUBIC = [Method("bicubic")]


@pytest.fixture
def crops(tmp_path: Path) -> Path:
    """Three crops, and what is none."""
    folder = tmp_path / "crops"
    folder.mkdir()
    values: dict[str, Any] = {
        f"b{bands[0].resolution}": np.stack(
            [landscape(b, 1440 // b.resolution, 1080 // b.resolution) for b in bands]
        ).astype(np.uint16)
        for bands in (BANDS_10M, BANDS_20M, BANDS_60M)
    }
    for name in ("L1C_a", "L1C_b", "L2A_c"):
        np.savez(folder / f"{name}.npz", **values)
    (folder / "index.csv").write_text("file,place\n")
    return folder


def listed(source: object, **more: bool) -> list[Any]:
    return expand(source, also=(".npz",), **more)


def rmse(found: Validation) -> list[tuple[str, int, float]]:
    return [
        (c.scene, c.resolution, score.overall["rmse"])
        for c in found.comparisons
        for score in c.scores
    ]


def test_a_folder_is_scored_as_its_files(crops: Path) -> None:
    """In the order of their names; by processes too."""
    expected = rmse(validate(read_scenes(sorted(crops.glob("*.npz"))), BICUBIC))
    assert len(expected) == 6
    for jobs in (1, 2):
        found = validate_sources(listed(crops), BICUBIC, jobs=jobs)
        assert rmse(found) == expected and found.failed == ()
    pattern = validate_sources(listed(f"{crops}/L1C_*.npz"), BICUBIC)
    assert rmse(pattern) == expected[:4]


def test_what_is_broken_is_told_and_the_rest_scored(crops: Path, tmp_path: Path) -> None:
    """Cut off, not there, of a name that another has: in notes, `failed` and the ledger."""
    (crops / "L1C_b.npz").write_bytes((crops / "L1C_b.npz").read_bytes()[:1000])
    other = tmp_path / "other"
    other.mkdir()
    (other / "L1C_a.npz").write_bytes((crops / "L1C_a.npz").read_bytes())
    ledger = tmp_path / "l.jsonl"
    sources = listed([crops, tmp_path / "gone.npz", other / "L1C_a.npz"])
    found = validate_sources(sources, BICUBIC, ledger=ledger)
    assert [scene["name"] for scene in found.scenes] == ["L1C_a", "L2A_c"]
    assert [Path(failure.source).name for failure in found.failed] == [
        "L1C_b.npz", "gone.npz", "L1C_a.npz",
    ]  # fmt: skip
    assert "a second scene named L1C_a" in str(found.failed[2])
    document = found.to_dict()
    assert [failure["source"] for failure in document["failed"]] == [f.source for f in found.failed]
    assert sum(note.startswith("left out: ") for note in document["notes"]) == 3
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    assert [line["status"] for line in lines] == ["done", "failed", "done", "failed", "failed"]
    assert lines[0]["product"] == "L1C_a" and 0 < lines[0]["valid_share"] <= 1
    with pytest.raises(InputError, match=r"L1C_b\.npz: .*; .*gone\.npz"):
        validate_sources([sources[1], sources[3]], BICUBIC)


def kill_or_score(task: Task, share: Share) -> Scored:
    if "L1C_b" in task.listed.label:
        os.kill(os.getpid(), signal.SIGKILL)
    return score(task, share)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_process_that_is_killed_costs_its_source(
    crops: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "score", kill_or_score)
    found = validate_sources(listed(crops), BICUBIC, jobs=2)
    assert [scene["name"] for scene in found.scenes] == ["L1C_a", "L2A_c"]
    assert "killed by SIGKILL" in found.failed[0].error


def test_the_command_exits_with_1_and_prints_the_table(crops: Path, tmp_path: Path) -> None:
    """All that could be scored, in the JSON too."""
    from typer.testing import CliRunner

    from s2_superres.cli.app import app

    (crops / "L1C_b.npz").write_bytes(b"PK")
    scores = tmp_path / "s.json"
    options = ["--network", "none", "--resolution", "20", "--no-full-scale", "--json", str(scores)]
    result = CliRunner().invoke(app, ["validate", str(crops), *options])
    assert result.exit_code == 1
    assert "L2A_c" in result.stdout and "error: " in result.output
    document = json.loads(scores.read_text())
    assert len(document["scenes"]) == 2 and len(document["failed"]) == 1


def test_items_of_a_collection_are_sources(tmp_path: Path) -> None:
    """As plain values, which cross to other processes."""
    from s2_superres.raster.grid import Grid
    from s2_superres.testing.catalogues import write_item
    from s2_superres.testing.spec import ProductSpec

    spec = ProductSpec("L2A", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 144, 144))
    item = json.loads(write_item(tmp_path, spec, landscape, "earthsearch-c1").read_text())
    path = tmp_path / "items.json"
    item["links"] = []
    path.write_text(json.dumps({"features": [item, replace_id(item, "gone")]}))
    found = validate_sources(listed(path), BICUBIC)
    assert len(found.scenes) == 1 and found.failed[0].source == "gone"


def replace_id(item: dict[str, Any], name: str) -> dict[str, Any]:
    """Another item, whose files are not there."""
    assets = {key: {**asset, "href": f"gone/{key}.tif"} for key, asset in item["assets"].items()}
    properties = {k: v for k, v in item["properties"].items() if k != "s2:product_uri"}
    return {**item, "id": name, "assets": assets, "properties": properties}
