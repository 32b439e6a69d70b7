"""Weights files hold finite numbers of the network they name, or are refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from s2_superres.errors import WeightsError
from s2_superres.networks.weights import load_weights, save_weights


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused_by_name(
    tmp_path: Path, tiny: dict[int, str], odd: float
) -> None:
    """Every pixel would come out as NaN, and a file would hold no data from edge to edge."""
    path = tmp_path / "odd.npz"
    with np.load(tiny[20]) as file:
        arrays = dict(file)
    arrays["block0_conv1/bias"][2] = odd
    np.savez(path, **arrays)
    with pytest.raises(WeightsError, match=r"odd\.npz: block0_conv1/bias holds .* no finite"):
        load_weights(path)


@pytest.mark.parametrize(
    ("odd", "says"),
    [
        ({"family": "u-net"}, "unknown network 'u-net': choose one of compact"),
        ({"phased": True}, "dsen2: cannot be phased; take network compact"),
        ({"attention": 3}, r"does not know \(attention\): update s2-superres"),
    ],
)
def test_a_network_that_cannot_be_is_told_with_its_file(
    tmp_path: Path, tiny: dict[int, str], odd: dict[str, object], says: str
) -> None:
    path = tmp_path / "odd.npz"
    with np.load(tiny[20]) as file:
        arrays = dict(file)
    metadata = json.loads(str(arrays["metadata"]))
    metadata["spec"] |= odd
    arrays["metadata"] = np.array(json.dumps(metadata))
    np.savez(path, **arrays)
    with pytest.raises(WeightsError, match=rf"odd\.npz: .*{says}"):
        load_weights(path)


def test_weights_that_half_precision_cannot_hold_are_not_written(
    tmp_path: Path, tiny: dict[int, str]
) -> None:
    """What was there before stays."""
    weights = load_weights(tiny[20])
    path = tmp_path / "w.npz"
    save_weights(path, weights.spec, weights.arrays, {})
    before = path.read_bytes()
    huge = {**weights.arrays, "tail/bias": np.full(6, 1e6)}
    with pytest.raises(WeightsError, match=r"w\.npz: tail/bias"):
        save_weights(path, weights.spec, huge, {})
    assert path.read_bytes() == before
    save_weights(path, weights.spec, huge, {}, "float32")
