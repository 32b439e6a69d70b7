"""Streams: one pass, bounded reading, and the result of the whole array."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import image_similarity_measures as ism
from image_similarity_measures.arrays import ArrayPair
from image_similarity_measures.engine import score as engine
from image_similarity_measures.engine import strips
from image_similarity_measures.scoring import Options, score

NAMES = list(ism.METRICS)


class Recorded:
    """A source that is no array, and remembers what was read of it."""

    def __init__(self, pair: ArrayPair, block_rows: int = 1) -> None:
        self.pair = pair
        self.shape = pair.shape
        self.dtype = pair.dtype
        self.block_rows = block_rows
        self.reads: list[tuple[int, int]] = []

    def read(self, rows, cols):
        assert (cols.start, cols.stop) == (0, self.shape[1])
        self.reads.append((rows.start, rows.stop))
        return self.pair.read(rows, cols)


class Collected:
    """A map, with the check that its rows come in order."""

    def __init__(self) -> None:
        self.blocks: list[np.ndarray] = []
        self.next = 0

    def write(self, row, block):
        assert row == self.next
        self.next += len(block)
        self.blocks.append(block)


@pytest.fixture(scope="module")
def scene(make_pair):
    """A pair taller than several strips, with a mask."""
    org, pred = make_pair(333, 75, 3)
    mask = np.ones(org.shape[:2], bool)
    mask[100:110, 20:30] = False
    mask[0, 0] = mask[332, 74] = False
    return org, pred, mask


@pytest.mark.parametrize("block_rows", [1, 7, 64, 500])
@pytest.mark.parametrize("rows_at_a_time", [1, 3, 50, 100, 1000])
def test_the_result_does_not_depend_on_how_a_source_is_read(
    scene, block_rows, rows_at_a_time, monkeypatch
):
    """Equal to the last digit, with mask, maps and all metrics."""
    org, pred, mask = scene
    monkeypatch.setattr(strips, "STRIP_SAMPLES", 1)
    monkeypatch.setattr(engine, "_THREADED_SAMPLES", 1)
    pair = ArrayPair(org, pred, mask=mask)
    sinks = {name: Collected() for name in NAMES if ism.METRICS[name].has_map}
    source = Recorded(pair, block_rows)
    row_bytes = 2 * 75 * 3 * 2
    result = score(source, "all", sinks=sinks, max_block_bytes=rows_at_a_time * row_bytes)
    monkeypatch.undo()
    for name in NAMES:
        whole = getattr(ism, name)(org, pred, mask=mask)
        assert result[name].value == pytest.approx(whole, rel=1e-12)
    for name, sink in sinks.items():
        _, local = getattr(ism, name)(org, pred, mask=mask, full=True)
        np.testing.assert_array_equal(np.concatenate(sink.blocks), local)
    starts = [start for start, _ in source.reads]
    stops = [stop for _, stop in source.reads]
    assert starts == [0, *stops[:-1]]
    assert stops[-1] == 333
    heights = {stop - start for start, stop in source.reads[:-1]}
    assert all(height <= rows_at_a_time for height in heights)
    if rows_at_a_time > block_rows:
        assert all(height % block_rows == 0 for height in heights)


@given(st.integers(5, 70), st.integers(5, 70), st.booleans())
def test_tiles_of_any_size_give_the_same(height, samples, reverse):
    """Accumulators merge whatever the partition, and in any order."""
    rng = np.random.default_rng(3)
    org = rng.integers(0, 4000, (70, 61, 2)).astype("uint16")
    pred = (org * 0.8 + rng.integers(0, 500, org.shape)).astype("uint16")
    names = ["psnr", "sam", "ssim", "uiq"]
    whole = score(ArrayPair(org, pred), names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(strips, "TILE_ROWS", height)
        patch.setattr(strips, "TILE_SAMPLES", height * samples)
        patch.setattr(strips, "STRIP_SAMPLES", 1)
        # SSIM in float64, or its rounding would follow the tile's mean.
        patch.setattr(
            "image_similarity_measures.metrics.ssim.StructuralSimilarity._trusted",
            lambda *_: False,
        )
        exact = score(ArrayPair(org, pred), names)
    for name in names:
        close = 1e-7 if name == "ssim" else 1e-12
        assert exact[name].value == pytest.approx(whole[name].value, rel=close)


def test_threads_change_nothing(make_pair, monkeypatch):
    images = make_pair(300, 200, 4)
    results = []
    for limit in (1, 10**9):
        monkeypatch.setattr(engine, "_THREADED_SAMPLES", limit)
        scores = score(ArrayPair(*images), "all")
        results.append({name: scores[name].per_band or scores[name].value for name in scores})
    assert results[0] == results[1]


def test_scores_come_in_the_order_asked_with_what_is_known(pair):
    scores = score(ArrayPair(*pair), ["ssim", "rmse", "sam"])
    assert list(scores) == ["ssim", "rmse", "sam"]
    assert len(scores) == 3
    assert (scores["ssim"].data_range, scores["rmse"].data_range) == (4095.0, None)
    assert [scores[name].unit for name in scores] == ["", "dn", "deg"]
    assert scores["sam"].per_band is None
    assert scores["rmse"].per_band == tuple(ism.rmse(*pair, per_band=True))
    assert scores.valid_share == 1


def test_units_follow_the_options(pair):
    scores = score(
        ArrayPair(*pair), ["rmse", "sam"], options=Options(normalized=True, sam_degrees=False)
    )
    assert [scores[name].unit for name in scores] == ["", "rad"]
    assert scores["rmse"].data_range == 4095


def test_issm_rests_on_the_gaussian_window_whatever_ssim_uses(pair):
    scores = score(
        ArrayPair(*pair), ["ssim", "issm"], options=Options(ssim_window="uniform"),
        sinks={"ssim": (sink := Collected())},
    )  # fmt: skip
    assert scores["issm"].value == ism.issm(*pair)
    assert scores["ssim"].value == ism.ssim(*pair, window="uniform")
    assert np.isfinite(np.concatenate(sink.blocks)[3:-3, 3:-3]).all()


def test_the_share_of_valid_pixels_is_told(scene):
    org, pred, mask = scene
    assert score(ArrayPair(org, pred, mask=mask), "rmse").valid_share == mask.mean()


def test_progress_counts_rows_up_to_the_last(scene, monkeypatch):
    monkeypatch.setattr(strips, "STRIP_SAMPLES", 1)
    seen = []
    score(ArrayPair(*scene[:2]), "rmse", progress=lambda done, rows: seen.append((done, rows)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert len(seen) > 1
    assert seen[-1] == (333, 333)


@pytest.mark.parametrize("name", ["psnr", "issm"])
def test_a_map_that_does_not_exist_is_refused(name, pair):
    with pytest.raises(ism.UsageError, match="fsim, sam, ssim, uiq"):
        score(ArrayPair(*pair), name, sinks={name: Collected()})


def test_an_error_while_reading_reaches_the_caller(pair):
    class Broken(Recorded):
        def read(self, rows, cols):
            if rows.start > 30:
                raise ism.ReadError("the file ends early")
            return super().read(rows, cols)

    with pytest.raises(ism.ReadError, match="ends early"):
        score(Broken(ArrayPair(*pair)), "all", max_block_bytes=20_000)


def test_clean_input_warns_of_nothing(pair):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        score(ArrayPair(*pair), "all")


def test_constant_images_score_without_warnings():
    """All eight are defined on constants: equal ones and different ones."""
    a, b = np.full((30, 30, 2), 5, "uint8"), np.full((30, 30, 2), 7, "uint8")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same, other = score(ArrayPair(a, a), "all"), score(ArrayPair(a, b), "all")
    assert [same[n].value for n in ("fsim", "rmse", "sam", "ssim", "uiq")] == [1, 0, 0, 1, 1]
    assert other["rmse"].value == 2
    assert other["uiq"].value == pytest.approx(2 * 35 / (25 + 49))
    assert all(np.isfinite(other[name].value) for name in other)
