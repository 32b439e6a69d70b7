"""An output holds digital numbers, harmonised ones or reflectance, all of the same pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import typer
from hypothesis import given
from hypothesis import strategies as st
from rio_cogeo.cogeo import cog_validate

from s2_superres.bands import B05, Band
from s2_superres.choices import Values
from s2_superres.cli.app import app
from s2_superres.errors import InputError
from s2_superres.inference import blocks
from s2_superres.inference.convention import Convention
from s2_superres.inference.cost import Estimate
from s2_superres.inference.finished import difference
from s2_superres.inference.outputs import check_paths
from s2_superres.inference.plan import Options, prepare
from s2_superres.inference.planes import Plane, Planes
from s2_superres.inference.predict import predict
from s2_superres.inference.quicklook import draw_quicklook
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec
from s2_superres.writers.formats import formats
from s2_superres.writers.spec import Layer

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 540, 120)
SPECIAL = 0, 65535


def trying(band: Band, rows: int, cols: int) -> np.ndarray:
    """Fields with no data, saturation, and reflectance below zero, as 04.00's offset allows."""
    values = landscape(band, rows, cols)
    values[: rows // 4, : cols // 4] = 0
    values[rows // 2 : rows // 2 + 12, :24] = 65535
    values[-12:, -24:] = 65536 - 400
    return values


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scene")
    return write_product(folder, ProductSpec("L2A", "05.11", GRID), trying)


@pytest.fixture(scope="module")
def plain(tiny: dict[int, str]) -> Options:
    """Networks that run at once."""
    return Options(
        weights=dict(tiny), precision="float32", bands="B05,B01", include_10m=True, consistent=False
    )


@pytest.fixture(scope="module")
def outputs(
    scene: Path, plain: Options, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """One output of each kind."""
    folder = tmp_path_factory.mktemp("outputs")
    made = {}
    for values in Values:
        made[str(values)] = folder / f"{values}.tif"
        predict(scene, made[values], replace(plain, values=values))
    return made


def read(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        values: np.ndarray = dataset.read()
        return values


def test_harmonised_pixels_are_the_plain_ones_without_the_offset(outputs: dict[str, Path]) -> None:
    """No data and saturation stay; what would be 0 or less is 1, which is still a pixel."""
    plain = read(outputs["dn"]).astype(int)
    got = read(outputs["harmonised"])
    assert got.dtype == np.uint16
    wanted = np.where(np.isin(plain, SPECIAL), plain, np.maximum(plain - 1000, 1))
    np.testing.assert_array_equal(got, wanted)
    assert (wanted == 1).any() and (wanted == 65535).any() and (wanted == 0).any()


def test_reflectance_is_that_of_the_plain_pixels(outputs: dict[str, Path]) -> None:
    """Below zero too; NaN where there is no data, or nobody knows how bright it was."""
    plain = read(outputs["dn"])
    got = read(outputs["reflectance"])
    assert got.dtype == np.float32
    wanted = np.where(np.isin(plain, SPECIAL), np.nan, (plain.astype(float) - 1000) / 10000)
    np.testing.assert_array_equal(got, wanted.astype(np.float32))
    assert np.nanmin(got) < -0.03


def test_scale_and_offset_make_reflectance_of_each(outputs: dict[str, Path]) -> None:
    """So that a reader who heeds the file's metadata gets the same from all."""
    found = {}
    for values, path in outputs.items():
        with rasterio.open(path) as dataset:
            assert dataset.tags()["VALUES"] == values
            numbers = dataset.read(masked=True).astype(float)
            scales, offsets = np.array(dataset.scales), np.array(dataset.offsets)
        found[values] = numbers * scales[:, None, None] + offsets[:, None, None]
    plain = found["dn"]
    assert (found["reflectance"].mask >= plain.mask).all()
    np.testing.assert_allclose(found["reflectance"].compressed(),
                               plain[~found["reflectance"].mask], atol=1e-7)  # fmt: skip
    bright = plain > 1.5e-4
    usual = bright.filled(False) & ~found["reflectance"].mask
    np.testing.assert_allclose(found["harmonised"][usual], plain[usual], atol=1e-12)


@pytest.mark.parametrize("name", sorted(formats()))
def test_every_format_keeps_reflectance_and_knows_it_again(
    name: str, scene: Path, plain: Options, outputs: dict[str, Path], tmp_path: Path
) -> None:
    """NaN too; and what is made of it is not taken for digital numbers, nor the reverse."""
    kind = formats()[name]
    path = tmp_path / f"o{kind.suffixes[0]}"
    run = prepare(scene, replace(plain, format=name, values="reflectance"))
    predict(run, path)
    got = kind.read(path, Area(0, 0, GRID.rows, GRID.cols), run.names)
    np.testing.assert_array_equal(got, read(outputs["reflectance"]))
    assert not difference(run, path)
    assert "VALUES" in difference(prepare(scene, replace(plain, format=name)), path)


def test_a_float_output_is_a_compressed_cog_with_overviews_of_what_was_measured(
    outputs: dict[str, Path],
) -> None:
    """NaN spreads to no mean, and the predictor is that of floats."""
    path = outputs["reflectance"]
    assert cog_validate(path, quiet=True)[0]
    with rasterio.open(path) as dataset:
        assert np.isnan(dataset.nodata)
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == "3"
        assert dataset.overviews(1) == [2]
    whole = read(path)
    quarters = whole.reshape(len(whole), GRID.rows // 2, 2, GRID.cols // 2, 2)
    with rasterio.open(path, overview_level=0) as dataset:
        got = dataset.read()
    known = np.isfinite(quarters).any(axis=(2, 4))
    np.testing.assert_array_equal(np.isfinite(got), known)
    total, count = np.nansum(quarters, axis=(2, 4)), np.isfinite(quarters).sum(axis=(2, 4))
    np.testing.assert_allclose(got[known], (total / np.maximum(count, 1))[known], atol=1e-6)


def test_a_product_without_offset_is_harmonised_already(
    l2a: Path, plain: Options, tmp_path: Path
) -> None:
    for values in ("dn", "harmonised"):
        predict(l2a, tmp_path / f"{values}.tif", replace(plain, values=values))
    np.testing.assert_array_equal(read(tmp_path / "dn.tif"), read(tmp_path / "harmonised.tif"))


@given(
    dn=st.lists(st.integers(0, 65535), min_size=1, max_size=50),
    offset=st.sampled_from([-1000.0, 0.0]),
    values=st.sampled_from(list(Values)),
)
def test_conversion_of_any_number(dn: list[int], offset: float, values: Values) -> None:
    """Pixel by pixel in plain Python."""
    convention = Convention(values, 10000, *SPECIAL)
    got = convention.convert(np.array(dn, np.uint16), offset)
    assert got.dtype == convention.dtype
    scale, add = convention.scaling(offset)
    for number, result in zip(dn, got.tolist(), strict=True):
        if number in SPECIAL:
            assert result == number or (values == Values.REFLECTANCE and result != result)
            continue
        reflectance = (number + offset) / 10000
        assert result not in SPECIAL and result == result
        if values != Values.HARMONISED or (offset and number > 1000):
            assert result * scale + add == pytest.approx(reflectance, abs=1e-6)
        elif offset:
            assert result == 1


@pytest.mark.parametrize(("values", "wanted"), [
    ("dn", [12, 0, 65534]), ("harmonised", [12, 0, 65534]), ("reflectance", [0.0012, None, 6.5534]),
])  # fmt: skip
def test_error_bars_are_in_the_unit_of_their_band(values: str, wanted: list[float | None]) -> None:
    """Without offset in any of them; no data stays no data."""
    convention = Convention(Values(values), 10000, *SPECIAL)
    planes = Planes((Plane(Layer("B05_err90"), B05, error=True),), convention)
    errors = np.zeros((6, 1, 3), np.uint16)
    errors[0] = 12, 0, 65534
    result = blocks.Result(Area(0, 0, 1, 3), {20: errors * 0}, 3, {}, {20: errors})
    expected = [np.nan if value is None else value for value in wanted]
    np.testing.assert_array_equal(
        planes.stack(result)[0, 0], np.asarray(expected, convention.dtype)
    )


def test_numbers_of_no_such_kind_are_refused() -> None:
    with pytest.raises(InputError, match="dn or harmonised or reflectance"):
        Options(values="radiance")


def test_the_picture_is_the_same_but_for_what_was_saturated(
    scene: Path, plain: Options, tmp_path: Path
) -> None:
    """Whatever the numbers are; rounding moves a colour by one at most."""
    pictures = {}
    inside = replace(plain, bounds=(300000.0, 6197460.0, 301200.0, 6198600.0))
    for values in Values:
        run = prepare(scene, replace(inside, values=values))
        summary = predict(run, tmp_path / f"{values}.tif")
        draw_quicklook(run, summary, tmp_path / f"{values}.png")
        pictures[values] = read(tmp_path / f"{values}.png").astype(int)
    for picture in pictures.values():
        assert np.abs(picture - pictures[Values.DN]).max() <= 1
        assert picture.std() > 20


def test_room_and_size_are_those_of_the_numbers(
    scene: Path, plain: Options, tmp_path: Path
) -> None:
    """A dry run of floats tells of twice the size."""
    from s2_superres.cli.summary import plan_dict
    from s2_superres.inference.outputs import raster_spec

    sizes = {}
    for values in ("dn", "reflectance"):
        run = prepare(scene, replace(plain, values=values))
        told = plan_dict(run, Estimate(1.0, 1, 1.0))
        check_paths(run, tmp_path / "o.tif")
        assert told["uncompressed_bytes"] == raster_spec(run, tmp_path / "o.tif").nbytes
        assert told["values"] == values
        sizes[values] = told["uncompressed_bytes"]
    assert sizes["reflectance"] == 2 * sizes["dn"] == 4 * GRID.rows * GRID.cols * 6


def test_the_command_takes_one_of_both(
    l1c: Path, tiny: dict[int, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both at once are a mistake that costs no work."""
    output = tmp_path / "o.tif"
    command = ["predict", str(l1c), str(output), "--bands", "B05", "--weights", tiny[20],
               "--bounds", "300000,6198840,301200,6200040", "--reflectance"]  # fmt: skip
    with pytest.raises(typer.BadParameter, match="give one of them") as caught:
        app([*command, "--harmonised"], standalone_mode=False)
    assert caught.value.exit_code == 2
    app(command, standalone_mode=False)
    assert "B05, reflectance" in capsys.readouterr().out
    with rasterio.open(output) as dataset:
        assert dataset.dtypes == ("float32",)
