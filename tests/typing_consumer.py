"""Code as a user would write it, for the type checker only; it is never run."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

import numpy as np
from numpy.typing import NDArray

import image_similarity_measures as ism
from image_similarity_measures.errors import ShapeMismatchError
from image_similarity_measures.quality_metrics import metric_functions
from s2_superres import Product, SuperResolved, bands, errors, open_product, superresolve
from s2_superres.inference import Options, Summary
from s2_superres.validation import Selection, Settings, choose_methods, read_scenes, validate

reference = np.zeros((64, 64, 4), np.uint16)
image = reference + 1

assert_type(ism.rmse(reference, image), float)
assert_type(ism.psnr(reference, image, data_range=10000, nodata=0), float)
assert_type(ism.ssim(reference, image, per_band=True), NDArray[np.float64])
assert_type(ism.sam(reference, image, full=True), tuple[float, NDArray[np.float32]])
assert_type(ism.fsim(reference, image, data_range=(-30, 5), axis=0), float)
assert_type(ism.ergas(reference, image, ratio=2), float)
assert_type(ism.bias(reference, image, per_band=True), NDArray[np.float64])

report = ism.compare(Path("a.tif"), "b.tif", metrics=["ssim", "sam"], bands=[1, 2])
assert_type(report, ism.Report)
assert_type(report["ssim"].value, float)
assert_type(report.metrics, dict[str, float])
text: str = report.to_json()

mismatch: AssertionError = ShapeMismatchError("shapes differ")
old_names: list[str] = list(metric_functions)

names: tuple[str, ...] = tuple(band.name for band in bands.BANDS_20M)
metres: int = bands.BY_NAME["B8A"].resolution
outside: ValueError = errors.AreaError("outside the tile")

product = open_product("S2A.SAFE")
assert_type(product, Product)
assert_type(superresolve(product, Path("out.tif"), bands=["B05"]), Summary)
assert_type(superresolve("S2A.zip", "out.tif"), Summary)
tile: int | None = Options(bands="B05", tile=240).tile
sharpened = superresolve(np.zeros((4, 12, 12)), np.zeros((6, 6, 6)), level="L2A", offset=-1000)
assert_type(sharpened, SuperResolved)
assert_type(sharpened.b20, NDArray[np.float32])
assert_type(sharpened.b60, NDArray[np.float32] | None)
scenes = read_scenes(["a.npz"], Selection(side=240))
document = validate(scenes, choose_methods(), Settings(full_scale=False)).to_dict()


def explain(problem: errors.S2SuperresError) -> str:
    return str(problem)
