"""Everything that can be wrong with a product: one line that names the file and the cure."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from s2_superres.bands import BANDS, BANDS_20M, BY_NAME
from s2_superres.errors import ProductError
from s2_superres.products.openers import open_product, open_reader
from s2_superres.raster.grid import Area
from s2_superres.testing.products import zip_product


@pytest.fixture
def safe(l1c: Path, tmp_path: Path) -> Path:
    """A product to spoil."""
    return Path(shutil.copytree(l1c, tmp_path / l1c.name))


def refused(path: Path, said: str, granule: str | None = None) -> None:
    """Opening fails with one line that names the path's end and says this."""
    with pytest.raises(ProductError, match=said) as caught:
        open_product(path, granule)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value) or path.parent.name in str(caught.value)


def edit(path: Path, change: Callable[[str], str]) -> None:
    path.write_text(change(path.read_text()))


def test_no_such_file(tmp_path: Path) -> None:
    refused(tmp_path / "nothing.SAFE", "no such file")


@pytest.mark.parametrize("name", ["", "p\0.SAFE"])
def test_what_is_no_path(safe: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """An empty name, of a variable that is not set, is not the product in the current folder."""
    monkeypatch.chdir(safe.parent)
    assert open_product(".").tile == "T33UUB"
    with pytest.raises(ProductError, match="not a path; give"):
        open_product(name)


def test_folder_without_permission(safe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system refuses is an error of the family too."""

    def exists(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", exists)
    monkeypatch.setattr(Path, "is_dir", exists)
    refused(safe, r"cannot be read \(Permission denied\)")


@pytest.mark.parametrize("name", ["picture.tif", "notes.xml", "README"])
def test_file_that_is_no_product(tmp_path: Path, name: str) -> None:
    """Other files are told from products, and the message says what a product is."""
    path = tmp_path / name
    path.write_text("nothing of use")
    refused(path, r"not a product.*\.SAFE folder")


def test_folder_that_is_no_product(tmp_path: Path) -> None:
    """What is accepted is listed, and what is known but not supported."""
    refused(tmp_path, r"not a product; give .*a \.SAFE folder.*not supported: AWS")


def test_folder_is_not_searched_deeply(safe: Path) -> None:
    """A product two folders down is not looked for: the folder may be a whole disk."""
    deep = safe.parent / "a" / "b"
    deep.mkdir(parents=True)
    safe.rename(deep / safe.name)
    refused(deep.parent, "not a product")


def test_folder_with_two_products(safe: Path) -> None:
    """A folder of products is not opened at random."""
    shutil.copytree(safe, safe.with_name("other.SAFE"))
    refused(safe.parent, "holds 2 products.*give one")


def test_level_that_is_not_supported(safe: Path) -> None:
    edit(safe / "MTD_MSIL1C.xml", lambda text: text.replace(">Level-1C<", ">Level-1B<"))
    refused(safe, "Level-1B.*only L1C and L2A")


def test_product_without_20_m_bands(safe: Path) -> None:
    """It opens, for info; asking for what it lacks names the band."""
    for band in BANDS_20M:
        next(safe.rglob(f"*_{band.name}.jp2")).unlink()
    listed = r"<IMAGE_FILE>\S*_(B0[567]|B8A|B1[12])</IMAGE_FILE>"
    edit(safe / "MTD_MSIL1C.xml", lambda text: re.sub(listed, "", text))
    product = open_product(safe)
    assert {band.resolution for band in product.bands} == {10, 60}
    with pytest.raises(ProductError, match=r"no B05 \(20 m\)"):
        product.require(BANDS)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda path: path.unlink(), "missing"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:2500]), "cut off"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "not a JPEG 2000"),
    ],
)
def test_band_file_that_cannot_be_read(
    safe: Path, spoil: Callable[[Path], object], said: str
) -> None:
    """A missing, empty, truncated or foreign JP2 is found before any pixel is read."""
    path = next(safe.rglob("*_B06.jp2"))
    spoil(path)
    product = open_product(safe)
    with pytest.raises(ProductError, match=rf"_B06\.jp2: .*{said}.*download") as caught:
        open_reader(product)
    assert "\n" not in str(caught.value)
    with open_reader(product, bands=[BY_NAME["B05"]]) as reader:
        assert reader.read(reader.bands_at(20), Area(0, 0, 2, 2)).shape == (1, 2, 2)


def test_band_file_damaged_inside(safe: Path) -> None:
    """A JP2 whose code stream is overwritten is an error, not pixels of noise or zeros."""
    path = next(safe.rglob("*_B02.jp2"))
    data = bytearray(path.read_bytes())
    start = data.index(b"jp2c") + 4
    data[start + 200 :] = bytes(len(data) - start - 200)
    path.write_bytes(data)
    product = open_product(safe)
    with open_reader(product) as reader, pytest.raises(ProductError, match="cannot be decoded"):
        reader.read(reader.bands_at(10), Area(0, 0, 240, 300))


def test_band_file_of_another_size(safe: Path) -> None:
    """A 20 m file under a 10 m band's name does not shift the image."""
    shutil.copy(next(safe.rglob("*_B05.jp2")), next(safe.rglob("*_B02.jp2")))
    with pytest.raises(ProductError, match=r"120 x 150 pixels, but the metadata tell.*240 x 300"):
        open_reader(open_product(safe))


@pytest.mark.parametrize("keep", [0.3, 0.95])
def test_zip_cut_off(l1c: Path, tmp_path: Path, keep: float) -> None:
    """An incomplete download is told from a file that is no product."""
    path = zip_product(l1c, tmp_path / "cut.zip")
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    refused(path, "damaged or cut off; download it again")


@pytest.mark.parametrize("deeper", [False, True])
def test_zip_with_two_products(l1c: Path, l2a: Path, tmp_path: Path, deeper: bool) -> None:
    """Side by side, or one a folder below the other."""
    path = tmp_path / "two.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for safe, root in ((l1c, l1c if deeper else l1c.parent), (l2a, l2a.parent)):
            for file in safe.rglob("*"):
                archive.write(file, file.relative_to(root))
    refused(path, "holds 2 products")


@pytest.mark.parametrize("name", ["../evil.xml", "a/../../evil.xml", "/etc/evil.xml", "..\\evil"])
def test_zip_that_climbs_out(l1c: Path, tmp_path: Path, name: str) -> None:
    """Members outside the zip's own folder mark it as one not to be trusted."""
    path = zip_product(l1c, tmp_path / "climbs.zip")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, "x")
    refused(path, "points outside the zip")


def test_zip_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "x")
    refused(path, "no MTD_MSIL1C.xml")


def test_zip_with_a_damaged_member(l1c: Path, tmp_path: Path) -> None:
    """A member that does not unpack is named."""
    path = zip_product(l1c, tmp_path / "member.zip", compress=True)
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("MTD_MSIL1C.xml"))
        offset = archive.getinfo(name).header_offset + 30 + len(name) + 20
    data = bytearray(path.read_bytes())
    data[offset : offset + 50] = b"\xff" * 50
    path.write_bytes(data)
    refused(path, "MTD_MSIL1C.xml in .*cannot be unpacked")


def test_zip_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """Metadata of absurd size are refused after the first megabytes."""
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.SAFE/MTD_MSIL1C.xml", b"<a>" + b" " * (65 * 2**20) + b"</a>")
    refused(path, "larger than 64 MiB")


BOMB = """<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;">]>
<a>&c;</a>"""


@pytest.mark.parametrize("file", ["MTD_MSIL1C.xml", "MTD_TL.xml"])
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (BOMB, "do not trust"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "do not trust"),
        ("<a><b></a>", "not readable XML"),
        ("", "not readable XML"),
        ("\x00\x01", "not readable XML"),
    ],
)
def test_xml_that_is_hostile_or_broken(safe: Path, file: str, text: str, said: str) -> None:
    """Entities are never expanded, and broken XML is named."""
    next(safe.rglob(file)).write_text(text)
    refused(safe, f"{file}: .*{said}")


def test_metadata_without_what_is_needed(safe: Path) -> None:
    """An empty but well formed file says what it lacks."""
    (safe / "MTD_MSIL1C.xml").write_text("<a/>")
    refused(safe, "has no ")


def test_tile_metadata_without_the_grid(safe: Path) -> None:
    edit(next(safe.rglob("MTD_TL.xml")), lambda text: text.replace("ULX>", "U>"))
    refused(safe, "Tile_Geocoding is not complete")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("MTD_MSIL1C.xml", r">10000</QUANT", ">0</QUANT", "quantification value is 0; only 10000"),
        ("MTD_MSIL1C.xml", r">10000</QUANT", ">inf</QUANT", "'inf', not a number"),
        ("MTD_MSIL1C.xml", r">-1000</RADIO", ">nan</RADIO", "RADIO_ADD_OFFSET is 'nan'"),
        ("MTD_MSIL1C.xml", r'band_id="3"', 'band_id="33"', "RADIO_ADD_OFFSET is of no known band"),
        ("MTD_MSIL1C.xml", r"INDEX>65535<", "INDEX>99999999<", "SATURATED is '99999999'"),
        ("MTD_TL.xml", r">EPSG:32633<", ">EPSG:99999<", "'EPSG:99999', not a UTM zone"),
        ("MTD_TL.xml", r"<ULX>300000<", "<ULX>nan<", "ULX is 'nan', not a number"),
    ],
)
def test_metadata_with_numbers_that_cannot_be(
    safe: Path, file: str, old: str, new: str, said: str
) -> None:
    """Found when the product is opened, not by wrong pixels."""

    def change(text: str) -> str:
        assert re.search(old, text)
        return re.sub(old, new, text)

    edit(next(safe.rglob(file)), change)
    refused(safe, f"{file}: .*{said}")


def test_metadata_that_point_outside(safe: Path) -> None:
    """An image path that climbs out of the product is not followed, though a file lies there."""
    shutil.copy(next(safe.rglob("*_B02.jp2")), safe.parent / "x_B02.jp2")
    edit(safe / "MTD_MSIL1C.xml", lambda text: re.sub(r">GRANULE\S*_B02<", ">../x_B02<", text))
    product = open_product(safe)
    assert Path(product.files["B02"]).is_relative_to(safe)


@pytest.mark.parametrize("name", ["P.zip", "P.SAFE"])
def test_what_may_not_be_read_is_named(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / name
    path.mkdir() if name.endswith("SAFE") else path.touch()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "iterdir", refuse)
    refused(path, rf"{name}: cannot be read \(Permission denied\)")


def test_several_granules_must_be_chosen(safe: Path) -> None:
    """The message lists the tiles there are, for none and for a wrong choice."""
    granule = next((safe / "GRANULE").iterdir())
    shutil.copytree(granule, granule.with_name(granule.name.replace("T33UUB", "T33UVB")))
    listed = re.compile(r"<Granule_List>.*</Granule_List>", re.DOTALL)
    edit(safe / "MTD_MSIL1C.xml", lambda text: listed.sub("", text))
    refused(safe, r"2 granules \(T33UUB, T33UVB\); choose one with --granule")
    refused(safe, "no granule T01ABC; it has T33UUB, T33UVB", granule="T01ABC")


def test_product_off_the_60_m_grid(safe: Path) -> None:
    """A product cut to a size that splits 60 m pixels is refused, not shifted."""
    edit(next(safe.rglob("MTD_TL.xml")), lambda text: text.replace("<NROWS>240<", "<NROWS>242<"))
    refused(safe, "no whole number of 60 m")


def test_input_is_never_touched(l1c: Path) -> None:
    """Reading writes nothing, not even GDAL's side files."""
    before = {path: path.stat().st_mtime_ns for path in l1c.rglob("*")}
    with open_reader(open_product(l1c)) as reader:
        assert np.all(reader.read(reader.bands_at(10), Area(0, 0, 6, 6)) > 0)
    assert {path: path.stat().st_mtime_ns for path in l1c.rglob("*")} == before


@pytest.mark.parametrize(
    ("method", "name"), [(zipfile.ZIP_LZMA, "lzma"), (zipfile.ZIP_BZIP2, "bzip2"), (93, "zstd"),
                         (9, "deflate64")],
)  # fmt: skip
def test_zip_by_a_rare_method(l1c: Path, tmp_path: Path, method: int, name: str) -> None:
    """The method is named and the cure is to pack again: nothing is damaged."""
    path = zip_product(l1c, tmp_path / "rare.zip")
    if method in (zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2):
        with zipfile.ZipFile(path, "w", method) as archive:
            for file in l1c.rglob("*"):
                archive.write(file, file.relative_to(l1c.parent))
    else:
        data = path.read_bytes()
        for mark, place in ((b"PK\1\2", 10), (b"PK\3\4", 8)):
            packed = b"(%s.{%d})\0\0" % (re.escape(mark), place - 4)
            data = re.sub(
                packed, lambda found: found[1] + method.to_bytes(2, "little"), data, flags=re.DOTALL
            )
        path.write_bytes(data)
    refused(path, rf"packed by {name}, .*unpack it.*or pack it again")


def test_zip_that_is_encrypted(l1c: Path, tmp_path: Path) -> None:
    path = zip_product(l1c, tmp_path / "secret.zip")
    data = bytearray(path.read_bytes())
    start = data.index(b"PK\1\2")
    while start >= 0:
        data[start + 8] |= 1
        start = data.find(b"PK\1\2", start + 1)
    path.write_bytes(data)
    refused(path, "is encrypted")


def test_sen2cor_output_without_60_m(l2a: Path, tmp_path: Path) -> None:
    """What lacks is named, and what can still be made."""
    safe = Path(shutil.copytree(l2a, tmp_path / l2a.name))
    shutil.rmtree(next(safe.rglob("R60m")))
    edit(
        safe / "MTD_MSIL2A.xml", lambda text: re.sub(r"<IMAGE_FILE>\S*_60m<", "<IMAGE_FILE><", text)
    )
    with pytest.raises(ProductError, match=r"no B01 \(60 m\) in R60m") as caught:
        open_product(safe).require(BANDS)
    assert "lacks B09 too" in str(caught.value)
    assert "serves --bands B05,B06,B07,B8A,B11,B12" in str(caught.value)


def test_sen2cor_output_of_20_m_only(l2a: Path, tmp_path: Path) -> None:
    """Without the 10 m bands nothing can be sharpened, and sen2cor's option is named."""
    safe = Path(shutil.copytree(l2a, tmp_path / l2a.name))
    for folder in ("R10m", "R60m"):
        shutil.rmtree(next(safe.rglob(folder)))
    edit(safe / "MTD_MSIL2A.xml",
         lambda text: re.sub(r"<IMAGE_FILE>\S*_[16]0m<", "<IMAGE_FILE><", text))  # fmt: skip
    with pytest.raises(ProductError, match=r"no B01 .*nothing can be sharpened") as caught:
        open_product(safe).require(BANDS)
    assert "B02 B03 B04 B08 B09 too" in str(caught.value)
    assert "no --resolution" in str(caught.value)


def test_offsets_of_some_bands_only(safe: Path) -> None:
    """A band without its offset among others with theirs is not read as if it had none."""
    listed = r'<RADIO_ADD_OFFSET band_id="8">.*?</RADIO_ADD_OFFSET>'
    edit(safe / "MTD_MSIL1C.xml", lambda text: re.sub(listed, "", text))
    refused(safe, "offsets of some bands, but none of B8A")


@pytest.mark.parametrize("offset", ["1000", "-0.1"])
def test_offsets_that_no_product_has(safe: Path, offset: str) -> None:
    edit(safe / "MTD_MSIL1C.xml", lambda text: text.replace(">-1000<", f">{offset}<"))
    refused(safe, "which no product has")


def run_with(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from s2_superres.cli import main; main()", *map(str, arguments)],
        capture_output=True, text=True, timeout=120, check=False, env=os.environ | environment,
    )  # fmt: skip


def test_gdal_without_jpeg_2000_is_not_a_damaged_file(l1c: Path, tmp_path: Path) -> None:
    """The driver that is missing is named, and where to get it."""
    done = run_with({"GDAL_SKIP": "JP2OpenJPEG"}, "predict", l1c, tmp_path / "a.tif",
                    "--network", "none", "-q")  # fmt: skip
    assert done.returncode == 1
    assert re.search(r"^error: GDAL \S+ has no driver for JPEG 2000.*conda-forge\n\Z", done.stderr)


@pytest.mark.parametrize("variable", ["PROJ_LIB", "PROJ_DATA"])
def test_a_wrong_path_to_projs_data_is_one_line(l1c: Path, tmp_path: Path, variable: str) -> None:
    """A variable left by another installation is named, and the cure is to unset it."""
    done = run_with({variable: str(tmp_path)}, "predict", l1c, tmp_path / "a.tif",
                    "--network", "none", "-q")  # fmt: skip
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert f"{variable}={tmp_path}" in done.stderr and f"unset {variable}" in done.stderr
