"""Weights files: write, read, check, and find those that ship with the package.

A file is a NumPy ``.npz`` without pickles: one array per variable, named
``layer/kernel`` or ``layer/bias``, and a JSON text ``metadata`` that holds the
network's spec and how the weights were made.  Half precision by default.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.choices import DEFAULT_NETWORK, NO_NETWORK
from s2_superres.errors import WeightsError
from s2_superres.files.atomic import whole_file
from s2_superres.files.npz import read_npz
from s2_superres.networks.body import fold
from s2_superres.networks.family import families, family_of, untrained_family
from s2_superres.networks.graph import build_network
from s2_superres.networks.shipped import SHIPPED, shipped_index
from s2_superres.networks.spec import NetworkSpec

if TYPE_CHECKING:
    import keras

_FORMAT = 1
#: How ``.npz`` files begin.
_ZIP = b"PK\x03\x04"
#: How the arrays of an error head begin, and the one that is not learnt but measured.
_ERROR = "error_"
ERROR_FACTOR = "error_factor"
#: Share of pixels whose truth error bars hold.
ERROR_SHARE = 0.9


@dataclass(frozen=True)
class Weights:
    """A network's spec and the values of its variables.

    Attributes
    ----------
    spec : NetworkSpec
    arrays : mapping of str to ndarray
        Float arrays by ``layer/kernel`` (rows, cols, in, out) and ``layer/bias``.
    metadata : dict
        How the weights were made: data, recipe, scores. JSON types.
    sha256 : str
        Hash of the file, or of nothing for weights made in memory.
    name : str
        File name without its ending, for tags and messages.
    """

    spec: NetworkSpec
    arrays: Mapping[str, NDArray[np.floating]]
    metadata: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    name: str = ""

    @property
    def tells_errors(self) -> bool:
        """Whether they have a head that tells errors, see `s2_superres.networks.errorbar`."""
        return ERROR_FACTOR in self.arrays

    def require_errors(self) -> None:
        """Check that they tell errors.

        Raises
        ------
        WeightsError
            If they do not.
        """
        if not self.tells_errors:
            raise WeightsError(
                f"{self.name}: these weights tell no errors; leave --with-error out, take weights "
                "that do, or add a head with `s2-superres calibrate`"
            )

    @property
    def body(self) -> dict[str, NDArray[np.floating]]:
        """The arrays of the network alone."""
        return {n: a for n, a in self.arrays.items() if not n.startswith(_ERROR)}


def variables_of(model: keras.Model) -> dict[str, Any]:
    """Return a model's trained variables by ``layer/kernel`` and ``layer/bias``."""
    return {
        f"{layer.name}/{variable.name}": variable
        for layer in model.layers
        for variable in layer.trainable_weights
    }


def apply_weights(model: keras.Model, weights: Weights) -> None:
    """Set a model's variables.

    Raises
    ------
    WeightsError
        If names or shapes differ from the model's.
    """
    variables = variables_of(model)
    if not weights.spec.phased:
        # A network without its second part is the same as one where that has learned nothing.
        variables = {n: v for n, v in variables.items() if not n.startswith("phase_")}
    arrays = weights.body
    if set(variables) != set(arrays):
        odd = sorted(set(variables) ^ set(arrays))[0]
        raise WeightsError(
            f"{weights.name}: the weights do not fit the network (first difference: {odd}); "
            "use the file with the network it was trained for"
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != arrays[name].shape:
            raise WeightsError(
                f"{weights.name}: {name} has shape {arrays[name].shape}, "
                f"the network needs {tuple(variable.shape)}; use the file with the network it was "
                "trained for"
            )
        variable.assign(arrays[name].astype(np.float32))


def mean_weights(parts: Sequence[Weights]) -> Weights:
    """Return the mean of weights of one network, where each variable is the mean of theirs.

    Runs that started from the same weights are often better so than each of them (Wortsman et al.
    2022, Model soups, ICML).

    Parameters
    ----------
    parts : sequence of Weights
        At least one; a single one is returned as it is.

    Raises
    ------
    WeightsError
        If they are of different networks.
    """
    first = parts[0]
    if len(parts) == 1:
        return first
    for other in parts[1:]:
        if replace(other.spec, consistent=first.spec.consistent) != first.spec:
            raise WeightsError(
                f"{other.name} and {first.name} are of different networks; "
                "the mean is of weights of one"
            )
    arrays = {
        name: np.stack([part.arrays[name] for part in parts]).mean(axis=0, dtype=np.float64)
        for name in first.body
    }
    made = [{"sha256": part.sha256, **part.metadata} for part in parts]
    return Weights(first.spec, arrays, {"mean_of": made}, name="mean")


def started_from(metadata: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the metadata of the weights that a run started from, by their files' names."""
    if "init" not in metadata:
        return {}
    init, files = metadata["init"], metadata["recipe"]["init"]
    parts = init.get("mean_of", [init])
    return dict(zip([files] if isinstance(files, str) else files, parts, strict=True))


def build_with_weights(weights: Weights, precision: str = "float32", trim: int = 0) -> keras.Model:
    """Build the network of some weights for inference and set them; see `build_network`."""
    model = build_network(weights.spec, precision, trim, inference=True)
    apply_weights(model, replace(weights, arrays=fold(weights.arrays)))
    return model


def untrained(resolution: int, *, consistent: bool = True) -> Weights:
    """Return the local regression that needs no weights (``--weights none``)."""
    family = untrained_family().name
    spec = NetworkSpec(family, resolution, consistent=consistent, trained=False)
    return Weights(spec, {}, {"recipe": "local regression, nothing trained"}, name=NO_NETWORK)


def save_weights(
    path: str | os.PathLike[str],
    spec: NetworkSpec,
    arrays: Mapping[str, Any],
    metadata: Mapping[str, Any],
    dtype: str = "float16",
) -> None:
    """Write weights to a file, whole or not at all.

    Parameters
    ----------
    path : path-like
    spec : NetworkSpec
    arrays : mapping of str to array-like
        As `Weights.arrays`.
    metadata : mapping
        JSON types only.
    dtype : {"float16", "float32"}

    Raises
    ------
    OutputError
        If the file cannot be written.
    WeightsError
        If a value is not finite, or beyond what `dtype` holds.
    """
    path = Path(path)
    text = json.dumps({"format": _FORMAT, "spec": spec.to_dict(), **metadata}, sort_keys=True)
    with np.errstate(over="ignore"):  # Half precision ends at 65504.
        contents: dict[str, Any] = {
            name: np.asarray(value).astype(dtype) for name, value in arrays.items()
        }
    _check_finite(path, contents)
    with whole_file(path) as file:
        np.savez(file, metadata=np.array(text), **contents)


def load_weights(path: str | os.PathLike[str]) -> Weights:
    """Read a weights file: ours, or a foreign one of a family, as Keras 2's HDF5 of DSen2.

    Raises
    ------
    WeightsError
        If the file is missing, damaged or of another kind.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            magic = file.read(len(_ZIP))
    except OSError as error:
        raise WeightsError(
            f"{path}: cannot read the weights ({error.strerror}); check the path"
        ) from error
    for family in families() if magic != _ZIP else ():
        foreign = family.foreign(path) if family.foreign else None
        if foreign is not None:
            _check_finite(path, foreign[1])
            return Weights(*foreign, file_hash(path), path.stem)
    try:
        arrays = read_npz(path)
        metadata = json.loads(str(arrays.pop("metadata")))
        spec = NetworkSpec.from_dict(metadata.pop("spec"))
        family_of(spec)
        newer = metadata.pop("format") > _FORMAT
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WeightsError(
            f"{path}: not a weights file of s2-superres, nor a Keras HDF5 file, or damaged; "
            "fetch it again or train one with `s2-superres train`"
        ) from error
    if newer:
        raise WeightsError(f"{path}: written by a newer version; update s2-superres")
    _check_finite(path, arrays)
    return Weights(spec, arrays, metadata, file_hash(path), path.stem)


def _check_finite(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Refuse weights of which every pixel would come out as NaN."""
    for name, array in arrays.items():
        if array.dtype.kind != "f" or not np.isfinite(array).all():
            raise WeightsError(
                f"{path}: {name} holds values that are no finite numbers; the file is damaged, or "
                "the training that made it went wrong: fetch it again or train anew"
            )


def file_hash(path: Path) -> str:
    """Return the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@cache
def find_weights(resolution: int, level: str, network: str = DEFAULT_NETWORK) -> Weights:
    """Load the shipped weights for a resolution, level and family.

    Parameters
    ----------
    resolution : {20, 60}
    level : {"L1C", "L2A"}
    network : str
        ``"compact"``, ``"dsen2"``, or ``"default"`` for the better by the table in
        the documentation.

    Raises
    ------
    WeightsError
        If none are shipped, or the file is not the one that was released.
    """
    for name, entry in shipped_index().items():
        if (
            entry["resolution"] == resolution
            and level in entry["levels"]
            and (entry["default"] if network == DEFAULT_NETWORK else entry["family"] == network)
        ):
            path = SHIPPED / name
            if not path.is_file() or file_hash(path) != entry["sha256"]:
                raise WeightsError(
                    f"{path}: missing or not the released file; install s2-superres again, "
                    "or name a file with --weights"
                )
            return load_weights(path)
    raise WeightsError(
        f"no weights ship for network {network!r}, {resolution} m, {level}: "
        "name a file with --weights"
    )
