"""What metrics share that see a window around each pixel."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Self

import numpy as np

from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.opencv import opencv

from .exact import difference, is_wide
from .tiles import Tile, band_sums

# OpenCV's filters take few channels at a time; four is what they are fastest with.
_BANDS_AT_ONCE = 4


class WindowMean(ABC):
    """Mean of a local quality over all complete windows, per band.

    A window counts when it lies inside the image and no pixel of it is invalid. Its value belongs
    to the pixel in its middle: the one after ``(size - 1) // 2`` others.
    """

    def __init__(self, bands: int, size: int, step: int = 1) -> None:
        self.size = size
        self.step = step
        self.count = 0
        self.total: Array = np.zeros(bands)

    @property
    def halo(self) -> tuple[int, int]:
        """Pixels of a window before and after the one in its middle."""
        before = (self.size - 1) // 2
        return before, self.size - 1 - before

    @abstractmethod
    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""

    @abstractmethod
    def quality(self, org: Array, pred: Array, used: Mask | None) -> Array:
        """Quality of every complete window of two (rows, cols, up to 4 bands) arrays.

        `used` marks the windows that will count, None meaning all; the others may hold anything.
        """

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take the windows whose middle lies in the tile."""
        before, after = self.halo
        if out is not None:
            out[:] = np.nan
        rows = tile.rows.centres(before, after, tile.shape[0])
        cols = tile.cols.centres(before, after, tile.shape[1])
        if not len(rows) or not len(cols):
            return
        block = tile.grown(before, after)
        used = None
        if block.valid is not None:
            used = inside(whole_windows(block.valid, self.size, before), self.halo)
        # Steps are counted from the image's corner, whatever the tile.
        steps = (
            slice((before - rows.start) % self.step, None, self.step),
            slice((before - cols.start) % self.step, None, self.step),
        )
        taken = None if used is None else used[steps]
        for first in range(0, len(self.total), _BANDS_AT_ONCE):
            group = slice(first, first + _BANDS_AT_ONCE)
            quality = self.quality(block.org[:, :, group], block.pred[:, :, group], used)[steps]
            self.total[group] += band_sums(quality, taken)
            if out is not None:
                part = out[rows.within(tile.rows.start), cols.within(tile.cols.start), group]
                # Rounding may carry single values beyond what the index can reach.
                part[steps] = np.clip(quality, -1, 1)
                if taken is not None:
                    part[steps][~taken] = np.nan
        self.count += quality[:, :, 0].size if taken is None else int(np.count_nonzero(taken))

    def centre(self, image: Array, used: Mask | None) -> Array:
        """A value per band close to the mean, of eight binary digits.

        Subtracting so few digits from integers is exact in float32.
        """
        sample = image[::8, ::8]
        if used is not None and used[::8, ::8].any():
            sample = image[self.halo[0] :: 8, self.halo[0] :: 8]
            sample = sample[: -(-len(used) // 8), : -(-used.shape[1] // 8)][used[::8, ::8]]
        mean = sample.reshape(-1, image.shape[2]).mean(axis=0, dtype=np.float64)
        mantissa, exponent = np.frexp(mean)
        rounded: Array = np.ldexp(np.rint(mantissa * 256) / 256, exponent)
        return rounded

    def merge(self, other: Self) -> None:
        """Take another's windows."""
        self.count += other.count
        self.total += other.total

    def possible(self, shape: tuple[int, ...]) -> int:
        """Complete windows of an image whose pixels are all valid."""
        rows, cols = (-(-(size - self.size + 1) // self.step) for size in shape[:2])
        return rows * cols

    def mean(self) -> Array:
        """Mean quality per band; NaN without a window."""
        if not self.count:
            return np.full_like(self.total, np.nan)
        return np.clip(self.total / self.count, -1, 1)


def whole_windows(valid: Mask, size: int, before: int) -> Mask:
    """Pixels whose size x size window holds no invalid pixel."""
    window = np.ones((size, size), np.uint8)
    kept = opencv().erode(valid.astype(np.uint8), window, anchor=(before, before))
    return np.asarray(kept, dtype=bool)


def inside(filtered: Array, halo: tuple[int, int], bands: int = 1) -> Array:
    """Drop the margin where a filter's window reached over the edge.

    Returns (rows, cols * bands): NumPy is slow where the innermost axis is as short as the bands.
    """
    rows, cols = filtered.shape[:2]
    lines = filtered.reshape(rows, cols * bands)
    inside = lines[halo[0] : rows - halo[1], halo[0] * bands : (cols - halo[1]) * bands]
    # A copy costs less than the first two operations on rows with gaps between them.
    return np.ascontiguousarray(inside)


_WINDOWS_AT_ONCE = 2**13


def windows_at(
    odd: Mask, org: Array, pred: Array, size: int
) -> Iterator[tuple[tuple[Array, ...], Array, Array]]:
    """Windows one by one, some thousands at a time: where they are, and (windows, pixels) of both.

    `odd` marks them, (rows, cols, bands) of the complete windows of both images.
    """
    where = np.argwhere(odd)
    views = [
        np.lib.stride_tricks.sliding_window_view(image, (size, size), axis=(0, 1))
        for image in (org, pred)
    ]
    for first in range(0, len(where), _WINDOWS_AT_ONCE):
        at = tuple(where[first : first + _WINDOWS_AT_ONCE].T)
        x, y = (view[at].reshape(len(at[0]), -1) for view in views)
        yield at, x, y


def centred_at(
    image: Array, centre: Array, dtype: type[np.float32] | type[np.float64], scale: float = 1.0
) -> Array:
    """Subtract `centre`, one value per column and band, multiply by `scale`, and convert."""
    rows, cols, bands = image.shape
    flat = image.reshape(rows, cols * bands)
    if is_wide(image):
        whole = centre if centre.dtype.kind in "iu" else np.rint(centre)
        away = difference(flat, whole.astype(image.dtype))
    else:
        exact = dtype if image.dtype.itemsize <= 2 or image.dtype == np.float32 else np.float64
        away = np.subtract(flat, centre.astype(exact), dtype=exact, casting="unsafe")
    if scale != 1:
        away *= away.dtype.type(scale)
    return np.asarray(away.astype(dtype, copy=False).reshape(rows, cols, bands))
