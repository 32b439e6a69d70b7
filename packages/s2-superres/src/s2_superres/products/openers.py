"""The registry of what opens a product: one way in for every form that data come in.

An opener is a module of `s2_superres.products.formats` with an ``OPENER``, or one that another
package registers under the entry point group ``s2_superres.openers``. They are asked in the order
of their names which of them recognises a source; their claims do not overlap.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.bands import BANDS, OFFSETS, Band
from s2_superres.errors import InputError, ProductError
from s2_superres.products.foreign import foreign, known
from s2_superres.products.product import Product
from s2_superres.products.remote import Sign

if TYPE_CHECKING:
    from s2_superres.products.reading import Reader

#: The entry points of openers in other packages.
GROUP = "s2_superres.openers"

#: A path, a URL, a mapping of bands to files, a STAC item, or whatever an opener recognises.
Source = Any


@dataclass(frozen=True)
class Request:
    """What is said along with a source.

    Attributes
    ----------
    granule : str, optional
        Tile or name, of products that hold several.
    offset : float, optional
        What to add to the digital numbers, where the source contradicts itself.
    sign : callable, optional
        Makes the URL that is read from the one in a catalogue.
    level : str, optional
        ``L1C`` or ``L2A``, of a crop.
    """

    granule: str | None = None
    offset: float | None = None
    sign: Sign | None = None
    level: str | None = None


@dataclass(frozen=True)
class Opener:
    """One form of product.

    Attributes
    ----------
    name : str
        Becomes the `Product.format` of what it opens.
    accepts : str
        What it accepts, for messages: the end of "give ...".
    recognises : callable
        ``(source) -> bool``: whether a source is its own. It looks, and never raises.
    open : callable
        ``(source, request) -> Product``, or a `ProductError` with the reason.
    read : callable
        ``(product, bands) -> Reader`` of a product that it opened, in any process.
    open_all : callable, optional
        ``(source, request) -> list of Product``, of sources that hold several.
    checksums : bool
        Whether what it opens comes with checksums, see `s2_superres.products.verify`.
    """

    name: str
    accepts: str
    recognises: Callable[[Source], bool]
    open: Callable[[Source, Request], Product]
    read: Callable[[Product, Iterable[Band]], Reader]
    open_all: Callable[[Source, Request], list[Product]] | None = None
    checksums: bool = False


_registered: dict[str, Opener] = {}


def register(opener: Opener) -> None:
    """Add an opener of another package, for this process."""
    _registered[opener.name] = opener


@cache
def _own() -> dict[str, Opener]:
    from s2_superres.products import formats

    modules = [import_module(f"{formats.__name__}.{m.name}")
               for m in pkgutil.iter_modules(formats.__path__)]  # fmt: skip
    return {module.OPENER.name: module.OPENER for module in modules}


@cache
def _others() -> dict[str, Opener]:
    """Those of other packages; looked up only where our own do not serve."""
    from importlib.metadata import entry_points

    found = [entry.load() for entry in entry_points(group=GROUP)]
    return {opener.name: opener for opener in found}


def _rooms() -> Iterator[dict[str, Opener]]:
    """Yield our own openers, those registered, and last those that have to be looked up."""
    yield _own()
    yield _registered
    yield _others()


def openers() -> list[Opener]:
    """Return all openers, our own first, each in the order of their names."""
    return [opener for room in _rooms() for _, opener in sorted(room.items())]


def find_opener(source: Source) -> Opener:
    """Return the opener that recognises a source.

    Raises
    ------
    ProductError
        If none does, with what is accepted; or with what the source is, if that is known.
    """
    if isinstance(source, str) and (not source or "\0" in source):
        # An empty name is no wish for what lies in the current folder.
        raise ProductError(f"{source!r}: not a path; {_accepted()}")
    for room in _rooms():
        for _, opener in sorted(room.items()):
            if opener.recognises(source):
                return opener
    label = str(source) if isinstance(source, str | Path) else f"a {type(source).__name__}"
    if isinstance(source, str | Path) and "://" not in str(source):
        path = Path(source)
        try:
            if not path.exists():
                raise ProductError(f"{source}: no such file or folder; {_accepted()}")
            path.open("rb").close() if path.is_file() else next(path.iterdir(), None)
        except OSError as error:
            raise ProductError(
                f"{source}: cannot be read ({error.strerror}); check its permissions"
            ) from None
        if found := foreign(path):
            raise ProductError(f"{source}: {found}")
    raise ProductError(
        f"{label}: not a product; {_accepted()} (known, but not supported: {known()})"
    )


def _accepted() -> str:
    return "give " + "; ".join(opener.accepts for opener in openers() if opener.accepts)


def open_product(
    source: Source,
    granule: str | None = None,
    *,
    offset: float | None = None,
    sign: Sign | None = None,
    level: str | None = None,
) -> Product:
    """Open a product: see what it is, before any pixel is read.

    Parameters
    ----------
    source : path, URL, mapping or STAC item
        A ``.SAFE`` folder, its zip, its ``MTD_MSIL1C.xml``/``MTD_MSIL2A.xml``, a granule's folder
        or its ``MTD_TL.xml``, or a folder that holds exactly one product; a STAC item as
        ``.json``, link, dictionary or pystac object; a mapping of band names to files, with
        level and offset; an EOPF store (``.zarr``, ``.zarr.zip`` or a link); a crop (``.npz``).
    granule : str, optional
        Tile (``T33UUB``) or name of the granule, for products before the end
        of 2016 that hold several.
    offset : float, optional
        -1000 or 0: what to add to the digital numbers, where a catalogue contradicts itself.
    sign : callable, optional
        Makes the URL to read of one in a catalogue, such as ``planetary_computer.sign``.
    level : str, optional
        ``L1C`` or ``L2A``, of a crop.

    Returns
    -------
    Product

    Raises
    ------
    ProductError
        If there is no such file, it is no product, it is damaged, or it holds
        several granules and none was chosen.
    """
    _check_offset(offset)
    return find_opener(source).open(source, Request(granule, offset, sign, level))


def _check_offset(offset: float | None) -> None:
    if offset is not None and offset not in OFFSETS:
        raise InputError(
            f"offset {offset!r}: give -1000 for digital numbers as they come from baseline 04.00 "
            "on, or 0"
        )


def open_granules(
    source: Source,
    granule: str | None = None,
    *,
    offset: float | None = None,
    sign: Sign | None = None,
) -> list[Product]:
    """Open every granule of a product as a product of its own.

    Parameters
    ----------
    source : path, URL, mapping or STAC item
        As for `open_product`; a path in a granule stands for that one alone.
    granule : str, optional
        Only this one.
    offset, sign
        As for `open_product`.

    Returns
    -------
    list of Product
        One, but for products before the end of 2016.

    Raises
    ------
    ProductError
        If there is no such file, it is no product, or it is damaged.
    """
    opener = find_opener(source)
    if granule is not None or opener.open_all is None:
        return [open_product(source, granule, offset=offset, sign=sign)]
    _check_offset(offset)
    return opener.open_all(source, Request(offset=offset, sign=sign))


def open_reader(product: Product, bands: Iterable[Band] = BANDS) -> Reader:
    """Return what reads a product's pixels; a context manager.

    Raises
    ------
    ProductError
        If a band is missing, unreadable, or not of the size that the metadata tell.
    """
    return opener_of(product).read(product, bands)


def opener_of(product: Product) -> Opener:
    """Return the opener that a product came by.

    Raises
    ------
    ProductError
        If it belongs to a package that is not here.
    """
    for room in _rooms():
        if product.format in room:
            return room[product.format]
    raise ProductError(
        f"{product.path}: nothing reads {product.format}; install the package that opened it"
    )
