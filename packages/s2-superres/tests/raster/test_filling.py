"""Pixels outside the image and pixels without data."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2_superres.raster.filling import fill_invalid, mirror, reach, read_mirrored


@given(size=st.integers(1, 20), before=st.integers(0, 60), after=st.integers(0, 60))
def test_mirror_is_numpys_symmetric_padding(size: int, before: int, after: int) -> None:
    """Reflection repeats for images smaller than what is asked for."""
    expected = np.pad(np.arange(size), (before, after), mode="symmetric")
    np.testing.assert_array_equal(mirror(-before, before + size + after, size), expected)


@given(
    rows=st.integers(1, 9),
    cols=st.integers(1, 9),
    row=st.integers(-15, 15),
    col=st.integers(-15, 15),
    height=st.integers(1, 20),
    width=st.integers(1, 20),
)
def test_a_window_outside_equals_a_window_of_the_padded_image(
    rows: int, cols: int, row: int, col: int, height: int, width: int
) -> None:
    """Only pixels inside are read, and the window is that of the whole image padded."""
    image = np.arange(2 * rows * cols).reshape(2, rows, cols)
    asked: list[tuple[int, int, int, int]] = []

    def read(r: int, c: int, h: int, w: int) -> np.ndarray:
        asked.append((r, c, h, w))
        return image[:, r : r + h, c : c + w]

    got = read_mirrored(read, (rows, cols), row, col, height, width)
    pad = 40
    padded = np.pad(image, ((0, 0), (pad, pad), (pad, pad)), mode="symmetric")
    expected = padded[:, row + pad : row + pad + height, col + pad : col + pad + width]
    np.testing.assert_array_equal(got, expected)
    ((r, c, h, w),) = asked
    assert r >= 0
    assert c >= 0
    assert r + h <= rows
    assert c + w <= cols


def naive_nearest(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Return for every pixel the set of values at the smallest distance."""
    at = np.argwhere(valid)
    out = np.empty(values.shape, object)
    for index in np.ndindex(values.shape):
        distance = ((at - index) ** 2).sum(1)
        out[index] = {values[tuple(p)] for p in at[distance == distance.min()]}
    return out


@settings(deadline=None)
@given(data=st.data())
def test_invalid_pixels_take_the_nearest_valid_value(data: st.DataObject) -> None:
    """Ties may go to any of the nearest; valid pixels stay."""
    shape = (data.draw(st.integers(1, 7)), data.draw(st.integers(1, 7)))
    bits = data.draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=64))
    valid = np.resize(bits, shape).astype(bool)
    values = np.arange(1, valid.size + 1).reshape(shape)
    filled = fill_invalid(values[None], valid[None])[0]
    if not valid.any():
        assert not filled.any()
        return
    nearest = naive_nearest(values, valid)
    assert all(filled[i] in nearest[i] for i in np.ndindex(shape))
    np.testing.assert_array_equal(filled[valid], values[valid])


@pytest.mark.parametrize("seed", range(12))
def test_what_a_valid_pixel_sees_does_not_depend_on_the_window(seed: int) -> None:
    """Filled values within the halo of a valid pixel are those of the whole image.

    Ties included: a window that begins elsewhere must break them the same way.
    """
    rng = np.random.default_rng(seed)
    size, halo = 120, 10
    margin = reach(halo)
    smooth = rng.normal(size=(size, size)).cumsum(0).cumsum(1)
    valid = smooth > np.quantile(smooth, 0.3)
    valid &= rng.random((size, size)) > 0.1
    values = rng.integers(1, 60000, (size, size))
    whole = fill_invalid(values[None], valid[None])[0]
    for _ in range(8):
        top, left = rng.integers(margin + halo, size - margin - halo - 20, 2)
        core = np.s_[top : top + 20, left : left + 20]
        pad = margin + halo
        cut = np.s_[top - pad : top + 20 + pad, left - pad : left + 20 + pad]
        part = fill_invalid(values[cut][None], valid[cut][None])[0]
        for row, col in np.argwhere(valid[core]):
            seen = np.s_[
                pad + row - halo : pad + row + halo + 1,
                pad + col - halo : pad + col + halo + 1,
            ]
            np.testing.assert_array_equal(part[seen], whole[cut][seen])


def test_no_value_comes_from_beyond_the_limit() -> None:
    """Farther than that, and in bands without any, stands each band's value for it."""
    values = np.zeros((2, 1, 6))
    values[0, 0, 0] = 7
    filled = fill_invalid(values, values > 0, limit=2, beyond=np.array([40, 50])[:, None, None])
    assert filled[:, 0].tolist() == [[7, 7, 7, 40, 40, 40], [50] * 6]


def test_bands_are_filled_each_on_its_own() -> None:
    """A hole in one band leaves the others untouched, and the input array too."""
    values = np.arange(1, 19).reshape(2, 3, 3)
    valid = np.ones(values.shape, bool)
    valid[1, 0, 0] = False
    before = values.copy()
    filled = fill_invalid(values, valid)
    np.testing.assert_array_equal(filled[0], values[0])
    assert filled[1, 0, 0] in (values[1, 0, 1], values[1, 1, 0])
    np.testing.assert_array_equal(values, before)
