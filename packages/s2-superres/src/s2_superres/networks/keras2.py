"""Weights files of DSen2 and VDSen2 in circulation: Keras 2 HDF5.

Either weights alone or a whole model with its optimizer. The layers come in the
order of the attribute ``layer_names``, and those with weights are the
convolutions of the network from head to tail. Kernels are stored as (rows,
cols, in, out), although the models ran channels first. Their inputs are in the
order B04 B03 B02 B08, the 20 m bands, the 60 m bands; the kernel of the first
layer is reordered so that the network takes the bands in this package's order.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import B02, B03, B04, B08, BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.errors import WeightsError
from s2_superres.networks.spec import NetworkSpec

_THEIR_10M = (B04, B03, B02, B08)
_OUTPUTS = {20: len(BANDS_20M), 60: len(BANDS_60M)}
_INPUTS = {
    20: len(BANDS_10M + BANDS_20M),
    60: len(BANDS_10M + BANDS_20M + BANDS_60M),
}
#: VDSen2 is DSen2 with this many features.
_VDSEN2_FEATURES = 256

#: How HDF5 files begin.
_MAGIC = b"\x89HDF\r\n\x1a\n"

_Convolution = tuple[NDArray[np.float32], NDArray[np.float32]]


def read_legacy(path: Path) -> tuple[NetworkSpec, dict[str, NDArray[np.float32]]] | None:
    """Read a Keras 2 HDF5 file of DSen2 or VDSen2.

    Parameters
    ----------
    path : Path

    Returns
    -------
    (NetworkSpec, dict of str to ndarray), or None
        The spec is deduced from the shapes of the kernels; values by ``layer/kernel`` (rows, cols,
        in, out) and ``layer/bias``. None for a file that is no HDF5.

    Raises
    ------
    WeightsError
        If the file is damaged, or holds another network.
    """
    with path.open("rb") as opened:
        if opened.read(len(_MAGIC)) != _MAGIC:
            return None
    import h5py

    try:
        with h5py.File(path, "r") as file:
            convolutions = _convolutions(file)
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: damaged, or not weights that Keras 2 wrote; fetch the file again"
        ) from error
    spec = _spec(path, convolutions)
    head_kernel, head_bias = convolutions[0]
    arrays: dict[str, NDArray[np.float32]] = {}
    for name, (kernel, bias) in zip(
        _layer_names(spec), [(_reordered(head_kernel), head_bias), *convolutions[1:]], strict=True
    ):
        arrays[f"{name}/kernel"] = kernel
        arrays[f"{name}/bias"] = bias
    return spec, arrays


def _convolutions(file: Any) -> list[_Convolution]:
    """Kernel and bias of every layer that has weights, in the network's order."""
    group = file.get("model_weights", file)
    found = []
    for layer in _names(group, "layer_names"):
        names = _names(group[layer], "weight_names")
        if not names:
            continue
        kernel, bias = (np.asarray(group[layer][name], np.float32) for name in names)
        if kernel.ndim != 4 or kernel.shape[:2] != (3, 3) or bias.shape != kernel.shape[3:]:
            raise ValueError(f"layer {layer} is no 3 x 3 convolution")
        found.append((kernel, bias))
    return found


def _names(group: Any, attribute: str) -> list[str]:
    """Read a list of names, which Keras splits over ``NAME0``, ``NAME1``… when it is long."""
    if attribute in group.attrs:
        values = list(group.attrs[attribute])
    else:
        values = []
        while f"{attribute}{(part := len(values))}" in group.attrs:
            values.append(group.attrs[f"{attribute}{part}"])
        if not values:
            raise KeyError(attribute)
        values = [name for part in values for name in part]
    return [name.decode() if isinstance(name, bytes) else str(name) for name in values]


def _spec(path: Path, convolutions: list[_Convolution]) -> NetworkSpec:
    shapes = [kernel.shape[2:] for kernel, _ in convolutions]
    if len(shapes) >= 2 and len(shapes) % 2 == 0:
        inputs, features = shapes[0]
        body = [(features, features)] * (len(shapes) - 2)
        for resolution, outputs in _OUTPUTS.items():
            if shapes == [(_INPUTS[resolution], features), *body, (features, outputs)]:
                family = "vdsen2" if features >= _VDSEN2_FEATURES else "dsen2"
                return NetworkSpec(family, resolution, features, len(body) // 2)
        found = f"{len(shapes)} convolutions from {inputs} to {shapes[-1][1]} bands"
    else:
        found = f"{len(shapes)} convolutions"
    raise WeightsError(
        f"{path}: a network with {found} is neither DSen2 nor VDSen2 "
        "(10 to 6 bands at 20 m, 12 to 2 at 60 m); only files of these two are read"
    )


def _layer_names(spec: NetworkSpec) -> list[str]:
    """Names of `s2_superres.networks.body.Body`'s layers, from head to tail."""
    blocks = [f"block{i}_conv{j}" for i in range(spec.blocks) for j in (1, 2)]
    return ["head", *blocks, "tail"]


def _reordered(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the first kernel's input channels the order of `BANDS_10M`."""
    order = [_THEIR_10M.index(band) for band in BANDS_10M]
    return kernel[:, :, order + list(range(len(BANDS_10M), kernel.shape[2]))]
