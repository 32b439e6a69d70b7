"""An output is what a run would write if it says so itself, and not because it is there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s2_superres.inference.finished import difference
from s2_superres.inference.plan import Options, prepare
from s2_superres.inference.predict import predict
from s2_superres.writers.formats import formats

PLAIN = Options(network="none", bands="B05,B11", precision="float32")


@pytest.fixture(scope="module")
def output(l1c: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("finished") / "o.tif"
    predict(l1c, path, PLAIN)
    return path


def test_it_is_what_the_same_run_writes(l1c: Path, output: Path) -> None:
    """Whatever does not change the pixels: tile, threads, and either precision under auto."""
    for options in (
        PLAIN,
        replace(PLAIN, tile=480, overwrite=True),
        replace(PLAIN, precision="auto"),
        replace(PLAIN, weights="none", network="default"),
    ):
        assert not difference(prepare(l1c, options), output), options
    assert difference(prepare(l1c, PLAIN), output.with_name("other.tif"))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"bands": "B05"}, "its bands are B05 B11"),
        ({"bands": "B11,B05", "include_10m": True}, "its bands"),
        ({"consistent": False}, "CONSISTENT is yes, and no"),
        ({"precision": "bfloat16"}, "PRECISION is float32"),
        ({"network": "dsen2"}, "NETWORK_20M is none"),
        ({"bounds": (300000, 6198000, 301200, 6199200)}, "another area"),
        ({"format": "gtiff"}, "FORMAT is cog"),
        ({"creation_options": {"COMPRESS": "ZSTD"}}, "CREATION_OPTIONS is none"),
    ],
)
def test_an_option_that_changes_it_is_told(
    l1c: Path, output: Path, change: dict[str, Any], says: str
) -> None:
    run = prepare(l1c, replace(PLAIN, **change))
    assert says in difference(run, output)
    assert difference(run, output)


def test_another_product_is_told(l2a: Path, output: Path) -> None:
    assert "PRODUCT_ID is" in difference(prepare(l2a, PLAIN), output)


def test_polygons_are_told(l1c: Path, output: Path, tmp_path: Path) -> None:
    """Of two masks over one area each is another output."""
    files = []
    for name, bite in (("a", 100), ("b", 200)):
        ring = [[300000, 6200040], [303000, 6200040], [303000, 6197640], [300000, 6197640],
                [300000, 6199000], [300000 + bite, 6199000], [300000, 6200040]]  # fmt: skip
        shape = {"type": "Polygon", "coordinates": [ring]}
        feature = {"type": "Feature", "properties": {}, "geometry": shape}
        crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::32633"}}
        file = tmp_path / f"{name}.geojson"
        file.write_text(
            json.dumps({"type": "FeatureCollection", "crs": crs, "features": [feature]})
        )
        files.append(file)
    first, second = (prepare(l1c, replace(PLAIN, aoi=f, mask_outside=True)) for f in files)
    assert "MASK_OUTSIDE is no" in difference(first, output)
    predict(first, tmp_path / "o.tif")
    assert not difference(first, tmp_path / "o.tif")
    assert "MASK_OUTSIDE" in difference(second, tmp_path / "o.tif")


def test_what_is_damaged_or_foreign_is_not_finished(
    l1c: Path, output: Path, tmp_path: Path
) -> None:
    """Cut off by the last bytes, empty, of another program, or no file at all."""
    run = prepare(l1c, PLAIN)
    cut, empty, foreign = tmp_path / "cut.tif", tmp_path / "empty.tif", tmp_path / "foreign.tif"
    cut.write_bytes(output.read_bytes()[:-200])
    empty.touch()
    with rasterio.open(
        foreign, "w", driver="GTiff", width=9, height=9, count=2, dtype="uint8"
    ) as f:
        f.write(np.ones((2, 9, 9), np.uint8))
    for path in (cut, empty, foreign, tmp_path):
        assert difference(run, path), path


def test_scales_and_offsets_are_compared(l1c: Path, output: Path, tmp_path: Path) -> None:
    """The pixels mean something else under another offset."""
    changed = tmp_path / "o.tif"
    shutil.copy(output, changed)
    with rasterio.open(changed, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as dataset:
        dataset.offsets = (0.0, 0.0)
    assert "another scale, offset" in difference(prepare(l1c, PLAIN), changed)


@pytest.mark.parametrize("name", sorted(formats()))
def test_every_format_tells_what_it_was_made_of(l1c: Path, tmp_path: Path, name: str) -> None:
    """So that a second run can skip it."""
    options = replace(PLAIN, format=name, creation_options={})
    path = tmp_path / f"o{formats()[name].suffixes[0]}"
    run = prepare(l1c, options)
    predict(run, path)
    assert difference(run, path) == ""
