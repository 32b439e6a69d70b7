"""RASE is the error of all bands relative to their mean."""

from __future__ import annotations

import numpy as np
import pytest

import image_similarity_measures as ism


def test_it_follows_its_formula(pair):
    org, pred = (image.astype(float) for image in pair)
    mse = [((org[:, :, b] - pred[:, :, b]) ** 2).mean() for b in range(4)]
    expected = 100 / org.mean() * np.sqrt(sum(mse) / 4)
    assert ism.rase(*pair) == pytest.approx(expected, rel=1e-12)


def test_of_one_band_it_is_the_relative_error(pair):
    org, pred = (image[:, :, 0] for image in pair)
    assert ism.rase(org, pred) == pytest.approx(100 * ism.rmse(org, pred) / org.mean(), rel=1e-12)
    assert ism.rase(org, pred) == pytest.approx(ism.ergas(org, pred, ratio=1), rel=1e-12)


def test_without_a_mean_it_is_infinite_and_without_error_zero():
    black = np.zeros((5, 5, 2))
    assert ism.rase(black, black) == 0
    with pytest.warns(ism.SimilarityWarning, match="rase is inf: the original has mean 0"):
        assert ism.rase(black, black + 1) == np.inf
