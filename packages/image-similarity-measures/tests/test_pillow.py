"""Pillow's images are what they show: palettes and alpha as in files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import image_similarity_measures as ism
from image_similarity_measures.pillow import unpacked

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def colours() -> np.ndarray:
    """24 x 20 pixels of few colours."""
    rng = np.random.default_rng(2)
    return rng.choice([0, 90, 250], (24, 20, 3)).astype("uint8")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "L", "LA"])
def test_a_picture_scores_as_the_file_it_is_saved_to(mode, colours, tmp_path: Path):
    pictures, files = [], []
    for name, shift in (("a", 0), ("b", 40)):
        picture = Image.fromarray(colours // 2 + np.uint8(shift)).convert(mode)
        if mode.endswith("A"):
            alpha = np.full((24, 20), 255, "uint8")
            alpha[: 3 + shift // 20] = 0
            picture.putalpha(Image.fromarray(alpha))
        picture.save(tmp_path / f"{name}.png")
        pictures.append(picture)
        files.append(tmp_path / f"{name}.png")
    asked = ["rmse", "ssim"]
    ours, theirs = ism.compare(*pictures, metrics=asked), ism.compare(*files, metrics=asked)
    assert ours.metrics == theirs.metrics
    assert ours.bands == theirs.bands
    assert ours.valid_share == theirs.valid_share
    assert (ours.valid_share < 1) == mode.endswith("A")


def test_a_transparent_colour_of_a_palette_is_left_out(colours):
    picture = Image.fromarray(colours).convert("P")
    index = picture.getpixel((3, 4))
    picture.info["transparency"] = index
    shown, seen = unpacked(picture)
    assert shown.shape == (24, 20, 3)
    assert not seen[4, 3]
    assert np.array_equal(seen, np.asarray(picture) != index)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_its_file_is(orientation, tmp_path: Path):
    exif = Image.Exif()
    exif[0x0112] = orientation
    # JPEG keeps what changes slowly.
    slope = np.stack(np.broadcast_arrays(*np.mgrid[60:84, 90:110], 99), 2).astype("uint8")
    Image.fromarray(slope).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    with Image.open(tmp_path / "turned.jpg") as picture:
        seen, _ = unpacked(picture)
    Image.fromarray(seen).save(tmp_path / "seen.png")
    report = ism.compare(tmp_path / "turned.jpg", tmp_path / "seen.png", metrics="mae")
    # Two decoders of JPEG.
    assert report["mae"].value < 3
    assert seen.shape[:2] == ((24, 20) if orientation < 5 else (20, 24))


def test_black_and_white_are_the_ends_of_the_range():
    picture = Image.fromarray(np.eye(12, dtype=bool))
    assert ism.rmse(picture, picture.convert("L")) == 0
    assert ism.psnr(picture, Image.fromarray(~np.eye(12, dtype=bool))) == 0
