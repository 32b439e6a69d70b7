"""A STAC item as it came: read from a file, link, dictionary or object, and checked to be one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2_superres.errors import ProductError
from s2_superres.products.openers import Request
from s2_superres.products.remote import is_url, read_json


@dataclass(frozen=True)
class Item:
    """An item as it came, and what its links are relative to."""

    values: Mapping[str, Any]
    base: str | None
    label: str

    @property
    def properties(self) -> Mapping[str, Any]:
        """Those that it has, if any."""
        found = self.values.get("properties")
        return found if isinstance(found, Mapping) else {}

    @property
    def assets(self) -> Mapping[str, Mapping[str, Any]]:
        """By their keys."""
        found = self.values.get("assets")
        return found if isinstance(found, Mapping) else {}

    def words(self) -> str:
        """Return every text that names the product, one below the other."""
        keys = ("s2:product_uri", "sentinel:product_id", "s2:granule_id", "s2:tile_id",
                "s2:product_type", "product:type", "processing:level")  # fmt: skip
        texts = [self.values.get("id"), *(self.properties.get(key) for key in keys)]
        return "\n".join(str(text) for text in texts if text)


def is_item(source: Any) -> bool:
    """Whether it is pystac's, or like it."""
    return hasattr(source, "to_dict") and hasattr(source, "assets")


def load_item(source: Any, request: Request) -> Item:
    """Return the item that a source is.

    Raises
    ------
    ProductError
        If it cannot be had, or is something else than an item of a product of Sentinel-2.
    """
    if is_item(source):
        own = source.get_self_href() if hasattr(source, "get_self_href") else None
        return _check(Item(source.to_dict(transform_hrefs=False), own, f"the item {source.id}"))
    if isinstance(source, Mapping):
        links = source.get("links") or []
        own = next((link.get("href") for link in links if link.get("rel") == "self"), None)
        return _check(Item(source, own, f"the item {source.get('id')}"))
    href = str(source)
    base = href if is_url(href) else str(Path(href).absolute())
    return _check(Item(read_json(href, request.sign), base, href))


def _check(item: Item) -> Item:
    kind = item.values.get("type")
    if kind == "FeatureCollection" or "features" in item.values:
        raise ProductError(
            f"{item.label}: is a collection of items; give one of its features at a time"
        )
    if kind != "Feature" or not item.assets:
        raise ProductError(f"{item.label}: is a STAC {kind}; give an item, which has assets")
    if "s2-superres" in (item.properties.get("processing:software") or {}):
        raise ProductError(
            f"{item.label}: is of an output of s2-superres, whose bands are sharpened; give the "
            "product that it was made of"
        )
    platform = str(item.properties.get("platform") or "")
    mission = platform or str(item.properties.get("constellation") or "")
    if mission and not re.match(r"sentinel[-_ ]?2", mission, re.IGNORECASE):
        raise ProductError(f"{item.label}: is of {mission}; only Sentinel-2's bands are sharpened")
    return item
