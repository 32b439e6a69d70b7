"""A pair scored where its blocks are: workers gather strips, and only sums travel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np

from image_similarity_measures._version import __version__
from image_similarity_measures.arrays import Block, PairSource
from image_similarity_measures.errors import ImageSimilarityError

from .gathering import Gathering, Request
from .strips import interleaved
from .tiles import Accumulator, Span, Tile


class SpreadSource(PairSource, Protocol):
    """A pair whose rows can be computed elsewhere."""

    def rows_of_chunks(self) -> Sequence[int]:
        """The rows at which chunks begin, and the number of rows."""

    def later(self, rows: slice) -> Any:
        """The full width of these rows as a `Block` of Dask's, not computed yet."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a gathering looks at of a source; crosses to other processes."""

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    dtypes: tuple[np.dtype[Any], ...]
    block_rows: int = 1

    def read(self, rows: slice, cols: slice) -> Block:
        """Nothing: the pixels are elsewhere."""
        raise NotImplementedError


@dataclass(slots=True)
class Part:
    """What strips have come to."""

    valid: int
    accumulators: list[Accumulator]

    def merge(self, other: Part) -> None:
        """Take another's."""
        self.valid += other.valid
        for mine, others in zip(self.accumulators, other.accumulators, strict=True):
            mine.merge(others)

    @classmethod
    def both(cls, first: Part, second: Part) -> Part:
        """A new one of two, which stay as they are: Dask may ask for them again."""
        part = cls(0, [accumulator.fresh() for accumulator in first.accumulators])
        part.merge(first)
        part.merge(second)
        return part


def gather_in_parts(source: SpreadSource, request: Request, gathering: Gathering) -> None:
    """Fill it from parts that Dask's workers gather and merge.

    Raises
    ------
    ImageSimilarityError
        If a worker has another version of this package.
    """
    from dask.base import compute
    from dask.delayed import delayed

    rows = source.shape[0]
    facts = Facts(source.shape, source.dtype, tuple(getattr(source, "dtypes", (source.dtype,))))
    before, after = gathering.plan.halo
    gather: Callable[..., Any] = delayed(_gathered, pure=False)
    merge: Callable[..., Any] = delayed(Part.both, pure=False)
    parts = []
    for strip in _spans(source.rows_of_chunks()):
        held = strip.grown(before, after, rows)
        block = source.later(slice(held.start, held.stop))
        parts.append(gather(facts, request, block, held.start, strip, __version__))
    # In pairs, so that no worker, and not the caller, holds all of them.
    while len(parts) > 1:
        left = parts[len(parts) // 2 * 2 :]
        parts = [merge(*pair) for pair in zip(parts[::2], parts[1::2], strict=False)] + left
    (whole,) = compute(*parts)  # type: ignore[no-untyped-call]
    Part(gathering.valid, _accumulators(gathering)).merge(whole)
    gathering.valid = whole.valid


def _gathered(
    facts: Facts, request: Request, block: Block, row: int, strip: Span, version: str
) -> Part:
    """What a worker does: all accumulators, with one strip."""
    if version != __version__:
        raise ImageSimilarityError(
            f"a worker has image-similarity-measures {__version__} and the caller {version}; "
            "install one version everywhere"
        )
    rows, cols, _ = facts.shape
    gathering = Gathering(facts, request, {})
    block = Block(interleaved(block.org), interleaved(block.pred), block.valid)
    gathering.update(Tile(block, row, 0, strip, Span(0, cols), (rows, cols)))
    return Part(gathering.valid, _accumulators(gathering))


def _accumulators(gathering: Gathering) -> list[Accumulator]:
    return [entry.accumulator for entry in gathering.plan.entries.values()]


# Strips lower than this would compute their halo more often than themselves.
_LEAST_ROWS = 64


def _spans(starts: Sequence[int]) -> list[Span]:
    """Strips that begin where chunks do, of some height."""
    ends = [starts[0]]
    for start in starts[1:]:
        if start - ends[-1] >= _LEAST_ROWS or start == starts[-1]:
            ends.append(start)
    return [Span(*pair) for pair in pairwise(ends)]
