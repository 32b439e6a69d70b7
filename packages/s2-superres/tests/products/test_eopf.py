"""EOPF stores of both forms, however they lie: the digital numbers of the product they hold."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from s2_superres import open_product
from s2_superres.bands import BANDS, BY_RESOLUTION
from s2_superres.errors import InstallationError, ProductError
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.products import remote
from s2_superres.products.openers import open_granules, open_reader
from s2_superres.products.product import Product
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import coordinates, landscape, write_product
from s2_superres.testing.server import Site, serve
from s2_superres.testing.spec import ProductSpec

zarr = pytest.importorskip("zarr")

from s2_superres.testing.eopf import Form, write_store  # noqa: E402

SMALL = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)
FORMS: tuple[Form, ...] = ("cpm", "geozarr", "geozarr-packed")


def store(folder: Path, form: Form, spec: ProductSpec, pixels=coordinates) -> Path:
    path = folder / f"{spec.name}.zarr"
    write_store(path, spec, pixels, form)
    return path


@pytest.fixture(scope="module")
def cpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return store(tmp_path_factory.mktemp("cpm"), "cpm", ProductSpec("L2A", "05.11", SMALL))


def check_pixels(product: Product) -> None:
    """Every band without its offset is what was written."""
    with open_reader(product) as reader:
        for resolution, bands in BY_RESOLUTION.items():
            shape = SMALL.rows * 10 // resolution, SMALL.cols * 10 // resolution
            dn = reader.read(bands, Area(0, 0, *shape)).astype(float)
            expected = np.stack([coordinates(band, *shape) for band in bands])
            offset = np.array([product.offsets[band.name] for band in bands])[:, None, None]
            np.testing.assert_array_equal(dn + offset, expected)


@pytest.mark.parametrize("level", ["L1C", "L2A"])
@pytest.mark.parametrize("form", FORMS)
def test_both_forms_hold_the_product(tmp_path: Path, form: Form, level: str) -> None:
    """Native bands, not the resampled ones beside them; level, baseline, tile, grid, time, offset
    and wavelengths, from the metadata or the name; floats become their digital numbers again."""
    spec = ProductSpec(level, "05.11", SMALL, spacecraft="C")
    product = open_product(store(tmp_path, form, spec))
    assert (product.level, product.baseline, product.tile) == (level, "05.11", "T33UUB")
    assert product.name == spec.name and product.grid == SMALL and product.bands == BANDS
    assert (product.spacecraft, product.orbit) == ("Sentinel-2C", 65)
    assert product.acquired is not None
    assert product.acquired.replace(microsecond=0) == spec.sensed
    assert set(product.offsets.values()) == {-1000}
    assert product.wavelengths == {band.name: band.wavelength for band in BANDS}
    check_pixels(product)


def test_baselines_before_the_offset(tmp_path: Path) -> None:
    product = open_product(store(tmp_path, "cpm", ProductSpec("L2A", "03.01", SMALL)))
    assert set(product.offsets.values()) == {0}
    check_pixels(product)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrapped", [False, True])
def test_zip_and_link_hold_the_same(tmp_path: Path, form: Form, wrapped: bool) -> None:
    """The store or its folder at the root of a zip, and both behind a web server."""
    spec = ProductSpec("L2A", "05.11", SMALL)
    folder = store(tmp_path, form, spec)
    packed = folder.with_name(f"{folder.name}.zip")
    with zipfile.ZipFile(packed, "w") as archive:
        for file in folder.rglob("*"):
            archive.write(file, file.relative_to(folder.parent if wrapped else folder))
    check_pixels(open_product(packed))
    with serve(tmp_path) as site:
        check_pixels(open_product(f"{site.url}{folder.name}"))
        check_pixels(open_product(f"{site.url}{packed.name}"))
        with pytest.raises(ProductError, match="cannot be opened as a Zarr store"):
            open_product(f"{site.url}nothing.zarr")


@pytest.mark.parametrize("form", FORMS)
def test_a_server_that_stumbles_is_asked_again(
    tmp_path: Path, form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of metadata and chunks alike; after some tries, one line with the link and what to do."""
    monkeypatch.setattr(remote, "_PAUSE", 0.01)
    monkeypatch.setattr(remote, "_TIMEOUT", 0.4)
    band = BY_RESOLUTION[20][0]
    name = store(tmp_path, form, ProductSpec("L2A", "05.11", SMALL)).name
    root = f"{name}/measurements/reflectance/r20m/b05"
    chunk = f"{root}/0.0" if form == "cpm" else f"{root}/c/0/0"
    whole = f"{name}/.zmetadata" if form == "cpm" else f"{name}/zarr.json"

    def b05(site: Site) -> np.ndarray:
        with open_reader(open_product(f"{site.url}{name}"), [band]) as reader:
            return reader.read([band], Area(0, 0, 120, 150))

    with serve(tmp_path) as site:
        expected = b05(site)
        assert chunk in "".join(site.requests)
        for place in (whole, chunk):
            for failures in ([503], [500, 429], [-1]):
                site.failures = {place: failures}
                np.testing.assert_array_equal(b05(site), expected)
            site.failures = {place: [503] * 99}
            with pytest.raises(ProductError, match=rf"{name}: .*(503|cannot be opened).*; check"):
                b05(site)
        site.failures = {}
        with open_reader(open_product(f"{site.url}{name}"), [band]) as reader:
            site.delay = 1.5
            with pytest.raises(ProductError, match=r"b05 cannot be read \(.*; check the link"):
                reader.read([band], Area(0, 0, 120, 150))


def test_links_to_stores_are_signed(tmp_path: Path, cpm: Path) -> None:
    """Each file of a store by what the store's link was signed with, and a zip alike."""
    shutil.copytree(cpm, tmp_path / cpm.name)
    packed = shutil.make_archive(str(tmp_path / cpm.name), "zip", cpm)
    with serve(tmp_path) as site:
        site.token = "sig=a%2Bb"
        for name in (cpm.name, Path(packed).name):
            with pytest.raises(ProductError, match="cannot be opened as a Zarr store"):
                open_product(f"{site.url}{name}")
            product = open_product(f"{site.url}{name}", sign=lambda href: f"{href}?{site.token}")
            check_pixels(product)
            assert product.name == open_product(cpm).name


@pytest.mark.parametrize("form", FORMS)
def test_no_data_and_saturated(tmp_path: Path, form: Form) -> None:
    """The fill value and NaN are no data; the brightest stays saturated."""

    def pixels(band, rows: int, cols: int) -> np.ndarray:
        values = coordinates(band, rows, cols) % np.uint16(5000) + np.uint16(1)
        values[:4] = 0
        return values

    path = store(tmp_path, form, ProductSpec("L2A", "05.11", SMALL), pixels)
    with open_reader(open_product(path)) as reader:
        dn = reader.read(BY_RESOLUTION[20], Area(0, 0, 120, 150))
    assert (dn[:, :4] == 0).all() and (dn[:, 4:] > 1000).all()


def test_clouds_of_both_levels(tmp_path: Path) -> None:
    """The scene classification of L2A; opaque clouds and cirrus, not snow, of L1C."""
    for level, rows in (("L2A", 6), ("L1C", 12)):
        path = store(tmp_path, "cpm", ProductSpec(level, "05.11", SMALL))
        with open_reader(open_product(path), ()) as reader:
            mask = reader.cloud_mask(Area(0, 0, 120, 150), 20)
        assert mask[:rows].all() and not mask[rows:].any()


def test_predict_gives_what_the_safe_product_gives(tmp_path: Path) -> None:
    """The same pixels as SAFE, as Zarr and as floats are sharpened to the same pixels."""
    import rasterio

    spec = ProductSpec("L2A", "05.11", SMALL)
    outputs = []
    sources = [write_product(tmp_path, spec, landscape)]
    for form in FORMS:
        (tmp_path / form).mkdir()
        sources.append(store(tmp_path / form, form, spec, landscape))
    for number, source in enumerate(sources):
        predict(source, tmp_path / f"{number}.tif", Options(network="none", include_10m=True))
        with rasterio.open(tmp_path / f"{number}.tif") as output:
            outputs.append((output.read(), output.tags()))
    for values, tags in outputs[1:]:
        np.testing.assert_array_equal(values, outputs[0][0])
        assert tags["PRODUCT_ID"] == outputs[0][1]["PRODUCT_ID"]


def test_granules_and_pickles(cpm: Path) -> None:
    """Patches open the store as one granule; a worker reads from the pickled product."""
    import pickle

    assert [product.name for product in open_granules(cpm)] == [open_product(cpm).name]
    check_pixels(pickle.loads(pickle.dumps(open_product(cpm))))


def test_stores_that_cannot_be_used(tmp_path: Path) -> None:
    """One line that names the store and what lacks."""
    spec = ProductSpec("L2A", "05.11", SMALL)
    path = store(tmp_path, "geozarr", spec)
    nameless = path.rename(tmp_path / "x.zarr")
    assert open_product(nameless).level == "L2A"
    group = zarr.open_group(nameless, mode="r+")
    del group["measurements/reflectance/r20m/b05"]
    with pytest.raises(ProductError, match=r"has no .*r20m/b05 \(B05 at 20 m\)"):
        open_product(nameless).require(BANDS)
    group["measurements/reflectance/r20m/b06"].attrs["proj:transform"] = [20, 0, 0, 0, -20, 0]
    with pytest.raises(ProductError, match="several grids"):
        open_product(nameless)
    del group["measurements"]
    with pytest.raises(ProductError, match="has no measurements/reflectance"):
        open_product(nameless)
    (tmp_path / "y.zarr").mkdir()
    with pytest.raises(ProductError, match="cannot be opened as a Zarr store"):
        open_product(tmp_path / "y.zarr")


def test_packed_otherwise_than_known(tmp_path: Path) -> None:
    path = store(tmp_path, "cpm", ProductSpec("L2A", "05.11", SMALL))
    attributes = path / "measurements/reflectance/r20m/b05/.zattrs"
    attributes.write_text(attributes.read_text().replace('"scale_factor": 0.0001', '"scale": 1'))
    consolidated = path / ".zmetadata"
    whole = json.loads(consolidated.read_text())
    del whole["metadata"]["measurements/reflectance/r20m/b05/.zattrs"]["scale_factor"]
    consolidated.write_text(json.dumps(whole))
    with pytest.raises(ProductError, match="B05 is uint16 with the scale 0"):
        open_product(path)


def test_a_chunk_that_is_damaged(tmp_path: Path) -> None:
    """It is named, and is not read as no data."""
    path = store(tmp_path, "cpm", ProductSpec("L2A", "05.11", SMALL))
    chunk = next((path / "measurements/reflectance/r10m/b02").glob("0.0"))
    chunk.write_bytes(chunk.read_bytes()[:40])
    with open_reader(open_product(path)) as reader, pytest.raises(ProductError, match="b02 cannot"):
        reader.read(BY_RESOLUTION[10], Area(0, 0, 60, 60))


def test_without_zarr_the_extra_is_named(cpm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zarr", None)
    with pytest.raises(InstallationError, match=r"s2-superres\[zarr\]"):
        open_product(cpm)


def test_the_command_takes_a_store(cpm: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "from s2_superres.cli import main; main()", "info", str(cpm)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert "offset from     -1000, by scale_factor and add_offset" in done.stdout


@pytest.mark.parametrize("form", ["s2_", "optimized_geozarr_"])
def test_real_metadata_make_the_product_they_tell(tmp_path: Path, form: str) -> None:
    """Stores of the real products' metadata, every array empty, open as what they are named."""
    folder = Path(__file__).parents[5] / "shared" / "data" / "eopf"
    found = sorted(folder.glob(f"{form}*.json"))
    if not found:
        pytest.skip("no metadata of real stores here")
    for file in found:
        name = file.stem.removeprefix(form)
        root = tmp_path / f"{name}.zarr"
        _write_metadata(json.loads(file.read_text()), root)
        product = open_product(root)
        assert product.bands == BANDS and product.name == name
        assert product.grid.rows == 10980 and f"_{product.tile}_" in name
        assert product.level in name and product.baseline == "05.11"
        assert set(product.offsets.values()) == {-1000} and product.clouds
        with open_reader(product) as reader:
            assert not reader.read(BY_RESOLUTION[60], Area(0, 0, 6, 6)).any()


def _write_metadata(node: dict, path: Path) -> None:
    """Write the metadata files of a node and all below it."""
    path.mkdir(parents=True, exist_ok=True)
    attributes, members = node.get("attributes") or {}, node.get("members") or {}
    if node["zarr_format"] == 3:
        plain = {key: value for key, value in node.items() if key != "members"}
        (path / "zarr.json").write_text(json.dumps(plain))
    else:
        kind = ".zarray" if "shape" in node else ".zgroup"
        plain = {k: v for k, v in node.items() if k not in ("members", "attributes", "node_type")}
        (path / kind).write_text(json.dumps(plain))
        (path / ".zattrs").write_text(json.dumps(attributes))
    for name, member in members.items():
        _write_metadata(member, path / name)
