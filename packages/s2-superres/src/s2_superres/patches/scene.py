"""A scene that patches are cut from: what is known of it, and its pixels by rows.

Everything is counted in target pixels: those of the bands at their measured
resolution, which serve as truth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray

#: Brighter digital numbers do not fit the patches' int16: reflectance 3.3 and more.
BRIGHTEST = 32767


@dataclass(frozen=True)
class SceneFacts:
    """What is known of a scene before its pixels are read.

    Attributes
    ----------
    name : str
        Unique among the scenes of a set; becomes a folder's name.
    place : str
        What decides the split: MGRS tile, or the crop's place.
    level : str
        ``L1C``, ``L2A`` or ``unknown``.
    split : str or None
        ``train`` or ``validation`` where the source says so.
    offset : float
        What is added to the stored digital numbers, the lowest of the bands.
    source : str
        File name of the source.
    shape : tuple of int
        Target rows and columns; `ShiftedScene` cuts them to multiples of the ratio.
    stand_in : bool
        Coarser pixels stand for those of the resolution.
    """

    name: str
    place: str
    level: str
    split: str | None
    offset: float
    source: str
    shape: tuple[int, int]
    stand_in: bool = False


def split_of(index: Mapping[str, str]) -> str | None:
    """Return the side of the split that an index tells of, if it does."""
    split = index.get("split")
    return split if split in ("train", "validation") else None


class Pixels(NamedTuple):
    """Some rows of the bands of one resolution.

    Attributes
    ----------
    values : ndarray of float32, shape (bands, rows, cols)
        Digital numbers without offset.
    valid : ndarray of bool, shape (rows, cols)
        Where all bands have a value.
    measured : ndarray of bool, shape (rows, cols)
        Where it is the sensor's own, and not interpolated.
    """

    values: NDArray[np.float32]
    valid: NDArray[np.bool_]
    measured: NDArray[np.bool_]

    def columns(self, first: int, stop: int | None = None) -> Pixels:
        """Return some of their columns."""
        kept = slice(first, stop)
        return Pixels(self.values[..., kept], self.valid[:, kept], self.measured[:, kept])


class SceneReader(Protocol):
    """Reads a scene by rows; a context manager, within which it does."""

    #: The crop, or the product's folder or zip.
    path: Path
    facts: SceneFacts
    #: Per input resolution, how many times it is degraded.
    factors: dict[int, int]

    def __enter__(self) -> Self: ...

    def __exit__(self, *details: object) -> None: ...

    def read(self, resolution: int, row: int, rows: int) -> Pixels:
        """Return some rows of the bands of a resolution."""

    def require_clouds(self) -> None:
        """Check that the source says where clouds are; an `S2SuperresError` if it does not."""

    def clouds(self, row: int, rows: int) -> NDArray[np.bool_]:
        """Return where the source says cloud, in target pixels."""
