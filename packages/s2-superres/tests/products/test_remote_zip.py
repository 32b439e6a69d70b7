"""A product in a zip behind HTTP is read where it is, and only what is asked for is fetched."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s2_superres import open_product, superresolve
from s2_superres.bands import BY_RESOLUTION
from s2_superres.cli.app import app
from s2_superres.errors import ProductError
from s2_superres.products import remote
from s2_superres.products.openers import open_reader
from s2_superres.products.ranges import open_ranges
from s2_superres.products.verify import verify
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import landscape, write_product, zip_product
from s2_superres.testing.server import Site, serve
from s2_superres.testing.spec import ProductSpec

SPEC = ProductSpec("L1C", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300))
PART = Area(60, 30, 60, 90)
#: The north western quarter of that part.
CLOUD = (
    '<m xmlns:g="http://www.opengis.net/gml"><g:exterior><g:posList>300300 6199440 300700 6199440 '
    "300700 6199140 300300 6199140 300300 6199440</g:posList></g:exterior></m>"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product as folder and as zip, an item that has only the zip, and many bytes."""
    folder = tmp_path_factory.mktemp("zips")
    safe = write_product(folder, SPEC, landscape)
    masks = next((safe / "GRANULE").iterdir()) / "QI_DATA"
    masks.mkdir(exist_ok=True)
    (masks / "MSK_CLOUDS_B00.gml").write_text(CLOUD)
    zip_product(safe, folder / "product.zip", compress=True)
    item = {
        "type": "Feature", "stac_version": "1.0.0", "id": "x", "links": [],
        "properties": {"datetime": "2023-06-15T10:20:21Z", "constellation": "sentinel-2"},
        "assets": {"thumbnail": {"href": "./a.png"}, "product": {"href": "./product.zip"}},
    }  # fmt: skip
    (folder / "item.json").write_text(json.dumps(item))
    item["assets"] = {"PRODUCT": {"href": "./Products(1)/$value", "type": "application/zip"}}
    (folder / "value.json").write_text(json.dumps(item))
    (folder / "bytes").write_bytes(random.Random(1).randbytes(400_000))
    return folder


@pytest.fixture
def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(remote, "_PAUSE", 0.01)
    monkeypatch.setitem(remote._NETWORK, "GDAL_HTTP_RETRY_DELAY", "0.01")
    with serve(folder) as site:
        yield site


def test_a_link_and_an_item_are_the_product(site: Site, folder: Path) -> None:
    """Its metadata, pixels and clouds are those of the zip on disk; also after a trip by pickle."""
    local = open_product(folder / "product.zip")
    for source in (f"{site.url}product.zip", f"{site.url}item.json", folder / "item.json"):
        product = pickle.loads(pickle.dumps(open_product(source)))
        assert (product.name, product.grid, product.offsets, product.baseline) == (
            local.name, local.grid, local.offsets, local.baseline,
        )  # fmt: skip
        assert product.bands == local.bands and product.acquired == local.acquired
        with open_reader(product) as reader, open_reader(local) as there:
            for bands in BY_RESOLUTION.values():
                area = PART.at(bands[0].resolution)
                np.testing.assert_array_equal(reader.read(bands, area), there.read(bands, area))
            clouds = reader.cloud_mask(PART.at(20), 20)
            assert 0.1 < clouds.mean() < 0.9
            np.testing.assert_array_equal(clouds, there.cloud_mask(PART.at(20), 20))
    assert verify(open_product(f"{site.url}product.zip")).zipped


def test_the_command_takes_a_link(
    site: Site, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`info`, and `predict` to the pixels of the zip on disk."""
    url = f"{site.url}product.zip"
    app(["info", url], standalone_mode=False)
    assert "L1C" in capsys.readouterr().out
    plain = ["--network", "none", "--bands", "B05"]
    app(["predict", url, str(tmp_path / "a.tif"), *plain], standalone_mode=False)
    superresolve(folder / "product.zip", tmp_path / "b.tif", network="none", bands="B05")
    with rasterio.open(tmp_path / "a.tif") as one, rasterio.open(tmp_path / "b.tif") as other:
        assert (one.read() == other.read()).all()


def test_to_open_it_little_is_fetched(site: Site) -> None:
    """The directory, the metadata and the heads of the images: not the images."""
    open_product(f"{site.url}product.zip")
    assert len(site.requests) < 40
    assert all("?" not in path for path in site.requests)


def test_links_to_zips_are_signed(site: Site) -> None:
    site.token = "sig=1"
    url = f"{site.url}product.zip"
    with pytest.raises(ProductError, match="HTTP 403"):
        open_product(url)
    product = open_product(url, sign=lambda href: f"{href}?{site.token}")
    with open_reader(product) as reader:
        assert reader.read(BY_RESOLUTION[60], Area(0, 0, 6, 6)).any()


def test_what_keeps_it_from_being_read_is_said(site: Site) -> None:
    """No parts of files, no such file, no zip, another kind of link: one line and what to do."""
    with pytest.raises(
        ProductError, match=r"value\.json: .*PRODUCT.*does not end in .*download it"
    ):
        open_product(f"{site.url}value.json")
    with pytest.raises(ProductError, match=r"gone\.zip: cannot be fetched \(HTTP 404"):
        open_product(f"{site.url}gone.zip")
    with pytest.raises(
        ProductError, match=r"s3://b/p\.zip: cannot be fetched; give a link of http"
    ):
        open_product("s3://b/p.zip")
    site.failures["product.zip"] = [503] * 99
    with pytest.raises(ProductError, match=r"product\.zip: cannot be fetched \(HTTP 503"):
        open_product(f"{site.url}product.zip")
    site.failures.clear()
    site.ranges = False
    with pytest.raises(ProductError, match=r"sends no parts of files; download it"):
        open_product(f"{site.url}product.zip")


def test_a_server_that_stumbles_or_cuts_off_is_asked_again(site: Site, folder: Path) -> None:
    """Half an answer is none."""
    site.failures["product.zip"] = [503, -1]
    assert open_product(f"{site.url}product.zip").level == "L1C"
    site.failures["item.json"] = [-1]
    assert open_product(f"{site.url}item.json").level == "L1C"
    site.failures["bytes"] = [-1] * 99
    with pytest.raises(ProductError, match=r"bytes: cannot be fetched \(it was cut off after"):
        open_ranges(f"{site.url}bytes").read(9000)


def test_ranges_are_the_files_bytes(site: Site, folder: Path) -> None:
    """Wherever reading begins, and however far it goes, also behind the end."""
    whole = (folder / "bytes").read_bytes()
    draw = random.Random(2)
    with open_ranges(f"{site.url}bytes") as file:
        for _ in range(40):
            start, count = draw.randrange(410_000), draw.choice((0, 1, 30, 5000, 200_000))
            assert file.seek(start) == file.tell() == start
            assert file.read(count) == whole[start : start + count]
        file.seek(-22, 2)
        assert file.read() == whole[-22:]
