"""One way in: a form of product is one module and one test, and the recipe of the docs is true."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2_superres.bands import BANDS, BY_RESOLUTION
from s2_superres.errors import ProductError
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.patches.scenes import open_scenes
from s2_superres.products import formats, openers
from s2_superres.products.openers import find_opener, open_product, open_reader
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.catalogues import write_item
from s2_superres.testing.products import coordinates, write_product, zip_product
from s2_superres.testing.spec import ProductSpec
from s2_superres.validation.scenes import read_scene

HOUSE = Path(__file__).parents[4] / "docs" / "house.md"


def recipe() -> str:
    """The module that the recipe shows."""
    text = HOUSE.read_text(encoding="utf-8")
    part = text[text.index("### Add a product reader") :]
    found = re.search(r"```python\n(.*?)```", part, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The recipe's module as another package would bring it: by an entry point."""
    (tmp_path / "folder_of_arrays.py").write_text(recipe())
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("arrays", "folder_of_arrays:OPENER", openers.GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: [entry])
    openers._others.cache_clear()
    yield tmp_path
    openers._others.cache_clear()
    sys.modules.pop("folder_of_arrays", None)


def test_the_recipe_reads_a_product(plugin: Path) -> None:
    """The module of the docs, and nothing else, lets the commands read a form of its own."""
    folder = plugin / "scene.arrays"
    folder.mkdir()
    rng = np.random.default_rng(5)
    stored = {}
    for resolution, bands in BY_RESOLUTION.items():
        side = 1200 // resolution
        for band in bands:
            stored[band.name] = rng.integers(1100, 4000, (side, side)).astype(np.uint16)
            np.save(folder / f"{band.name}.npy", stored[band.name])
    product = open_product(folder)
    assert product.format == "arrays" and product.bands == BANDS
    with open_reader(product) as reader:
        for resolution, bands in BY_RESOLUTION.items():
            whole = Area(0, 0, 1200 // resolution, 1200 // resolution)
            expected = np.stack([stored[band.name] for band in bands])
            np.testing.assert_array_equal(reader.read(bands, whole), expected)
    summary = predict(folder, plugin / "out.tif", Options(network="none", bands="B05"))
    assert summary.valid_share == 1


@pytest.fixture(scope="module")
def forms_of_one(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The same pixels in every form that they come in."""
    folder = tmp_path_factory.mktemp("forms")
    spec = ProductSpec("L2A", "05.11", Grid("EPSG:32633", 300000.0, 6200040.0, 540, 480))
    safe = write_product(folder, spec, coordinates)
    made: dict[str, object] = {"safe": safe, "zip": zip_product(safe, folder / "a.zip")}
    for dialect in ("stactools", "aws"):
        (folder / dialect).mkdir()
        made[dialect] = write_item(folder / dialect, spec, coordinates, dialect)
    made["files"] = {"level": "L2A", "offset": -1000} | {
        b.name: folder / "aws" / f"R{b.resolution}m" / f"{b.name}.tif" for b in BANDS
    }
    # What is stored is all that counts here: a crop has no offset.
    stored = {
        f"b{r}": np.stack([coordinates(b, 5400 // r, 4800 // r) for b in bands]) + np.uint16(1000)
        for r, bands in BY_RESOLUTION.items()
    }
    np.savez(folder / "L2A_a.npz", **stored)  # type: ignore[arg-type]
    made["crop"] = folder / "L2A_a.npz"
    if importlib.util.find_spec("zarr"):
        from s2_superres.testing.eopf import write_store

        forms: tuple[Literal["cpm", "geozarr"], ...] = ("cpm", "geozarr")
        for form in forms:
            made[form] = folder / form / f"{spec.name}.zarr"
            write_store(made[form], spec, coordinates, form)
    return made


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_any_window_of_any_form_is_the_slice_of_the_whole(
    forms_of_one: dict[str, object], data: st.DataObject
) -> None:
    """Whatever the form, the bands asked for and their order, a window holds the pixels there."""
    source = forms_of_one[data.draw(st.sampled_from(sorted(forms_of_one)))]
    resolution = data.draw(st.sampled_from([10, 20, 60]))
    bands = data.draw(st.lists(st.sampled_from(BY_RESOLUTION[resolution]), min_size=1, unique=True))
    rows, cols = 5400 // resolution, 4800 // resolution
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    height = data.draw(st.integers(1, rows - row))
    width = data.draw(st.integers(1, cols - col))
    with open_reader(open_product(source), bands) as reader:
        dn = reader.read(bands, Area(row, col, height, width))
    whole = np.stack([coordinates(band, rows, cols) + np.uint16(1000) for band in bands])
    np.testing.assert_array_equal(dn, whole[:, row : row + height, col : col + width])


def test_every_form_serves_patches_and_validation(forms_of_one: dict[str, object]) -> None:
    """Not only predict: scenes of all forms that lie on disk hold the same values."""
    expected = None
    for form, source in forms_of_one.items():
        if isinstance(source, dict) or form == "crop":
            continue
        scene = read_scene(Path(str(source)))
        scenes, unusable = open_scenes([Path(str(source))], 20)
        assert not unusable and scenes[0].facts.place == "T33UUB"
        with scenes[0] as opened:
            first = opened.read(20, 0, 12).values
        np.testing.assert_array_equal(first, scene.bands[20][:, :12])
        expected = scene.bands if expected is None else expected
        for resolution, bands in expected.items():
            np.testing.assert_array_equal(scene.bands[resolution], bands)


def test_a_form_is_one_module() -> None:
    """Each module of the room has an opener of its own name that says what it accepts."""
    names = [module.name for module in pkgutil.iter_modules(formats.__path__)]
    assert "safe" in names
    for name in names:
        opener = importlib.import_module(f"{formats.__name__}.{name}").OPENER
        assert opener.name == name and opener.accepts


def test_claims_do_not_overlap(l1c: Path, tmp_path: Path) -> None:
    """A source is recognised by one opener, whatever the order."""
    (tmp_path / "a.json").write_text("{}")
    paths = (l1c, l1c / "MTD_MSIL1C.xml", l1c.parent, tmp_path, tmp_path / "a.json")
    for source in (*paths, 3, {"B02": "a.tif"}, {}):
        assert sum(bool(opener.recognises(source)) for opener in openers.openers()) <= 1


@pytest.mark.parametrize("source", [3, None, {}, "https://example.org/nothing"])
def test_what_nobody_recognises_lists_what_is_accepted(source: object) -> None:
    with pytest.raises(ProductError, match=r"not a product; give .*\.SAFE folder.*not supported"):
        find_opener(source)


def test_a_product_of_an_opener_that_is_gone(l1c: Path) -> None:
    """A product that was pickled by a process with a plug-in says what lacks in one without."""
    with pytest.raises(ProductError, match="nothing reads tiles; install the package"):
        open_reader(replace(open_product(l1c), format="tiles"))


def test_plug_ins_are_not_looked_up_for_what_is_our_own(l1c: Path) -> None:
    """Opening a .SAFE folder does not wait for a search through all installed packages."""
    code = (
        "from s2_superres import open_product; from s2_superres.products import openers; "
        f"open_product({str(l1c)!r}); print(openers._others.cache_info().currsize)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
