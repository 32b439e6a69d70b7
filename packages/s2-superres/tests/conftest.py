"""Products that many tests read; made once, never written to."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import load_weights, save_weights
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import coordinates, landscape, write_product
from s2_superres.testing.spec import ProductSpec

SMALL = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)


@pytest.fixture(scope="session")
def l1c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small L1C product of baseline 05.09 with coordinate-coded pixels."""
    return write_product(
        tmp_path_factory.mktemp("l1c"), ProductSpec("L1C", "05.09", SMALL), coordinates
    )


@pytest.fixture(scope="session")
def l2a(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small L2A product of baseline 02.14 with the coarser copies that real ones hold."""
    return write_product(
        tmp_path_factory.mktemp("l2a"), ProductSpec("L2A", "02.14", SMALL), coordinates, copies=True
    )


@pytest.fixture(scope="session")
def several_granules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product with two granules in one folder, as they were until late 2016."""
    folder = tmp_path_factory.mktemp("several")
    first, other = (
        write_product(folder, ProductSpec("L1C", "02.01", SMALL, tile), landscape)
        for tile in ("T33UUB", "T33UVB")
    )
    granule = next((other / "GRANULE").iterdir())
    shutil.copytree(granule, first / "GRANULE" / granule.name)
    listed = re.search(r"<Granule .*</Granule>", (other / "MTD_MSIL1C.xml").read_text(), re.DOTALL)
    assert listed
    metadata = first / "MTD_MSIL1C.xml"
    metadata.write_text(metadata.read_text().replace("</Granule_List>",
                                                     f"{listed[0]}</Granule_List>"))  # fmt: skip
    shutil.rmtree(other)
    return first


@pytest.fixture(scope="session")
def real_metadata() -> list[Path]:
    """Metadata of real products, where the folder with development data lies beside us."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "safe-metadata"
    found = sorted(folder.glob("*/*.SAFE"))
    if not found:
        pytest.skip("no metadata of real products here")
    return found


@pytest.fixture(scope="session")
def real_items() -> list[Path]:
    """STAC items of real catalogues, where the folder with development data lies beside us."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "stac"
    found = sorted(folder.glob("*.json"))
    if not found:
        pytest.skip("no real items here")
    return found


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Weights of two DSen2 so small that they run at once, fixed but random, by resolution."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(3)
    paths = {}
    for resolution, inputs, outputs in ((20, 10, 6), (60, 12, 2)):
        layers = {"head": (inputs, 4), "block0_conv1": (4, 4), "block0_conv2": (4, 4)}
        arrays = {}
        for name, shape in {**layers, "tail": (4, outputs)}.items():
            arrays[f"{name}/kernel"] = rng.normal(0, 0.05, (3, 3, *shape))
            arrays[f"{name}/bias"] = rng.normal(0, 0.01, shape[1:])
        path = folder / f"tiny_{resolution}m.npz"
        save_weights(path, NetworkSpec("dsen2", resolution, 4, 1), arrays, {}, "float32")
        paths[resolution] = str(path)
    return paths


@pytest.fixture(scope="session")
def telling(tmp_path_factory: pytest.TempPathFactory, tiny: dict[int, str]) -> dict[int, str]:
    """The tiny weights with an untrained head, which tells error bars."""
    folder = tmp_path_factory.mktemp("telling")
    rng = np.random.default_rng(1)
    paths = {}
    for resolution, file in tiny.items():
        weights = load_weights(file)
        bands, seen = len(weights.spec.bands), 4 + 2 * len(weights.spec.bands)
        shapes = {"error_hidden/kernel": (1, 1, seen, 32), "error_hidden/bias": (32,),
                  "error_tail/kernel": (1, 1, 32, bands), "error_tail/bias": (bands,)}  # fmt: skip
        drawn = {name: rng.normal(0, 0.1, shape) for name, shape in shapes.items()}
        arrays = {**weights.arrays, **drawn, "error_factor": np.full(bands, 2.3)}
        path = folder / f"telling_{resolution}m.npz"
        save_weights(path, weights.spec, arrays, {}, "float32")
        paths[resolution] = str(path)
    return paths
