"""The accumulators that the metrics ask for, each once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar, cast

from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.errors import InputError

from . import strips
from .tiles import Accumulator


class BandSink(Protocol):
    """Takes a quality map with its bands, (rows, cols, bands) float32."""

    def write(self, row: int, block: Array) -> None:
        """Take the rows that start at `row`."""


@dataclass(slots=True)
class Entry:
    """An accumulator in use.

    Attributes
    ----------
    accumulator : Accumulator
        It.
    takes : {"pixels", "tiles", "strips"}
        What it is best given. Those of pixels are done in no time, and share a few rows while these
        are in the cache; strips have the image's full width.
    width : int
        Columns of a tile.
    maps : str or None
        The metric whose map it can fill.
    """

    accumulator: Accumulator
    takes: Literal["pixels", "tiles", "strips"]
    width: int = 0
    maps: str | None = None


A = TypeVar("A")


class Plan:
    """The accumulators that the metrics ask for, each once, and what they may know of the pair.

    A metric's ``begin`` asks for its accumulators with `pixels`, `tiles` or `strips`; whoever asks
    for the same one gets the same one.

    Parameters
    ----------
    shape : tuple of int
        Rows, columns and bands.
    data_range : DataRange
        The one asked for, or the one assumed.
    sinks : mapping of str to BandSink
        Where the local maps of metrics go.

    Attributes
    ----------
    bands, area : int
        Number of bands, and of pixels.
    entries : dict
        The accumulators, by what was asked for.
    pool : Executor or None
        Threads that a metric may use in the end.
    """

    def __init__(
        self, shape: tuple[int, int, int], data_range: DataRange, sinks: Mapping[str, BandSink]
    ) -> None:
        self.shape = shape
        self.bands = shape[2]
        self.area = shape[0] * shape[1]
        self.data_range = data_range
        self.sinks = sinks
        self.entries: dict[tuple[Any, ...], Entry] = {}
        self.pool: Executor | None = None

    def pixels(self, kind: Callable[..., A], *arguments: Any) -> A:
        """The accumulator of this kind that sees one pixel at a time and is done in no time."""
        return self._shared(kind, arguments, "pixels")

    def tiles(
        self, kind: Callable[..., A], *arguments: Any, width: float = 1, maps: str | None = None
    ) -> A:
        """The accumulator of this kind that works best tile by tile, of more or less width.

        `maps` names the metric whose map it fills.
        """
        usual = max(32, strips.TILE_SAMPLES // (strips.TILE_ROWS * min(self.bands, 4)))
        return self._shared(kind, arguments, "tiles", max(32, int(usual * width)), maps)

    def strips(self, kind: Callable[..., A], *arguments: Any) -> A:
        """The accumulator of this kind that takes strips of the images' full width."""
        return self._shared(kind, arguments, "strips")

    def fits(self, name: str, size: int, cure: str = "") -> None:
        """Refuse images smaller than what the metric looks at.

        Raises
        ------
        InputError
        """
        rows, cols, bands = self.shape
        if min(rows, cols) < size:
            kind = f" with {bands} bands, which come last" if bands > min(rows, cols) else ""
            raise InputError(
                f"{name.upper()} looks at {size} x {size} windows and the images are only "
                f"{rows} x {cols}{kind}; give {cure}larger images"
            )

    @property
    def halo(self) -> tuple[int, int]:
        """The rows needed before and after a strip."""
        halos = [entry.accumulator.halo for entry in self.entries.values()]
        return max((h[0] for h in halos), default=0), max((h[1] for h in halos), default=0)

    @property
    def divisible(self) -> bool:
        """Whether there is work for more than one thread at a time."""
        return any(entry.takes != "pixels" for entry in self.entries.values())

    def _shared(
        self,
        kind: Callable[..., A],
        arguments: tuple[Any, ...],
        takes: Literal["pixels", "tiles", "strips"],
        width: int = 0,
        maps: str | None = None,
    ) -> A:
        key = kind, *arguments
        if key not in self.entries:
            made = cast(Accumulator, kind(*arguments))
            self.entries[key] = Entry(made, takes, width)
        if maps is not None:
            self.entries[key].maps = maps
        return cast(A, self.entries[key].accumulator)
