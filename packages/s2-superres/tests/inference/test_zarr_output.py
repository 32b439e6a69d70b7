"""`predict` to a Zarr store: the pixels of the GeoTIFF, and a killed run that is gone on from."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s2_superres import open_product, superresolve
from s2_superres.cli.app import app
from s2_superres.errors import InputError, OutputError, ProductError
from s2_superres.inference import blocks
from s2_superres.inference.batch import predict_batch
from s2_superres.inference.finished import difference
from s2_superres.inference.outputs import check_paths, default_output
from s2_superres.inference.plan import Options, prepare
from s2_superres.inference.predict import predict
from s2_superres.inference.quicklook import draw_quicklook

zarr = pytest.importorskip("zarr")
xr = pytest.importorskip("xarray", minversion="2025.1")

#: Of four windows, without weights.
PLAIN = Options(network="none", bands="B05,B11", precision="float32", tile=168)


def pixels_of(path: Path) -> dict[str, np.ndarray]:
    """Every band of an output, by rasterio or zarr alone."""
    if path.suffix == ".tif":
        with rasterio.open(path) as dataset:
            return dict(zip(dataset.descriptions, dataset.read(), strict=True))
    root = zarr.open_group(path, mode="r")
    return {name: root[name][:] for name in root.attrs["bands"]}


def assert_same(one: Path, other: Path) -> None:
    expected, got = pixels_of(one), pixels_of(other)
    assert list(got) == list(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(got[name], values, err_msg=name)


@pytest.mark.parametrize("version", ["ZARR_V3", "ZARR_V2"])
def test_the_pixels_are_those_of_the_geotiff(
    l1c: Path, tmp_path: Path, tiny: dict[int, str], version: str
) -> None:
    """With all bands, in ESA's order, and what the file was made of beside them."""
    options = Options(weights=tiny, precision="float32", include_10m=True, tile=168)
    predict(l1c, tmp_path / "o.tif", options)
    chosen = replace(options, creation_options={"FORMAT": version})
    summary = predict(l1c, tmp_path / "o.zarr", chosen)
    assert_same(tmp_path / "o.tif", tmp_path / "o.zarr")
    dataset = xr.open_zarr(tmp_path / "o.zarr")
    assert dataset.attrs["PRODUCT_ID"] == open_product(l1c).name
    assert len(dataset.attrs["WEIGHTS_SHA256_20M"]) == 64
    with rasterio.open(tmp_path / "o.tif") as tif:
        assert dataset.attrs["ACQUIRED"] == tif.tags()["ACQUIRED"]
        assert dataset.B05.attrs["wavelength"] == float(tif.tags(5)["wavelength"])
    run = prepare(l1c, chosen)
    draw_quicklook(run, summary, tmp_path / "q.png")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.tif", "o.zarr", "q.png"]


def test_error_bars_and_masks_too(l1c: Path, tmp_path: Path, telling: dict[int, str]) -> None:
    """`B05_err90` has no offset; what lies outside the polygons is no data."""
    aoi = tmp_path / "aoi.geojson"
    ring = [[300200, 6199900], [301900, 6199500], [300700, 6198400], [300200, 6199900]]
    aoi.write_text(
        '{"type": "FeatureCollection", '
        '"crs": {"type": "name", "properties": {"name": "EPSG:32633"}}, '
        '"features": [{"type": "Feature", "properties": {}, '
        f'"geometry": {{"type": "Polygon", "coordinates": [{ring}]}}}}]}}'
    )
    options = Options(
        weights=telling, bands="B05", with_error=True, aoi=aoi, mask_outside=True,
        precision="float32", tile=168,
    )  # fmt: skip
    predict(l1c, tmp_path / "o.tif", options)
    predict(l1c, tmp_path / "o.zarr", options)
    assert_same(tmp_path / "o.tif", tmp_path / "o.zarr")
    dataset = xr.open_zarr(tmp_path / "o.zarr")
    assert list(dataset.data_vars) == ["B05", "B05_err90"]
    assert 0.2 < float(dataset.B05.isnull().mean()) < 0.9
    assert dataset.B05.encoding["add_offset"] == -0.1
    assert dataset.B05_err90.encoding.get("add_offset", 0) == 0


@pytest.mark.parametrize("values", ["reflectance", "harmonised"])
def test_other_numbers_too(l1c: Path, tmp_path: Path, values: Any) -> None:
    """Reflectance is in floats, with NaN for no data; and all is one in xarray."""
    options = replace(PLAIN, values=values)
    predict(l1c, tmp_path / "plain.zarr", PLAIN)
    predict(l1c, tmp_path / "o.tif", options)
    predict(l1c, tmp_path / "o.zarr", options)
    assert_same(tmp_path / "o.tif", tmp_path / "o.zarr")
    assert not difference(prepare(l1c, options), tmp_path / "o.zarr")
    assert "VALUES" in difference(prepare(l1c, options), tmp_path / "plain.zarr")
    plain, other = (xr.open_zarr(tmp_path / name) for name in ("plain.zarr", "o.zarr"))
    np.testing.assert_allclose(other.B05.values, plain.B05.values, atol=1e-6)


def test_what_a_run_would_write_is_told_from_what_is_there(l1c: Path, tmp_path: Path) -> None:
    """As for GeoTIFFs; a copy that lacks a file is damaged."""
    path = tmp_path / "o.zarr"
    predict(l1c, path, PLAIN)
    assert not difference(prepare(l1c, PLAIN), path)
    assert "its bands are B05 B11" in difference(prepare(l1c, replace(PLAIN, bands="B05")), path)
    other = replace(PLAIN, creation_options={"LEVEL": "5"})
    assert "CREATION_OPTIONS is none" in difference(prepare(l1c, other), path)
    (path / "B11" / "c" / "1" / "0").unlink()
    assert "damaged" in difference(prepare(l1c, PLAIN), path)
    (tmp_path / "empty.zarr").mkdir()
    assert difference(prepare(l1c, PLAIN), tmp_path / "empty.zarr")


#: The command, asked to stop when the third window has been computed.
STOPPED = """
import os, signal, sys
from s2_superres.inference import blocks
from s2_superres.inference.batch import predict_batch
from s2_superres.cli import app as cli
real, seen = blocks.finish, []
def finish(*args):
    seen.append(1)
    if len(seen) == 3:
        os.kill(os.getpid(), signal.SIGTERM)
    return real(*args)
blocks.finish = finish
cli.main()
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_a_run_that_was_stopped_is_gone_on_from(
    l1c: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same command computes the other windows only, and the output is that of a whole run."""
    path = tmp_path / "o.zarr"
    arguments = ["predict", l1c, path, "--network", "none", "--bands", "B05,B11", "--tile", "168"]
    done = subprocess.run(
        [sys.executable, "-c", STOPPED, *map(str, arguments), "--precision", "float32"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 143
    told = re.fullmatch(
        r"error: stopped by SIGTERM; (\d) windows of (.+) are kept, and the same command goes on "
        r"from there\n",
        done.stderr,
    )
    assert told and told[2] == str(path)
    assert not path.exists() and len(list(tmp_path.iterdir())) == 1
    made = []
    real = blocks.finish
    monkeypatch.setattr(blocks, "finish", lambda *args: made.append(1) or real(*args))
    summary = predict(l1c, path, PLAIN)
    assert len(made) == len(prepare(l1c, PLAIN).windows) - int(told[1]) > 0
    monkeypatch.undo()
    whole = predict(l1c, tmp_path / "whole.tif", PLAIN)
    assert_same(tmp_path / "whole.tif", path)
    # What was counted of the first windows is in the summary too.
    assert (summary.pixels, summary.agreement) == (whole.pixels, whole.agreement)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["o.zarr", "whole.tif"]


def test_a_batch_goes_on_too(l1c: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what was stopped, where it was stopped; what is finished is not made again."""
    options = replace(PLAIN, format="zarr")
    real, made = blocks.finish, []

    def failing(*args: Any) -> blocks.Result:
        made.append(1)
        if len(made) == 2:
            raise MemoryError
        return real(*args)

    monkeypatch.setattr(blocks, "finish", failing)
    statuses = []
    for _ in range(3):
        (outcome,) = predict_batch([l1c], tmp_path, options)
        statuses.append(outcome.status)
    assert statuses == ["failed", "done", "skipped"]
    assert len(made) == 1 + len(prepare(l1c, PLAIN).windows)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == [f"{open_product(l1c).name}_10m.zarr", "ledger.jsonl"]


def test_an_output_is_no_product(l1c: Path, tmp_path: Path) -> None:
    """Given as one, it says what it is; and nothing is written into one."""
    path = tmp_path / "o.zarr"
    predict(l1c, path, PLAIN)
    name = open_product(l1c).name
    with pytest.raises(ProductError, match=rf"is no product but what s2-superres made of {name}"):
        open_product(path)
    with pytest.raises(ProductError, match="is no product but"):
        superresolve(path, tmp_path / "other.tif")


def test_a_product_is_never_replaced(l2a: Path, tmp_path: Path) -> None:
    """`predict a.zarr b.zarr --overwrite` costs nobody the second product."""
    store = tmp_path / "S2A_MSIL2A_x.zarr"
    (store / "measurements" / "reflectance").mkdir(parents=True)
    (store / "zarr.json").write_text("{}")
    run = prepare(l2a, replace(PLAIN, overwrite=True))
    with pytest.raises(OutputError, match="an output is of one product"):
        check_paths(run, store)
    with pytest.raises(OutputError, match="lies in the product"):
        check_paths(run, store / "o.zarr")


def test_names_and_formats(l1c: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ending chooses the format; the format gives an output without a name its ending."""
    for chosen, ending in ((None, ".tif"), ("gtiff", ".tif"), ("zarr", ".zarr")):
        run = prepare(l1c, replace(PLAIN, format=chosen))
        assert default_output(run).name == f"{run.product.name}_10m{ending}"
    with pytest.raises(InputError, match="its ending is that of zarr"):
        check_paths(prepare(l1c, replace(PLAIN, format="cog")), tmp_path / "o.zarr")
    monkeypatch.chdir(tmp_path)
    quick = ["--network", "none", "--bands", "B05", "--quiet"]
    app(["predict", str(l1c), "--format", "zarr", "--dry-run", *quick], standalone_mode=False)
    assert list(tmp_path.iterdir()) == []
    app(["predict", str(l1c), "--format", "zarr", *quick], standalone_mode=False)
    (path,) = tmp_path.iterdir()
    assert path.name.endswith("_10m.zarr") and path.is_dir()
    shutil.rmtree(path)
