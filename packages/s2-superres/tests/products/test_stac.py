"""STAC items of every dialect: the bands at their native resolution, and the right offset."""

from __future__ import annotations

import contextlib
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer import BadParameter

import s2_superres
from s2_superres import open_product, predict_batch, superresolve
from s2_superres.bands import BANDS, BY_RESOLUTION, Band
from s2_superres.cli.app import app
from s2_superres.errors import InputError, ProductError, S2SuperresError
from s2_superres.inference.batch import Batch
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.patches.scenes import open_scenes
from s2_superres.products import remote
from s2_superres.products.openers import open_reader
from s2_superres.products.product import Product
from s2_superres.products.sources import expand
from s2_superres.products.summary import summarize
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.catalogues import DIALECTS, write_item
from s2_superres.testing.products import coordinates, landscape, write_product
from s2_superres.testing.server import Site, serve
from s2_superres.testing.spec import ProductSpec
from s2_superres.validation.scenes import read_scenes

SMALL = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)
OLD = ProductSpec("L2A", "03.01", SMALL)
NEW = ProductSpec("L2A", "05.09", SMALL)


def bright(band: Band, rows: int, cols: int) -> np.ndarray:
    """Cloud: nothing dark, so that the pixels do not tell their offset."""
    return coordinates(band, rows, cols) % np.uint16(3000) + np.uint16(3000)


def noise(band: Band, rows: int, cols: int) -> np.ndarray:
    """What compression makes little smaller."""
    return np.random.default_rng(3).integers(1, 3000, (rows, cols)).astype(np.uint16)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Items by dialect, written once."""
    made: dict[Any, Path] = {}

    def item(dialect: str, spec: ProductSpec = NEW, pixels: Any = coordinates,
             stored: int | None = None) -> Path:  # fmt: skip
        key = dialect, spec, pixels, stored
        if key not in made:
            folder = tmp_path_factory.mktemp(dialect)
            made[key] = write_item(folder, spec, pixels, dialect, stored=stored)
        return made[key]

    return item


@pytest.fixture
def site(catalogue: Callable[..., Path]) -> Iterator[Site]:
    with serve(catalogue("earthsearch-c1").parent) as site:
        yield site


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(remote, "_PAUSE", 0.01)
    monkeypatch.setitem(remote._NETWORK, "GDAL_HTTP_RETRY_DELAY", "0.01")


def changed(path: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """A copy of an item whose links still lead to its files."""
    item = json.loads(path.read_text())
    for asset in item["assets"].values():
        asset["href"] = str((path.parent / asset["href"]).resolve())
    change(item)
    (folder / "item.json").write_text(json.dumps(item))
    return folder / "item.json"


def check_pixels(product: Product, pixels: Any = coordinates) -> None:
    """Every band, without its offset, is what was written."""
    with open_reader(product) as reader:
        for resolution, bands in BY_RESOLUTION.items():
            shape = SMALL.rows * 10 // resolution, SMALL.cols * 10 // resolution
            dn = reader.read(bands, Area(0, 0, *shape))
            expected = np.stack([pixels(band, *shape) for band in bands])
            offset = [product.offsets[band.name] for band in bands]
            np.testing.assert_array_equal(dn + np.array(offset)[:, None, None], expected)


@pytest.mark.parametrize("spec", [OLD, NEW], ids=["03.01", "05.09"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_gives_the_same_product(
    catalogue: Callable[..., Path], dialect: str, spec: ProductSpec
) -> None:
    """Whatever the keys, of two resolutions the native one, and the offset that the pixels have."""
    product = open_product(catalogue(dialect, spec))
    assert product.bands == BANDS and product.grid == SMALL
    assert (product.level, product.tile, product.baseline) == ("L2A", "T33UUB", spec.baseline)
    assert product.spacecraft == "Sentinel-2A" and product.acquired == spec.sensed
    check_pixels(product)


def test_an_item_is_opened_however_it_is_given(catalogue: Callable[..., Path]) -> None:
    """A path, a dictionary and a pystac object are one."""
    pystac = pytest.importorskip("pystac")
    path = catalogue("stactools")
    item = pystac.Item.from_file(str(path))
    values = json.loads(path.read_text())
    values["links"] = [{"rel": "self", "href": str(path)}]
    for source in (str(path), item, values):
        product = open_product(source)
        assert product.files == open_product(path).files and product.bands == BANDS


def test_superresolve_takes_what_open_product_takes(site: Site, tmp_path: Path) -> None:
    """A link, a dictionary and a pystac object, without opening them first."""
    url = f"{site.url}earthsearch-c1.json"
    values = remote.read_json(url)
    values["links"] = [{"rel": "self", "href": url}]
    sources: list[Any] = [url, values]
    with contextlib.suppress(ImportError):
        import pystac

        sources.append(pystac.Item.from_file(url))
    for number, source in enumerate(sources):
        output = tmp_path / f"{number}.tif"
        done = superresolve(source, output, network="none", bands="B05")
        assert done.valid_share == 1 and output.exists()


def test_a_flag_that_is_right_and_one_that_is_wrong(catalogue: Callable[..., Path]) -> None:
    """Where the flag, the offset of the bands and the baseline disagree, the pixels decide."""
    right = open_product(catalogue("earthsearch-v1", NEW))
    assert set(right.offsets.values()) == {0} and "by the pixels" in right.decided["offset"]
    wrong = open_product(catalogue("earthsearch-v1", NEW, coordinates, 1000))
    assert set(wrong.offsets.values()) == {-1000} and "disagree" in wrong.decided["offset"]
    check_pixels(wrong)


def test_pixels_that_do_not_tell_are_asked_about(catalogue: Callable[..., Path]) -> None:
    """A cloud over everything settles nothing: the user says, and what was said is kept."""
    path = catalogue("earthsearch-v1", NEW, bright)
    with pytest.raises(ProductError, match=r"disagree on the offset .*--offset -1000 or"):
        open_product(path)
    product = open_product(path, offset=0)
    assert "0, as asked for" in product.decided["offset"]
    check_pixels(product, bright)
    with pytest.raises(InputError, match=r"offset -0\.1"):
        open_product(path, offset=-0.1)


@pytest.mark.parametrize(
    "command",
    [
        ["validate", "--network", "none", "--no-full-scale", "--resolution", "20"],
        ["patches", "--count", "4", "--size", "12", "--out"],
    ],
)
def test_every_command_that_asks_for_the_offset_takes_it(
    catalogue: Callable[..., Path], tmp_path: Path, command: list[str]
) -> None:
    out = [str(tmp_path / "patches")] if command[-1] == "--out" else []
    asked = [*command, *out, str(catalogue("earthsearch-v1", NEW, bright))]
    with pytest.raises(S2SuperresError, match="say --offset -1000 or --offset 0"):
        app(asked, standalone_mode=False)
    app([*asked, "--offset", "0"], standalone_mode=False)


def test_nothing_that_tells_the_offset(catalogue: Callable[..., Path], tmp_path: Path) -> None:
    """An item without baseline, flag and offset is not taken for one of either kind."""

    def strip(item: dict[str, Any]) -> None:
        item["properties"].pop("s2:processing_baseline")
        item["properties"]["s2:product_uri"] = "S2A_MSIL2A.SAFE"

    with pytest.raises(ProductError, match=r"nothing tells .*--offset"):
        open_product(changed(catalogue("planetary"), tmp_path, strip))


def test_the_products_own_metadata_are_read(catalogue: Callable[..., Path], tmp_path: Path) -> None:
    """Wavelengths and offset come from the MTD that the item links; one that is gone is said."""
    safe = write_product(tmp_path, NEW, landscape)

    def link(item: dict[str, Any]) -> None:
        item["assets"]["product_metadata"] = {"href": str(safe / "MTD_MSIL2A.xml")}

    path = changed(catalogue("planetary"), tmp_path, link)
    product = open_product(path)
    assert product.decided["offset"] == "-1000, by the product's metadata and baseline 05.09"
    (safe / "MTD_MSIL2A.xml").unlink()
    product = open_product(path)
    assert product.decided["offset"] == "-1000, by baseline 05.09"
    assert "No such file" in product.decided["product's metadata"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda item: item["properties"].update(platform="landsat-8"), "is of landsat-8"),
        (lambda item: item["assets"].pop("B05_20m"), "no asset of B05 at 20 m"),
        (lambda item: item.update(type="Collection"), "is a STAC Collection; give an item"),
        (lambda item: item.update(type="FeatureCollection"), "collection of items; give one"),
        (lambda item: item.update(assets={"a": {"href": "a.tif"}}), "none of its assets"),
        (lambda item: item["assets"].update(B05={**item["assets"]["B05_20m"], "href": "x.tif"}),
         "are all B05"),
        (lambda item: item["assets"]["B05_20m"].update(bands=[{"name": "B05", "raster:scale": 1}]),
         "scale of its bands is 1"),
        (lambda item: [item["properties"].pop(key) for key in ("product:type", "processing:level")]
         and item.update(id="x"), "does not tell its level"),
        (lambda item: item["properties"].update({"product:type": "S2MSI1C"}), "both levels"),
    ],
)  # fmt: skip
def test_items_that_cannot_be_used(
    catalogue: Callable[..., Path], tmp_path: Path, change: Callable[[Any], Any], said: str
) -> None:
    """One line that names the item and what is wrong."""
    path = changed(catalogue("cdse"), tmp_path, change)
    with pytest.raises(ProductError, match=said):
        open_product(path).require(BANDS)


def test_clouds_of_an_item(catalogue: Callable[..., Path]) -> None:
    """The scene classification is the mask, and an item without one says so."""
    with open_reader(open_product(catalogue("planetary")), ()) as reader:
        mask = reader.cloud_mask(Area(0, 0, 120, 150), 20)
        assert mask[:6].all() and not mask[6:].any()
        assert reader.cloud_mask(Area(1, 0, 2, 3), 60).tolist() == [[True] * 3, [False] * 3]


def test_over_http_by_ranges(site: Site, tmp_path: Path) -> None:
    """A part of an item behind a web server is read by ranges, and equals the local one."""
    product = open_product(f"{site.url}earthsearch-c1.json")
    check_pixels(product)
    assert any(path.endswith("B05_20m.tif") for path in site.sent)
    options = Options(network="none", bands="B05", bounds=(300000, 6199000, 300600, 6199600))
    predict(f"{site.url}earthsearch-c1.json", tmp_path / "a.tif", options)


def test_a_link_serves_validation_and_patches(site: Site) -> None:
    """Not only predict reads over HTTP."""
    url = f"{site.url}earthsearch-c1.json"
    scene = next(iter(read_scenes([url])))
    scenes, unusable = open_scenes([url], 20)
    assert not unusable and scenes[0].facts.source == "earthsearch-c1.json"
    with scenes[0] as opened:
        np.testing.assert_array_equal(opened.read(20, 0, 12).values, scene.bands[20][:, :12])


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An item whose files hold many blocks that hardly compress."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 1200, 1200)
    folder = tmp_path_factory.mktemp("wide")
    return write_item(folder, ProductSpec("L2A", "05.09", grid), noise, "earthsearch-c1")


def test_few_bytes_are_read_beside_those_that_are_needed(wide: Path) -> None:
    """Reading everything by windows fetches hardly more than the files hold."""
    with serve(wide.parent) as site:
        product = open_product(f"{site.url}{wide.name}")
        site.sent.clear()
        with open_reader(product, BY_RESOLUTION[10]) as reader:
            for row in range(0, 1200, 300):
                for col in range(0, 1200, 300):
                    reader.read(BY_RESOLUTION[10], Area(row, col, 300, 300))
        needed = sum((wide.parent / name).stat().st_size for name in site.sent)
        assert sum(site.sent.values()) < 1.3 * needed


def test_a_server_that_stumbles_in_the_middle_is_asked_again(wide: Path) -> None:
    """GDAL's remark on a request that it makes again is no damage to the file."""
    name = "R10m/T33UUB_B02_10m.tif"
    band, area = BY_RESOLUTION[10][:1], Area(600, 600, 300, 300)
    with open_reader(open_product(wide), band) as reader:
        expected = reader.read(band, area)
    with serve(wide.parent) as site:
        product = open_product(f"{site.url}{wide.name}")
        with open_reader(product, band) as reader:
            site.failures[name] = [503, 500]
            np.testing.assert_array_equal(reader.read(band, area), expected)
        assert not site.failures[name]


def test_a_server_that_stumbles_is_asked_again(site: Site) -> None:
    """Of item and bands alike: two failures of a moment, and the pixels are right."""
    site.failures["earthsearch-c1.json"] = [503, 500]
    site.failures["R20m/T33UUB_B05_20m.tif"] = [503, 503]
    check_pixels(open_product(f"{site.url}earthsearch-c1.json"))


def test_an_item_that_is_not_there(site: Site) -> None:
    with pytest.raises(ProductError, match=r"nothing\.json: cannot be fetched \(HTTP 404"):
        open_product(f"{site.url}nothing.json")


def test_a_band_that_is_not_there(catalogue: Callable[..., Path], tmp_path: Path) -> None:
    """A 404 of one band names the link and leaves no output."""
    item = json.loads(catalogue("earthsearch-c1").read_text())
    item["assets"]["rededge1"]["href"] = "./gone.tif"
    folder = catalogue("earthsearch-c1").parent
    (folder / "gone.json").write_text(json.dumps(item))
    with serve(folder) as site:
        with pytest.raises(ProductError, match=r"gone\.tif: cannot be read .*404") as caught:
            predict(f"{site.url}gone.json", tmp_path / "a.tif", Options(network="none"))
        assert "download the product" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_server_that_fails_in_the_middle(catalogue: Callable[..., Path]) -> None:
    """What was opened and is then refused is an error that says to try again."""
    with (
        serve(catalogue("cdse").parent) as site,
        open_reader(open_product(f"{site.url}cdse.json")) as reader,
    ):
        site.failures["R20m/T33UUB_B11_20m.tif"] = [503] * 99
        with pytest.raises(ProductError, match=r"B11_20m\.tif: cannot be read .*try again"):
            reader.read(BY_RESOLUTION[20], Area(0, 0, 120, 150))


def test_what_was_finished_before_a_server_failed_stays(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    """Of a GeoTIFF nothing is left; a store goes on where it was, and is that of a whole run."""
    pytest.importorskip("zarr")
    # So long that most of it is not read yet when the first window is done: the reader is some
    # windows ahead, and GDAL reads up to as much again.
    spec = ProductSpec("L2A", "05.09", Grid("EPSG:32633", 300000.0, 6200040.0, 5400, 120))
    folder = tmp_path_factory.mktemp("long")
    item = write_item(folder, spec, noise, "earthsearch-c1").name
    options = Options(network="none", bands="B05", precision="float32", tile=288)
    with serve(folder) as site:
        url = f"{site.url}{item}"

        def fail(windows: int, done: int) -> None:
            if windows == 1:
                for band in BANDS:
                    name = f"R{band.resolution}m/T33UUB_{band.name}_{band.resolution}m.tif"
                    site.failures[name] = [503] * 999

        for name in ("a.tif", "a.zarr"):
            with pytest.raises(ProductError, match=r"cannot be read .*try again"):
                predict(url, tmp_path / name, options, progress=fail)
            assert not (tmp_path / name).exists()
            site.failures.clear()
        (left,) = tmp_path.iterdir()
        assert left.name.startswith(".a.zarr")
        told: list[int] = []
        predict(url, tmp_path / "a.zarr", options, progress=lambda n, _: told.append(n))
        predict(url, tmp_path / "whole.zarr", options)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.zarr", "whole.zarr"]
    one, other = (zarr_bands(tmp_path / name) for name in ("a.zarr", "whole.zarr"))
    np.testing.assert_array_equal(one, other)


def zarr_bands(path: Path) -> np.ndarray:
    import zarr

    return np.asarray(zarr.open_group(path, mode="r")["B05"][:])


def test_a_server_that_is_too_slow(
    catalogue: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is given up after some tries, with the link and the reason."""
    monkeypatch.setattr(remote, "_TIMEOUT", 0.2)
    monkeypatch.setitem(remote._NETWORK, "GDAL_HTTP_TIMEOUT", "1")
    monkeypatch.setitem(remote._NETWORK, "GDAL_HTTP_MAX_RETRY", "1")
    with serve(catalogue("aws").parent) as site:
        item = remote.read_json(f"{site.url}aws.json")
        item["links"] = [{"rel": "self", "href": f"{site.url}aws.json"}]
        product = open_product(item)
        site.delay = 2.5
        with pytest.raises(ProductError, match=r"cannot be fetched .*timed out"):
            open_product(f"{site.url}aws.json")
        with pytest.raises(ProductError, match="cannot be read"), open_reader(product) as reader:
            reader.read(BY_RESOLUTION[10], Area(0, 0, 240, 300))


def test_links_are_signed_by_a_hook(site: Site) -> None:
    """Every link of a catalogue that wants signatures goes through the hook."""
    site.token = "sig=a%2Bb"
    with pytest.raises(ProductError, match="HTTP 403"):
        open_product(f"{site.url}earthsearch-c1.json")
    product = open_product(
        f"{site.url}earthsearch-c1.json", sign=lambda href: f"{href}?{site.token}"
    )
    check_pixels(product)


@pytest.fixture
def signing(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A site that wants signatures, and the name of a function that makes them."""
    site.token = "sig=a%2Bb"
    (tmp_path / "signatures.py").write_text(f"def sign(href): return href + '?{site.token}'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "signatures", raising=False)
    return "signatures:sign"


def test_links_are_signed_in_every_way_to_run(site: Site, signing: str, tmp_path: Path) -> None:
    """From Python to a file, in a batch, on other processes and as a dataset."""
    url = f"{site.url}earthsearch-c1.json"

    def sign(href: str) -> str:
        return f"{href}?{site.token}"

    options = Options(network="none", bands="B05", precision="float32", sign=sign)
    done = superresolve(url, tmp_path / "a.tif", network="none", bands="B05", sign=sign)
    assert done.valid_share == 1
    found = predict_batch([url], tmp_path / "many", options)
    assert [(each.status, each.message) for each in found] == [("done", "")]
    (task,) = Batch(tuple(expand([url], sign=sign)), tmp_path, options).tasks(pytest.fail)
    with open_reader(pickle.loads(pickle.dumps(task)).product) as reader:
        assert reader.read(BY_RESOLUTION[10], Area(0, 0, 6, 6)).all()
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("rioxarray")
    dataset = s2_superres.open(url, network="none", bands="B05", sign=sign)
    assert isinstance(dataset, xarray.Dataset) and dataset.B05[:12, :12].values.all()


def test_the_command_signs_by_a_function_that_is_named(
    site: Site, signing: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """MODULE:FUNCTION; what is none is a wrong usage that says why."""
    url = f"{site.url}earthsearch-c1.json"
    app(["info", url, "--sign", signing], standalone_mode=False)
    assert "L2A" in capsys.readouterr().out
    command = ["predict", url, str(tmp_path / "a.tif"), "--bands", "B05", "--network", "none"]
    app([*command, "--sign", signing, "--stac"], standalone_mode=False)
    text = (tmp_path / "a.json").read_text()
    assert "earthsearch-c1.json" in text and "sig=" not in text
    for wrong in ("nowhere:sign", "signatures:seal", "signatures:__name__", "signatures", ":sign"):
        with pytest.raises(BadParameter, match=re.escape(repr(wrong))):
            app([*command, "--sign", wrong], standalone_mode=False)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_mapping_of_bands_to_files(
    catalogue: Callable[..., Path], tmp_path: Path, as_json: bool
) -> None:
    """In Python, or as JSON with paths relative to it: level and offset are said, not guessed."""
    folder = catalogue("aws").parent
    mapping: dict[str, Any] = {"level": "L2A", "offset": -1000, "acquired": "2023-06-15"}
    for band in BANDS:
        mapping[band.name] = str(folder / f"R{band.resolution}m" / f"{band.name}.tif")
    source: Any = mapping
    if as_json:
        source = folder / "bands.json"
        short = {key: value.replace(f"{folder}/", "") if key[0] == "B" else value
                 for key, value in mapping.items()}  # fmt: skip
        source.write_text(json.dumps(short))
    product = open_product(source)
    assert product.bands == BANDS and product.grid == SMALL
    check_pixels(product)
    for wrong, said in (
        ({"level": "L3"}, "level is 'L3'; say L1C or L2A"),
        ({"offset": -0.1}, "offset is -0.1"),
        ({"offsett": 0}, "'offsett' is no band and no key"),
        ({"acquired": "June"}, "acquired is 'June'"),
    ):
        with pytest.raises(ProductError, match=said):
            open_product({**mapping, **wrong})
    del mapping["offset"]
    with pytest.raises(ProductError, match="nothing tells"):
        open_product(mapping)
    del mapping["B05"]
    with pytest.raises(ProductError, match=r"names no file for B05 \(20 m\)"):
        open_product({**mapping, "offset": -1000}).require(BANDS)


def test_bands_on_different_grids(catalogue: Callable[..., Path], tmp_path: Path) -> None:
    """A file of another tile among them is refused when it is opened."""
    folder = catalogue("aws").parent
    east = Grid("EPSG:32633", 399960.0, 6200040.0, 240, 300)
    other = write_item(tmp_path, ProductSpec("L2A", "05.09", east), coordinates, "aws").parent
    mapping = {b.name: str(folder / f"R{b.resolution}m" / f"{b.name}.tif") for b in BANDS}
    mapping["B11"] = str(other / "R20m" / "B11.tif")
    with pytest.raises(ProductError, match=r"B11\.tif: lies at 399960"):
        open_reader(open_product({"level": "L2A", "offset": -1000, **mapping}))


def test_the_command_takes_a_link(site: Site, tmp_path: Path) -> None:
    """`info` prints what was decided and from what; `predict` writes from a link."""
    code = "from s2_superres.cli import main; main()"

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", code, *map(str, arguments)],
                              capture_output=True, text=True, timeout=120, check=False)  # fmt: skip

    done = run("info", f"{site.url}earthsearch-c1.json")
    assert done.returncode == 0
    assert "offset from     -1000, by raster:bands and baseline 05.09" in done.stdout
    done = run("predict", f"{site.url}earthsearch-c1.json", tmp_path / "a.tif", "--network", "none",
               "--bands", "B05", "-q")  # fmt: skip
    assert done.returncode == 0 and (tmp_path / "a.tif").exists(), done.stderr
    done = run("info", f"{site.url}nothing.json")
    assert done.returncode == 1 and done.stderr.count("\n") == 1


def test_real_items(real_items: list[Path]) -> None:
    """Every real item opens, with its bands at native resolution and its offset by its baseline."""
    for path in real_items:
        if "collection" in path.name:
            continue
        product = open_product(path)
        assert product.bands == BANDS
        assert product.level in path.name or "planetary" in path.name
        assert set(product.offsets.values()) == {-1000.0 if product.baseline >= "04" else 0.0}
        assert product.grid.rows == 10980 and product.tile != "unknown"
        found = re.search(r"_R(\d{3})_", product.name)
        assert product.orbit == (int(found[1]) if found else 0)
        assert found or "orbit unknown" in summarize(product)
        for band in BANDS:
            told = product.files[band.name]
            assert f"{band.name}" in told
            assert "R" not in told or f"R{band.resolution}m" in told or "IMG_DATA/T" in told
