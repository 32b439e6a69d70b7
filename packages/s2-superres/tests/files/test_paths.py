"""An output replaces nothing but an older one of its kind, and lies in no product."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from s2_superres.errors import OutputError, S2SuperresError
from s2_superres.files.kinds import PNG, REPORT, SCORES, TIFF, Kind
from s2_superres.files.paths import check_output, keep_out_of_products
from s2_superres.inference.outputs import check_paths
from s2_superres.inference.plan import Options, prepare
from s2_superres.inference.predict import predict
from s2_superres.patches.cutting import CutOptions, cut_patches
from s2_superres.patches.patchset import PatchSettings
from s2_superres.products.sample import copy_sample
from s2_superres.training.config import TrainingConfig
from s2_superres.training.run import train

#: How files of the kinds begin, and of others that must never be replaced.
BEGINNINGS = {
    TIFF: b"II*\0\x08\0\0\0",
    PNG: b"\x89PNG\r\n\x1a\n",
    SCORES: b'{\n  "schema": "s2-superres-validation/1",',
    REPORT: b"<!doctype html>\n<title>Validation of L1C</title>",
}
PRECIOUS = [
    b"PK\x03\x04", b"<?xml version='1.0'?>", b'{"type": "Feature"}', b"\x93NUMPY",
    b"\x89HDF\r\n\x1a\n", b"\0\0\0\x0cjP  \r\n\x87\n", b"<!doctype html><p>mine", b"x",
]  # fmt: skip


@pytest.mark.parametrize("kind", BEGINNINGS, ids=lambda kind: kind.suffixes[0])
def test_only_its_own_kind_is_replaced(tmp_path: Path, kind: Kind) -> None:
    """Told by the content, whatever the name; an empty file holds nothing to lose."""
    path = tmp_path / "there"
    for head in (BEGINNINGS[kind], b""):
        path.write_bytes(head)
        check_output(path, kind, overwrite=True)
    for head in (*PRECIOUS, *(head for other, head in BEGINNINGS.items() if other != kind)):
        path.write_bytes(head)
        with pytest.raises(OutputError, match=r"there: .*never replaced"):
            check_output(path, kind, overwrite=True)


@pytest.mark.parametrize("name", ["o.zip", "o.npz", "o.xml", "o.json", "o.jp2", "o.PNG"])
def test_no_output_takes_the_ending_of_another_kind(tmp_path: Path, name: str) -> None:
    """A new file under a name that says something else would be lost to other programs."""
    with pytest.raises(OutputError, match=r"ending .* give a name that ends in \.tif"):
        check_output(tmp_path / name, TIFF, overwrite=False)
    check_output(tmp_path / "S2A_T33UUB.10m", TIFF, overwrite=False)


def zipped(product: Path, path: Path) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(product.rglob("*")):
            archive.write(file, file.relative_to(product.parent))
    return path


def test_a_second_product_is_no_output(
    l1c: Path, l2a: Path, tmp_path: Path, tiny: dict[int, str]
) -> None:
    """A glob that met two files costs neither of them, whatever --overwrite says."""
    first, second = zipped(l1c, tmp_path / "a.zip"), zipped(l2a, tmp_path / "b.zip")
    before = second.read_bytes()
    options = Options(weights=tiny, precision="float32", overwrite=True)
    for other in (second, l2a, l2a / "MTD_MSIL2A.xml", tmp_path / "c.zip", tmp_path / "c.SAFE"):
        with pytest.raises(OutputError, match="--out-dir"):
            predict(first, other, options)
    assert second.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def test_nothing_is_written_into_any_product(
    l1c: Path, l2a: Path, tmp_path: Path, tiny: dict[int, str]
) -> None:
    """Nor into one that has lost the ending of its name, nor by way of a link."""
    unnamed = tmp_path / "download"
    unnamed.mkdir()
    (unnamed / "MTD_MSIL2A.xml").touch()
    (tmp_path / "link").symlink_to(l2a / "GRANULE")
    run = prepare(l1c, Options(weights=tiny, overwrite=True))
    for folder in (l2a / "GRANULE", unnamed, tmp_path / "link"):
        for output, quicklook in ((folder / "o.tif", None), (tmp_path / "o.tif", folder / "q.png")):
            with pytest.raises(OutputError, match="lies in the product"):
                check_paths(run, output, quicklook)
        with pytest.raises(OutputError, match="lies in the product"):
            train(TrainingConfig(), folder)
        with pytest.raises(OutputError, match="lies in the product"):
            cut_patches([l1c], folder, PatchSettings(20, 8, 4))
        with pytest.raises(OutputError, match="lies in the product"):
            copy_sample(folder)


@pytest.mark.parametrize("mark", ["zarr.json", ".zgroup", ".zmetadata"])
def test_nothing_is_written_into_a_zarr_store(tmp_path: Path, mark: str) -> None:
    """Be it an EOPF product or somebody's output."""
    store = tmp_path / "S2B.zarr"
    (store / "measurements").mkdir(parents=True)
    (store / mark).touch()
    for inside in (store / "o.tif", store / "measurements" / "o.tif"):
        with pytest.raises(OutputError, match="lies in the Zarr store"):
            keep_out_of_products(inside)
    keep_out_of_products(tmp_path / "o.tif")


def test_the_quicklook_replaces_pictures_only(
    l1c: Path, tmp_path: Path, tiny: dict[int, str]
) -> None:
    weights = tmp_path / "weights"
    np.savez(weights.with_suffix(".npz"), a=1)
    run = prepare(l1c, Options(weights=tiny, overwrite=True))
    with pytest.raises(OutputError, match=r"weights\.npz: .*never replaced"):
        check_paths(run, tmp_path / "o.tif", weights.with_suffix(".npz"))


def test_a_folder_of_another_program_is_left_alone(tmp_path: Path) -> None:
    """Its config.json or manifest.json has a name like ours."""
    folder = tmp_path / "app"
    (folder / "scene").mkdir(parents=True)
    for name in ("config.json", "manifest.json", "scene/scene.json"):
        (folder / name).write_text('{"port": 80}')
    rng = np.random.default_rng(0)
    source = tmp_path / "L2A_a.npz"
    np.savez(source, b10=rng.integers(1, 9000, (4, 96, 96), np.uint16),
             b20=rng.integers(1, 9000, (6, 48, 48), np.uint16))  # fmt: skip
    with pytest.raises(S2SuperresError, match=r"config\.json: is of no training run"):
        train(TrainingConfig(), folder, overwrite=True)
    with pytest.raises(OutputError, match=r"manifest\.json: is no manifest of patches"):
        cut_patches([source], folder, PatchSettings(20, 8, 4), CutOptions(overwrite=True))
    (folder / "manifest.json").unlink()
    cut_patches([source], folder, PatchSettings(20, 8, 4), CutOptions(overwrite=True))
    assert (folder / "scene" / "scene.json").read_text() == '{"port": 80}'
