"""A raster at half its resolution is GDAL's, and never a mean of what was not measured."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from rasterio.enums import Resampling
from rasterio.io import MemoryFile

from s2_superres.raster.overviews import halve

SIDES = st.integers(1, 5).map(lambda n: 2 * n)
NUMBERS = st.sampled_from([0, 0, 1, 2, 3, 1000, 65534, 65535])


@given(hnp.arrays(np.uint16, st.tuples(st.just(2), SIDES, SIDES), elements=NUMBERS))
def test_it_is_what_gdal_makes(values: np.ndarray) -> None:
    """To the last bit, rounding included, where nothing is saturated."""
    bands, rows, cols = values.shape
    with MemoryFile() as memory:
        with memory.open(
            driver="GTiff", count=bands, height=rows, width=cols, dtype="uint16", nodata=0
        ) as dataset:
            dataset.write(values)
            dataset.build_overviews([2], Resampling.average)
        with memory.open(overview_level=0) as dataset:
            expected = dataset.read()
    np.testing.assert_array_equal(halve(values, 0), expected)


@given(
    hnp.arrays(
        st.sampled_from(["u2", "i2", "f4", "f8"]),
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=5),
        elements=st.sampled_from([0, 1, 2, 3, 500, 1000]),
    )
)
def test_it_is_the_mean_of_what_was_measured(values: np.ndarray) -> None:
    """Pixel by pixel, of any dtype and size."""
    nodata, saturated = 0, 1000
    got = halve(values, nodata, saturated)
    assert got.dtype == values.dtype
    for band, row, col in np.ndindex(got.shape):
        block = values[band, 2 * row : 2 * row + 2, 2 * col : 2 * col + 2]
        measured = block[(block != nodata) & (block != saturated)].astype(float)
        if measured.size:
            mean = measured.mean()
            want = np.floor(mean + 0.5) if values.dtype.kind in "iu" else mean
        else:
            want = saturated if (block == saturated).any() else nodata
        assert got[band, row, col] == pytest.approx(want, abs=1e-4)


def test_nan_is_no_data() -> None:
    """Whatever number is."""
    values = np.full((1, 4, 4), np.nan, np.float32)
    values[0, 0, 0] = 3
    np.testing.assert_array_equal(halve(values, np.nan), [[[3, np.nan], [np.nan, np.nan]]])
    np.testing.assert_array_equal(halve(values), [[[3, np.nan], [np.nan, np.nan]]])
