"""What several test modules need: images, and the published values of the example pairs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# Under pytest's default profile unless HYPOTHESIS_PROFILE or --hypothesis-profile says otherwise.
_QUIET = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)
settings.register_profile("dev", max_examples=25, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("ci", max_examples=100, deadline=None, suppress_health_check=_QUIET)
settings.load_profile("dev")

Pair = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


def smooth_pair(
    rows: int = 90, cols: int = 70, bands: int = 4, *, dtype: str = "uint16", seed: int = 1
) -> Pair:
    """Return an image with structure and a blurred, noisy, slightly darker copy of it."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[:rows, :cols]
    planes = []
    for band in range(bands):
        waves = np.sin(row / (5 + band)) * np.cos(col / (7 - band % 3)) + 0.5 * np.sin(
            (row + col) / 17
        )
        blocks = ((row // 16 + col // 12) % 2) * 0.6
        planes.append(waves + blocks + 0.1 * rng.normal(size=waves.shape))
    org = np.stack(planes, axis=2)
    org = (org - org.min()) / np.ptp(org)
    pred = 0.97 * org
    pred[1:-1, 1:-1] = 0.97 * (org[1:-1, 1:-1] + org[:-2, 1:-1] + org[1:-1, 2:]) / 3
    pred = np.clip(pred + 0.01 * rng.normal(size=org.shape), 0, 1)
    if np.dtype(dtype).kind == "f":
        return org.astype(dtype), pred.astype(dtype)
    top = 250 if np.dtype(dtype).itemsize == 1 else 4000
    if np.dtype(dtype) == np.int8:
        top = 120
    return np.rint(org * top).astype(dtype), np.rint(pred * top).astype(dtype)


@pytest.fixture(scope="session")
def make_pair() -> Callable[..., Pair]:
    """The generator of pairs."""
    return smooth_pair


@pytest.fixture(scope="session")
def pair() -> Pair:
    """A uint16 pair of 90 x 70 pixels and four bands; read-only."""
    images = smooth_pair()
    for image in images:
        image.flags.writeable = False
    return images


@pytest.fixture(scope="session", params=["lafayette", "singapore"])
def example(request: pytest.FixtureRequest) -> tuple[str, Pair]:
    """The example pairs of version 0.3, where they lie beside the checkout."""
    rasterio = pytest.importorskip("rasterio")
    folder = Path(__file__).resolve().parents[4] / "shared" / "data" / "metrics"
    if not folder.is_dir():
        pytest.skip("the example pairs are not beside the checkout")
    images = []
    for part in ("org", "pred"):
        with rasterio.open(folder / f"{request.param}_{part}.tif") as file:
            images.append(np.moveaxis(file.read(), 0, -1))
    return request.param, (images[0], images[1])
