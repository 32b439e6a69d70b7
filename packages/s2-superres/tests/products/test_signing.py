"""Links are signed before they are read, and once more where what they were signed with expired."""

from __future__ import annotations

import importlib
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from s2_superres import open_product
from s2_superres.bands import BANDS, BY_RESOLUTION
from s2_superres.cli.app import app
from s2_superres.errors import ProductError
from s2_superres.products import remote
from s2_superres.products.openers import open_reader
from s2_superres.products.product import Product
from s2_superres.products.signing import Signer
from s2_superres.raster.grid import Area, Grid
from s2_superres.testing.catalogues import write_item
from s2_superres.testing.products import landscape, write_product, zip_product
from s2_superres.testing.server import Site, serve
from s2_superres.testing.spec import ProductSpec

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 600, 900)
SPEC = ProductSpec("L2A", "05.11", GRID)
FORMS = ("item", "zip", "store", "packed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A product in each form that lies behind links."""
    pytest.importorskip("zarr")
    from s2_superres.testing.eopf import write_store

    folder = tmp_path_factory.mktemp("site")
    write_item(folder, SPEC, landscape, "earthsearch-c1").rename(folder / "item.json")
    safe = write_product(folder, SPEC, landscape)
    zip_product(safe, folder / "product.zip")
    write_store(folder / f"{SPEC.name}.zarr", SPEC, landscape, "cpm")
    shutil.make_archive(str(folder / f"{SPEC.name}.zarr"), "zip", folder / f"{SPEC.name}.zarr")
    return folder


@pytest.fixture
def site(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    monkeypatch.setattr(remote, "_PAUSE", 0.01)
    with serve(folder) as site:
        site.token = "sig=1"
        yield site


def link(site: Site, form: str) -> str:
    names = {"item": "item.json", "zip": "product.zip"}
    ending = ".zarr" if form == "store" else ".zarr.zip"
    return site.url + names.get(form, f"{SPEC.name}{ending}")


def check_pixels(product: Product, site: Site | None = None) -> None:
    """Every band, by rows of windows; behind a site, signatures expire before each resolution."""
    with open_reader(product) as reader:
        for resolution, bands in BY_RESOLUTION.items():
            if site is not None:
                site.token = f"sig={resolution}"
            rows, cols = GRID.rows * 10 // resolution, GRID.cols * 10 // resolution
            expected = np.stack([landscape(band, rows, cols) for band in bands]).astype(float)
            for row in range(0, rows, 60):
                dn = reader.read(bands, Area(row, 0, min(60, rows - row), cols)).astype(float)
                offset = np.array([product.offsets[band.name] for band in bands])[:, None, None]
                np.testing.assert_array_equal(dn + offset, expected[:, row : row + 60])


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_that_expires_is_made_anew(site: Site, form: str) -> None:
    """In the middle of a product, in each form, and between opening and reading."""
    calls = []

    def sign(href: str) -> str:
        calls.append(href)
        return f"{href}?{site.token}"

    product = open_product(link(site, form), sign=sign)
    opened = len(calls)
    site.token = "sig=2"
    check_pixels(product, site)
    assert opened < len(calls) < len(site.requests) and not any("sig" in href for href in calls)


@pytest.mark.parametrize("form", FORMS)
def test_a_second_refusal_is_an_error(site: Site, form: str) -> None:
    """In one line, that tells nobody the signature."""
    good = True
    numbers = iter(range(9999))
    product = open_product(
        link(site, form), sign=lambda href: f"{href}?{site.token if good else next(numbers)}"
    )
    good = False
    site.token = "sig=2"
    with pytest.raises(ProductError) as told:
        check_pixels(product)
    text = str(told.value)
    assert "sig=" not in text and "?" not in text and "\n" not in text and site.url in text
    assert "; check the" in text or "; check that the link is right" in text


@pytest.mark.parametrize("form", FORMS)
def test_nothing_that_is_told_holds_a_signature(site: Site, form: str) -> None:
    """Products are what the catalogue says of them: in JSON, in keys, in outputs."""
    product = open_product(link(site, form), sign=lambda href: f"{href}?{site.token}")
    assert "sig=" not in str(product.to_dict()) + repr(product) + product.path
    assert product.path.startswith((site.url, link(site, form)))


@pytest.mark.parametrize("form", FORMS)
def test_another_process_reads_what_was_signed(site: Site, form: str) -> None:
    """Also where the function cannot follow: until what it signed expires."""
    product = open_product(link(site, form), sign=lambda href: f"{href}?{site.token}")
    there = pickle.loads(pickle.dumps(product))
    assert there == product
    check_pixels(there)
    paths = [there.path, *there.files.values()]
    assert not any(there.signer.renew(path) for path in paths)


@pytest.fixture
def named(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function of a module, which asks for the token of the day."""
    (tmp_path / "desk.py").write_text(
        "token = ''\ndef sign(href):\n    return f'{href}?{token()}'\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "desk", raising=False)
    desk: Any = importlib.import_module("desk")
    desk.token = lambda: site.token
    function: Callable[[str], str] = desk.sign
    return function


def test_another_process_signs_anew_where_it_can(site: Site, named: Callable[[str], str]) -> None:
    product = pickle.loads(pickle.dumps(open_product(link(site, "item"), sign=named)))
    check_pixels(product, site)


def test_a_module_that_is_missing_there(
    named: Callable[[str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    signer = Signer(named)
    signed = signer("/vsicurl/https://example.org/a.tif")
    there = pickle.dumps(signer)
    monkeypatch.delitem(sys.modules, "desk")
    monkeypatch.setattr(sys, "path", [])
    arrived = pickle.loads(there)
    assert arrived("/vsicurl/https://example.org/a.tif") == signed
    assert not arrived.renew("/vsicurl/https://example.org/a.tif")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("https://a.org/b.tif", "https://a.org/b.tif?s"),
        ("/vsicurl/https://a.org/b.tif", "/vsicurl/https://a.org/b.tif?s"),
        ("/vsis3/bucket/b.tif", "/vsis3/bucket/b.tif?s"),
        ("/vsizip/{/vsicurl/https://a.org/b.zip}/c/d.jp2",
         "/vsizip/{/vsicurl/https://a.org/b.zip?s}/c/d.jp2"),
        ("/vsizip/{/home/a.zip}/c.jp2", "/vsizip/{/home/a.zip}/c.jp2"),
        ("/home/b.tif", "/home/b.tif"),
        ("measurements/reflectance/r10m/b02", "measurements/reflectance/r10m/b02"),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_signed(path: str, expected: str) -> None:
    """Links, also in the paths that GDAL reads them by, and nothing else."""
    assert Signer(lambda href: f"{href}?s")(path) == expected
    assert Signer()(path) == path


def test_validate_and_patches_sign_too(
    site: Site, named: Callable[[str], str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the function that is named, as predict does."""
    url = link(site, "item")
    plain = ["validate", url, "--network", "none", "--no-full-scale", "--resolution", "20"]
    with pytest.raises(Exception, match="403"):
        app([*plain], standalone_mode=False)
    app([*plain, "--sign", "desk:sign", "--json", str(tmp_path / "a.json")], standalone_mode=False)
    assert "bicubic" in capsys.readouterr().out
    assert "sig=" not in (tmp_path / "a.json").read_text()
    cut = ["patches", url, "--out", str(tmp_path / "patches"), "--count", "4", "--size", "12"]
    with pytest.raises(Exception, match="403"):
        app([*cut], standalone_mode=False)
    app([*cut, "--sign", "desk:sign"], standalone_mode=False)
    assert "4" in capsys.readouterr().out
    assert len(BANDS) == 12
