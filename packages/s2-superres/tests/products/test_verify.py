"""``--verify``: what was damaged and still decodes is found; what is whole passes."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from s2_superres.errors import ProductError
from s2_superres.products.openers import open_product
from s2_superres.products.sample import sample_path
from s2_superres.products.verify import verify
from s2_superres.testing.products import zip_product


@pytest.fixture
def safe(l1c: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(l1c, tmp_path / l1c.name))


def flip(path: Path) -> None:
    """Change one bit in the last packets of an image."""
    data = bytearray(path.read_bytes())
    data[-40] ^= 1
    path.write_bytes(data)


def test_a_product_as_delivered_passes(l1c: Path, l2a: Path, tmp_path: Path) -> None:
    """SHA3-256 and MD5, folder and zip; progress ends at the whole."""
    for source in (l1c, l2a):
        seen: list[tuple[int, int]] = []
        done = verify(open_product(source), lambda *part, seen=seen: seen.append(part))
        files = sum(path.is_file() for path in source.rglob("*"))
        # The manifest has no checksum of itself.
        assert done.files == done.checksums == files - 1
        assert seen[-1] == (done.nbytes, done.nbytes)
        packed = verify(open_product(zip_product(source, tmp_path / "a.zip", compress=True)))
        assert packed.zipped and packed.files == files and packed.checksums == files - 1


def test_a_bit_that_flipped_is_found(safe: Path) -> None:
    """The image still decodes, but it is not the one that was delivered."""
    flip(next(safe.rglob("*_B06.jp2")))
    with pytest.raises(ProductError, match=r"_B06\.jp2: its SHA3-256 is not the one"):
        verify(open_product(safe))


def test_a_file_that_is_listed_and_missing(safe: Path) -> None:
    next(safe.rglob("*_B10.jp2")).unlink()
    with pytest.raises(ProductError, match=r"_B10\.jp2: listed in manifest\.safe, but missing"):
        verify(open_product(safe))


def test_a_zip_is_held_to_its_crcs(safe: Path, tmp_path: Path) -> None:
    """Without a manifest too: a bit that flips inside a stored member is found."""
    (safe / "manifest.safe").unlink()
    path = zip_product(safe, tmp_path / "a.zip")
    product = open_product(path)
    assert verify(product).checksums == 0
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("_B06.jp2"))
        end = archive.getinfo(name).header_offset + archive.getinfo(name).file_size
    data = bytearray(path.read_bytes())
    data[end] ^= 1
    path.write_bytes(data)
    with pytest.raises(ProductError, match=r"_B06\.jp2 in .*not as it was packed"):
        verify(product)


def test_nothing_to_compare_with_is_said(safe: Path) -> None:
    """No manifest, or one without checksums, is not a pass."""
    manifest = safe / "manifest.safe"
    manifest.write_text(re.sub(r"<checksum.*?</checksum>", "", manifest.read_text()))
    with pytest.raises(ProductError, match="cannot be verified"):
        verify(open_product(safe))
    manifest.unlink()
    with pytest.raises(ProductError, match="cannot be verified"):
        verify(open_product(safe))


def test_other_forms_have_no_checksums(l1c: Path) -> None:
    """A STAC item, a mapping or a Zarr store is not passed as verified."""
    with pytest.raises(ProductError, match="leave --verify out"):
        verify(replace(open_product(l1c), format="stac"))


def test_the_sample_is_as_it_was_made() -> None:
    assert verify(open_product(sample_path())).checksums > 12


def test_a_method_that_is_not_known(safe: Path) -> None:
    manifest = safe / "manifest.safe"
    manifest.write_text(manifest.read_text().replace('"SHA3-256"', '"CRC"'))
    with pytest.raises(ProductError, match="a checksum by CRC"):
        verify(open_product(safe))


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from s2_superres.cli import main; main()", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_commands_verify_before_anything_else(safe: Path, tmp_path: Path) -> None:
    """`info` says on stderr what was compared; `predict` starts nothing on a damaged product."""
    done = run("info", "--verify", "--json", safe)
    assert done.returncode == 0 and json.loads(done.stdout)["level"] == "L1C"
    assert re.search(r"verified: \d+ files, .* by the manifest's checksums", done.stderr)
    flip(next(safe.rglob("*_B06.jp2")))
    for arguments in (("info", safe), ("predict", safe, tmp_path / "a.tif", "--network", "none")):
        done = run(*arguments, "--verify")
        assert done.returncode == 1 and done.stdout == ""
        assert "_B06.jp2: its SHA3-256" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "a.tif").exists()


def test_real_manifests_are_read(real_metadata: list[Path]) -> None:
    """Every real manifest names files with checksums; the first one that is not here is named."""
    for safe in real_metadata:
        if (safe / "manifest.safe").exists():
            with pytest.raises(ProductError, match=r"listed in manifest\.safe, but missing"):
                verify(open_product(safe))
