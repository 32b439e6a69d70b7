"""What values there are: outside of the data range, and what looks like fill."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from image_similarity_measures.checks import Array, DataRange
from image_similarity_measures.opencv import opencv

from .tiles import Tile


class RangeCheck:
    """How many valid values of each image lie outside of the data range.

    Attributes
    ----------
    count : int
        Valid values of one image.
    below, above : list of int
        Of each image, the values below and above the range.
    least, most : float
        The extremes met outside of the range, or the range's own ends.
    """

    halo = (0, 0)

    def __init__(self, data_range: DataRange) -> None:
        self.data_range = data_range
        self.count = 0
        self.below, self.above = [0, 0], [0, 0]
        self.least, self.most = data_range.low, data_range.high

    def fresh(self) -> Self:
        """Return an empty accumulator of the same range."""
        return type(self)(self.data_range)

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile's pixels."""
        low, high = self.data_range.low, self.data_range.high
        block = tile.core()
        number = block.org.shape[0] * block.org.shape[1]
        if block.valid is not None:
            number = int(np.count_nonzero(block.valid))
        self.count += number * block.org.shape[2]
        for index, image in enumerate((block.org, block.pred)):
            # Masking costs more than looking, and what is not valid is seldom outside.
            least, most = _extremes(image, low)
            if least >= low and most <= high:
                continue
            values = image if block.valid is None else image[block.valid]
            self.below[index] += int(np.count_nonzero(values < low))
            self.above[index] += int(np.count_nonzero(values > high))
            self.least = min(self.least, values.min(initial=self.least).item())
            self.most = max(self.most, values.max(initial=self.most).item())

    def merge(self, other: Self) -> None:
        """Take another's counts."""
        self.count += other.count
        for mine, others in ((self.below, other.below), (self.above, other.above)):
            mine[:] = [a + b for a, b in zip(mine, others, strict=True)]
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)

    def outside(self) -> float:
        """Share of the values of both images outside of the range."""
        return sum(self.below + self.above) / (2 * self.count) if self.count else 0.0


def _extremes(image: Array, low: float) -> tuple[float, float]:
    """Least and largest value; the least is not looked for where no value can be below `low`."""
    if image.dtype in (np.uint8, np.uint16) and low <= 0:
        # Twice as fast as NumPy's maximum.
        cv2 = opencv()
        return low, cv2.norm(image.reshape(len(image), -1), cv2.NORM_INF)
    most = image.max(initial=_least(image.dtype))
    return image.min(initial=most), most


@functools.cache
def _least(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


#: Values that mean "nothing here" in many files and arrays, though nobody may have said so.
_FILL: tuple[float, ...] = (
    -999.0, -9999.0, -32767.0, -32768.0, -99999.0, -2147483647.0, -2147483648.0,
    -(2.0**63), -1e20, 1e20, -1e30, 1e30, -1e32, -3.4e38, 9.969209968386869e36,
    float(np.finfo(np.float32).min), float(np.finfo(np.float32).max),
    float(np.finfo(np.float64).min), float(np.finfo(np.float64).max),
)  # fmt: skip
#: All of the list lies beyond these, or at them.
_FEW, _MANY = -999.0, 1e20
#: Distance from all other values, in terms of their spread.
_APART = 0.1


@functools.cache
def _as_stored(dtype: np.dtype[Any]) -> tuple[float, ...]:
    """The values of `_FILL` as an image of this type holds them."""
    if dtype.kind != "f":
        return tuple(fill for fill in _FILL if fill >= np.iinfo(dtype).min and fill < 0)
    with np.errstate(over="ignore"):
        stored = {float(np.float64(fill).astype(dtype)) for fill in _FILL}
    return tuple(sorted(fill for fill in stored if np.isfinite(fill)))


class FillCheck:
    """How often values occur that mostly mean "no data", valid though they count.

    Only those that lie apart from all others of an image: within what it holds they are values
    like these. Unsigned integers have none: 0 and the largest value are common in images of all
    kinds.
    """

    halo = (0, 0)

    def __init__(self) -> None:
        self.counts: list[Counter[float]] = [Counter(), Counter()]
        # Of all other values.
        self.least, self.most = [np.inf, np.inf], [-np.inf, -np.inf]

    def fresh(self) -> Self:
        """Return an empty accumulator."""
        return type(self)()

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile's pixels."""
        block = tile.core()
        for index, image in enumerate((block.org, block.pred)):
            values = image if block.valid is None else image[block.valid]
            if not values.size:
                continue
            least, most = float(values.min()), float(values.max())
            if least <= _FEW or most >= _MANY:
                suspects = [fill for fill in _as_stored(image.dtype) if least <= fill <= most]
                known = np.isin(values, suspects)
                found, counts = np.unique(values[known], return_counts=True)
                self.counts[index].update(dict(zip(found.tolist(), counts.tolist(), strict=True)))
                others = values[~known]
                if not others.size:
                    continue
                least, most = float(others.min()), float(others.max())
            self.least[index] = min(self.least[index], least)
            self.most[index] = max(self.most[index], most)

    def merge(self, other: Self) -> None:
        """Take another's counts."""
        for index in (0, 1):
            self.counts[index].update(other.counts[index])
            self.least[index] = min(self.least[index], other.least[index])
            self.most[index] = max(self.most[index], other.most[index])

    def found(self) -> Iterator[tuple[str, float, int]]:
        """Each image's name, the value, and how many samples hold it."""
        for index, name in enumerate(("the original", "the prediction")):
            least, most = self.least[index], self.most[index]
            apart = _APART * max(most - least, 0)
            for fill, count in sorted(self.counts[index].items()):
                if fill < least - apart or fill > most + apart:
                    yield name, fill, count
