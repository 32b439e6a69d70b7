"""Digital numbers to the networks' scale and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2_superres.raster.radiometry import Radiometry


def there_and_back(radiometry: Radiometry, dn: np.ndarray, resolution: int = 60) -> np.ndarray:
    return radiometry.to_dn(
        radiometry.to_scaled(dn, resolution),
        resolution,
        radiometry.valid(dn),
        radiometry.is_saturated(dn),
    )


def pair(*values: float, dtype: type = np.uint16) -> np.ndarray:
    """Return a (2, 1, n) image, both bands alike."""
    return np.broadcast_to(np.array(values, dtype), (2, 1, len(values))).copy()


@given(dn=st.integers(0, 65535), offset=st.sampled_from([0, -1000, -200]))
def test_every_digital_number_survives_the_way_through_the_scale(dn: int, offset: int) -> None:
    """No data stays 0, saturated 65535, and every other number itself."""
    image = pair(dn)
    np.testing.assert_array_equal(there_and_back(Radiometry.uniform(offset), image), image)


def test_the_same_reflectance_is_the_same_to_the_network() -> None:
    """With and without baseline 04.00's offset of 1000."""
    old, new = Radiometry.uniform(0), Radiometry.uniform(-1000)
    np.testing.assert_array_equal(
        old.to_scaled(pair(500, 1, 9000), 60),
        new.to_scaled(pair(1500, 1001, 10000), 60),
    )
    assert new.to_scaled(pair(3000), 60).ravel().tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("scaled", "expected"),
    [
        (-5.0, 1),
        (0.0, 1),
        (0.00026, 1),
        (0.5, 1000),
        (40.0, 65534),
        (1.00024, 2000),
        (1.0003, 2001),
    ],
)
def test_output_is_rounded_and_clipped_to_what_is_neither_no_data_nor_saturated(
    scaled: float, expected: int
) -> None:
    """-5 becomes 1, not 65531, and a dark pixel never turns into no data."""
    out = Radiometry.uniform(0).to_dn(
        np.full((2, 1, 1), scaled, np.float32),
        60,
        np.ones((2, 1, 1), bool),
        np.zeros((2, 1, 1), bool),
    )
    assert out.dtype == np.uint16
    assert out.ravel().tolist() == [expected] * 2


def test_a_saturated_band_stays_saturated_and_leaves_the_other_bands_alone() -> None:
    """65535 in one band says nothing of the others."""
    image = pair(3000, 4000)
    image[0, 0, 0] = 65535
    np.testing.assert_array_equal(there_and_back(Radiometry.uniform(0), image), image)


def test_no_data_in_one_band_leaves_the_other_bands_alone() -> None:
    """Each band has a mask of its own."""
    image = pair(3000, 4000)
    image[0, 0, 0] = 0
    np.testing.assert_array_equal(there_and_back(Radiometry.uniform(0), image), image)


@pytest.mark.parametrize(
    ("offsets", "dtype", "black"),
    [
        ((0.0, -1000.0), np.uint16, [0, 1000]),
        ((200.0, 200.0), np.uint16, [0, 0]),
        ((200.5, 200.5), np.float32, [-200.5, -200.5]),
    ],
)
def test_a_band_without_any_data_is_filled_with_reflectance_0(
    offsets: tuple[float, ...], dtype: type, black: list[float]
) -> None:
    """In digital numbers, as near as the dtype comes."""
    filled = Radiometry({60: offsets}, -1.0 if dtype is np.float32 else 0.0).fill(
        pair(*[-1 if dtype is np.float32 else 0] * 2, dtype=dtype), 60, 10
    )
    assert filled[:, 0, 0].tolist() == black


def test_saturated_pixels_are_filled_by_their_neighbours_and_far_from_any_bright() -> None:
    """The nearest measured value of the band; no data among them stays black where it is far."""
    image = np.full((2, 1, 9), 65535, np.uint16)
    image[0, 0, 0], image[0, 0, 8], image[1, 0, 4] = 3000, 0, 5000
    filled = Radiometry.uniform(-1000).fill(image, 60, 3)
    assert filled[0, 0].tolist() == [3000] * 4 + [21000] * 4 + [1000]
    assert filled[1, 0].tolist() == [21000] + [5000] * 7 + [21000]


@pytest.mark.parametrize(("nodata", "mark"), [(0.0, 0.0), (-9999.0, -9999.0), (None, np.nan)])
def test_nan_is_no_data_in_floating_point_images(nodata: float | None, mark: float) -> None:
    """And comes out as the no data value, or NaN where there is none."""
    radiometry = Radiometry.uniform(0, nodata, None, np.float32)
    out = there_and_back(radiometry, pair(np.nan, 1234.5, dtype=np.float32))
    np.testing.assert_allclose(out[0, 0], [mark, 1234.5], rtol=1e-6)


def test_another_no_data_value_inside_the_range_is_stepped_over() -> None:
    """A real value that rounds to the no data value moves one up."""
    radiometry = Radiometry.uniform(0, 500, None, np.int16)
    out = radiometry.to_dn(
        np.full((2, 1, 1), 0.25, np.float32),
        60,
        np.ones((2, 1, 1), bool),
        np.zeros((2, 1, 1), bool),
    )
    assert out.ravel().tolist() == [501, 501]


def test_offsets_are_per_band() -> None:
    """Each band's own offset goes in and comes out."""
    radiometry = Radiometry({60: (0.0, -1000.0)})
    image = pair(2000)
    assert radiometry.to_scaled(image, 60).ravel().tolist() == [1.0, 0.5]
    np.testing.assert_array_equal(there_and_back(radiometry, image), image)


def test_what_is_not_known_is_nan_and_all_else_has_no_offset() -> None:
    radiometry = Radiometry.uniform(-1000.0)
    dn = np.array([[[0, 65535, 1, 1000, 11000, 65534]]], np.uint16)
    known = radiometry.known(np.repeat(dn, 6, axis=0), 20)
    np.testing.assert_array_equal(known[3, 0], [np.nan, np.nan, -999, 0, 10000, 64534])
