"""Keras 2 HDF5 files of DSen2 and VDSen2."""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
import pytest

from s2_superres.bands import BANDS_10M
from s2_superres.errors import WeightsError
from s2_superres.networks.weights import build_with_weights, load_weights
from s2_superres.raster.degradation import degrade

SHARED = Path(__file__).parents[5] / "shared"


def convolutions(inputs: int, outputs: int, features: int = 4, blocks: int = 2) -> list[tuple]:
    """Return random kernels and biases from head to tail."""
    rng = np.random.default_rng(0)
    shapes = [(inputs, features), *[(features, features)] * (2 * blocks), (features, outputs)]
    return [
        (
            rng.normal(0, 0.1, (3, 3, *shape)).astype("f4"),
            rng.normal(0, 0.1, shape[1:]).astype("f4"),
        )
        for shape in shapes
    ]


def write(
    path: Path, layers: list[tuple], *, whole_model: bool = False, split: bool = False
) -> Path:
    """Write a file as Keras 2 does: alphabetical groups, the order in an attribute."""
    with h5py.File(path, "w") as file:
        group = file.create_group("model_weights") if whole_model else file
        if whole_model:
            file.attrs["model_config"] = "{}"
            file.create_group("optimizer_weights")
        names = ["input_1", "concatenate"]
        for i, _ in enumerate(layers):
            names += [f"conv2d_{i + 7}", f"activation_{i}"]
        for name in names:
            group.create_group(name).attrs["weight_names"] = np.array([], "S1")
        for i, (kernel, bias) in enumerate(layers):
            name = f"conv2d_{i + 7}"
            group[name].attrs["weight_names"] = np.array(
                [f"{name}/kernel:0".encode(), f"{name}/bias:0".encode()]
            )
            group[name][f"{name}/kernel:0"] = kernel
            group[name][f"{name}/bias:0"] = bias
        encoded = np.array([name.encode() for name in names])
        if split:
            group.attrs["layer_names0"], group.attrs["layer_names1"] = encoded[:5], encoded[5:]
        else:
            group.attrs["layer_names"] = encoded
    return path


@pytest.mark.parametrize("whole_model", [False, True])
@pytest.mark.parametrize("split", [False, True])
@pytest.mark.parametrize(("resolution", "inputs", "outputs"), [(20, 10, 6), (60, 12, 2)])
def test_weights_alone_and_whole_models_are_read_in_the_networks_order(
    tmp_path: Path, whole_model: bool, split: bool, resolution: int, inputs: int, outputs: int
) -> None:
    """conv2d_10 comes after conv2d_9, although HDF5 lists it first."""
    layers = convolutions(inputs, outputs)
    weights = load_weights(write(tmp_path / "w.hdf5", layers, whole_model=whole_model, split=split))
    assert (weights.spec.family, weights.spec.resolution) == ("dsen2", resolution)
    assert (weights.spec.features, weights.spec.blocks) == (4, 2)
    names = ["head", "block0_conv1", "block0_conv2", "block1_conv1", "block1_conv2", "tail"]
    assert [name.removesuffix("/bias") for name in weights.arrays if "bias" in name] == names
    for name, (kernel, bias) in list(zip(names, layers, strict=True))[1:]:
        np.testing.assert_array_equal(weights.arrays[f"{name}/kernel"], kernel)
        np.testing.assert_array_equal(weights.arrays[f"{name}/bias"], bias)


def test_inputs_are_moved_from_their_band_order_to_ours(tmp_path: Path) -> None:
    """The kernel that saw B04 B03 B02 B08 sees the same bands in ours."""
    layers = convolutions(12, 2)
    weights = load_weights(write(tmp_path / "w.hdf5", layers))
    theirs = dict(zip(["B04", "B03", "B02", "B08"], np.moveaxis(layers[0][0], 2, 0), strict=False))
    kernel = np.moveaxis(weights.arrays["head/kernel"], 2, 0)
    for i, band in enumerate(BANDS_10M):
        np.testing.assert_array_equal(kernel[i], theirs[band.name])
    np.testing.assert_array_equal(kernel[4:], np.moveaxis(layers[0][0], 2, 0)[4:])


def test_256_features_are_vdsen2(tmp_path: Path) -> None:
    """The family is told by the width, the depth by counting."""
    weights = load_weights(write(tmp_path / "w.hdf5", convolutions(10, 6, features=256, blocks=1)))
    assert (weights.spec.family, weights.spec.blocks) == ("vdsen2", 1)


def other_network(path: Path) -> None:
    write(path, convolutions(3, 3))


def odd_layers(path: Path) -> None:
    write(path, convolutions(10, 6)[:-1])


def not_a_convolution(path: Path) -> None:
    write(path, [(np.zeros((10, 6), "f4"), np.zeros(6, "f4"))])


def cut_off(path: Path) -> None:
    write(path, convolutions(10, 6, features=64))
    path.write_bytes(path.read_bytes()[:100_000])


def not_keras(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["values"] = np.arange(4)


def not_finite(path: Path) -> None:
    layers = convolutions(10, 6)
    layers[2][0][0, 0, 0, 0] = np.nan
    write(path, layers)


@pytest.mark.parametrize(
    "damage", [other_network, odd_layers, not_a_convolution, cut_off, not_keras, not_finite]
)
def test_other_and_damaged_files_are_refused_by_name(tmp_path: Path, damage) -> None:
    """One line that names the file."""
    path = tmp_path / "odd.hdf5"
    damage(path)
    with pytest.raises(WeightsError, match=r"odd\.hdf5") as caught:
        load_weights(path)
    assert "\n" not in str(caught.value)


CIRCULATING = os.environ.get("S2_SUPERRES_DSEN2_FILES", "")


@pytest.mark.skipif(
    not CIRCULATING or not (SHARED / "data").is_dir(),
    reason="set S2_SUPERRES_DSEN2_FILES to a folder of the files in circulation",
)
@pytest.mark.parametrize(("resolution", "bar"), [(20, 29.0), (60, 11.5)])
def test_the_files_in_circulation_reach_their_known_score(resolution: int, bar: float) -> None:
    """RMSE in DN over a scene one scale down, as measured with another implementation."""
    (path,) = Path(CIRCULATING).glob(f"l1c_dsen2_{resolution}m*.hdf5")
    scene = np.load(SHARED / "data/sentinel2/L1C_hvn2_usa.npz")
    ratio, side = resolution // 10, 396
    bands = {10: scene["b10"], 20: scene["b20"], 60: scene["b60"]}
    bands = {r: b[:, : side * 10 // r, : side * 10 // r] for r, b in bands.items()}
    model = build_with_weights(load_weights(path))
    inputs = [degrade(bands[r], ratio) for r in (10, 20, 60) if r <= resolution]
    output = np.asarray(model([np.moveaxis(x, 0, -1)[None] / 2000 for x in inputs]))[0] * 2000
    error = output - np.moveaxis(bands[resolution].astype("f4"), 0, -1)
    assert np.sqrt((error**2).mean((0, 1))).mean() < bar
