"""Where maps go: each image its own files, whatever their names."""

from __future__ import annotations

from image_similarity_measures.report.maps import map_paths


def test_names_that_differ_in_the_suffix_alone_keep_it() -> None:
    images = ["x/a.tif", "x/a.png", "x/b.tif", "_c"]
    paths = map_paths("maps", images, ["rmse", "ssim"])
    names = [path.name for found in paths for path in found.values()]
    assert names == ["a.tif_ssim.tif", "a.png_ssim.tif", "b_ssim.tif", "_c_ssim.tif"]
