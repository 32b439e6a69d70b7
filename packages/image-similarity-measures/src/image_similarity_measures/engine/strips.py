"""A pair handed out in strips of its full width, each row read once and one block ahead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack

import numpy as np

from image_similarity_measures.arrays import ArrayPair, Block, PairSource
from image_similarity_measures.checks import Array, Mask
from image_similarity_measures.opencv import opencv

from .tiles import Span, Tile

# What is computed together depends on the image alone, never on how it is read: with the same
# operations on the same tiles, results are the same to the last digit. Tiles are small enough for
# their intermediate images to stay in the cache, and for the allocator to keep their memory.
TILE_ROWS = 64
TILE_SAMPLES = 2**17
STRIP_SAMPLES = 2**21


def strips(
    source: PairSource, halo: tuple[int, int], max_block_bytes: int, stack: ExitStack
) -> Iterator[Tile]:
    """Full-width strips of a fixed height, each with the halo there is, from the top."""
    rows, cols, bands = source.shape
    row_bytes = 2 * cols * bands * source.dtype.itemsize
    height = max(1, max_block_bytes // row_bytes)
    if height > source.block_rows:
        height -= height % source.block_rows
    every_col = slice(0, cols)
    spans = [slice(first, min(first + height, rows)) for first in range(0, rows, height)]

    def read(span: slice) -> Block:
        block = source.read(span, every_col)
        return Block(interleaved(block.org), interleaved(block.pred), block.valid)

    def blocks() -> Iterator[Block]:
        if len(spans) == 1 or isinstance(source, ArrayPair):
            yield from map(read, spans)
            return
        reader = stack.enter_context(ThreadPoolExecutor(1))
        ahead: Future[Block] = reader.submit(read, spans[0])
        for span in spans[1:]:
            block = ahead.result()
            ahead = reader.submit(read, span)
            yield block
        yield ahead.result()

    before, after = halo
    strip_rows = max(1, STRIP_SAMPLES // (cols * bands * TILE_ROWS)) * TILE_ROWS
    held: Block | None = None
    held_row = 0
    done = 0
    for block, span in zip(blocks(), spans, strict=True):
        if held is None:
            held, held_row = block, span.start
        else:
            keep = max(0, done - before)
            held = _stacked(held, keep - held_row, block)
            held_row = keep
        while done < rows:
            strip = Span(done, min(done + strip_rows, rows))
            if min(strip.stop + after, rows) > span.stop:
                break
            yield Tile(held, held_row, 0, strip, Span(0, cols), (rows, cols))
            done = strip.stop


def interleaved(image: Array) -> Array:
    """Put a pixel's bands next to each other, as every step after this wants them.

    Files come band by band, and each of those steps would copy its tile.
    """
    bands = image.shape[2]
    if image.strides[1:] == (bands * image.itemsize, image.itemsize):
        return image
    if image.dtype in (np.uint8, np.uint16, np.float32) and 1 < bands <= 4:
        merged: Array = opencv().merge([image[:, :, band] for band in range(bands)])
        return merged
    return np.ascontiguousarray(image)


def _stacked(top: Block, skip: int, bottom: Block) -> Block:
    """Put a block under another that loses its first `skip` rows."""
    kept = len(top.org) - skip
    if not kept:
        return bottom
    valid: Mask | None = None
    if top.valid is not None or bottom.valid is not None:
        parts = [
            np.ones(block.org.shape[:2], bool) if block.valid is None else block.valid
            for block in (top, bottom)
        ]
        valid = np.concatenate([parts[0][skip:], parts[1]])
    return Block(
        np.concatenate([top.org[skip:], bottom.org]),
        np.concatenate([top.pred[skip:], bottom.pred]),
        valid,
    )
