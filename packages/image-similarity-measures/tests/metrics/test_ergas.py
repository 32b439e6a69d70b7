"""ERGAS is the bands' errors relative to their means."""

from __future__ import annotations

import numpy as np
import pytest

import image_similarity_measures as ism


@pytest.mark.parametrize("ratio", [4, 2, 1])
def test_it_agrees_with_sewar(ratio, pair):
    sewar = pytest.importorskip("sewar.full_ref")
    expected = sewar.ergas(*(image.astype(float) for image in pair), r=1 / ratio)
    assert ism.ergas(*pair, ratio=ratio) == pytest.approx(expected, rel=1e-12)
    options = ism.Options(ergas_ratio=ratio)
    report = ism.compare(*pair, metrics="ergas", options=options)
    assert report["ergas"].value == ism.ergas(*pair, ratio=ratio)
    assert report["ergas"].per_band is None


def test_it_has_no_ratio_of_nothing(pair):
    with pytest.raises(ism.InputError, match="ratio is 0"):
        ism.ergas(*pair, ratio=0)


def test_without_a_mean_it_is_infinite_and_without_error_zero():
    black = np.zeros((5, 5, 2))
    assert ism.ergas(black, black) == 0
    with pytest.warns(
        ism.SimilarityWarning, match="ergas is inf: a band of the original has mean 0"
    ):
        assert ism.ergas(black, black + 1) == np.inf
