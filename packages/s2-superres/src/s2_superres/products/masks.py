"""What a product says of its pixels: Sen2Cor's scene classification, and where clouds are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import methodcaller
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError
from s2_superres.products.clouds import SCL_CLOUDS
from s2_superres.products.openers import open_reader
from s2_superres.products.product import Product
from s2_superres.raster.grid import Area
from s2_superres.raster.mosaic import repeat


@dataclass(frozen=True)
class Mask:
    """Classes of pixels that can be put beside the bands.

    Attributes
    ----------
    name : str
        As users give it.
    classes : mapping of int to str
        What the numbers mean. 0 is no data.
    require : callable
        ``(reader) -> None``, or a `ProductError` if the product does not tell them.
    read : callable
        ``(reader, area) -> ndarray of uint8`` of an area in 10 m pixels, by nearest.
    """

    name: str
    classes: Mapping[int, str]
    require: Callable[[Any], None]
    read: Callable[[Any, Area], NDArray[np.uint8]]


def _scene_classification(reader: Any, area: Area) -> NDArray[np.uint8]:
    classes: NDArray[np.uint8] = reader.scene_classification(area)
    return classes


def _clouds(reader: Any, area: Area) -> NDArray[np.uint8]:
    if reader.classification:
        # By windows, where the scene classification is what tells of clouds.
        classes = reader.scene_classification(area)
        return np.where(classes == 0, 0, 1 + np.isin(classes, SCL_CLOUDS)).astype(np.uint8)
    return repeat(reader.cloud_mask(area.at(20), 20), 2) + np.uint8(1)


SCL = Mask(
    "scl",
    {
        1: "saturated or defective", 2: "dark area", 3: "cloud shadow", 4: "vegetation",
        5: "not vegetated", 6: "water", 7: "unclassified", 8: "cloud, medium probability",
        9: "cloud, high probability", 10: "thin cirrus", 11: "snow or ice",
    },
    methodcaller("require_classification"),
    _scene_classification,
)  # fmt: skip
CLOUD = Mask(
    "cloud",
    {1: "clear", 2: "cloud, cloud shadow or cirrus"},
    methodcaller("require_clouds"),
    _clouds,
)
MASKS = {mask.name: mask for mask in (SCL, CLOUD)}


def choose_masks(names: Sequence[str] | str | None) -> tuple[Mask, ...]:
    """Return masks by their names, each once, in the order of `MASKS`.

    Raises
    ------
    InputError
        If there is no such mask.
    """
    if isinstance(names, str):
        names = names.replace(",", " ").split()
    wanted = {str(name).lower() for name in names or ()}
    for name in wanted - set(MASKS):
        raise InputError(f"masks {name!r}: choose {' or '.join(MASKS)}")
    return tuple(mask for mask in MASKS.values() if mask.name in wanted)


def require_masks(product: Product, masks: Sequence[Mask]) -> None:
    """Check that a product tells them.

    Raises
    ------
    ProductError
        Naming what it lacks, and what to do.
    """
    if masks:
        with open_reader(product, ()) as reader:
            for mask in masks:
                mask.require(reader)
