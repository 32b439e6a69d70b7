"""The pages on sources, xarray, Zarr and many products: every command and program in them runs."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from s2_superres.cli.app import app
from s2_superres.raster.grid import Grid
from s2_superres.testing.catalogues import write_item
from s2_superres.testing.products import landscape, write_product, zip_product
from s2_superres.testing.server import serve
from s2_superres.testing.spec import ProductSpec

DOCS = Path(__file__).parents[4] / "docs" / "s2-superres"
SPEC = ProductSpec("L2A", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder with what the pages speak of, and the server that stands for the catalogue."""
    folder = tmp_path_factory.mktemp("pages")
    write_item(folder, SPEC, landscape, "earthsearch-c1").rename(folder / "item.json")
    write_item(folder, SPEC, landscape, "aws")
    safe = write_product(folder, SPEC, landscape)
    zip_product(safe, folder / "product.zip")
    shutil.rmtree(safe)
    page = (DOCS / "stac.md").read_text(encoding="utf-8")
    mapping = re.search(r"```json\n(.*?)```", page, re.DOTALL)
    assert mapping
    (folder / "bands.json").write_text(mapping[1])
    with serve(folder) as site:
        yield folder, site.url


def store(folder: Path) -> None:
    pytest.importorskip("zarr")
    from s2_superres.testing.eopf import write_store

    path = folder / f"{SPEC.name}.zarr"
    write_store(path, SPEC, landscape, "geozarr")
    with zipfile.ZipFile(f"{path}.zip", "w") as archive:
        for file in path.rglob("*"):
            archive.write(file, file.relative_to(path))


def on_a_cluster(text: str, request: pytest.FixtureRequest, folder: Path) -> str:
    """Start one worker, which stands for all that the page speaks of."""
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
    )
    request.addfinalizer(cluster.close)
    for name in ("2024", "product.SAFE"):
        shutil.rmtree(folder / name, ignore_errors=True)
    (folder / "2024").mkdir()
    write_product(folder / "2024", SPEC, landscape)
    write_product(folder, SPEC, landscape).rename(folder / "product.SAFE")
    text = text.replace('"two.tif"', '"two.tif", network="none"')
    for address in ("tcp://10.0.0.1:8786", "local:4"):
        text = text.replace(f"--dask {address}", f"--dask {cluster.scheduler_address}")
        text = text.replace(f'"{address}"', f'"{cluster.scheduler_address}"')
    return text


def many(folder: Path) -> None:
    (folder / "2024").mkdir()
    product = write_product(folder / "2024", SPEC, landscape)
    (folder / "more.txt").write_text(str(product))
    item = json.loads((folder / "item.json").read_text())
    (folder / "search.json").write_text(json.dumps({"features": [item]}))


PAGES = ["stac.md", "eopf.md", "xarray.md", "many-products.md", "zarr.md", "cluster.md"]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_shows_runs(
    page: str,
    folder: tuple[Path, str],
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """In its order, with the catalogue's address and the network replaced."""
    text = (DOCS / page).read_text(encoding="utf-8")
    place, url = folder
    if page == "eopf.md":
        store(place)
    elif page == "xarray.md":
        pytest.importorskip("rioxarray")
        write_product(place, SPEC, landscape).rename(place / "product.SAFE")
    elif page == "many-products.md":
        many(place)
    elif page == "zarr.md":
        pytest.importorskip("zarr")
        pytest.importorskip("xarray", minversion="2025.1")
        place = place / "zarr"
        place.mkdir()
        # Large enough for an overview.
        large = replace(SPEC, grid=Grid("EPSG:32633", 300000.0, 6200040.0, 540, 240))
        write_product(place, large, landscape).rename(place / "product.SAFE")
    elif page == "cluster.md":
        text = on_a_cluster(text, request, place)
    elif "import pystac" in text:
        pytest.importorskip("pystac")
    monkeypatch.chdir(place)
    # The local regression takes the place of the network, which takes its time to load.
    text = text.replace("https://catalogue.example.org/", url)
    text = text.replace("overwrite=True", 'overwrite=True, network="none"')
    text = text.replace('Options(bands="B05,B11"', 'Options(network="none"')
    text = re.sub(r'(chunks=120|include_10m=True|level="L2A")', r'\1, network="none"', text)
    ran = 0
    for kind, block in re.findall(r"```(console|python)\n(.*?)```", text, re.DOTALL):
        if kind == "python":
            exec(compile(block, page, "exec"), {})
            ran += 1
            continue
        for line in block.splitlines():
            command, *arguments = shlex.split(line.removeprefix("$ "))
            assert command in ("s2-superres", "pip")
            if command == "s2-superres":
                quick = ["--network", "none"] if arguments[0] == "predict" else []
                assert not app([*arguments, *quick], standalone_mode=False)
                ran += 1
    assert ran >= 3
