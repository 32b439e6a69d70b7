"""What a product says of its pixels stands beside the bands: by nearest, and never as a mean."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from s2_superres.bands import BANDS, Band
from s2_superres.cli.app import app
from s2_superres.errors import InputError, OutputError, ProductError
from s2_superres.inference.finished import difference
from s2_superres.inference.plan import Options, prepare
from s2_superres.inference.predict import predict
from s2_superres.products.clouds import SCL_CLOUDS
from s2_superres.products.openers import open_product, open_reader
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.catalogues import write_item
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec
from s2_superres.writers.formats import formats
from s2_superres.writers.spec import Layer, RasterSpec, written

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 240, 300)
SPEC = ProductSpec("L2A", "05.11", GRID)
CLASSES = np.random.default_rng(1).integers(1, 12, (120, 150)).astype(np.uint8)


def edged(band: Band, rows: int, cols: int) -> np.ndarray:
    """Ground without data in a corner, at every resolution."""
    values = landscape(band, rows, cols)
    values[: rows // 4, : cols // 5] = 0
    return values


def write_mask(path: Path, values: np.ndarray, resolution: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = rasterio.Affine(*GRID.transform(resolution))
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=values.shape[-1], height=values.shape[-2],
        count=len(values), dtype="uint8", crs=GRID.crs, transform=transform, QUALITY="100",
        REVERSIBLE="YES", YCBCR420="NO",
    ) as dataset:  # fmt: skip
        dataset.write(values)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An L2A product with a scene classification of random classes."""
    product = write_product(tmp_path_factory.mktemp("scene"), SPEC, edged)
    image = product / f"{SPEC.image(BANDS[4], 20)}.jp2"
    write_mask(image.with_name(image.name.replace("_B05_", "_SCL_")), CLASSES[None], 20)
    return product


@pytest.fixture(scope="module")
def plain(tiny: dict[int, str]) -> Options:
    return Options(
        weights=dict(tiny), precision="float32", bands="B05", masks="cloud,scl", tile=180
    )


@pytest.fixture(scope="module")
def wanted() -> dict[str, np.ndarray]:
    """The masks at 10 m, by repetition."""
    fine = CLASSES.repeat(2, axis=0).repeat(2, axis=1)
    clouds = np.where(np.isin(fine, SCL_CLOUDS), 2, 1)
    for mask in (fine, clouds):
        mask[:60, :60] = 0
    return {"SCL": fine, "CLOUD": clouds}


def test_masks_are_the_products_own_at_10_m(
    scene: Path, plain: Options, wanted: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """Window by window, over a part of it too, and described for whoever opens the file."""
    predict(scene, tmp_path / "o.tif", plain)
    with rasterio.open(tmp_path / "o.tif") as dataset:
        assert dataset.descriptions == ("B05", "SCL", "CLOUD")
        assert dataset.scales[1:] == (1, 1) and dataset.offsets[1:] == (0, 0)
        assert "4: vegetation" in dataset.tags(2)["CLASSES"]
        assert "2: cloud" in dataset.tags(3)["CLASSES"] and "CLASSES" not in dataset.tags(1)
        np.testing.assert_array_equal(dataset.read(2), wanted["SCL"])
        np.testing.assert_array_equal(dataset.read(3), wanted["CLOUD"])
    part = replace(plain, bounds=(300060.0, 6198000.0, 301980.0, 6199980.0))
    predict(scene, tmp_path / "part.tif", part)
    with rasterio.open(tmp_path / "part.tif") as dataset:
        np.testing.assert_array_equal(dataset.read(2), wanted["SCL"][6:204, 6:198])


def test_they_do_not_change_the_bands_and_are_part_of_what_an_output_is(
    scene: Path, plain: Options, tmp_path: Path
) -> None:
    predict(scene, tmp_path / "with.tif", plain)
    predict(scene, tmp_path / "without.tif", replace(plain, masks=None))
    with (
        rasterio.open(tmp_path / "with.tif") as one,
        rasterio.open(tmp_path / "without.tif") as other,
    ):
        np.testing.assert_array_equal(one.read(1), other.read(1))
    assert not difference(prepare(scene, plain), tmp_path / "with.tif")
    assert "its bands are B05" in difference(prepare(scene, plain), tmp_path / "without.tif")


def test_among_reflectance_they_are_numbers_with_nan_for_no_data(
    scene: Path, plain: Options, wanted: dict[str, np.ndarray], tmp_path: Path
) -> None:
    """A file has one type."""
    predict(scene, tmp_path / "o.tif", replace(plain, values="reflectance"))
    with rasterio.open(tmp_path / "o.tif") as dataset:
        for number, name in ((2, "SCL"), (3, "CLOUD")):
            expected = np.where(wanted[name] == 0, np.nan, wanted[name])
            np.testing.assert_array_equal(dataset.read(number), expected)


def test_datasets_hold_them_too(scene: Path, plain: Options, wanted: dict[str, np.ndarray]) -> None:
    pytest.importorskip("rioxarray")
    from s2_superres.inference.dataset import open_dataset

    options = {name: getattr(plain, name) for name in ("weights", "bands", "masks", "tile")}
    lazy = open_dataset(scene, **options)
    np.testing.assert_array_equal(lazy.SCL.values, wanted["SCL"])
    np.testing.assert_array_equal(lazy.CLOUD.values, wanted["CLOUD"])
    assert lazy.SCL.attrs["flag_values"] == list(range(1, 12))
    assert len(lazy.SCL.attrs["flag_meanings"].split()) == 11


@pytest.mark.parametrize("name", sorted(formats()))
def test_no_overview_is_a_mean_of_classes(name: str, tmp_path: Path) -> None:
    """At every level, beside bands that are means."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 1300, 1100)
    layers = (Layer("B05"), Layer("SCL", classes={1: "one", 9: "nine"}))
    rng = np.random.default_rng(2)
    values = np.stack([rng.integers(1, 9000, (1300, 1100)), rng.choice([1, 9], (1300, 1100))])
    values = values.astype(np.uint16)
    path = tmp_path / f"o{formats()[name].suffixes[0]}"
    spec = RasterSpec(grid, layers, saturated=65535, window=(1300, 1100))
    with written(formats()[name].open(path, spec)) as writer:
        writer.write(Area(0, 0, 1300, 1100), values)
    for level in (1, 2):
        if name == "zarr":
            import zarr

            got = zarr.open_group(path, mode="r")[f"r{10 << level}m/SCL"][:]
        else:
            with rasterio.open(path, overview_level=level - 1) as dataset:
                got = dataset.read(2)
                assert 4000 < dataset.read(1).mean() < 5000
        np.testing.assert_array_equal(got, values[1, :: 2**level, :: 2**level])


def test_overviews_of_gdals_making_may_not_mix_classes(
    scene: Path, plain: Options, tmp_path: Path
) -> None:
    """Unless they are told to mix nothing."""
    mixed = replace(plain, creation_options={"OVERVIEW_RESAMPLING": "CUBIC"})
    with pytest.raises(OutputError, match=r"classes have no mean.*NEAREST"):
        predict(scene, tmp_path / "o.tif", mixed)
    assert not list(tmp_path.iterdir())
    predict(scene, tmp_path / "o.tif",
            replace(plain, creation_options={"OVERVIEW_RESAMPLING": "NEAREST"}))  # fmt: skip


def test_clouds_of_l1c_are_those_of_its_own_mask(plain: Options, tmp_path: Path) -> None:
    """At 60 m, each pixel repeated; its scene classification does not exist, and that is said."""
    spec = replace(SPEC, level="L1C")
    product = write_product(tmp_path, spec, landscape)
    options = replace(plain, masks="cloud")
    with pytest.raises(ProductError, match=r"no cloud mask.*--with cloud"):
        prepare(product, options)
    with pytest.raises(ProductError, match=r"no scene classification; level 1C.*--with cloud"):
        prepare(product, replace(plain, masks="scl"))
    clouds = np.random.default_rng(3).integers(0, 2, (3, 40, 50)).astype(np.uint8)
    write_mask(product / "GRANULE" / spec.granule / "QI_DATA" / "MSK_CLASSI_B00.jp2", clouds, 60)
    predict(product, tmp_path / "o.tif", options)
    with rasterio.open(tmp_path / "o.tif") as dataset:
        expected = 1 + clouds[:2].any(axis=0).repeat(6, axis=0).repeat(6, axis=1)
        np.testing.assert_array_equal(dataset.read(2), expected)


@pytest.mark.parametrize("form", ["stac", "eopf"])
def test_every_form_of_product_tells_its_classes(form: str, tmp_path: Path) -> None:
    """Of an area that begins and ends in the middle of pixels of 20 m."""
    if form == "stac":
        source = write_item(tmp_path, SPEC, landscape, "earthsearch-c1")
    else:
        pytest.importorskip("zarr")
        from s2_superres.testing.eopf import write_store

        source = tmp_path / f"{SPEC.name}.zarr"
        write_store(source, SPEC, landscape, "cpm")
    with open_reader(open_product(source), ()) as reader:
        got = reader.scene_classification(Area(9, 3, 7, 4))
    assert got.tolist() == [[9] * 4] * 3 + [[4] * 4] * 4


def test_a_classification_of_another_size_is_refused(scene: Path, tmp_path: Path) -> None:
    product = open_product(write_item(tmp_path, SPEC, landscape, "earthsearch-c1"))
    with rasterio.open(
        tmp_path / "SCL.tif", "w", driver="GTiff", width=9, height=7, count=1, dtype="uint8"
    ) as dataset:
        dataset.write(np.ones((1, 7, 9), np.uint8))
    with open_reader(product, ()) as reader, pytest.raises(ProductError, match="do not fit"):
        reader.scene_classification(Area(0, 0, 6, 6))


def test_the_command_adds_them(
    scene: Path, tiny: dict[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a word that is none of them is named."""
    command = ["predict", str(scene), str(tmp_path / "o.tif"), "--bands", "B05",
               "--weights", tiny[20], "--with"]  # fmt: skip
    app([*command, "scl"], standalone_mode=False)
    assert "B05 SCL" in capsys.readouterr().out
    with pytest.raises(InputError, match="choose scl or cloud"):
        app([*command, "snow"], standalone_mode=False)


def _damage(path: Path, how: str) -> None:
    data = path.read_bytes()
    start = data.index(b"jp2c") + 4
    kept = start + (len(data) - start) // 2
    path.write_bytes(data[:kept] + (b"" if how == "cut off" else bytes(len(data) - kept)))


@pytest.mark.parametrize("how", ["cut off", "overwritten"])
@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_a_mask_that_is_damaged(tmp_path: Path, level: str, how: str) -> None:
    """It is named, with what to do, and is not decoded to clear sky or to other classes."""
    grid = Grid("EPSG:32633", 300000.0, 6200040.0, 1200, 1200)
    spec = ProductSpec(level, "05.11", grid)
    product = write_product(tmp_path, spec, landscape)
    rng = np.random.default_rng(1)
    if level == "L2A":
        image = product / f"{spec.image(BANDS[4], 20)}.jp2"
        mask = image.with_name(image.name.replace("_B05_", "_SCL_"))
        write_mask(mask, rng.integers(1, 12, (1, 600, 600)).astype(np.uint8), 20)
    else:
        mask = product / "GRANULE" / spec.granule / "QI_DATA" / "MSK_CLASSI_B00.jp2"
        write_mask(mask, rng.integers(0, 2, (3, 200, 200)).astype(np.uint8), 60)
    _damage(mask, how)
    packed = Path(shutil.make_archive(str(tmp_path / product.stem), "zip", tmp_path, product.name))
    for source in (product, packed):
        with open_reader(open_product(source), ()) as reader:
            with pytest.raises(ProductError, match=rf"{mask.name}.* damaged.*; download"):
                reader.cloud_mask(Area(0, 0, 200, 200), 60)
            if level == "L2A":
                with pytest.raises(ProductError, match=rf"{mask.name}.* damaged.*; download"):
                    reader.scene_classification(Area(0, 0, 1200, 1200))
