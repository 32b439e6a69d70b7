"""Every metric's accumulators: any partition and any order of merging give the whole image."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures.arrays import ArrayPair
from image_similarity_measures.engine.gathering import Gathering, Request
from image_similarity_measures.engine.tiles import Span, Tile
from image_similarity_measures.scoring import Options

#: SSIM computes in float32 around the mean of a tile, which is another for other tiles.
CLOSE = {"ssim": 1e-6, "issm": 1e-6}


def gathering(name: str, pair: ArrayPair) -> Gathering:
    request = Request({name: ism.METRICS[name]}, {name: Options().of(name)}, 4095)
    return Gathering(pair, request, {})


def whole(pair: ArrayPair) -> Tile:
    rows, cols, _ = pair.shape
    block = pair.read(slice(0, rows), slice(0, cols))
    return Tile(block, 0, 0, Span(0, rows), Span(0, cols), (rows, cols))


@pytest.mark.parametrize("name", ism.METRICS)
@settings(max_examples=8)
@given(st.booleans(), st.integers(0, 2**32), st.integers(1, 33), st.integers(1, 29))
def test_any_partition_and_merge_order_give_the_whole(name, masked, seed, height, width):
    rng, random = np.random.default_rng(seed), Random(seed)
    org = rng.integers(0, 4000, (33, 29, 3)).astype("uint16")
    pred = (org * 0.7 + rng.integers(0, 900, org.shape)).astype("uint16")
    mask = rng.random(org.shape[:2]) > 0.003 if masked else None
    pair = ArrayPair(org, pred, mask=mask)
    tile = whole(pair)
    once, merged = gathering(name, pair), gathering(name, pair)
    for entry in once.plan.entries.values():
        entry.accumulator.update(tile)
    for entry in merged.plan.entries.values():
        parts = []
        for part in tile.split(height, 29 if entry.takes == "strips" else width):
            parts.append(entry.accumulator.fresh())
            parts[-1].update(part)
        random.shuffle(parts)
        # A few at a time: what is merged may be merged again.
        while len(parts) > 1:
            some = [parts.pop() for _ in range(min(len(parts), random.randint(2, 4)))]
            for other in some[1:]:
                some[0].merge(other)
            parts.append(some[0])
        entry.accumulator.merge(parts[0])
    expected, got = (each.finish()[name] for each in (once, merged))
    assert (got.count, got.possible) == (expected.count, expected.possible)
    close = {"rtol": CLOSE.get(name, 1e-11), "atol": CLOSE.get(name, 1e-11)}
    np.testing.assert_allclose(got.value, expected.value, **close)
    if expected.per_band is not None:
        np.testing.assert_allclose(got.per_band, expected.per_band, **close)


def test_whoever_asks_for_the_same_accumulator_gets_the_same_one(pair):
    """RMSE, PSNR, SRE, ERGAS and RASE add the same squares up once; ISSM takes SSIM's windows."""
    names = ["rmse", "psnr", "sre", "ergas", "rase", "ssim", "issm"]
    settings = {name: Options().of(name) for name in names}
    request = Request({name: ism.METRICS[name] for name in names}, settings, 65535)
    plan = Gathering(ArrayPair(*pair), request, {}).plan
    kinds = [type(entry.accumulator).__name__ for entry in plan.entries.values()]
    assert sorted(kinds) == ["ErrorSums", "JointStatistics", "StructuralSimilarity"]
