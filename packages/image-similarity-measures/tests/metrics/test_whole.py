"""FSIM and ISSM against slow versions written from the papers."""

from __future__ import annotations

import itertools
import warnings

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import convolve2d

import image_similarity_measures as ism
from image_similarity_measures.arrays import ArrayPair
from image_similarity_measures.checks import DataRange
from image_similarity_measures.engine import edges as edges_module
from image_similarity_measures.engine.edges import HIGH, LOW, StripEdges, edge_correlation
from image_similarity_measures.engine.phase import phase_congruency
from image_similarity_measures.engine.tiles import Span, Tile
from image_similarity_measures.metrics.fsim import FeatureSimilarity
from image_similarity_measures.metrics.issm import JointStatistics, to_8bit

# Most images here are beyond the data range, or hold fill, on purpose.
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*(outside of the data range|stands for no data|values reach)"
)


def slow_phase_congruency(image):
    """Phase congruency in float64, filter by filter, with Kovesi's noise estimate."""
    rows, cols = image.shape

    def axis(size):
        if size % 2:
            return np.arange(-(size - 1) / 2, (size - 1) / 2 + 1) / (size - 1)
        return np.arange(-size / 2, size / 2) / size

    x, y = np.meshgrid(axis(cols), axis(rows))
    radius = np.fft.ifftshift(np.sqrt(x**2 + y**2))
    theta = np.fft.ifftshift(np.arctan2(-y, x))
    lowpass = 1 / (1 + (radius / 0.45) ** 30)
    radius[0, 0] = 1
    spectrum = np.fft.fft2(image)
    energy_all, amplitude_all = np.zeros(image.shape), np.zeros(image.shape)
    for orientation in range(4):
        angle = orientation * np.pi / 4
        ds = np.sin(theta) * np.cos(angle) - np.cos(theta) * np.sin(angle)
        dc = np.cos(theta) * np.cos(angle) + np.sin(theta) * np.sin(angle)
        spread = np.exp(-(np.abs(np.arctan2(ds, dc)) ** 2) / (2 * (np.pi / 4 / 1.2) ** 2))
        responses, kernels = [], []
        for scale in range(4):
            gabor = np.exp(-(np.log(radius * 6 * 2**scale) ** 2) / (2 * np.log(0.55) ** 2))
            gabor *= lowpass
            gabor[0, 0] = 0
            responses.append(np.fft.ifft2(spectrum * gabor * spread))
            kernels.append(np.real(np.fft.ifft2(gabor * spread)) * np.sqrt(rows * cols))
            if scale == 0:
                power = np.sum((gabor * spread) ** 2)
        total = sum(responses)
        length = np.abs(total) + 1e-30
        even, odd = total.real / length, total.imag / length
        energy = sum(
            r.real * even + r.imag * odd - np.abs(r.real * odd - r.imag * even) for r in responses
        )
        noise = -np.median(np.abs(responses[0]) ** 2) / np.log(0.5) / power
        squares = sum(np.sum(k**2) for k in kernels)
        cross = sum(np.sum(kernels[i] * kernels[j]) for i in range(4) for j in range(i + 1, 4))
        tau = np.sqrt((2 * noise * squares + 4 * noise * cross) / 2)
        threshold = (tau * np.sqrt(np.pi / 2) + 2 * np.sqrt((2 - np.pi / 2) * tau**2)) / 1.7
        energy_all += np.maximum(energy - threshold, 0)
        amplitude_all += sum(np.abs(r) for r in responses)
    return energy_all / (amplitude_all + 1e-30)


def slow_fsim(org, pred, data_range, factor=1, t1=0.85, t2=160.0):
    """FSIM of one band in float64."""
    high, wide = (size // factor for size in org.shape)
    x, y = (
        np.clip(image[: high * factor, : wide * factor].astype(float), 0, data_range)
        .reshape(high, factor, wide, factor)
        .mean(axis=(1, 3))
        * (255 / data_range)
        for image in (org, pred)
    )
    scharr = np.array([[3, 0, -3], [10, 0, -10], [3, 0, -3]]) / 16
    gx, gy = (
        np.hypot(convolve2d(i, scharr, mode="same"), convolve2d(i, scharr.T, mode="same"))
        for i in (x, y)
    )
    px, py = slow_phase_congruency(x), slow_phase_congruency(y)
    similarity = (2 * px * py + t1) / (px**2 + py**2 + t1)
    similarity *= (2 * gx * gy + t2) / (gx**2 + gy**2 + t2)
    weight = np.maximum(px, py)
    return float((similarity * weight).sum() / weight.sum())


@pytest.mark.parametrize("shape", [(90, 70), (71, 93), (64, 101)])
def test_fsim_agrees_with_the_paper_written_out(shape, make_pair):
    org, pred = make_pair(*shape, 3)
    expected = [slow_fsim(org[:, :, b], pred[:, :, b], 4095) for b in range(3)]
    np.testing.assert_allclose(ism.fsim(org, pred, per_band=True), expected, rtol=2e-6)
    assert ism.fsim(org, pred) == pytest.approx(np.mean(expected), rel=2e-6)
    assert ism.fsim(org, pred, t1=0.5, t2=50) == pytest.approx(
        np.mean([slow_fsim(org[:, :, b], pred[:, :, b], 4095, 1, 0.5, 50) for b in range(3)]),
        rel=2e-6,
    )


@pytest.mark.parametrize("dtype", ["uint16", "int32", "float64"])
def test_fsim_reduces_large_images_by_whole_cells(dtype, make_pair):
    """514 x 610: F = 2; 770 x 773: F = 3 and cells cross the strips that are read."""
    for shape, factor in (((514, 611), 2), ((770, 773), 3)):
        org, pred = make_pair(*shape, 1, dtype="uint16")
        expected = slow_fsim(org[:, :, 0], pred[:, :, 0], 4095, factor)
        org, pred = org.astype(dtype), pred.astype(dtype)
        assert ism.fsim(org, pred, data_range=4095) == pytest.approx(expected, rel=2e-6)
        assert ism.fsim(org, pred, data_range=4095, reduce=False) != pytest.approx(
            expected, rel=1e-3
        )


def test_fsim_reduces_as_its_authors_round(make_pair):
    """640 / 256 is 2.5, which they round up to 3 and Python to 2."""
    org, pred = make_pair(640, 700, 1)
    expected = slow_fsim(org[:, :, 0], pred[:, :, 0], 4095, 3)
    assert ism.fsim(org, pred) == pytest.approx(expected, rel=2e-6)


def test_phase_congruency_agrees_with_phasepack(make_pair):
    """An independent implementation; it weighs frequencies, which FSIM's authors do not."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        phasepack = pytest.importorskip("phasepack")
    image = make_pair(96, 96, 1)[0][:, :, 0].astype("float32")
    theirs = phasepack.phasecong(
        image, nscale=4, norient=4, minWaveLength=6, mult=2, sigmaOnf=0.55, k=2.0
    )[4]
    ours = phase_congruency(image)
    assert np.corrcoef(ours.ravel(), np.mean(theirs, axis=0).ravel())[0, 1] > 0.7
    np.testing.assert_allclose(ours, slow_phase_congruency(image.astype(float)), atol=2e-5)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_fsim_of_equal_images_is_one_constants_included(dtype, make_pair):
    for image in (make_pair(40, 41, 2, dtype=dtype)[0], np.full((40, 41), 3, dtype)):
        top = {"uint8": 255, "uint16": 4095}.get(dtype, 1)
        image = np.minimum(image, top)
        assert ism.fsim(image, image, data_range=top) == pytest.approx(1, abs=1e-12)


def test_fsim_is_symmetric_and_between_zero_and_one(make_pair):
    org, pred = make_pair(50, 60, 2)
    value = ism.fsim(org, pred)
    assert ism.fsim(pred, org) == pytest.approx(value, rel=1e-6)
    noise = np.random.default_rng(0).integers(0, 4095, org.shape).astype("uint16")
    assert 0 < ism.fsim(org, noise) < value < 1


def test_the_map_of_fsim_spreads_each_cell_over_its_pixels(make_pair):
    org, pred = make_pair(520, 515, 2)
    _, local = ism.fsim(org, pred, full=True)
    assert np.isnan(local[:, 514]).all()
    assert np.isfinite(local[:520, :514]).all()
    assert np.array_equal(local[0:520:2, 0:514:2], local[1:520:2, 1:514:2])
    mask = np.ones(org.shape[:2], bool)
    mask[100:200, 100:300] = False
    _, masked = ism.fsim(org, pred, full=True, mask=mask)
    assert np.isnan(masked[98:202, 98:302]).all()
    assert np.isfinite(masked[97, :514]).all()


def test_fsim_leaves_out_cells_without_enough_valid_pixels(make_pair):
    """What lies in masked pixels has no effect; equal images stay at one."""
    org, pred = make_pair(520, 515, 1)
    mask = np.ones(org.shape[:2], bool)
    mask[::7, ::5] = False
    mask[50:90, 50:90] = False
    spoilt = org.copy()
    spoilt[~mask] = 65535
    value = ism.fsim(spoilt, pred, data_range=4095, mask=mask)
    assert value == ism.fsim(org, pred, data_range=4095, mask=mask)
    assert ism.fsim(spoilt, org, data_range=4095, mask=mask) == pytest.approx(1, abs=1e-12)


def test_fsim_at_full_size_has_a_limit():
    huge = np.broadcast_to(np.uint8(1), (2**14, 2**13, 1))
    with pytest.raises(ism.InputError, match="too much memory; let it reduce"):
        ism.fsim(huge, huge, reduce=False)
    deep = np.broadcast_to(np.uint8(1), (2**12, 2**12, 17))
    with pytest.raises(ism.InputError, match=r"17 band.*; let it reduce"):
        ism.fsim(deep, deep, reduce=False)


def test_fsim_of_what_reducing_leaves_too_large_does_not_advise_it():
    long = np.broadcast_to(np.uint8(1), (200, 2**19, 1))
    with pytest.raises(ism.InputError, match=r"200 x 524288 .* memory; score parts"):
        ism.fsim(long, long)


def slow_issm(org, pred, data_range, valid=None):
    """ISSM of one band by its formula, with Canny on the whole image."""
    x, y = (np.clip(np.rint(i * (255 / data_range)), 0, 255).astype(np.uint8) for i in (org, pred))
    counts = np.histogram2d(x.ravel(), y.ravel(), bins=256, range=[[0, 256], [0, 256]])[0]
    share = counts[counts > 0] / counts.sum()
    entropy = -(share * np.log2(share)).sum()
    g, h = cv2.Canny(x, 100, 200), cv2.Canny(y, 100, 200)
    rho = np.corrcoef(g.ravel(), h.ravel())[0, 1]
    ssim = ism.ssim(org, pred, data_range=data_range)
    return (rho * entropy * 0.8 + 0.01) / (0.3 * rho * entropy + 0.5 * entropy + 0.7 * ssim + 0.01)


def edgy_pair(rows, cols, seed=0):
    """8-bit images with long faint lines, which are edges only through a strong end."""
    rng = np.random.default_rng(seed)
    images = []
    for shift in (0, 1):
        image = rng.normal(90, 2, (rows, cols))
        for k in range(0, cols, 9):
            strength = rng.uniform(32, 44)
            image[:, k : k + 4] += strength
            image[rng.integers(0, rows), k : k + 4] += 90 * rng.integers(0, 2)
        images.append(np.clip(np.roll(image, shift * rng.integers(0, 2)), 0, 255).astype(np.uint8))
    return images[0], images[1]


@pytest.mark.parametrize("rows", [40, 64, 200])
def test_issm_agrees_with_its_formula(rows, make_pair):
    for org, pred in (edgy_pair(rows, 90), [i[:, :, 0] for i in make_pair(rows, 77, 1)]):
        data_range = 255 if org.dtype == np.uint8 else 4095
        expected = slow_issm(org, pred, data_range)
        assert ism.issm(org, pred) == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 2**32), st.lists(st.integers(1, 79), max_size=8), st.randoms())
def test_edges_of_strips_are_those_of_the_whole_image(seed, cuts, random):
    """Lines are followed across any number of strips, in whatever order they come."""
    org, pred = edgy_pair(80, 61, seed)
    g, h = cv2.Canny(org, LOW, HIGH) > 0, cv2.Canny(pred, LOW, HIGH) > 0
    bounds = sorted({0, 80, *cuts})
    strips = []
    for first, last in itertools.pairwise(bounds):
        top, bottom = max(first - 2, 0), min(last + 2, 80)
        core = slice(first - top, last - top)
        strips.append(StripEdges.find(org[top:bottom], pred[top:bottom], None, core, first))
    random.shuffle(strips)
    expected = (
        np.corrcoef(g.ravel(), h.ravel())[0, 1] if g.any() and h.any() else float((g == h).all())
    )
    assert edge_correlation(strips) == pytest.approx(expected, abs=1e-12)


def test_strips_do_leave_lines_undecided():
    """The test above would prove nothing if no line depended on another strip."""
    org, pred = edgy_pair(80, 61)
    strips = [
        StripEdges.find(org[a : a + 22], pred[a : a + 22], None, slice(2, 20), a) for a in (0, 18)
    ]
    joined = edges_module._joined([strip.seams[0] for strip in strips])
    assert sum(int(strip.sum()) for strip in joined) > 0


def test_edges_near_invalid_pixels_do_not_count():
    org, pred = edgy_pair(60, 50)
    valid = np.ones(org.shape, bool)
    valid[20:30, 10:14] = False
    spoilt = org.copy()
    spoilt[~valid] = 255
    results = [
        edge_correlation([StripEdges.find(i, pred, valid, slice(0, 60), 0)]) for i in (org, spoilt)
    ]
    assert results[0] == results[1]
    assert results[0] != edge_correlation([StripEdges.find(org, pred, None, slice(0, 60), 0)])


@pytest.mark.parametrize("data_range", [255, 4095, 10000, 16383, 65535])
def test_every_16_bit_value_is_rounded_to_the_nearest_8_bit_one(data_range):
    """In float32, which is faster, 10000 would round two of them the other way."""
    values = np.arange(2**17).astype("uint16").reshape(256, 256, 2)
    expected = np.minimum(np.rint(values * (255 / data_range)), 255)
    np.testing.assert_array_equal(to_8bit(values, DataRange(0, data_range)), expected)


@given(
    st.integers(0, 2**32),
    st.sampled_from([(np.uint8, 255), (np.uint16, 4095), (np.float32, 1.0)]),
    st.integers(1, 256),
)
def test_issm_of_identical_images_is_what_the_documentation_says(seed, kind, levels):
    """(.8 E + .01) / (.8 E + .71), between the ends that are documented."""
    dtype, top = kind
    grey = np.random.default_rng(seed).integers(0, levels, (64, 64))
    image = (grey / 255 * top).astype(dtype)
    counts = np.bincount(to_8bit(image, DataRange(0, top)).ravel()) / image.size
    entropy = -(counts[counts > 0] * np.log2(counts[counts > 0])).sum()
    value = ism.issm(image, image, data_range=top)
    assert value == pytest.approx((0.8 * entropy + 0.01) / (0.8 * entropy + 0.71), abs=1e-9)
    assert round(value, 3) >= 0.014
    assert round(value, 2) <= 0.90


def test_issm_reaches_the_ends_that_its_documentation_gives():
    """Equal constants, and every grey value as often as any other: 8 bits."""
    ramp = np.arange(256 * 64).reshape(128, 128).astype("uint8")
    ends = [ism.issm(image, image) for image in (np.full((30, 30), 9, np.uint8), ramp)]
    assert [round(end, 3) for end in ends] == [0.014, 0.902]
    assert "from .014 for constant ones to .90 for 8 bits" in " ".join(ism.issm.__doc__.split())


def test_issm_has_no_fixed_range():
    """Far above 1 and below 0, as the documentation says, where SSIM or the edges disagree."""
    stripes = np.zeros((40, 40), np.uint8)
    stripes[:, ::2] = 255
    assert ism.issm(stripes, 255 - stripes) > 1
    elsewhere = np.random.default_rng(0).integers(60, 80, (2, 40, 40)).astype("uint8")
    elsewhere[0, :, 10:] += 120
    elsewhere[1, :, 30:] += 120
    assert ism.issm(*elsewhere) < 0


def test_images_without_edges_correlate_if_both_have_none():
    flat = np.full((30, 30), 9, np.uint8)
    edgy = flat.copy()
    edgy[:, 15:] = 200
    assert ism.issm(flat, flat) == pytest.approx(0.01 / 0.71)
    for pair in ((flat, edgy), (edgy, flat)):
        whole = StripEdges.find(*pair, None, slice(0, 30), 0)
        assert edge_correlation([whole]) == 0


def test_published_fsim_of_the_example_pairs(example):
    name, images = example
    expected = {"lafayette": 0.7842, "singapore": 0.7722}[name]
    per_band = {"lafayette": [0.7986, 0.7922, 0.8078, 0.7383]}.get(name)
    assert ism.fsim(*images, data_range=4095) == pytest.approx(expected, abs=1e-4)
    if per_band:
        values = ism.fsim(*images, data_range=4095, per_band=True)
        np.testing.assert_allclose(values, per_band, atol=1e-4)


@pytest.mark.parametrize("cuts", [(50,), (13, 14, 200), (64, 128, 192, 256)])
def test_strips_gathered_apart_and_merged_in_any_order_give_the_whole(cuts, make_pair):
    org, pred = make_pair(390, 400, 2)
    block = ArrayPair(org, pred).read(slice(0, 390), slice(0, 400))
    strips = [
        Tile(block, 0, 0, Span(first, last), Span(0, 400), (390, 400))
        for first, last in itertools.pairwise((0, *cuts, 390))
    ]
    for empty, result in (
        (FeatureSimilarity(org.shape, DataRange(0, 4095)), lambda a: a.finish()),
        (
            JointStatistics(2, DataRange(0, 4095)),
            lambda a: np.stack([a.entropy(), a.edge_correlation()]),
        ),
    ):
        merged = empty.fresh()
        for strip in reversed(strips):
            part = empty.fresh()
            part.update(strip)
            merged.merge(part)
        whole = empty.fresh()
        whole.update(Tile(block, 0, 0, Span(0, 390), Span(0, 400), (390, 400)))
        np.testing.assert_allclose(result(merged), result(whole), rtol=1e-12)
