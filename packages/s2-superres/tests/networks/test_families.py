"""A family of networks is one module, and the recipe of the docs is true."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest

from s2_superres.cli.options import network_names
from s2_superres.errors import TrainingError, WeightsError
from s2_superres.inference.arrays import ArraySource, sharpen
from s2_superres.networks import family
from s2_superres.networks.compute import Compute
from s2_superres.networks.family import Family, families, find_family
from s2_superres.networks.graph import build_network
from s2_superres.networks.selection import choose_networks
from s2_superres.networks.sharpener import Sharpener
from s2_superres.networks.spec import NetworkSpec
from s2_superres.networks.weights import load_weights, save_weights, variables_of
from s2_superres.raster.radiometry import Radiometry
from s2_superres.training.config import TrainingConfig

HOUSE = Path(__file__).parents[4] / "docs" / "house.md"


@pytest.fixture
def plain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Family]:
    """The recipe's module as another package would bring it: by an entry point."""
    text = HOUSE.read_text(encoding="utf-8")
    found = re.search(r"```python\n(.*?)```", text[text.index("### Add a network") :], re.DOTALL)
    assert found
    (tmp_path / "plain_family.py").write_text(found[1])
    monkeypatch.syspath_prepend(tmp_path)
    entry = EntryPoint("plain", "plain_family:PLAIN", family.GROUP)
    monkeypatch.setattr(family, "entry_points", lambda group: [entry])
    family._others.cache_clear()
    yield importlib.import_module("plain_family").PLAIN
    family._others.cache_clear()
    sys.modules.pop("plain_family", None)


@pytest.mark.parametrize("resolution", [20, 60])
def test_the_recipe_can_be_chosen_trained_saved_and_run(
    plain: Family, resolution: int, tmp_path: Path
) -> None:
    """The module of the docs, and nothing else; the result does not depend on the tiling."""
    assert find_family("plain") is plain and "plain" in network_names()
    config = TrainingConfig(data=("p",), network="plain", resolution=resolution, blocks=1)
    assert config.spec == NetworkSpec("plain", resolution, features=16, blocks=1)
    rng = np.random.default_rng(2)
    variables = variables_of(build_network(config.spec))
    arrays = {name: rng.normal(0, 0.1, v.shape) for name, v in variables.items()}
    file = tmp_path / "plain.npz"
    save_weights(file, config.spec, arrays, {}, "float32")
    assert load_weights(file).spec == config.spec
    b10 = rng.integers(500, 4000, (4, 192, 96)).astype("u2")
    b20 = rng.integers(500, 4000, (6, 96, 48)).astype("u2")
    b60 = rng.integers(500, 4000, (2, 32, 16)).astype("u2")
    source = ArraySource({10: b10, 20: b20, 60: b60})
    networks = choose_networks((resolution,), "L1C", weights=file)
    radiometry = Radiometry.uniform(0, 0, None, np.float32)

    def run(tile: int) -> np.ndarray:
        made = Sharpener(networks, Compute("float32", tile))
        return sharpen(source, made, radiometry)[0][resolution]

    whole = run(600)
    assert np.ptp(whole) > 100
    np.testing.assert_allclose(run(132), whole, atol=0.01)


def test_families_are_told_apart_and_described() -> None:
    """Each has a name and a line of its own."""
    assert [one.name for one in families()][:3] == ["compact", "dsen2", "vdsen2"]
    assert len({one.summary for one in families()}) == len(families())


def test_what_is_no_family_lists_those_there_are(plain: Family) -> None:
    """Of plug-ins too."""
    with pytest.raises(WeightsError, match="choose one of compact, dsen2, vdsen2, plain"):
        find_family("u-net")
    with pytest.raises(TrainingError, match="choose one of compact, dsen2, vdsen2, plain"):
        TrainingConfig(data=("p",), network="u-net")


def test_the_names_cost_no_start_of_tensorflow() -> None:
    """Nor a search through all installed packages, for what is our own."""
    code = (
        "import sys; from s2_superres.networks import family; family.find_family('compact'); "
        "print(family._others.cache_info().currsize, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["0", "False"]
