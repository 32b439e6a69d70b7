"""What a Zarr store lacks is no data where it was left out, and an error where it was lost."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from s2_superres import open_product
from s2_superres.bands import BANDS, BY_NAME, BY_RESOLUTION, Band
from s2_superres.errors import ProductError
from s2_superres.inference.plan import Options
from s2_superres.inference.predict import predict
from s2_superres.products.openers import open_reader
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import landscape
from s2_superres.testing.server import serve
from s2_superres.testing.spec import ProductSpec

zarr = pytest.importorskip("zarr")

from s2_superres.testing.eopf import Form, write_store  # noqa: E402

#: Files are of 64 pixels: 6 x 12 at 10 m, 3 x 6 at 20 m, 1 x 2 at 60 m.
GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 384, 768)
FORMS: tuple[Form, ...] = ("cpm", "geozarr", "geozarr-packed")
BY_FORM = pytest.mark.parametrize("form", FORMS)
SCL = "conditions/mask/l2a_classification/r20m/scl"
CLASSES = "conditions/mask/l1c_classification/r60m/b00"


def swath(starts: dict[str, int] | None = None, usual: int = 0):
    """Pixels that begin so many metres right of the tile's edge, band by band."""

    def pixels(band: Band, rows: int, cols: int) -> np.ndarray:
        values = landscape(band, rows, cols)
        values[:, : (starts or {}).get(band.name, usual) // band.resolution] = 0
        return values

    return pixels


def store(folder: Path, form: Form, level: str = "L2A", pixels=landscape) -> Path:
    spec = ProductSpec(level, "05.11", GRID)
    path = folder / f"{spec.name}.zarr"
    write_store(path, spec, pixels, form)
    return path


def file_of(path: Path, name: str, row: int, col: int) -> Path:
    found = path / name / f"{row}.{col}"
    return found if found.parent.joinpath(".zarray").exists() else path / name / f"c/{row}/{col}"


def band_file(path: Path, band: str, row: int, col: int) -> Path:
    folder = f"measurements/reflectance/r{BY_NAME[band].resolution}m"
    return file_of(path, f"{folder}/{band.lower()}", row, col)


def read(source: object, resolution: int) -> np.ndarray:
    """Every band of a resolution, whole."""
    rows, cols = GRID.rows * 10 // resolution, GRID.cols * 10 // resolution
    bands = BY_RESOLUTION[resolution]
    with open_reader(open_product(source), bands) as reader:
        return reader.read(bands, Area(0, 0, rows, cols))


@contextmanager
def places(path: Path) -> Iterator[list[str]]:
    """The store as a folder, a zip, and behind links to either."""
    packed = shutil.make_archive(str(path), "zip", path)
    with serve(path.parent) as site:
        yield [str(path), packed, f"{site.url}{path.name}", f"{site.url}{Path(packed).name}"]


@BY_FORM
@pytest.mark.parametrize("band", ["B03", "B11", "B09"])
def test_a_lost_file_is_told_wherever_the_store_lies(tmp_path: Path, form: Form, band: str) -> None:
    """Where another band has data on its ground: the store, the file and what to do, in a line."""
    path = store(tmp_path, form)
    lost = band_file(path, band, 0, 1)
    lost.unlink()
    name = lost.relative_to(path).as_posix()
    with places(path) as sources:
        for source in sources:
            with pytest.raises(ProductError) as told:
                read(source, BY_NAME[band].resolution)
            text = str(told.value)
            assert text.startswith(f"{source}: {name} is missing, and B0") and "\n" not in text
            assert text.endswith("download it again")


@BY_FORM
def test_nothing_is_written_of_a_store_that_lacks_a_file(tmp_path: Path, form: Form) -> None:
    """Where all bands of a resolution lost it, too, and in a window that lies within it."""
    path = store(tmp_path, form)
    for band in BY_RESOLUTION[20]:
        band_file(path, band.name, 1, 2).unlink()
    with pytest.raises(ProductError, match=r"is missing, and B01 has data there"):
        predict(path, tmp_path / "out.tif", Options(network="none"))
    assert not (tmp_path / "out.tif").exists()
    with open_reader(open_product(path)) as reader:
        reader.read(BY_RESOLUTION[20], Area(0, 0, 60, 120))
        with pytest.raises(ProductError, match="is missing"):
            reader.read(BY_RESOLUTION[20], Area(90, 150, 3, 3))


@BY_FORM
def test_a_whole_band_that_is_lost(tmp_path: Path, form: Form) -> None:
    path = store(tmp_path, form)
    for file in band_file(path, "B8A", 0, 0).parent.parent.rglob("*"):
        if file.is_file() and not file.name.startswith((".z", "zarr")) and "b8a" in str(file):
            file.unlink()
    with pytest.raises(ProductError, match=r"b8a/.* is missing"):
        read(path, 20)


@pytest.mark.parametrize("form", ["geozarr", "geozarr-packed"])
def test_what_the_writer_left_out_is_no_data(tmp_path: Path, form: Form) -> None:
    """Ground outside the swath, and what the edges of bands lie apart."""
    starts = {"B05": 1280, "B12": 1320}
    path = store(tmp_path, form, pixels=swath(starts, usual=700))
    for band in starts:
        assert not band_file(path, band, 0, 0).exists()
    for resolution in (10, 20, 60):
        dn = read(path, resolution)
        for plane, each in zip(dn, BY_RESOLUTION[resolution], strict=True):
            edge = starts.get(each.name, 700) // resolution
            assert not plane[:, :edge].any() and plane[:, edge:].all()


def test_a_whole_store_is_asked_for_nothing_more(tmp_path: Path) -> None:
    """Each file once, also of ground without data where the processor wrote it."""
    path = store(tmp_path, "cpm")
    with serve(tmp_path) as site:
        with open_reader(open_product(f"{site.url}{path.name}")) as reader:
            del site.requests[:]
            reader.read(BY_RESOLUTION[20], Area(0, 0, 192, 384))
        assert set(Counter(site.requests).values()) == {1} and len(site.requests) == 6 * 18


@BY_FORM
def test_a_lost_file_of_the_scene_classification(tmp_path: Path, form: Form) -> None:
    """No class is for ground with data: neither clouds nor classes are made of it."""
    path = store(tmp_path, form)
    file_of(path, SCL, 1, 1).unlink()
    with open_reader(open_product(path), ()) as reader:
        assert reader.scene_classification(Area(0, 0, 60, 60)).any()
        for ask in (
            lambda: reader.scene_classification(Area(100, 100, 60, 60)),
            lambda: reader.cloud_mask(Area(0, 0, 6, 6), 60),
        ):
            with pytest.raises(ProductError, match=r"scl/.*1 is missing, and B01 has data"):
                ask()


@pytest.mark.parametrize("usual", [0, 3840])
def test_a_lost_file_of_the_clouds_of_l1c(tmp_path: Path, usual: int) -> None:
    """The processor writes clear sky, too: no file is clear because it is not there. Outside
    the swath it does not matter."""
    path = store(tmp_path, "cpm", "L1C", swath(usual=usual))
    file_of(path, CLASSES, 0, 0).unlink()
    with open_reader(open_product(path), ()) as reader:
        if usual:
            assert not reader.cloud_mask(Area(0, 0, 64, 64), 60).any()
            return
        with pytest.raises(ProductError, match=r"b00/0.0 is missing, and B01 has data there"):
            reader.cloud_mask(Area(0, 0, 6, 6), 60)


def test_clear_sky_that_was_left_out(tmp_path: Path) -> None:
    """A writer may do so, but then leaves out all of it."""
    path = store(tmp_path, "geozarr", "L1C")
    array = zarr.open_group(path, mode="r+")[CLASSES]
    file_of(path, CLASSES, 0, 1).unlink()
    with open_reader(open_product(path), ()) as reader:
        clouds = reader.cloud_mask(Area(0, 0, 64, 128), 60)
    assert clouds[:4, :64].all() and not clouds[4:].any() and not clouds[:, 64:].any()
    file_of(path, CLASSES, 0, 0).unlink()
    with zarr.config.set({"array.write_empty_chunks": True}):
        array = zarr.open_group(path, mode="r+")[CLASSES]
        array[:, 64:] = 0
    with (
        open_reader(open_product(path), ()) as reader,
        pytest.raises(ProductError, match="b00/c/0/0 is missing"),
    ):
        reader.cloud_mask(Area(0, 0, 6, 6), 60)


def test_bands_that_a_store_never_had_are_no_witnesses(tmp_path: Path) -> None:
    """A store of few bands is read as far as it goes."""
    path = store(tmp_path, "cpm")
    for band in BANDS:
        if band.name not in ("B02", "B03", "B04", "B08"):
            shutil.rmtree(band_file(path, band.name, 0, 0).parent)
    (path / ".zmetadata").unlink()
    assert read(path, 10).all()
    band_file(path, "B04", 0, 0).unlink()
    with pytest.raises(ProductError, match="and B02 has data there"):
        read(path, 10)
