"""A format is one module: found by itself, chosen by name or ending, used like any other."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from s2_superres import writers
from s2_superres.errors import InputError
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.raster.grid import Area
from s2_superres.writers.formats import choose_format, formats
from s2_superres.writers.spec import Format

HOUSE = Path(__file__).parents[4] / "docs" / "house.md"


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Format:
    """The documentation's example of a writer, as a module of the room."""
    if not HOUSE.exists():
        pytest.skip("the documentation is not here")
    recipe = HOUSE.read_text(encoding="utf-8").partition("### Add a writer")[2]
    found = re.search(r"whole file, `writers/(\w+)\.py`.*?```python\n(.*?)```", recipe, re.DOTALL)
    assert found, "the page on the house has no example of a writer"
    name, source = found.groups()
    folder = tmp_path / "plugins"
    folder.mkdir()
    (folder / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.delitem(sys.modules, f"s2_superres.writers.{name}", raising=False)
    before = set(formats())
    monkeypatch.setattr(writers, "__path__", [*writers.__path__, str(folder)])
    (added,) = set(formats()) - before
    return formats()[added]


def test_the_recipe_makes_a_format(
    plugged_in: Format, l1c: Path, tmp_path: Path, tiny: dict[int, str]
) -> None:
    """One module, and `predict` writes it, by name and by ending, whole or not at all."""
    options = Options(weights=tiny, precision="float32", bands="B05,B11")
    predict(l1c, tmp_path / "o.tif", options)
    ending = plugged_in.suffixes[0]
    predict(l1c, tmp_path / f"o{ending}", options)
    area = Area(6, 12, 200, 240)
    expected = formats()["cog"].read(tmp_path / "o.tif", area, ["B11", "B05"])
    got = plugged_in.read(tmp_path / f"o{ending}", area, ["B11", "B05"])
    np.testing.assert_array_equal(got, expected)
    assert sorted(path.name for path in tmp_path.glob("*o*.*")) == sorted(["o.tif", f"o{ending}"])


def test_names_and_endings_choose(tmp_path: Path) -> None:
    """What contradicts itself is refused."""
    assert choose_format(None, "a.tif").name == choose_format(None, "a.10m").name == "cog"
    assert choose_format("gtiff", "a.TIFF").name == "gtiff"
    assert choose_format(None, "a.ZARR").name == choose_format("zarr", "a").name == "zarr"
    with pytest.raises(InputError, match=f"choose {' or '.join(formats())}"):
        choose_format("bmp", "a.bmp")
