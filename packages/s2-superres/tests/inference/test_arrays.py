"""`superresolve` on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from s2_superres import SuperResolved, superresolve
from s2_superres.bands import BANDS_10M, BANDS_20M, BANDS_60M
from s2_superres.errors import InputError, WeightsError
from s2_superres.raster.degradation import degrade
from s2_superres.testing.products import landscape


def scene(
    rows: int = 132, cols: int = 108, dtype: type = np.uint16
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return b10, b20, b60 of a made-up landscape."""
    b10, b20, b60 = (
        np.stack(
            [landscape(b, rows * 10 // b.resolution, cols * 10 // b.resolution) for b in bands]
        )
        for bands in (BANDS_10M, BANDS_20M, BANDS_60M)
    )
    return b10.astype(dtype), b20.astype(dtype), b60.astype(dtype)


Sharpen = Callable[..., SuperResolved]


@pytest.fixture
def sharpen(tiny: dict[int, str]) -> Sharpen:
    """`superresolve` with weights that run at once, in float32."""

    def run(b10: np.ndarray, b20: np.ndarray, b60: np.ndarray | None = None, **options: Any):
        weights = {20: tiny[20]} if b60 is None else tiny
        defaults = {"level": "L1C", "weights": weights, "precision": "float32"}
        return superresolve(b10, b20, b60, **{**defaults, **options})

    return run


def test_the_result_has_the_promised_shapes_and_degrades_to_what_was_measured(
    sharpen: Sharpen,
) -> None:
    """Float32 digital numbers on the 10 m grid."""
    b10, b20, b60 = scene()
    result = sharpen(b10, b20, b60)
    assert result.b20.shape == (6, 132, 108)
    assert result.b60.shape == (2, 132, 108)
    assert result.b20.dtype == result.b60.dtype == np.float32
    # But for the edge: degrading mirrors the output there, where it has seen the mirrored input.
    inside = np.s_[:, 1:-1, 1:-1]
    np.testing.assert_allclose(degrade(result.b20, 2)[inside], b20[inside], atol=0.1)
    np.testing.assert_allclose(degrade(result.b60, 6)[inside], b60[inside], atol=0.1)
    loose = sharpen(b10, b20, b60, consistent=False)
    assert np.abs(degrade(loose.b20, 2) - b20).max() > 1


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_results_do_not_depend_on_the_tiling(
    sharpen: Sharpen,
    precision: str,
) -> None:
    """With no data, single holes and saturated pixels in the scene."""
    b10, b20, b60 = scene(372, 336)
    rng = np.random.default_rng(0)
    b10[:, 100:190, :130] = 0
    b20[:, 50:95, :65] = 0
    b10[1, rng.random(b10.shape[1:]) > 0.999] = 0
    b20[2, 40:42, 100:103] = 65535
    # Regions that one band lacks and others have, wider than any window's halo.
    b20[5, 100:, 40:150] = 0
    b10[3, 220:, 150:] = 0
    whole = sharpen(b10, b20, b60, precision=precision, tile=1024)
    assert (whole.b20[0] == 0).any()
    assert (whole.b20[5, 200:, 80:300] == 0).all()
    assert (whole.b20[0, 200:, 80:] != 0).all()
    for tile in (120, 204):
        parts = sharpen(b10, b20, b60, precision=precision, tile=tile)
        np.testing.assert_allclose(parts.b20, whole.b20, atol=0.01)
        np.testing.assert_allclose(parts.b60, whole.b60, atol=0.01)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_any_real_dtype_gives_the_same(
    sharpen: Sharpen,
    dtype: type,
) -> None:
    """The values count, not how they are stored."""
    b10, b20, _ = scene(48, 48)
    expected = sharpen(b10, b20)
    got = sharpen(b10.astype(dtype), b20.astype(dtype))
    np.testing.assert_array_equal(got.b20, expected.b20)


@pytest.mark.parametrize("dtype", [np.int32, np.float32, np.float64])
def test_what_is_saturated_is_so_in_any_dtype(sharpen: Sharpen, dtype: type) -> None:
    """And its neighbours, in all bands, do not ring from it."""
    b10, b20, b60 = scene(48, 48)
    b10[1, 9, 9] = b20[2, 12, 12] = b60[0, 5, 5] = 65535
    expected = sharpen(b10, b20, b60)
    got = sharpen(b10.astype(dtype), b20.astype(dtype), b60.astype(dtype))
    np.testing.assert_array_equal(got.b20, expected.b20)
    np.testing.assert_array_equal(got.b60, expected.b60)
    assert (got.b20[2, 24:26, 24:26] == 65535).all()


@pytest.mark.parametrize(
    ("dtype", "fill"), [("i2", -9999), ("i4", -32768), ("f4", -9999), ("f8", 1e20), ("i8", 70000)]
)
def test_a_fill_value_that_nobody_declared_is_refused(
    sharpen: Sharpen, dtype: str, fill: float
) -> None:
    """Taken for data, it would spoil all around it; declared, it is no data."""
    b10, b20, _ = (band.astype(dtype) for band in scene(24, 24))
    b20[1, 8, 8] = fill
    with pytest.raises(InputError, match=r"b20 holds .*give nodata="):
        sharpen(b10, b20)
    out = sharpen(b10, b20, nodata=fill).b20
    np.testing.assert_array_equal(out[1, 16:18, 16:18], np.float32(fill))
    assert np.count_nonzero(out == np.float32(fill)) == 4


def test_the_offset_is_taken_off_and_put_back(
    sharpen: Sharpen,
) -> None:
    """A product of baseline 04.00 gives the old one's result plus 1000."""
    b10, b20, b60 = scene(48, 48)
    old = sharpen(b10, b20, b60)
    new = sharpen(b10 + 1000, b20 + 1000, b60 + 1000, offset=-1000)
    np.testing.assert_allclose(new.b20, old.b20 + 1000, atol=0.01)
    np.testing.assert_allclose(new.b60, old.b60 + 1000, atol=0.01)


def test_even_sizes_will_do_without_60_m_bands(
    sharpen: Sharpen,
) -> None:
    """Multiples of 6 are for the 60 m grid only."""
    b10, b20, _ = scene(132, 108)
    result = sharpen(b10[:, :130, :50], b20[:, :65, :25])
    assert result.b20.shape == (6, 130, 50)
    assert result.b60 is None


@pytest.mark.parametrize("size", [(2, 2), (2, 60), (4, 6)])
def test_tiny_images_are_mirrored_again_and_again(
    sharpen: Sharpen,
    size: tuple[int, int],
) -> None:
    """Down to one 20 m pixel; a constant stays constant."""
    rows, cols = size
    b10 = np.full((4, rows, cols), 1234, np.uint16)
    b20 = np.full((6, rows // 2, cols // 2), 2345, np.uint16)
    np.testing.assert_allclose(sharpen(b10, b20).b20, 2345, atol=0.01)


def test_no_data_does_not_reach_its_neighbours(
    sharpen: Sharpen,
) -> None:
    """Valid pixels beside a hole stay in the range of the scene, whatever the hole held."""
    b10 = np.full((4, 96, 96), 2000.0)
    b20 = np.full((6, 48, 48), 3000.0)
    b10[:, 40:60, 40:60] = np.nan
    b20[:, 20:30, 20:30] = np.nan
    result = sharpen(b10, b20, nodata=None)
    hole = np.isnan(result.b20[0])
    assert hole.sum() == 400
    assert hole[40:60, 40:60].all()
    np.testing.assert_allclose(result.b20[:, ~hole], 3000, atol=0.01)


def test_nan_comes_back_as_nan_and_the_no_data_value_as_itself(sharpen: Sharpen) -> None:
    """In one image, also where a window has no data at all; infinite is no number either."""
    b10, b20, _ = scene(24, 24, np.float32)
    b10[:, 0, 0] = np.nan
    b10[:, 1, 1] = 0
    b20[0, 5, 5] = 0
    b20[1, 6, 6] = np.nan
    b20[1, 7, 7] = np.inf
    out = sharpen(b10, b20, nodata=0).b20
    expected = np.zeros(out.shape, bool)
    expected[:, 0, 0] = expected[1, 12:14, 12:14] = expected[1, 14:16, 14:16] = True
    np.testing.assert_array_equal(np.isnan(out), expected)
    assert (out[:, 1, 1] == 0).all()
    assert (out[0, 10:12, 10:12] == 0).all()
    assert (out == 0).sum() == 6 + 4
    assert np.isnan(sharpen(b10, np.full_like(b20, np.nan), nodata=0).b20).all()


def test_a_zero_in_one_band_makes_no_hole_in_others(sharpen: Sharpen) -> None:
    """Level-2A products clip dark water to 0 here and there, band by band."""
    b10, b20, b60 = scene(96, 96)
    whole = sharpen(b10, b20, b60)
    b10[3, 20, 30] = b10[0, 50, 51] = 0
    b20[5, 20, 20] = 0
    b60[0, 10, 3] = 0
    pierced = sharpen(b10, b20, b60)
    assert (pierced.b20[:5] != 0).all()
    assert np.argwhere(pierced.b20[5] == 0).tolist() == [[40, 40], [40, 41], [41, 40], [41, 41]]
    assert (pierced.b60[0, 60:66, 18:24] == 0).all()
    assert (pierced.b60 == 0).sum() == 36
    # What took the zeros' places is near enough to what had been there.
    for before, after in ((whole.b20, pierced.b20), (whole.b60, pierced.b60)):
        assert np.abs(after - before)[after != 0].max() < 0.1 * before.max()


def test_bands_that_end_at_different_places_keep_all_that_was_measured(sharpen: Sharpen) -> None:
    """The edge of a swath, where every band ends a few pixels from the next.

    Each ends in the output where it was measured, or where the last of the 10 m
    bands ends if that is earlier, and keeps its value to the end.
    """
    b10 = np.full((4, 96, 96), 2000, np.uint16)
    b20 = np.full((6, 48, 48), 3000, np.uint16)
    b60 = np.full((2, 16, 16), 1500, np.uint16)
    for band, end in enumerate((60, 62, 57, 64)):
        b10[band, :, end:] = 0
    for band, end in enumerate((28, 29, 30, 31, 32, 33)):
        b20[band, :, end:] = 0
    for band, end in enumerate((10, 11)):
        b60[band, :, end:] = 0
    result = sharpen(b10, b20, b60)
    for plane, end in zip(result.b20, (56, 58, 60, 62, 64, 64), strict=True):
        np.testing.assert_allclose(plane[:, :end], 3000, atol=0.01)
        assert (plane[:, end:] == 0).all()
    for plane, end in zip(result.b60, (60, 64), strict=True):
        np.testing.assert_allclose(plane[:, :end], 1500, atol=0.01)
        assert (plane[:, end:] == 0).all()


def test_saturated_pixels_stay_saturated_in_their_band(
    sharpen: Sharpen,
) -> None:
    """And only there."""
    b10, b20, _ = scene(48, 48)
    b20[3, 10, 10] = 65535
    out = sharpen(b10, b20).b20
    assert (out[3, 20:22, 20:22] == 65535).all()
    assert (out == 65535).sum() == 4


def test_neighbours_of_saturated_pixels_stay_near_what_was_measured() -> None:
    """A burning field, in a scene whose other bands do not show it."""
    b10, b20 = np.full((4, 144, 144), 1500, np.uint16), np.full((6, 72, 72), 2000, np.uint16)
    noise = np.random.default_rng(5)
    b10 += noise.integers(0, 200, b10.shape, np.uint16)
    b20 += noise.integers(0, 200, b20.shape, np.uint16)
    b20[4, 30:33, 30:33] = 65535
    b20[5, 40:60, 40:60] = 65535
    out = superresolve(b10, b20, level="L1C").b20
    assert (out[4, 60:66, 60:66] == 65535).all()
    assert (out[5, 80:120, 80:120] == 65535).all()
    measured = out[out != 65535]
    assert measured.min() > 1500
    assert measured.max() < 2700


@pytest.mark.parametrize("nodata", [0.0, None])
def test_masked_pixels_are_no_data(sharpen: Sharpen, nodata: float | None) -> None:
    """As `rasterio` reads them with ``masked=True``, whatever number lies under the mask."""
    b10, b20, _ = scene(48, 48)
    hidden = np.zeros(b20.shape, bool)
    hidden[2, 5:9, 5:9] = True
    holes = np.where(hidden, 0, b20).astype(np.float32)
    b20[hidden] = 9999
    if nodata is None:
        holes[hidden] = np.nan
    expected = sharpen(b10, holes, nodata=nodata).b20
    masked = sharpen(b10, np.ma.array(b20, mask=hidden), nodata=nodata).b20
    np.testing.assert_array_equal(masked, expected)


def test_inputs_are_not_changed(
    sharpen: Sharpen,
) -> None:
    """Not even where they are filled."""
    arrays = scene(48, 48)
    arrays[0][:, :9] = 0
    before = [array.copy() for array in arrays]
    sharpen(*arrays)
    for array, kept in zip(arrays, before, strict=True):
        np.testing.assert_array_equal(array, kept)


B10, B20, B60 = np.ones((4, 12, 12), "u2"), np.ones((6, 6, 6), "u2"), np.ones((2, 2, 2), "u2")


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ((np.moveaxis(B10, 0, -1), B20), r"b10 .*np\.moveaxis\(b10, -1, 0\)"),
        ((B10[:3], B20), "b10 .*B02 B03 B04 B08"),
        ((B10, B20[:, :5]), "b20 has 5 x 6 pixels, .*6 x 6"),
        ((B10[:, :11], B20), "multiples of 2"),
        ((B10[:, :10], B20[:, :5], B60), "multiples of 6"),
        ((B10[0], B20), r"b10 has shape \(12, 12\)"),
        ((B10.astype(complex), B20), "b10 has dtype complex128"),
        ((B10 > 0, B20), "b10 has dtype bool"),
        ((B10, B20, B60.astype("f4") / 2), "b60 .*reflectance"),
        ((B10[:, :0], B20[:, :0]), "multiples of 2"),
    ],
)
def test_arrays_that_do_not_fit_are_named_with_the_cure(
    sharpen: Sharpen, arrays: tuple, words: str
) -> None:
    """One line."""
    with pytest.raises(InputError, match=words):
        sharpen(*arrays)


def test_unknown_levels_and_weights_are_refused(
    sharpen: Sharpen,
    tiny: dict[int, str],
) -> None:
    """By name."""
    with pytest.raises(InputError, match="L3A"):
        sharpen(B10, B20, level="L3A")
    with pytest.raises(InputError, match="offset is nan"):
        sharpen(B10, B20, offset=np.nan)
    with pytest.raises(WeightsError, match="none are asked for"):
        sharpen(B10, B20, weights={60: tiny[60]})
    with pytest.raises(WeightsError, match=r"nowhere\.npz"):
        sharpen(B10, B20, weights="nowhere.npz")


@pytest.mark.parametrize("odd", [np.inf, np.nan, 65535, 0, -9999])
def test_reflectance_is_told_from_digital_numbers_by_nearly_all_of_it(
    sharpen: Sharpen, odd: float
) -> None:
    """Whatever single pixels hold; and dark digital numbers with few bright ones stay allowed."""
    b10, b20, _ = scene(48, 48, np.float32)
    reflectance = b20 / 10000
    reflectance[0, 3, 4] = reflectance[5, 0, :9] = odd
    with pytest.raises(InputError, match=r"b20 .*reflectance"):
        sharpen(b10, reflectance)
    sharpen(b10, np.where(b20 > np.quantile(b20, 0.9), b20, 2).astype("f4"))


@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_percent_is_told_from_digital_numbers(sharpen: Sharpen, dtype: str) -> None:
    """Fractions up to a hundred or so; dark water in whole numbers, or resampled, is none."""
    b10, b20, _ = scene(48, 48)
    percent = (b10 / 100).astype(dtype)
    percent[0, 3, 4] = 65535
    with pytest.raises(InputError, match=r"b10 .*reflectance in percent; give .*percent \* 100"):
        sharpen(percent, (b20 / 100).astype(dtype))
    sharpen(np.ceil(percent), b20)
    sharpen(b10, (b20 / 100).astype(dtype))


@pytest.mark.parametrize("dtype", ["u1", "i1"])
def test_pictures_of_8_bits_are_no_digital_numbers(sharpen: Sharpen, dtype: str) -> None:
    b10, b20, _ = scene(24, 24)
    with pytest.raises(InputError, match=r"b10 has dtype u?int8, which holds pictures"):
        sharpen((b10 % 100).astype(dtype), b20)


@pytest.mark.parametrize("nodata", [-9999, 0.5, np.nan])
def test_any_number_may_stand_for_no_data_in_masked_integers(
    sharpen: Sharpen, nodata: float
) -> None:
    """Whether or not their dtype holds it; what is saturated stays so."""
    b10, b20, _ = scene(24, 24)
    b20[1, 8, 8] = 65535
    mask = np.zeros(b20.shape, bool)
    mask[2, 3, 3] = True
    out = sharpen(b10, np.ma.array(b20, mask=mask), nodata=nodata).b20
    np.testing.assert_array_equal(out[2, 6:8, 6:8], np.float32(nodata))
    assert (out[1, 16:18, 16:18] == 65535).all()


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        ((), {}, r"superresolve: .*'b10'.* level="),
        ((B10,), {"level": "L1C"}, "'b20'"),
        ((B10, B20), {}, "'level'"),
        ((B10, B20, B60, "L1C"), {}, "too many positional"),
        ((B10, B20), {"level": "L1C", "tiles": 3}, "'tiles'"),
        ((B10, B20), {"level": B60}, "level of ndarray"),
        ((B10, B20), {"level": "L1C", "tile": "big"}, "tile 'big'"),
        ((B10, B20), {"level": "L1C", "tile": 512.0}, "tile 512.0"),
        ((B10, B20), {"level": "L1C", "threads": "all"}, "threads 'all'"),
        ((B10, B20), {"level": "L1C", "threads": True}, "threads True"),
        ((B10, B20), {"level": "L1C", "device": 1}, "device 1: choose auto, cpu"),
        ((B10, B20), {"level": "L1C", "precision": None}, "precision None"),
        ((B10, B20), {"level": "L1C", "consistent": "no"}, "consistent 'no'"),
        ((B10, B20), {"level": "L1C", "offset": None}, "offset is None"),
        ((B10, B20), {"level": "L1C", "offset": -0.1}, "offset is -0.1: .* -1000"),
        ((B10, B20), {"level": "L1C", "offset": 1000}, "offset is 1000: .* -1000"),
        ((B10, B20), {"level": "L1C", "offset": -1}, "offset is -1: .*shift first"),
        ((B10, B20), {"level": "L1C", "offset": -999}, "offset is -999: .* -1000"),
        ((B10, B20), {"level": "L1C", "offset": -10000}, "offset is -10000: .* -1000"),
        ((B10, B20), {"level": "L1C", "nodata": "none"}, "nodata 'none'"),
        ((B10, B20), {"level": "L1C", "nodata": np.inf}, "nodata inf"),
        ((B10, B20), {"level": "L1C", "weights": 3}, "weights of int"),
        ((B10, B20), {"level": "L1C", "weights": [None]}, "weights of NoneType"),
        ((B10, B20), {"level": "L1C", "weights": {"20": "a"}}, "give them for 20, 60"),
        (([[1], [1, 2]], B20), {"level": "L1C"}, "b10: cannot be read as an array"),
        (("a.SAFE", "o.tif", 3), {}, "too many positional"),
        (("a.SAFE", 3), {}, "say where to write"),
        (("a.SAFE",), {}, "say where to write"),
        (("a.SAFE", "o.tif"), {"tiles": 3}, "'tiles'"),
        (("a.SAFE", "o.tif"), {"tile": "big"}, "tile 'big'"),
        (("a.SAFE", "o.tif"), {"bands": 3}, "bands of int: give names"),
        (("a.SAFE", "o.tif"), {"granule": 3}, "granule of int: give a tile"),
        (("a.SAFE", "o.tif"), {"aoi": 3}, "aoi of int: give the path"),
        (("a.SAFE", "o.tif"), {"bbox": (1, 2, 3, "a")}, "bbox .*give left"),
        (("a.SAFE", "o.tif"), {"bounds": 3}, "bounds 3: give left"),
        (("a.SAFE", "o.tif"), {"include_10m": "no"}, "include_10m of str: give True"),
        (("a.SAFE", "o.tif"), {"creation_options": 3}, "creation_options of int: give names"),
        (("a.SAFE", "o.tif"), {"executor": 3}, "executor of int: .*concurrent"),
        (("a.SAFE", "o.tif"), {"progress": 3}, "progress of int: give a function"),
        ((B10, B20), {"level": "L1C", "with_error": "no"}, "with_error 'no': give True"),
    ],
)
def test_wrong_arguments_are_named_in_an_error_of_ours(
    arguments: tuple, options: dict[str, Any], words: str
) -> None:
    """Never a TypeError from somewhere inside."""
    with pytest.raises(InputError, match=words):
        superresolve(*arguments, **options)
