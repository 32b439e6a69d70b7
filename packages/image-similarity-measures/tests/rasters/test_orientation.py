"""A picture that a camera stored on its side is compared as it is seen."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import rasterio

import image_similarity_measures as ism
from image_similarity_measures.rasters.pair import RasterPair


def photo(path: Path, pixels: np.ndarray, orientation: int | None = None) -> str:
    """A JPEG as cameras write it: the orientation is in the first directory of an EXIF segment."""
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()
    if orientation is not None:
        entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + bytes([0, orientation, 0, 0])
        exif = b"Exif\0\0MM\x00\x2a\x00\x00\x00\x08\x00\x01" + entry + b"\0\0\0\0"
        segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
        encoded = encoded[:2] + segment + encoded[2:]
    path.write_bytes(encoded)
    return str(path)


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Uneven in every direction."""
    rows, cols = np.mgrid[:48, :80]
    return np.stack([3 * rows, 2 * cols, rows + cols], axis=2).astype("uint8")


@pytest.mark.parametrize("orientation", range(1, 9))
def test_it_is_seen_as_opencv_shows_it(tmp_path: Path, scene: np.ndarray, orientation: int) -> None:
    """In any rectangle."""
    path = photo(tmp_path / "a.jpg", scene, orientation)
    shown = cv2.imread(path, cv2.IMREAD_COLOR)[:, :, ::-1]
    with RasterPair(path, path) as pair:
        assert pair.shape == shown.shape
        assert not pair.notes
        for rows, cols in (
            (slice(0, len(shown)), slice(0, shown.shape[1])),
            (slice(3, 9), slice(5, 30)),
        ):
            # Two decoders of JPEG may differ by one.
            found = pair.read(rows, cols).org.astype(int)
            np.testing.assert_allclose(found, shown[rows, cols], atol=2)


def test_a_turned_copy_is_the_same_picture(tmp_path: Path, scene: np.ndarray) -> None:
    upright = photo(tmp_path / "upright.jpg", scene)
    turned = photo(tmp_path / "turned.jpg", np.rot90(scene).copy(), 6)
    with pytest.warns(ism.SimilarityWarning, match=r"turned\.jpg is turned as its EXIF"):
        report = ism.compare(upright, turned, metrics=["psnr", "ssim"])
    assert report["psnr"].value > 35 and report["ssim"].value > 0.95


def test_a_georeference_is_of_the_pixels_as_stored(tmp_path: Path, scene: np.ndarray) -> None:
    path = photo(tmp_path / "a.jpg", scene, 6)
    (tmp_path / "a.jgw").write_text("10\n0\n0\n-10\n500005\n4000005\n")
    with RasterPair(path, path) as pair:
        assert pair.shape == scene.shape
        assert pair.grid.transform == rasterio.Affine(10, 0, 500000, 0, -10, 4000010)
