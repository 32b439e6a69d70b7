"""Datasets hold, chunk by chunk, the pixels that the command writes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st

import s2_superres
from s2_superres.bands import BANDS, BY_RESOLUTION
from s2_superres.errors import InputError, WeightsError
from s2_superres.inference.dataset import open_dataset
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.products.openers import open_product, open_reader
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec

xr = pytest.importorskip("xarray")
pytest.importorskip("rioxarray")
dask = pytest.importorskip("dask")

#: Weights that run at once, and windows smaller than the scene.
GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small product."""
    folder = tmp_path_factory.mktemp("scene")
    return write_product(folder, ProductSpec("L1C", "05.09", GRID), landscape)


@pytest.fixture(scope="module")
def options(tiny: dict[int, str]) -> dict[str, object]:
    return {"weights": dict(tiny), "precision": "float32", "tile": 180, "include_10m": True}


@pytest.fixture(scope="module")
def written(scene: Path, options: dict[str, object], tmp_path_factory: pytest.TempPathFactory):
    """What the command makes of it."""
    path = tmp_path_factory.mktemp("written") / "out.tif"
    predict(scene, path, Options(**options))
    with rasterio.open(path) as file:
        bands = dict(zip(file.descriptions, file.read(), strict=True))
        return bands, file.transform, file.crs, file.scales[0], file.offsets[0]


def test_the_dataset_is_lazy_placed_and_described(scene: Path, options, written) -> None:
    """Bands by name on coordinates of pixel centres, as GDAL and rioxarray see the file."""
    bands, transform, crs, scale, offset = written
    lazy = open_dataset(scene, **options)
    assert set(lazy.data_vars) == set(bands)
    assert all(dask.is_dask_collection(v.data) for v in lazy.data_vars.values())
    assert lazy.B05.dims == ("y", "x") and lazy.B05.dtype == np.uint16
    assert lazy.rio.crs == crs and lazy.rio.transform() == transform
    # Without the transform that was written, from the coordinates alone.
    assert lazy.drop_vars("spatial_ref").rio.transform() == transform
    assert lazy.B05.attrs["scale_factor"] == scale
    assert lazy.B05.attrs["add_offset"] == offset
    assert lazy.B05.attrs["_FillValue"] == 0


def test_reflectance_is_lazy_too(scene: Path, options, written) -> None:
    """In float32 with NaN for no data, and nothing left to scale."""
    bands, _, _, scale, offset = written
    lazy = open_dataset(scene, values="reflectance", **options)
    assert lazy.B05.dtype == np.float32 and "scale_factor" not in lazy.B05.attrs
    assert np.isnan(lazy.B05.attrs["_FillValue"])
    wanted = bands["B05"].astype(float) * scale + offset
    np.testing.assert_allclose(lazy.B05.values, wanted, atol=1e-6)


def test_what_only_files_have_is_refused(scene: Path, tmp_path: Path) -> None:
    """Not left out in silence."""
    with pytest.raises(InputError, match=r"mask_outside.*rio\.clip"):
        s2_superres.open(scene, aoi=tmp_path / "aoi.geojson", mask_outside=True)


@settings(deadline=None, max_examples=6)
@given(data=st.data())
def test_any_chunking_gives_the_commands_pixels(scene, options, written, data) -> None:
    """And any part of it; on threads too, and after a trip through pickle, as to a cluster."""
    bands = written[0]
    sides = st.integers(31, 400)
    chunks = data.draw(st.one_of(st.none(), sides, st.tuples(sides, sides)))
    top, left = data.draw(st.integers(0, 200)), data.draw(st.integers(0, 250))
    lazy = pickle.loads(pickle.dumps(open_dataset(scene, chunks=chunks, **options)))
    scheduler = data.draw(st.sampled_from(["threads", "synchronous"]))
    part = lazy.isel(y=slice(top, top + 60), x=slice(left, left + 80)).compute(scheduler=scheduler)
    for name, expected in bands.items():
        np.testing.assert_array_equal(part[name], expected[top : top + 60, left : left + 80])


def test_a_dataset_of_three_grids_is_sharpened_like_arrays(tiny: dict[int, str]) -> None:
    """Lazily, from arrays in memory and in chunks."""
    rng = np.random.default_rng(1)
    shapes = {10: (4, 96, 132), 20: (6, 48, 66), 60: (2, 16, 22)}
    arrays = {r: rng.integers(500, 4000, shape).astype("u2") for r, shape in shapes.items()}
    variables = {
        band.name: ((f"y{r}", f"x{r}"), plane)
        for r, planes in arrays.items()
        for band, plane in zip(s2_superres.bands.BY_RESOLUTION[r], planes, strict=True)
    }
    dataset = xr.Dataset(variables, coords={"y10": np.arange(96.0)})
    same = {"level": "L1C", "weights": tiny, "precision": "float32", "tile": 120}
    expected = s2_superres.superresolve(*arrays.values(), **same)
    for given_ in (dataset, dataset.chunk(25)):
        lazy = s2_superres.superresolve(given_, chunks=50, **same)
        assert lazy.B05.dims == ("y10", "x10") and dask.is_dask_collection(lazy.B05.data)
        made = lazy.compute()
        np.testing.assert_array_equal(made.B05, expected.b20[0])
        np.testing.assert_array_equal(made.B09, expected.b60[1])
        np.testing.assert_array_equal(made.y10, dataset.y10)
    floats = dataset.astype("f4")
    floats.B05[3, 4] = dataset.B05[3, 4] = 65535
    made = s2_superres.superresolve(floats, **same).compute()
    xr.testing.assert_equal(made, s2_superres.superresolve(dataset, **same).compute())
    for wrong, words in ((floats / 10000, "reflectance"), (floats - 9000, "nodata=")):
        with pytest.raises(InputError, match=words):
            s2_superres.superresolve(wrong, **same).compute()
    with pytest.raises(InputError, match="no B8A"):
        s2_superres.superresolve(dataset.drop_vars("B8A"), **same)
    with pytest.raises(InputError, match="B11 has shape"):
        s2_superres.superresolve(dataset.assign(B11=dataset.B02), **same)


def grids(source: Path) -> dict[int, np.ndarray]:
    """A product's bands as arrays, by resolution."""
    product = open_product(source)
    with open_reader(product) as reader:
        return {
            r: reader.read(bands, Area(0, 0, 10 * GRID.rows // r, 10 * GRID.cols // r))
            for r, bands in BY_RESOLUTION.items()
        }


def test_error_bars_are_those_that_the_command_writes(
    scene: Path, telling: dict[int, str], tmp_path: Path
) -> None:
    """Of a product opened as a dataset, and of a dataset of its three grids."""
    same = {"weights": dict(telling), "precision": "float32", "tile": 180, "with_error": True}
    predict(scene, tmp_path / "out.tif", Options(**same))
    with rasterio.open(tmp_path / "out.tif") as file:
        written = dict(zip(file.descriptions, file.read(), strict=True))
    errors = [name for name in written if name.endswith("_err90")]
    assert len(errors) == 8 and all(written[name].any() for name in errors)
    opened = open_dataset(scene, chunks=77, **same)
    assert list(opened.data_vars) == list(written)
    assert opened.B05_err90.attrs["long_name"].startswith("half width")
    assert "add_offset" not in opened.B05_err90.attrs or opened.B05_err90.add_offset == 0
    arrays = grids(scene)
    variables = {
        band.name: ((f"y{r}", f"x{r}"), plane)
        for r, planes in arrays.items()
        for band, plane in zip(BY_RESOLUTION[r], planes, strict=True)
    }
    made = s2_superres.superresolve(xr.Dataset(variables), level="L1C", offset=-1000, **same)
    assert set(made.data_vars) == set(written)
    assert "B05" in made.B05_err90.attrs["long_name"]
    of_arrays = s2_superres.superresolve(*arrays.values(), level="L1C", offset=-1000, **same)
    opened, made = opened.compute(), made.compute()
    for name, expected in written.items():
        np.testing.assert_array_equal(opened[name], expected)
        # Neither rounded nor clipped; the command rounds to whole numbers, and widths up.
        above = expected - made[name].values
        low, high = (0, 1) if name in errors else (-0.5, 0.5)
        assert low - 1e-3 <= above.min() and above.max() <= high + 1e-3
    np.testing.assert_array_equal(made.B05_err90, of_arrays.err20[0])
    np.testing.assert_array_equal(made.B09_err90, of_arrays.err60[1])


def test_error_bars_need_weights_that_tell_them(scene: Path, tiny: dict[int, str]) -> None:
    """As for the command."""
    zeros = {band.name: ((f"y{band.resolution}", f"x{band.resolution}"),
                         np.full((240 // band.resolution,) * 2, 2000, np.uint16))
             for band in BANDS if band.resolution < 60}  # fmt: skip
    with pytest.raises(WeightsError, match="tell no errors"):
        s2_superres.superresolve(xr.Dataset(zeros), level="L1C", weights=tiny, with_error=True)
    with pytest.raises(WeightsError, match="tell no errors"):
        open_dataset(scene, weights=dict(tiny), with_error=True)


def placed(**shifts: float) -> Any:
    """A dataset of the three grids with coordinates of pixels' middles, some bands shifted."""
    bands = {}
    for band in BANDS:
        side, metres = 720 // band.resolution, band.resolution
        middles = (np.arange(side) + 0.5) * metres + shifts.get(band.name, 0.0)
        coords = {f"y{band.name}": 6200040.0 - middles, f"x{band.name}": 300000.0 + middles}
        pixels = np.full((side, side), 1500, np.uint16)
        bands[band.name] = xr.DataArray(pixels, coords, tuple(coords))
    return xr.Dataset(bands)


@pytest.mark.parametrize(("band", "metres"), [("B05", 20), ("B8A", -10), ("B04", 10), ("B09", 5)])
def test_bands_that_lie_elsewhere_are_refused(band: str, metres: float) -> None:
    """By a pixel, by half of one, or by the corners of pixels in the place of their middles."""
    same = {"level": "L1C", "network": "none"}
    made = s2_superres.superresolve(placed(), **same)
    assert made.B05.dims == ("yB02", "xB02") and float(made.xB02[0]) == 300005.0
    with pytest.raises(InputError, match=rf"{band} does not lie on B02's ground: its yB"):
        s2_superres.superresolve(placed(**{band: metres}), **same)


def test_chunks_smaller_than_what_networks_look_at(scene: Path, options, written) -> None:
    """Of a product and of a dataset: each pixel is that of the whole."""
    sharp = open_dataset(scene, chunks=(5, 7), **options)
    assert max(sharp.B05.chunks[0]) == 5
    part = sharp.isel(y=slice(100, 112), x=slice(140, 160)).compute()
    for name in ("B05", "B09"):
        np.testing.assert_array_equal(part[name], written[0][name][100:112, 140:160])
    whole = placed()
    whole["B05"] = whole.B05 + np.arange(36, dtype=np.uint16)
    same = {"level": "L1C", "network": "none", "tile": 204}
    small = s2_superres.superresolve(whole.chunk(3), chunks=4, **same)
    xr.testing.assert_equal(small.compute(), s2_superres.superresolve(whole, **same).compute())


def test_what_cannot_be_is_said(scene: Path) -> None:
    """In one line."""
    with pytest.raises(InputError, match="unexpected keyword"):
        open_dataset(scene, colour="red")
    with pytest.raises(InputError, match="chunks 0"):
        open_dataset(scene, chunks=0, network="none")
