"""Sources from folders, patterns, lists and collections: which products are meant, none opened."""

from __future__ import annotations

import glob
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2_superres.errors import InputError, ProductError
from s2_superres.products.layout import holds_products
from s2_superres.products.openers import Source, openers
from s2_superres.products.remote import Sign, is_url, peek_json, read_json

#: Endings of lists of sources, one a line.
_LISTS = (".txt", ".lst", ".list")
#: Endings of files in folders that may be products.
_FILES = (".zip", ".json", ".geojson")
#: What is cut off a name so that a product is the same in each form.
_ENDINGS = (".safe", ".zip", ".zarr", ".json", ".geojson", ".npz")
#: How the names of our own outputs end: in a folder, or for a pattern, they are no sources.
OUTPUT = "_10m"
#: Of a search that is answered page by page.
_MOST_PAGES = 10_000


@dataclass(frozen=True)
class Listed:
    """One source of several.

    Attributes
    ----------
    source : path, URL or mapping
        What `open_product` takes.
    label : str
        What messages and ledgers call it.
    """

    source: Source
    label: str

    @property
    def key(self) -> str:
        """Its name without place and ending: the same on all machines."""
        text = self.label.partition("?")[0]
        if not is_url(text):
            path = Path(text)
            text = path.parent.name if path.suffix.lower() == ".xml" else path.name
        while text.lower().endswith(_ENDINGS):
            text = text.rpartition(".")[0]
        return text

    def shard(self, count: int) -> int:
        """Return which of so many shards it belongs to, from 1 on; by its name alone."""
        digest = hashlib.sha256(self.key.encode(errors="surrogateescape")).digest()
        return int.from_bytes(digest[:8], "big") % count + 1


def expand(
    sources: Source | Iterable[Source],
    *,
    recursive: bool = False,
    also: tuple[str, ...] = (),
    sign: Sign | None = None,
) -> list[Listed]:
    """Return the products that sources stand for, each once, in their order.

    Parameters
    ----------
    sources : source or iterable of source
        Each is whatever `open_product` takes; a folder of products; a pattern with ``*``, ``?``,
        ``[...]`` or ``**``; a text file with a source a line (``#`` begins a remark); or a STAC
        ItemCollection, as ``.json``, link, dictionary or pystac object. In folders, and of what a
        pattern matches, what is no product is left out, and so are outputs of this program.
    recursive : bool
        Look into folders within folders.
    also : tuple of str
        Endings of other files that count, in small letters.
    sign : callable, optional
        Makes the URL that is read from a link.

    Raises
    ------
    InputError, ProductError
        If a folder or list has no product, or a list or collection cannot be read. Whether the
        products themselves can be read is seen when they are opened.
    """
    if isinstance(sources, str | Path | Mapping) or hasattr(sources, "to_dict"):
        sources = [sources]
    look = _Look(recursive, also, sign)
    found: dict[object, Listed] = {}
    for source in sources:
        for each in look.at(source):
            found.setdefault(_identity(each), each)
    if not found:
        raise InputError("no source is given; name a product, a folder or a list")
    return list(found.values())


def is_several(source: str | Path, sign: Sign | None = None) -> bool:
    """Whether a source stands for several products by its form."""
    path = Path(source)
    if is_url(source):
        return _may_be_collection(str(source)) and "features" in read_json(source, sign)
    if path.is_dir():
        return not _one(path) and sum(1 for _ in _Look(False, ()).walk(path)) > 1
    if path.exists():
        return path.suffix.lower() in _LISTS or "features" in peek_json(path)
    return glob.has_magic(str(source))


def _identity(listed: Listed) -> object:
    """Return what two mentions of one source have in common."""
    source = listed.source
    if isinstance(source, str | Path) and not is_url(source):
        return Path(source).resolve()
    return json.dumps(source, sort_keys=True, default=str)


@dataclass(frozen=True)
class _Look:
    """How to look for products."""

    recursive: bool
    also: tuple[str, ...]
    sign: Sign | None = None

    def at(self, source: Source) -> Iterator[Listed]:
        """Yield the products that a source stands for."""
        if not isinstance(source, str | Path):
            yield from _of_object(source)
        elif is_url(source):
            yield from _of_link(str(source), self.sign)
        elif Path(source).is_dir():
            yield from self._in_folder(Path(source))
        elif Path(source).suffix.lower() in _LISTS and Path(source).is_file():
            yield from _of_list(Path(source))
        elif glob.has_magic(str(source)) and not Path(source).exists():
            yield from self._matching(str(source))
        elif "features" in peek_json(source):
            yield from _features(peek_json(source), str(Path(source).absolute()))
        else:
            yield Listed(source, str(source))

    def _in_folder(self, folder: Path) -> Iterator[Listed]:
        if _one(folder):
            yield Listed(folder, str(folder))
            return
        found = list(self.walk(folder))
        if not found:
            raise ProductError(
                f"{folder}: holds no product; give a product, or a folder whose products lie "
                "directly in it, or --recursive"
            )
        yield from found

    def walk(self, folder: Path) -> Iterator[Listed]:
        """Yield the products in a folder."""
        try:
            children = sorted(folder.iterdir())
        except OSError as error:
            raise InputError(
                f"{folder}: cannot be listed ({error.strerror}); check its permissions"
            ) from None
        for child in children:
            if self._counts(child, holders=not self.recursive):
                yield Listed(child, str(child))
            elif self.recursive and child.is_dir() and not child.name.startswith("."):
                yield from self.walk(child)

    def _counts(self, path: Path, *, holders: bool = False) -> bool:
        """Whether what lies in a folder, or matches a pattern, is meant; or only holds one."""
        if path.name.startswith(".") or path.name.partition(".")[0].endswith(OUTPUT):
            return False
        suffix = path.suffix.lower()
        if suffix in (".safe", ".zip", *self.also):
            return True
        if path.is_dir():
            return _one(path) or (holders and holds_products(path) > 0)
        return suffix in _FILES and _recognised(path)

    def _matching(self, pattern: str) -> Iterator[Listed]:
        # pathlib takes no absolute patterns.
        names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
        found = [Path(name) for name in names if self._counts(Path(name))]
        # `**` meets what lies in products, too.
        products = set(found)
        whole = [path for path in found if not products & set(path.parents)]
        if not whole:
            raise ProductError(
                f"no product matches {pattern}; quote patterns, and check where they begin"
            )
        yield from (Listed(path, str(path)) for path in whole)


def _one(folder: Path) -> bool:
    """Whether a folder is a product, and not only holds some."""
    return holds_products(folder) == 0 and _recognised(folder)


def _recognised(path: Path) -> bool:
    return any(opener.recognises(path) for opener in openers())


def _of_list(path: Path) -> Iterator[Listed]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is no text in UTF-8"
        raise InputError(f"{path}: cannot be read ({reason}); give one source a line") from None
    sources = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not sources:
        raise InputError(f"{path}: names no source; give one a line")
    yield from (Listed(source, source) for source in sources)


def _of_object(source: Any) -> Iterator[Listed]:
    if hasattr(source, "to_dict"):
        # As plain values, an item crosses to other processes.
        source = source.to_dict(transform_hrefs=False)
    if isinstance(source, Mapping) and "features" in source:
        yield from _features(source, None)
    elif isinstance(source, Mapping):
        yield Listed(source, str(source.get("id") or source.get("name") or "a mapping of bands"))
    else:
        raise InputError(f"a source is a {type(source).__name__}; give a path, link, or STAC item")


def _may_be_collection(url: str) -> bool:
    path = url.partition("?")[0].rstrip("/").lower()
    return path.endswith(("/items", "/search", ".json", ".geojson"))


def _of_link(url: str, sign: Sign | None) -> Iterator[Listed]:
    """Yield an item as its link, and the items of a collection page by page."""
    if not _may_be_collection(url):
        yield Listed(url, url)
        return
    page: str | None = url
    for _ in range(_MOST_PAGES):
        if page is None:
            return
        found = read_json(page, sign)
        if "features" not in found:
            yield Listed(url, url)
            return
        yield from _features(found, page)
        page = _next(found, page)


def _next(found: Mapping[str, Any], page: str) -> str | None:
    """Return the link of the next page, None after the last."""
    for link in found.get("links") or []:
        if link.get("rel") == "next" and link.get("href") != page:
            if str(link.get("method", "GET")).upper() != "GET":
                raise ProductError(
                    f"{page}: its next page is to be asked for by POST; save all items into one "
                    "file and give that"
                )
            return str(link["href"])
    return None


def _features(found: Mapping[str, Any], base: str | None) -> Iterator[Listed]:
    """Yield a collection's items; one without a link of its own is relative to the collection."""
    features = found.get("features")
    if not isinstance(features, list) or not features:
        raise ProductError(f"{base or 'the collection'}: holds no item; search again")
    for feature in features:
        if not isinstance(feature, Mapping):
            raise ProductError(
                f"{base or 'the collection'}: holds something else than items; give STAC items"
            )
        links = list(feature.get("links") or [])
        if base is not None and not any(link.get("rel") == "self" for link in links):
            feature = {**feature, "links": [*links, {"rel": "self", "href": base}]}
        yield Listed(feature, str(feature.get("id")))
