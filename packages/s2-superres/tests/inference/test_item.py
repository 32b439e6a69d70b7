"""A STAC item beside an output says where, when, of what and by what it was made, and no more."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s2_superres.cli.app import app
from s2_superres.errors import OutputError, ProductError
from s2_superres.inference.batch import Batch, run_batch
from s2_superres.inference.item import footprint
from s2_superres.inference.plan import Options, prepare
from s2_superres.inference.predict import predict
from s2_superres.products.openers import open_product
from s2_superres.products.sources import expand
from s2_superres.raster.grid import Grid
from s2_superres.testing.catalogues import write_item as write_product_item
from s2_superres.testing.products import landscape
from s2_superres.testing.spec import ProductSpec
from s2_superres.writers.formats import formats
from s2_superres.writers.geozarr import crs_of

pystac = pytest.importorskip("pystac")
PART = (300000.0, 6198840.0, 301200.0, 6200040.0)


@pytest.fixture(scope="module")
def plain(tiny: dict[int, str]) -> Options:
    return Options(weights=dict(tiny), precision="float32", bands="B05,B01", bounds=PART, stac=True)


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.parametrize("name", sorted(formats()))
def test_pystac_finds_the_output_by_the_item(
    name: str, l1c: Path, plain: Options, tmp_path: Path
) -> None:
    """Whatever the format, by a link relative to the item; valid by the schemas of STAC 1.1."""
    path = tmp_path / f"out{formats()[name].suffixes[0]}"
    predict(l1c, path, replace(plain, format=name))
    item = pystac.Item.from_file(str(tmp_path / "out.json"))
    asset = item.assets["data"]
    assert Path(asset.get_absolute_href()) == path and asset.href == f"./{path.name}"
    assert asset.media_type == formats()[name].media_type
    assert item.id == "out" and item.datetime == datetime(2023, 6, 15, 10, 20, 21, tzinfo=UTC)
    if path.is_file():
        assert asset.extra_fields["file:size"] == path.stat().st_size
    [origin] = item.get_links("derived_from")
    assert (tmp_path / origin.href).resolve() == l1c.resolve()
    assert str(tmp_path) not in (tmp_path / "out.json").read_text()


@pytest.mark.skipif(pystac.get_stac_version() < "1.1.0", reason="pystac has no schema of 1.1")
def test_the_core_schema_admits_it(l1c: Path, plain: Options, tmp_path: Path) -> None:
    """That of STAC 1.1, which pystac carries along; those of extensions are on the network."""
    pytest.importorskip("jsonschema")
    for values in ("dn", "reflectance"):
        predict(l1c, tmp_path / f"{values}.tif", replace(plain, values=values))
        item = read(tmp_path / f"{values}.json")
        pystac.Item.from_dict({**item, "stac_extensions": []}).validate()


NAME = re.compile(r"[a-zA-Z][\w.\-\s]+[a-zA-Z0-9]")
NUMBER = (int, float)
#: What the schemas of the extensions admit, by their text: all else with their prefixes is refused.
ADMITTED: dict[str, Callable[[Any], bool]] = {
    "proj:code": lambda value: value is None or isinstance(value, str),
    "proj:wkt2": lambda value: isinstance(value, str),
    "proj:shape": lambda value: len(value) == 2 and all(type(side) is int for side in value),
    "proj:transform": lambda value: len(value) in (6, 9),
    "proj:bbox": lambda value: len(value) in (4, 6),
    "eo:common_name": lambda value: value in (
        "coastal", "blue", "green", "red", "rededge071", "rededge075", "rededge078", "nir",
        "nir08", "nir09", "swir16", "swir22",
    ),
    "eo:center_wavelength": lambda value: isinstance(value, NUMBER) and 0.4 < value < 2.3,
    "raster:scale": lambda value: isinstance(value, NUMBER),
    "raster:offset": lambda value: isinstance(value, NUMBER),
    "raster:spatial_resolution": lambda value: isinstance(value, NUMBER),
    "processing:software": lambda value: all(isinstance(one, str) for one in value.values()),
    "processing:level": lambda value: value in ("L1C", "L2A"),
    "processing:lineage": lambda value: isinstance(value, str),
    "file:size": lambda value: type(value) is int and value >= 0,
    "file:checksum": lambda value: bool(re.fullmatch("[a-f0-9]+", value)),
    "classification:classes": lambda value: all(
        type(one["value"]) is int and re.fullmatch(r"[0-9A-Za-z\-_]+", one["name"])
        for one in value
    ),
    "mlm:name": lambda value: bool(NAME.fullmatch(value)),
    "mlm:architecture": lambda value: isinstance(value, str),
    "mlm:framework": lambda value: value == "Keras",
    "mlm:tasks": lambda value: value == ["super-resolution"],
    "mlm:input": lambda value: all(
        {"name", "bands", "input"} <= set(one) and structured(one["input"]) for one in value
    ),
    "mlm:output": lambda value: all(
        {"name", "tasks", "result"} <= set(one) and structured(one["result"]) for one in value
    ),
    "mlm:artifact_type": lambda value: isinstance(value, str) and bool(value),
}  # fmt: skip


def structured(value: dict[str, Any]) -> bool:
    names = all(re.fullmatch("[a-z-_]+", name) for name in value["dim_order"])
    sizes = all(type(size) is int for size in value["shape"])
    return names and sizes and value["data_type"] == "float32"


def told(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with a prefix, however deep."""
    for key, one in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(key, str) and ":" in key:
            yield key, one
        if isinstance(one, dict | list):
            yield from told(one)


@pytest.mark.parametrize("network", ["weights", "none"])
def test_extensions_admit_what_is_told_and_are_named(
    plain: Options, tmp_path: Path, network: str
) -> None:
    """Each field has a value that its extension admits; each extension is declared, and used."""
    spec = ProductSpec("L2A", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300))
    source = write_product_item(tmp_path, spec, landscape, "earthsearch-c1")
    options = replace(plain, include_10m=True, masks="scl")
    if network == "none":
        options = replace(options, network="none", weights=None)
    predict(source, tmp_path / "o.tif", options)
    item = read(tmp_path / "o.json")
    found = [(key, one) for key, one in told(item) if not key.startswith("s2_superres:")]
    for key, one in found:
        assert ADMITTED[key](one), (key, one)
    prefixes = {"projection": "proj"}
    declared = [uri.split("/")[3] for uri in item["stac_extensions"]]
    assert {prefixes.get(one, one) for one in declared} == {key.split(":")[0] for key, _ in found}
    assert len(set(declared)) == len(declared)
    # Of mlm, what describes the model stands with the item, and its files say what they are.
    model = {key for key in item["properties"] if key.startswith("mlm:")}
    if network == "none":
        assert not model
        return
    assert model >= {f"mlm:{one}" for one in ("name", "architecture", "tasks", "input", "output")}
    assert "mlm:artifact_type" not in model
    assets = list(item["assets"].values())
    assert sum("mlm:model" in one["roles"] for one in assets) == 2
    for asset in assets:
        of_model = {key for key in asset if key.startswith("mlm:")}
        assert of_model == ({"mlm:artifact_type"} if "mlm:model" in asset["roles"] else set())


def test_it_says_what_the_file_says(l2a: Path, plain: Options, tmp_path: Path) -> None:
    """Grid, bands, scales and no data are those that rasterio reads."""
    options = replace(plain, include_10m=True, values="harmonised")
    predict(l2a, tmp_path / "out.tif", options)
    item = read(tmp_path / "out.json")
    told = item["properties"]
    with rasterio.open(tmp_path / "out.tif") as dataset:
        assert told["proj:code"] == f"EPSG:{dataset.crs.to_epsg()}"
        assert told["proj:shape"] == list(dataset.shape)
        assert told["proj:transform"] == list(dataset.transform)[:6]
        assert told["proj:bbox"] == list(dataset.bounds)
        bands = item["assets"]["data"]["bands"]
        assert [band["name"] for band in bands] == list(dataset.descriptions)
        assert [band["raster:scale"] for band in bands] == list(dataset.scales)
        assert [band["raster:offset"] for band in bands] == list(dataset.offsets)
        assert {(band["data_type"], band["nodata"]) for band in bands} == {("uint16", 0)}
        for number, band in enumerate(bands, 1):
            micrometres = float(dataset.tags(number)["wavelength"]) / 1000
            assert band["eo:center_wavelength"] == pytest.approx(micrometres)
        assert told["s2_superres:values"] == dataset.tags()["VALUES"]
        west, south, east, north = item["bbox"]
        around = rasterio.warp.transform_bounds(dataset.crs, "EPSG:4326", *dataset.bounds)
    assert (west, south, east, north) == pytest.approx(around, abs=1e-5)
    assert told["platform"] == "sentinel-2a" and told["gsd"] == 10
    assert told["processing:level"] == "L2A"


def test_weights_are_named_by_their_hash(
    l1c: Path, plain: Options, tiny: dict[int, str], tmp_path: Path
) -> None:
    """As checksum, and as a name that holds wherever the file lies."""
    predict(l1c, tmp_path / "out.tif", plain)
    item = read(tmp_path / "out.json")
    for resolution, file in tiny.items():
        digest = hashlib.sha256(Path(file).read_bytes())
        asset = item["assets"][f"weights_{resolution}m"]
        assert asset["file:checksum"] == f"1220{digest.hexdigest()}"
        name = asset["href"].removeprefix("ni:///sha-256;")
        assert base64.urlsafe_b64decode(f"{name}=") == digest.digest()
        assert asset["roles"] == ["mlm:model", "mlm:weights"]
    told = item["properties"]
    assert told["mlm:tasks"] == ["super-resolution"] and len(told["mlm:input"]) == 2
    named = {band["name"] for band in told["bands"]}
    assert all(named >= set(one["bands"]) for one in told["mlm:input"])
    predict(l1c, tmp_path / "none.tif", replace(plain, weights=None, network="none", bands="B05"))
    without = (tmp_path / "none.json").read_text()
    assert "mlm" not in without and list(json.loads(without)["assets"]) == ["data"]


def test_reflectance_and_classes_are_described(tmp_path: Path, plain: Options) -> None:
    """No data is NaN, which JSON writes as a word; the meaning of classes is told."""
    spec = ProductSpec("L2A", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300))
    source = write_product_item(tmp_path, spec, landscape, "earthsearch-c1")
    predict(source, tmp_path / "out.tif", replace(plain, values="reflectance", masks="scl"))
    item = read(tmp_path / "out.json")
    bands = item["assets"]["data"]["bands"]
    assert {(band["data_type"], band["nodata"]) for band in bands} == {("float32", "nan")}
    assert {"value": 6, "name": "water", "description": "water"} in bands[-1][
        "classification:classes"
    ]
    assert any("classification" in one for one in item["stac_extensions"])
    assert item["links"][0]["href"] == f"./{source.name}"


def test_an_output_is_not_taken_for_a_product(l1c: Path, plain: Options, tmp_path: Path) -> None:
    """Its bands at 10 m would be read as if they had been measured."""
    predict(l1c, tmp_path / "out.tif", replace(plain, bands="B05"))
    for source in (tmp_path / "out.json", pystac.Item.from_file(str(tmp_path / "out.json"))):
        with pytest.raises(ProductError, match="an output of s2-superres"):
            open_product(source)


def test_it_replaces_nothing_but_an_older_one(l1c: Path, plain: Options, tmp_path: Path) -> None:
    """Not unasked, and a catalogue's own item never."""
    output, item = tmp_path / "out.tif", tmp_path / "out.json"
    predict(l1c, output, plain)
    output.unlink()
    with pytest.raises(OutputError, match=r"out\.json: exists already"):
        predict(l1c, output, plain)
    assert [path.name for path in tmp_path.iterdir()] == ["out.json"]
    predict(l1c, output, replace(plain, overwrite=True))
    item.write_text('{"type": "Feature", "stac_version": "1.0.0"}')
    with pytest.raises(OutputError, match=r"out\.json: is there and is not a STAC item that"):
        predict(l1c, output, replace(plain, overwrite=True))
    assert "Feature" in item.read_text()


def test_it_goes_where_it_is_told(l1c: Path, plain: Options, tmp_path: Path) -> None:
    (tmp_path / "items").mkdir()
    predict(l1c, tmp_path / "out.tif", replace(plain, stac=tmp_path / "items" / "o.json"))
    item = pystac.Item.from_file(str(tmp_path / "items" / "o.json"))
    assert Path(item.assets["data"].get_absolute_href()) == tmp_path / "out.tif"


def test_a_product_without_a_time_has_no_item(l1c: Path, plain: Options, tmp_path: Path) -> None:
    """STAC asks for one; said before the work starts."""
    product = replace(open_product(l1c), acquired=None)
    with pytest.raises(OutputError, match=r"nothing tells when .* was acquired"):
        predict(prepare(product, plain), tmp_path / "out.tif")
    assert not list(tmp_path.iterdir())


def test_batches_write_items_and_those_that_lack(l1c: Path, plain: Options, tmp_path: Path) -> None:
    """A second run with --stac adds them to what is finished, without making it again."""
    for stac in (False, True):
        batch = Batch(tuple(expand([str(l1c)])), tmp_path, replace(plain, stac=stac))
        [outcome] = run_batch(batch)
        items = list(tmp_path.glob("*_10m.json"))
        assert (outcome.status, len(items)) == (("done", 0), ("skipped", 1))[stac]


def test_the_command_writes_it_and_says_where(
    l1c: Path, tiny: dict[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its summary, for people and as JSON."""
    command = ["predict", str(l1c), str(tmp_path / "o.tif"), "--bands", "B05", "--weights",
               tiny[20], "--bounds", ",".join(map(str, PART)), "--stac", "--overwrite"]  # fmt: skip
    app(command, standalone_mode=False)
    assert read(tmp_path / "o.json")["assets"]["data"]["href"] == "./o.tif"
    assert f"\nitem      {tmp_path / 'o.json'}\n" in capsys.readouterr().out
    app([*command, "--json"], standalone_mode=False)
    assert json.loads(capsys.readouterr().out)["item"] == str(tmp_path / "o.json")


@settings(deadline=None, max_examples=30)
@example(zone=1, south=True, left=416, top=624, side=31)  # A corner across the antimeridian.
@given(
    zone=st.integers(1, 60),
    south=st.booleans(),
    left=st.integers(200, 700),
    top=st.integers(300, 8500),
    side=st.integers(1, 1830),
)
def test_the_bounds_hold_the_ground(zone: int, south: bool, left: int, top: int, side: int) -> None:
    """Of any tile: its middle lies within, and the box is not much larger than the tile."""
    # UTM ends at 80 degrees south, where northings are 1117 km: nearer to the pole a tile is as
    # wide as the world.
    top_metres = top * 1000.0 + (1e6 if south else 0.0)
    grid = Grid(f"EPSG:{(32700 if south else 32600) + zone}",
                left * 1000.0, top_metres, side * 6, side * 6)  # fmt: skip
    geometry, (west, low, east, high) = footprint(grid)
    x0, y0, x1, y1 = grid.bounds
    lon, lat = rasterio.warp.transform(grid.crs, "EPSG:4326", [(x0 + x1) / 2], [(y0 + y1) / 2])
    assert low <= lat[0] <= high and -90 <= low < high <= 90
    inside = west <= lon[0] <= east if west <= east else lon[0] >= west or lon[0] <= east
    assert inside
    width = (east - west) % 360
    metres = np.radians(width) * 6.378e6 * np.cos(np.radians(max(abs(low), abs(high))))
    assert metres < 1.5 * (x1 - x0) + 1000
    assert geometry["type"] == ("MultiPolygon" if west > east else "Polygon")


def test_a_crs_is_told_by_its_code_and_in_words_of_the_second_kind() -> None:
    """Without a remark on the terminal, which fails here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        code, wkt = crs_of(Grid("EPSG:32633", 0.0, 60.0, 6, 6))
    assert code == "EPSG:32633" and wkt.startswith("PROJCRS[")


def test_an_outline_across_the_antimeridian_is_in_two_parts() -> None:
    """West is east of east, as RFC 7946 has it."""
    geometry, (west, south, east, north) = footprint(
        Grid("EPSG:32701", 100000.0, 8100040.0, 10980, 10980)
    )
    assert geometry["type"] == "MultiPolygon" and len(geometry["coordinates"]) == 2
    assert 179 < west < 180 and -180 < east < -179 and -19 < south < north < -17
