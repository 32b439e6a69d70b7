"""Loaded networks are one object, which another process can take up from a few names and hashes."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from s2_superres.errors import WeightsError
from s2_superres.networks import support
from s2_superres.networks.compute import Compute
from s2_superres.networks.selection import choose_networks
from s2_superres.networks.sharpener import Sharpener, sharpener

PLAIN = Compute("float32")


def both(tiny: dict[int, str]) -> Sharpener:
    return Sharpener(choose_networks((20, 60), "L1C", weights=tiny), PLAIN)


def test_pickled_it_is_small_and_sharpens_alike(tiny: dict[int, str]) -> None:
    """The weights do not travel."""
    made = both(tiny)
    text = pickle.dumps(made)
    assert len(text) < 2000
    there = pickle.loads(text)
    rng = np.random.default_rng(0)
    inputs = {r: rng.random((n, 240 // r * 6, 240 // r * 6), np.float32)
              for r, n in ((10, 4), (20, 6), (60, 2))}  # fmt: skip
    for resolution in (20, 60):
        here = made.sharpen(resolution, inputs).values
        assert here.shape == ({20: 6, 60: 2}[resolution], 144, 144)
        np.testing.assert_array_equal(there.sharpen(resolution, inputs).values, here)


def test_a_process_loads_the_same_once(tiny: dict[int, str]) -> None:
    """However many windows arrive; other settings are another one."""
    text = pickle.dumps(both(tiny))
    assert pickle.loads(text) is pickle.loads(text)
    networks = choose_networks((20,), "L1C", weights={20: tiny[20]})
    assert sharpener(networks, PLAIN) is sharpener(networks, PLAIN)
    assert sharpener(networks, PLAIN) is not sharpener(networks, Compute("bfloat16"))


def test_other_weights_under_the_same_name_are_refused(
    tiny: dict[int, str], tmp_path: Path
) -> None:
    """A worker whose disk holds other files says so, and does not mix results."""
    file = tmp_path / "w.npz"
    shutil.copy(tiny[20], file)
    text = pickle.dumps(Sharpener(choose_networks((20,), "L1C", weights=file), PLAIN))
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files}
    arrays["tail/bias"] = arrays["tail/bias"] + 1
    np.savez(file, **arrays)
    with pytest.raises(WeightsError, match=r"w: these weights are others here"):
        pickle.loads(text)


def test_windows_suit_the_most_careful_network(tiny: dict[int, str]) -> None:
    """The smallest tile and the widest halo of all, unless a tile is asked for."""
    made = both(tiny)
    assert made.halo == max(support.halo(weights.spec) for weights in made.weights.values())
    assert made.tile == 636
    assert Sharpener(made.networks, Compute("float32", 240)).tile == 240
