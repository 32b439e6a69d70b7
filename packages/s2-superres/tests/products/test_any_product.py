"""Products of any form, put together at random: the right pixels, or one clear error."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s2_superres.bands import BANDS, BY_NAME, BY_RESOLUTION
from s2_superres.errors import S2SuperresError
from s2_superres.products.openers import open_granules, open_product, open_reader
from s2_superres.products.product import Product
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import coordinates, write_product
from s2_superres.testing.spec import ProductSpec

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 60, 60)
TILES = ("T33UUB", "T33UVB")
METHODS = (None, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@dataclass(frozen=True)
class Form:
    """Choices that a product is made by; see the strategy."""

    level: str
    baseline: str
    tiles: tuple[str, ...]
    listed: bool
    images_listed: bool
    long_names: bool
    tile_metadata: bool
    gone: str | None
    missing: frozenset[str]
    clutter: bool
    stray: bool
    method: int | None
    wanted: str | None


forms = st.builds(
    Form,
    level=st.sampled_from(["L1C", "L2A"]),
    baseline=st.sampled_from(["02.01", "02.14", "03.01", "04.00", "05.11"]),
    tiles=st.sampled_from([TILES[:1], TILES[:1], TILES]),
    listed=st.booleans(),
    images_listed=st.booleans(),
    long_names=st.booleans(),
    tile_metadata=st.booleans(),
    gone=st.sampled_from([None, None, *TILES]),
    missing=st.frozensets(st.sampled_from([band.name for band in BANDS]), max_size=2),
    clutter=st.booleans(),
    stray=st.booleans(),
    method=st.sampled_from(METHODS),
    wanted=st.sampled_from([None, *TILES]),
)
#: Each tile's pixels are its own, so that one tile's are never taken for another's.
SHIFT = {"T33UUB": 0, "T33UVB": 7}


def make(folder: Path, form: Form) -> Path:
    """Write the product; its folder or zip."""
    parts = []
    for tile in form.tiles:
        grid = replace(GRID, left=GRID.left + 60000 * TILES.index(tile))
        spec = ProductSpec(form.level, form.baseline, grid, tile)

        def pixels(band, rows: int, cols: int, tile: str = tile) -> np.ndarray:
            return coordinates(band, rows, cols) + np.uint16(SHIFT[tile])

        (folder / tile).mkdir()
        parts.append(write_product(folder / tile, spec, pixels))
    safe = parts[0]
    metadata = safe / f"MTD_MSI{form.level}.xml"
    text = metadata.read_text()
    for other in parts[1:]:
        granule = next((other / "GRANULE").iterdir())
        shutil.copytree(granule, safe / "GRANULE" / granule.name)
        more = re.search(r"<Granule .*</Granule>", (other / metadata.name).read_text(), re.DOTALL)
        assert more
        text = text.replace("</Granule_List>", f"{more[0]}</Granule_List>")
    if not form.images_listed:
        text = re.sub(r"<IMAGE_FILE>.*?</IMAGE_FILE>", "", text)
    if not form.listed:
        text = re.sub(r"<Granule_List>.*</Granule_List>", "", text, flags=re.DOTALL)
    metadata.write_text(text)
    for granule in list((safe / "GRANULE").iterdir()):
        tile = next(tile for tile in TILES if tile in granule.name)
        for name in form.missing:
            for image in granule.rglob(f"*_{name}*.jp2"):
                image.unlink()
        if not form.tile_metadata:
            (granule / "MTD_TL.xml").unlink()
        if form.long_names and not form.images_listed:
            stem = f"S2A_OPER_MSI_{form.level}_TL_SYNT_20230615T102021_A012345_{tile}"
            for image in granule.rglob("*.jp2"):
                image.rename(image.with_name(f"{stem}_{image.name.split('_', 2)[2]}"))
        if form.stray:
            wrong = TILES[1 - TILES.index(tile)]
            for image in list(granule.rglob("*_B03*.jp2"))[:1]:
                image.rename(image.with_name(image.name.replace(tile, wrong)))
        if form.gone == tile:
            shutil.rmtree(granule)
    if form.clutter:
        for file in [path for path in safe.rglob("*") if path.is_file()]:
            (file.parent / f"._{file.name}").write_bytes(b"\0\5\26\7")
            (file.parent / ".DS_Store").write_bytes(b"\0")
    if form.method is None:
        return safe
    path = folder / "product.zip"
    with zipfile.ZipFile(path, "w", form.method) as archive:
        for file in safe.rglob("*"):
            archive.write(file, file.relative_to(safe.parent))
    return path


def check(product: Product, form: Form) -> None:
    """The pixels are those of the tile that the product says it is, of every band that it has."""
    assert product.tile in form.tiles and product.tile != form.gone
    assert set(product.offsets.values()) == {-1000.0 if form.baseline >= "04" else 0.0}
    assert {band.name for band in BANDS} - set(product.files) >= form.missing
    with open_reader(product, product.bands) as reader:
        for resolution in BY_RESOLUTION:
            bands = reader.bands_at(resolution)
            side = 600 // resolution
            if not bands:
                continue
            dn = reader.read(bands, Area(0, 0, side, side))
            for band, plane in zip(bands, dn, strict=True):
                expected = coordinates(BY_NAME[band.name], side, side) + np.uint16(
                    SHIFT[product.tile] - product.offsets[band.name]
                )
                np.testing.assert_array_equal(plane, expected)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(form=forms)
def test_the_right_pixels_or_one_clear_error(form: Form) -> None:
    """Whatever is there: a product that opens is the one that was asked for, whole or with the
    bands named that it lacks; anything else is one line that names the file."""
    with tempfile.TemporaryDirectory() as scratch:
        source = make(Path(scratch), form)
        try:
            product = open_product(source, form.wanted)
        except S2SuperresError as error:
            message = str(error)
            assert "\n" not in message and source.name.partition(".")[0] in message
            assert must_fail(form), message
        else:
            assert not must_fail(form)
            if form.wanted:
                assert product.tile == form.wanted
            check(product, form)
        try:
            found = open_granules(source)
        except S2SuperresError:
            return
        assert {product.tile for product in found} == set(form.tiles) - {form.gone}
        for product in found:
            check(product, form)


def must_fail(form: Form) -> bool:
    """Whether no product can be the one asked for, or two can."""
    there = [tile for tile in form.tiles if tile != form.gone]
    chosen = [tile for tile in there if form.wanted in (None, tile)]
    finest = {band.name for band in BY_RESOLUTION[10]} - form.missing
    return (
        form.method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
        or len(chosen) != 1
        # The product is named after its first tile: what is left looks like another product's.
        or (not form.listed and there != [*form.tiles[:1], *there[1:]])
        or (form.stray and "B03" not in form.missing)
        or (not form.tile_metadata and not finest)
    )
