"""What is accepted as a pair of images, and what is refused with which advice."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest

import image_similarity_measures as ism
from image_similarity_measures.arrays import ArrayPair, valid_pixels

NAMES = list(ism.METRICS)


def compute(name, org, pred, **options):
    """Call a metric with a data range where it takes one."""
    if ism.METRICS[name].needs_range:
        options.setdefault("data_range", 4095)
    return getattr(ism, name)(org, pred, **options)


@pytest.mark.parametrize("name", NAMES)
def test_different_shapes_are_one_error_of_three_families(name):
    """Version 0.3 raised AssertionError, callers expect ValueError."""
    for family in (ism.ImageSimilarityError, ValueError, AssertionError):
        with pytest.raises(family, match=r"\(20, 20, 2\) and \(20, 21, 2\)"):
            compute(name, np.ones((20, 20, 2)), np.ones((20, 21, 2)))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["bool", "complex64", "object", "U3", "datetime64[s]"])
def test_types_that_are_no_numbers_are_refused(name, dtype):
    image = np.zeros((20, 20, 2), dtype)
    with pytest.raises(ism.InputError, match="has dtype"):
        compute(name, image, image)


@pytest.mark.parametrize("shape", [(0, 5), (5, 0), (5, 5, 0), (5,), (), (2, 3, 4, 5)])
def test_empty_images_and_odd_dimensions_are_refused(shape):
    with pytest.raises(ism.InputError, match="give"):
        ism.rmse(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 512, 512), (13, 128, 100), (1, 200, 300), (3, 100, 4000)])
def test_bands_first_is_answered_with_the_transposition(shape):
    with pytest.raises(ism.InputError, match=r"np\.moveaxis\(org_img, 0, -1\)"):
        ism.rmse(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(
    "shape",
    [
        (3, 64, 64), (4, 16, 16), (1, 32, 32),
        (13, 64, 64), (12, 60, 60), (200, 64, 64), (12, 60, 50), (200, 64, 60), (64, 64, 64),
    ],
)  # fmt: skip
def test_what_may_be_chips_with_bands_first_is_scored_with_a_warning(shape):
    image = np.random.default_rng(0).uniform(0, 9, shape)
    with pytest.warns(ism.SimilarityWarning, match="if the bands come first.*axis=0") as caught:
        assert ism.rmse(image, image) == 0
    assert len(caught) == 1
    if shape[0] < 8:
        with pytest.raises(ism.InputError, match=f"with {shape[2]} bands, which come last"):
            ism.uiq(image, image)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ism.rmse(image, image, axis=-1, per_band=True).shape == shape[2:]
        assert ism.rmse(image, image, axis=0, per_band=True).shape == shape[:1]


@pytest.mark.parametrize("name", NAMES)
def test_axis_says_where_the_bands_are(name, pair):
    """For every metric, and masked arrays as well; two dimensions have none to ask about."""
    org, pred = (np.ma.array(image) for image in pair)
    org[20:24, 30, 0] = np.ma.masked
    value = compute(name, org, pred)
    for axis in (0, 1, 2, -2):
        moved = np.ma.array(np.moveaxis(org, -1, axis)), np.moveaxis(pred, -1, axis)
        assert compute(name, *moved, axis=axis) == value
    report = ism.compare(np.moveaxis(org, -1, 0), np.moveaxis(pred, -1, 0), axis=0, metrics=name)
    assert report[name].value == value


@pytest.mark.parametrize("axis", [3, -4, "bands", 0.5])
def test_an_axis_that_does_not_exist_is_refused(axis, pair):
    with pytest.raises(ism.InputError, match="axis is"):
        ism.rmse(*pair, axis=axis)


def test_one_band_with_its_axis_equals_one_without(pair):
    org, pred = (image[:, :, 0] for image in pair)
    assert ism.rmse(org, pred[:, :, None]) == ism.rmse(org, pred)
    with pytest.raises(ism.ShapeMismatchError, match=r"\(90, 70\) and \(90, 70, 2\)"):
        ism.rmse(org, pair[1][:, :, :2])


class Unwilling:
    """What a tensor that needs its gradient, one in bfloat16 or a dataset does."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def __array__(self, *args: object, **kwargs: object) -> np.ndarray:
        raise self.error

    def detach(self) -> None:
        """Tensors have it."""


@pytest.mark.parametrize("kind", [RuntimeError, TypeError, ValueError, NotImplementedError])
def test_what_refuses_to_become_an_array_is_an_error_of_the_package(kind):
    image = Unwilling(kind("Can't call numpy() on Tensor that requires grad.\nUse detach()"))
    for call in (ism.rmse, ism.compare):
        with pytest.raises(ism.InputError, match=r"requires grad; give .*org_img\.detach\(\)"):
            call(image, image)


@pytest.mark.parametrize(("dtype", "full"), [("uint8", 255), ("uint16", 65535), ("float32", 1)])
def test_alpha_among_the_bands_of_an_array_is_noted(dtype, full):
    org = (np.random.default_rng(0).uniform(0, full, (20, 20, 4))).astype(dtype)
    org[:, :, 3] = full
    org[:5, :, 3] = 0
    with pytest.warns(ism.SimilarityWarning, match="as alpha does"):
        ism.rmse(org, org)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ism.rmse(org[:, :, :3], org[:, :, :3], mask=org[:, :, 3] > 0)
        classes = np.where(org > org.mean(), full, 0).astype(dtype)
        ism.rmse(classes, classes)


@pytest.mark.parametrize(
    "shape", [(512, 512, 4), (4, 512, 4), (145, 145, 200), (610, 340, 103), (300, 20, 224)]
)
def test_bands_last_and_ambiguous_shapes_pass(shape):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ism.rmse(np.zeros(shape), np.zeros(shape)) == 0


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("path", ["a.tif", Path("a.tif")])
def test_files_are_sent_to_compare(name, path):
    with pytest.raises(ism.InputError, match=r"org_img is a path, 'a\.tif'.*compare"):
        getattr(ism, name)(path, path)


@pytest.mark.parametrize(
    "mistake",
    [
        {"data_range": "255"},
        {"data_range": (255, 0)},
        {"nodata": "0"},
        {"nodata": [0, 1]},
        {"mask": [[True], [True, False]]},
    ],
)
def test_options_of_the_wrong_type_are_errors_of_the_package(mistake, pair):
    for call in (ism.psnr, ism.compare):
        with pytest.raises(ism.InputError, match=f"{next(iter(mistake))} is .*"):
            call(*pair, **mistake)


def test_ragged_lists_are_errors_of_the_package():
    with pytest.raises(ism.InputError, match="org_img is no array"):
        ism.rmse([[1, 2], [3]], [[1, 2], [3]])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "dtype",
    [
        "int8",
        "uint8",
        "int16",
        "uint16",
        "int32",
        "uint32",
        "int64",
        "uint64",
        "float16",
        "float32",
        "float64",
        ">u2",
        ">f4",
    ],
)
def test_every_real_type_gives_the_value_of_its_float64_copy(name, dtype, make_pair):
    small = np.dtype(dtype).itemsize == 1
    org, pred = make_pair(40, 36, 2, dtype="int8" if small else "uint16")
    org, pred = org.astype(dtype), pred.astype(dtype)
    options = {"data_range": 127 if small else 4095} if ism.METRICS[name].needs_range else {}
    value = getattr(ism, name)(org, pred, **options)
    wide = getattr(ism, name)(org.astype("float64"), pred.astype("float64"), **options)
    assert value == pytest.approx(wide, rel=1e-6 if name in ("ssim", "fsim", "issm") else 1e-11)


@pytest.mark.parametrize("name", NAMES)
def test_two_types_are_compared_in_a_type_that_holds_both(name, pair):
    org, pred = pair
    value = compute(name, org, pred.astype("float32"))
    assert value == pytest.approx(compute(name, org.astype(float), pred.astype(float)), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_layout_does_not_matter_and_inputs_stay_as_they_are(name, make_pair):
    """Fortran order, steps, reversed axes and read-only arrays give the same; none is changed."""
    org, pred = make_pair(60, 50, 3)
    value = compute(name, org, pred)
    padded = np.zeros((120, 100, 3), org.dtype)
    padded[::2, ::2] = org
    copies = (
        np.asfortranarray(org),
        padded[::2, ::2],
        np.ascontiguousarray(org[::-1, ::-1, ::-1])[::-1, ::-1, ::-1],
    )
    for copy in copies:
        copy.flags.writeable = False
        before = copy.copy()
        assert compute(name, copy, pred) == pytest.approx(value, rel=1e-9)
        assert np.array_equal(copy, before)


@pytest.mark.parametrize("name", [n for n in NAMES if n != "sam"])
def test_two_dimensions_are_one_band(name, pair):
    org, pred = pair[0][:, :, 0], pair[1][:, :, 0]
    value = compute(name, org, pred)
    assert value == compute(name, org[:, :, None], pred[:, :, None])
    if ism.METRICS[name].band_wise:
        assert compute(name, org, pred, per_band=True).shape == (1,)


def test_one_band_has_no_spectral_angle(pair):
    with pytest.raises(ism.InputError, match="one band has no angle"):
        ism.sam(pair[0][:, :, 0], pair[1][:, :, 0])


@pytest.mark.parametrize("name", ["psnr", "ssim", "fsim", "issm"])
def test_floating_point_must_say_its_range(name):
    image = np.ones((30, 30))
    with pytest.raises(ism.InputError, match="needs data_range"):
        getattr(ism, name)(image, image)
    with pytest.raises(ism.InputError, match="data_range is"):
        getattr(ism, name)(image, image, data_range=0)


def test_integers_have_a_range_and_exceeding_it_warns():
    """8 bits: 255; wider: 4095, with a warning once a valid value is beyond."""
    org = np.zeros((4, 4), "uint8")
    assert ism.psnr(org, org + np.uint8(255)) == 0
    wide = org.astype("uint16")
    assert ism.psnr(wide, wide + np.uint16(4095)) == 0
    with pytest.warns(ism.SimilarityWarning, match=r"5000.*4095.*data_range"):
        ism.psnr(wide, wide + np.uint16(5000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ism.psnr(wide, wide + np.uint16(5000), data_range=10_000)
        ism.rmse(wide, wide + np.uint16(5000))
        bright = wide.copy()
        bright[0, 0] = 65535
        ism.psnr(bright, wide + np.uint16(1), nodata=65535)


def test_8_bits_against_more_are_scored_as_more_with_a_warning(pair):
    org, pred = pair[0] // 16, pair[1] // 16
    with pytest.warns(ism.SimilarityWarning, match="uint8 and uint16.*4095") as caught:
        value = ism.psnr(org.astype("uint8"), pred)
    assert len(caught) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ism.psnr(org, pred) == value
        ism.psnr(org.astype("uint8"), pred, data_range=255)
        ism.rmse(org.astype("uint8"), pred)


@pytest.mark.parametrize(("name", "size"), [("ssim", 11), ("issm", 11), ("uiq", 8), ("fsim", 3)])
def test_images_smaller_than_a_window_are_refused_with_the_cure(name, size):
    good, small = np.ones((size, size + 4)), np.ones((size + 4, size - 1))
    assert np.isfinite(compute(name, good, good))
    with pytest.raises(ism.InputError, match=rf"{size} x {size} windows.*give"):
        compute(name, small, small)


def test_a_mask_must_fit():
    image = np.ones((5, 6))
    with pytest.raises(ism.InputError, match="booleans"):
        ism.rmse(image, image, mask=np.ones((5, 6)))
    with pytest.raises(ism.InputError, match=r"mask is .*\(6, 5\)"):
        ism.rmse(image, image, mask=np.ones((6, 5), bool))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": "hann"}, "gaussian, uniform"),
        ({"data_range": float("nan")}, "data_range"),
        ({"data_range": -1}, "data_range"),
    ],
)
def test_choices_that_do_not_exist_are_refused(options, message, pair):
    with pytest.raises(ism.ImageSimilarityError, match=message):
        ism.ssim(*pair, **options)


def test_options_of_the_other_metrics_are_checked(pair):
    for call in (
        lambda: ism.uiq(*pair, window_size=0),
        lambda: ism.uiq(*pair, step=1.5),
        lambda: ism.sre(*pair, variant="other"),
        lambda: ism.fsim(*pair, t1=0),
        lambda: ism.uiq(*pair, window_size=1000),
    ):
        with pytest.raises(ism.ImageSimilarityError):
            call()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_left_out_like_masked_pixels(name, bad, make_pair):
    org, pred = make_pair(60, 50, 3, dtype="float64")
    spoilt_org, spoilt_pred = org.copy(), pred.copy()
    spoilt_org[10, 12, 1] = bad
    spoilt_pred[40, 8, 2] = bad
    mask = np.ones((60, 50), bool)
    mask[10, 12] = mask[40, 8] = False
    masked = compute(name, org, pred, mask=mask, **_unit(name))
    assert np.isfinite(masked)
    assert compute(name, spoilt_org, spoilt_pred, **_unit(name)) == masked


@pytest.mark.parametrize("name", NAMES)
def test_nodata_is_left_out_like_masked_pixels(name, pair):
    org, pred = pair[0].copy(), pair[1].copy()
    mask = np.ones(org.shape[:2], bool)
    org[20:24, 30, 0] = 9999
    pred[50, 3:7] = 9999
    mask[20:24, 30] = mask[50, 3:7] = False
    assert compute(name, org, pred, nodata=9999) == compute(name, *pair, mask=mask)


def _unit(name):
    return {"data_range": 1.0} if ism.METRICS[name].needs_range else {}


@pytest.mark.parametrize("name", NAMES)
def test_the_mask_of_masked_arrays_leaves_out_like_masked_pixels(name, pair):
    """In any band of either image, and together with a mask."""
    org, pred = np.ma.array(pair[0]), np.ma.array(pair[1])
    org[20:24, 30, 0] = np.ma.masked
    pred[50, 3:7] = np.ma.masked
    mask = np.ones(org.shape[:2], bool)
    mask[20:24, 30] = mask[50, 3:7] = False
    assert compute(name, org, pred) == compute(name, *pair, mask=mask)
    more = np.ones_like(mask)
    more[70:, 20] = False
    assert compute(name, org, pred, mask=more) == compute(name, *pair, mask=mask & more)


def test_masked_arrays_of_two_dimensions_and_without_a_mask(pair):
    org, pred = (image[:, :, 0] for image in pair)
    assert ism.rmse(np.ma.array(org), pred) == ism.rmse(org, pred)
    hidden = np.ma.masked_where(org == org[5, 6], org)
    assert ism.rmse(hidden, pred) == ism.rmse(org, pred, mask=org != org[5, 6])


@pytest.mark.parametrize("name", NAMES)
def test_nothing_valid_is_nan_with_a_warning(name, pair):
    with pytest.warns(ism.SimilarityWarning, match=f"no valid pixel is left for {name}"):
        value = compute(name, *pair, mask=np.zeros(pair[0].shape[:2], bool))
    assert np.isnan(value)


@pytest.mark.parametrize("name", ["ssim", "uiq", "issm"])
def test_no_window_without_an_invalid_pixel_is_nan_with_a_warning(name, pair):
    mask = np.ones(pair[0].shape[:2], bool)
    mask[::4, ::4] = False
    with pytest.warns(ism.SimilarityWarning, match="no valid pixel or window"):
        assert np.isnan(compute(name, *pair, mask=mask))


def test_nodata_of_a_float_image_is_compared_in_its_own_type():
    block = np.full((1, 2, 1), 0.5, "float32")
    block[0, 0] = np.float32(0.1)
    assert valid_pixels(block, 0.1).tolist() == [[False, True]]
    assert valid_pixels(block, float("nan")) is None


def test_reading_a_pair_of_one_type_copies_nothing(pair):
    block = ArrayPair(*pair).read(slice(3, 9), slice(0, 70))
    assert np.shares_memory(block.org, pair[0])
    assert block.valid is None


def test_optimised_python_checks_just_as_well():
    """`python -O` drops assertions; no check may be one."""
    code = (
        "import numpy as np, image_similarity_measures as ism\n"
        "try: ism.rmse(np.zeros((4, 4)), np.zeros((4, 1)))\n"
        "except ism.ShapeMismatchError: print('refused')\n"
    )
    run = subprocess.run(
        [sys.executable, "-O", "-c", code], capture_output=True, text=True, check=True
    )
    assert run.stdout == "refused\n"
