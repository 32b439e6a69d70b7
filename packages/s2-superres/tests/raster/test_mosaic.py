"""Windows, their parts, and their place in the result."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2_superres.bands import INPUTS
from s2_superres.inference import blocks
from s2_superres.inference.arrays import ArraySource
from s2_superres.networks.engine import Prediction
from s2_superres.raster import mosaic
from s2_superres.raster.grid import Area
from s2_superres.raster.radiometry import SCALE, Radiometry
from s2_superres.raster.windows import plan

RADIOMETRY = Radiometry.uniform(0, 0, None, np.float32)


def coded(rows: int, cols: int, bands: int, ratio: int) -> np.ndarray:
    """Return an image whose values tell band, row and column."""
    grid = np.arange(1, rows * cols // ratio**2 + 1).reshape(rows // ratio, cols // ratio)
    return grid + 100_000.0 * np.arange(bands)[:, None, None]


@dataclass
class MadeUp:
    """Networks of which only the halos are known; they cannot run."""

    weights: dict[int, None]
    halos: tuple[int, ...]
    trims: tuple[int, ...]
    errors: bool = False

    @property
    def inputs(self) -> tuple[int, ...]:
        return INPUTS[max(self.weights)]

    @property
    def halo(self) -> int:
        return max(self.halos)


def made_up(halos: dict[int, int], trims: tuple[int, ...], outer: tuple[int, int]) -> blocks.Job:
    """Return a job of such networks."""
    networks = MadeUp(dict.fromkeys(halos), tuple(halos.values()), trims)
    return blocks.Job(networks, outer, RADIOMETRY)  # type: ignore[arg-type]


def repeat_inputs(block: blocks.Block, job: blocks.Job) -> blocks.Predictions:
    """Do as a network that repeats every coarse pixel, and is wrong within its halo."""
    out = {}
    for resolution, halo, trim in job.stages():
        margin = halo - trim
        area = mosaic.around(block.window, margin)
        fine = mosaic.repeat(block.scaled[resolution], resolution // 10)
        fine = mosaic.cut(fine, block.window.outer, area)
        wrong = np.full_like(fine, np.nan)
        inner = np.s_[:, margin : area.rows - margin, margin : area.cols - margin]
        wrong[inner] = fine[inner]
        out[resolution] = Prediction(wrong, wrong)
    return out


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 25).map(lambda n: 6 * n),
    cols=st.integers(1, 25).map(lambda n: 6 * n),
    tile=st.integers(7, 30).map(lambda n: 6 * n),
    halos=st.tuples(st.sampled_from([6, 12]), st.sampled_from([12, 18])),
    trims=st.tuples(st.sampled_from([0, 6]), st.sampled_from([0, 6])),
)
def test_every_pixel_lands_in_its_place(
    rows: int, cols: int, tile: int, halos: tuple[int, int], trims: tuple[int, int]
) -> None:
    """Against the naive whole image, for two networks of different halos."""
    arrays = {10: coded(rows, cols, 4, 1), 20: coded(rows, cols, 6, 2), 60: coded(rows, cols, 2, 6)}
    source = ArraySource(arrays)
    area = Area(0, 0, rows, cols)
    windows = plan(area, tile, max(halos))
    job = made_up({20: halos[0], 60: halos[1]}, trims, windows.outer_shape)
    results = {r: np.full((len(arrays[r]), rows, cols), np.nan, "f4") for r in arrays}
    for window in windows:
        block = blocks.load(source, window, job)
        result = blocks.finish(block, repeat_inputs(block, job), job)
        for resolution, values in results.items():
            mosaic.place(values, area, result.core, result.bands[resolution])
    for resolution, values in results.items():
        expected = mosaic.repeat(arrays[resolution], resolution // 10)
        np.testing.assert_allclose(values, expected, rtol=1e-6)


@pytest.mark.parametrize("size", [336, 672, 1008])
def test_sizes_that_are_multiples_of_the_core_are_not_scrambled(size: int) -> None:
    """As mosaics of other tools are."""
    arrays = {10: coded(size, 336, 4, 1), 20: coded(size, 336, 6, 2)}
    windows = plan(Area(0, 0, size, 336), 336 + 24, 12)
    assert windows.core_rows == 336
    job = made_up({20: 12}, (0,), windows.outer_shape)
    out = np.zeros((6, size, 336), "f4")
    for window in windows:
        block = blocks.load(ArraySource(arrays), window, job)
        result = blocks.finish(block, repeat_inputs(block, job), job)
        mosaic.place(out, windows.area, result.core, result.bands[20])
    np.testing.assert_allclose(out, mosaic.repeat(arrays[20], 2), rtol=1e-6)


def test_inputs_are_valid_where_every_band_is() -> None:
    """Of the resolutions asked for."""
    measured = {10: np.ones((4, 12, 12)), 20: np.ones((6, 6, 6)), 60: np.ones((2, 2, 2))}
    measured[60][1, 0, 0] = 0
    measured[10][2, 11, 11] = 0
    fine = mosaic.valid_inputs(measured, (10, 20), RADIOMETRY)
    coarse = mosaic.valid_inputs(measured, (10, 20, 60), RADIOMETRY)
    assert np.argwhere(~fine).tolist() == [[11, 11]]
    assert (~coarse).sum() == 37
    assert not coarse[:6, :6].any()


def test_an_output_has_data_where_its_own_band_and_any_guide_have() -> None:
    """Its own hole takes a band, and no other; only all 10 m bands together take all."""
    measured = {10: np.ones((4, 12, 12)), 20: np.ones((6, 6, 6)), 60: np.ones((2, 2, 2))}
    measured[10][:3, 4, 4] = 0
    measured[10][:, 11, 11] = 0
    measured[20][5, 3, 0] = 0
    measured[60][1, 0, 0] = 0
    fine = mosaic.valid_outputs(measured, 20, RADIOMETRY)
    coarse = mosaic.valid_outputs(measured, 60, RADIOMETRY)
    assert np.argwhere(~fine[:5].all(axis=0)).tolist() == [[11, 11]]
    assert np.argwhere(~fine[5]).tolist() == [[6, 0], [6, 1], [7, 0], [7, 1], [11, 11]]
    assert np.argwhere(~coarse[0]).tolist() == [[11, 11]]
    assert (~coarse[1]).sum() == 37


def test_agreement_is_what_degrading_the_output_gives() -> None:
    """Sums of squares in digital numbers; a constant shift of 10 is 10 in every band."""
    rows = cols = 48
    arrays = {10: coded(rows, cols, 4, 1), 20: np.full((6, 24, 24), 3000.0)}
    windows = plan(Area(0, 0, rows, cols), 512, 12)
    job = made_up({20: 12}, (0,), windows.outer_shape)
    (window,) = windows
    block = blocks.load(ArraySource(arrays), window, job)
    raw = np.full((6, *windows.outer_shape), 3010 / SCALE, np.float32)
    result = blocks.finish(
        block, {20: Prediction(np.full_like(raw, 3000 / SCALE), raw)}, job, residuals=True
    )
    count, projected, before = result.residuals[20]
    assert count.tolist() == [24 * 24] * 6
    np.testing.assert_allclose(projected, 0, atol=1e-3)
    np.testing.assert_allclose(np.sqrt(before / count), 10, rtol=1e-3)


def test_a_window_without_data_runs_no_network() -> None:
    """It is no data, and nothing was brought to the networks' scale."""
    arrays = {10: np.zeros((4, 24, 24), "u2"), 20: np.zeros((6, 12, 12), "u2")}
    windows = plan(Area(0, 0, 24, 24), 512, 12)
    job = replace(made_up({20: 12}, (0,), windows.outer_shape), radiometry=Radiometry.uniform(0))
    (window,) = windows
    result = blocks.process(ArraySource(arrays), window, job, residuals=True)
    assert not result.bands[20].any()
    assert (result.pixels, result.residuals) == (0, {})
