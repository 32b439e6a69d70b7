"""Products that many tests read; made once, never written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from s2_superres.grid import Grid
from s2_superres.synthetic import ProductSpec, coordinates, write_product

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
def real_metadata() -> list[Path]:
    """Metadata of real products, where the folder with development data lies beside us."""
    folder = Path(__file__).parents[4] / "shared" / "data" / "safe-metadata"
    found = sorted(folder.glob("*/*.SAFE"))
    if not found:
        pytest.skip("no metadata of real products here")
    return found
