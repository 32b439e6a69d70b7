"""Folders, patterns, lists and collections stand for the products that people mean."""

from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.errors import InputError, ProductError
from s2_superres.products.openers import open_product
from s2_superres.products.sources import Listed, expand, is_several
from s2_superres.raster.grid import Grid
from s2_superres.testing.catalogues import write_item
from s2_superres.testing.products import landscape
from s2_superres.testing.server import serve
from s2_superres.testing.spec import ProductSpec

SPEC = ProductSpec("L2A", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 60, 60))


def product(folder: Path, name: str) -> Path:
    path = folder / f"{name}.SAFE"
    path.mkdir(parents=True)
    (path / "MTD_MSIL2A.xml").touch()
    return path


def labels(found: list[Listed]) -> list[str]:
    return [each.label for each in found]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    """Products beside what is none, and what earlier runs have left."""
    for name in ("b", "a"):
        product(tmp_path, name)
    product(tmp_path / "2024", "c")
    product(tmp_path / "2024" / "june", "d")
    (tmp_path / "z.zip").write_bytes(b"PK\3\4")
    (tmp_path / "bands.json").write_text('{"level": "L2A", "B02": "x.tif"}')
    for name in ("notes.json", "readme.md", ".hidden.zip", "a_10m.tif", "ledger.jsonl"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "a_10m.zarr").mkdir()
    (tmp_path / "a_10m.json").write_text('{"assets": {}}')
    (tmp_path / "link.SAFE").symlink_to(tmp_path / "2024" / "c.SAFE")
    (tmp_path / "broken.SAFE").symlink_to(tmp_path / "nowhere.SAFE")
    return tmp_path


def test_of_a_folder_the_products_count(archive: Path) -> None:
    """In the order of their names; outputs, notes and hidden files do not, dead links do."""
    found = [Path(label).name for label in labels(expand(archive))]
    assert found == ["2024", "a.SAFE", "b.SAFE", "bands.json", "broken.SAFE", "link.SAFE", "z.zip"]
    deep = [Path(label).name for label in labels(expand(archive, recursive=True))]
    assert deep == ["c.SAFE", "d.SAFE", "a.SAFE", "b.SAFE", "bands.json", "broken.SAFE", "z.zip"]


def test_a_product_is_itself_however_it_is_named(archive: Path) -> None:
    """Folder, metadata file, or a name that is not there, which is found out when it is opened."""
    for path in (archive / "a.SAFE", archive / "a.SAFE" / "MTD_MSIL2A.xml", archive / "no.SAFE"):
        assert [each.source for each in expand(path)] == [path]
    (archive / "plain").mkdir()
    (archive / "plain" / "MTD_MSIL2A.xml").touch()
    assert [each.source for each in expand(archive / "plain")] == [archive / "plain"]


def test_a_pattern_takes_whole_products(archive: Path) -> None:
    """``**`` meets what lies in them too, and outputs beside them."""
    found = [Path(label).name for label in labels(expand(f"{archive}/**"))]
    assert {"a.SAFE", "b.SAFE", "z.zip"} <= set(found)
    assert not any("MTD" in name or "_10m" in name for name in found)
    assert len(labels(expand(f"{archive}/[ab].SAFE"))) == 2
    with pytest.raises(ProductError, match=r"no product matches .*quote patterns"):
        expand(f"{archive}/*.SAFF")


def test_a_list_names_one_source_a_line(archive: Path) -> None:
    """With remarks, empty lines, a byte order mark, and each source once."""
    path = archive / "list.txt"
    lines = ["# mine", str(archive / "b.SAFE"), "", f"  {archive / 'a.SAFE'} ", "https://h/i.json"]
    path.write_text("\n".join([*lines, str(archive / "b.SAFE")]), encoding="utf-8-sig")
    found = labels(expand([path, archive / "a.SAFE"]))
    assert found == [str(archive / "b.SAFE"), str(archive / "a.SAFE"), "https://h/i.json"]
    path.write_text("# nothing\n")
    with pytest.raises(InputError, match="names no source"):
        expand(path)
    path.write_bytes(b"\xff\xfe\0")
    with pytest.raises(InputError, match="no text in UTF-8"):
        expand(path)


def test_a_folder_without_a_product_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(ProductError, match="holds no product"):
        expand(tmp_path)
    with pytest.raises(InputError, match="no source"):
        expand([])


def collection(folder: Path) -> Path:
    items = []
    for name, tile in (("one", "T33UUB"), ("two", "T33UVB")):
        (folder / name).mkdir()
        spec = ProductSpec("L2A", "05.11", SPEC.grid, tile)
        item = json.loads(write_item(folder / name, spec, landscape, "earthsearch-c1").read_text())
        item["links"] = []
        for asset in item["assets"].values():
            asset["href"] = f"{name}/{asset['href'].removeprefix('./')}"
        items.append(item)
    path = folder / "items.json"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return path


def test_of_a_collection_each_item_is_one(tmp_path: Path) -> None:
    """A file, a dictionary, a link page by page; hrefs are relative to the collection."""
    path = collection(tmp_path)
    found = expand(path)
    assert [open_product(each.source).tile for each in found] == ["T33UUB", "T33UVB"]
    values = json.loads(path.read_text())
    assert labels(expand(values)) == labels(found)
    first, second = values["features"]
    with serve(tmp_path) as site:
        next_page = {"rel": "next", "href": f"{site.url}page2.json"}
        (tmp_path / "page2.json").write_text(json.dumps({"features": [second]}))
        page = {"features": [first], "links": [next_page]}
        (tmp_path / "search.json").write_text(json.dumps(page))
        linked = expand(f"{site.url}search.json")
        assert labels(linked) == labels(found)
        assert open_product(linked[1].source).tile == "T33UVB"
        page["links"] = [{**next_page, "method": "POST"}]
        (tmp_path / "search.json").write_text(json.dumps(page))
        with pytest.raises(ProductError, match="POST"):
            expand(f"{site.url}search.json")
    with pytest.raises(ProductError, match="holds no item"):
        expand({"type": "FeatureCollection", "features": []})


def test_pystac_objects_are_taken_as_plain_values(tmp_path: Path) -> None:
    pystac = pytest.importorskip("pystac")
    values = json.loads(collection(tmp_path).read_text())
    items = [pystac.Item.from_dict(feature) for feature in values["features"]]
    found = expand(pystac.ItemCollection(items))
    assert [each.source["id"] for each in found] == [item.id for item in items]
    assert labels(expand(items)) == labels(found)
    with pytest.raises(InputError, match="a source is a int"):
        expand([3])


def test_what_stands_for_several_is_told_by_its_form(archive: Path) -> None:
    (archive / "list.txt").write_text("a")
    several = [archive, archive / "list.txt", f"{archive}/*.SAFE"]
    assert all(map(is_several, several))
    single = [archive / "a.SAFE", archive / "z.zip", archive / "bands.json", archive / "none"]
    assert not any(map(is_several, single))


NAMES = st.text(string.ascii_letters + string.digits + "_-.äé ", min_size=1, max_size=20)


@given(st.lists(NAMES, unique=True, max_size=30), st.integers(1, 9))
def test_shards_are_disjoint_and_complete(names: list[str], count: int) -> None:
    """Each name has one shard, whatever else there is."""
    sources = [Listed(name, name) for name in names]
    parts = [[s for s in sources if s.shard(count) == part] for part in range(1, count + 1)]
    assert sorted(s.label for part in parts for s in part) == sorted(names)


@given(NAMES, st.integers(1, 99))
def test_a_shard_does_not_depend_on_place_or_form(name: str, count: int) -> None:
    """Another machine may have the archive under another path, or unpacked."""
    base = f"S2A_{name}x"
    forms = (
        f"{base}.SAFE",
        f"/a/{base}.zip",
        f"b/{base}.SAFE.zip",
        f"c/{base}.SAFE/MTD_MSIL1C.xml",
    )
    assert len({Listed(form, form).shard(count) for form in forms}) == 1
