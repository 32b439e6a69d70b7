"""Tiles of a pair with a halo, and what every accumulator that takes them promises."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from image_similarity_measures.arrays import Block
from image_similarity_measures.checks import Array, Mask


@dataclass(frozen=True, slots=True)
class Span:
    """A half-open range of rows or columns of the whole image."""

    start: int
    stop: int

    def within(self, origin: int) -> slice:
        """Return the range as a slice of an array that begins at `origin`."""
        return slice(self.start - origin, self.stop - origin)

    def grown(self, before: int, after: int, size: int) -> Span:
        """Return the range with more on both sides, as far as there is image."""
        return Span(max(self.start - before, 0), min(self.stop + after, size))

    def centres(self, before: int, after: int, size: int) -> Span:
        """Return the pixels of the range whose whole window lies in the image."""
        start = max(self.start, before)
        return Span(start, max(start, min(self.stop, size - after)))

    def split(self, size: int) -> list[Span]:
        """Divide the range into pieces of this size, the last one of what is left."""
        starts = range(self.start, self.stop, size)
        return [Span(start, min(start + size, self.stop)) for start in starts]

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle of the pair to be scored, within a block that may hold more around it.

    Attributes
    ----------
    block : Block
        The pixels at hand.
    row, col : int
        Where the block begins in the whole image.
    rows, cols : Span
        The rectangle to score, in the whole image.
    shape : tuple of int
        Rows and columns of the whole image.
    """

    block: Block
    row: int
    col: int
    rows: Span
    cols: Span
    shape: tuple[int, int]

    def cut(self, rows: Span, cols: Span) -> Block:
        """Return a rectangle of the block, given in the whole image's rows and columns."""
        part = rows.within(self.row), cols.within(self.col)
        valid = self.block.valid
        return Block(
            self.block.org[part], self.block.pred[part], None if valid is None else valid[part]
        )

    def core(self) -> Block:
        """Return the rectangle to score, without halo."""
        return self.cut(self.rows, self.cols)

    def grown(self, before: int, after: int) -> Block:
        """Return the rectangle with its halo; invalid pixels are 0 in both images."""
        rows, cols = self.shape
        return blanked(
            self.cut(self.rows.grown(before, after, rows), self.cols.grown(before, after, cols))
        )

    def split(self, height: int, width: int) -> list[Tile]:
        """Divide the tile into smaller ones of the same block."""
        if len(self.rows) <= height and len(self.cols) <= width:
            return [self]
        return [
            replace(self, rows=rows, cols=cols)
            for rows in self.rows.split(height)
            for cols in self.cols.split(width)
        ]


def blanked(block: Block) -> Block:
    """Return the block with invalid pixels set to 0 in both images."""
    if block.valid is None:
        return block
    keep = block.valid[:, :, np.newaxis]
    zero = np.zeros((), block.org.dtype)
    return Block(np.where(keep, block.org, zero), np.where(keep, block.pred, zero), block.valid)


def band_sums(values: Array, valid: Mask | None = None) -> Array:
    """Sum a (rows, cols, bands) array over its pixels, in float64, to shape (bands,)."""
    if valid is not None:
        return np.asarray(np.sum(values[valid], axis=0, dtype=np.float64))
    rows, cols, bands = values.shape
    # Long rows first: NumPy is slow where the innermost axis is as short as the bands.
    by_column = values.reshape(rows, cols * bands).sum(axis=0, dtype=np.float64)
    total: Array = by_column.reshape(cols, bands).sum(axis=0)
    return total


class Accumulator(Protocol):
    """Gathers what a metric needs, tile by tile.

    Any partition into tiles and any order of merging gives the result of the whole image.
    """

    @property
    def halo(self) -> tuple[int, int]:
        """Pixels needed before and after a tile's own, in rows and in columns."""

    def fresh(self) -> Self:
        """Return an empty accumulator of the same settings."""

    def update(self, tile: Tile, out: Array | None = None) -> None:
        """Take a tile; fill `out`, (rows, cols, bands) of it, with the local map if given."""

    def merge(self, other: Self) -> None:
        """Take what another has gathered from other tiles."""
