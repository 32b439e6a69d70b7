"""The bands of an output, in order: what each is, and where a window's result has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION, Band
from s2_superres.inference import blocks
from s2_superres.inference.convention import Convention
from s2_superres.inference.plan import Prepared, error_name
from s2_superres.writers.spec import Layer


@dataclass(frozen=True)
class Plane:
    """One band of an output.

    Attributes
    ----------
    layer : Layer
        Its description.
    band : Band or None
        None of a mask.
    offset : float
        What is to be added to the product's digital numbers of it.
    error : bool
        Whether it is the band's error bar.
    mask : str
        Name of the mask that it is.
    """

    layer: Layer
    band: Band | None
    offset: float = 0.0
    error: bool = False
    mask: str = ""

    def of(self, result: blocks.Result) -> NDArray[Any]:
        """Return it from a window's result, in the product's digital numbers or as classes."""
        if self.band is None:
            return result.masks[self.mask]
        per_resolution = result.errors if self.error else result.bands
        index = BY_RESOLUTION[self.band.resolution].index(self.band)
        plane: NDArray[Any] = per_resolution[self.band.resolution][index]
        return plane


@dataclass(frozen=True)
class Planes:
    """All bands of an output, and what its numbers are. Picklable."""

    planes: tuple[Plane, ...]
    convention: Convention

    @classmethod
    def of(cls, run: Prepared) -> Planes:
        """Return those of a run."""
        convention = Convention.of(run.product, run.options.values)
        return cls(tuple(_planes(run, convention)), convention)

    def __len__(self) -> int:
        return len(self.planes)

    @property
    def layers(self) -> list[Layer]:
        """Their descriptions."""
        return [plane.layer for plane in self.planes]

    def stack(self, result: blocks.Result) -> NDArray[Any]:
        """Return a window's bands in the output's order and numbers, ``(bands, rows, cols)``."""
        return np.stack([self._converted(plane, plane.of(result)) for plane in self.planes])

    def _converted(self, plane: Plane, values: NDArray[Any]) -> NDArray[Any]:
        if plane.band is None:
            return self.convention.convert_classes(values)
        return self.convention.convert(values, plane.offset)


def _planes(run: Prepared, convention: Convention) -> Iterator[Plane]:
    product = run.product
    for band in run.bands:
        offset = product.offsets[band.name]
        layer = Layer(band.name, product.wavelengths[band.name], *convention.scaling(offset))
        yield Plane(layer, band, offset)
    for band in run.with_errors:
        yield Plane(Layer(error_name(band), None, *convention.scaling(0.0)), band, error=True)
    for mask in run.job.masks:
        yield Plane(Layer(mask.name.upper(), classes=mask.classes), None, mask=mask.name)
