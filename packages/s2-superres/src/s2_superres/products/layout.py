"""Where a product lies: the folder or zip of whatever path the user gave, and its metadata."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from s2_superres.errors import ProductError
from s2_superres.products.containers import Container, Folder, RemoteZip, Zip
from s2_superres.products.granules import is_tile_file
from s2_superres.products.remote import is_url
from s2_superres.products.signing import UNSIGNED, Signer

_PRODUCT_FILE = re.compile(r"(?:MTD_MSI|S2._OPER_MTD_SAF|S2._USER_MTD_SAF)L(?:1C|2A).*\.xml")
_NO_METADATA = "no MTD_MSIL1C.xml or MTD_MSIL2A.xml"


def is_product(source: object) -> bool:
    """Whether a source is a product as ESA delivers it, by its name and what lies in it."""
    if not isinstance(source, str | Path):
        return False
    if is_url(source):
        name = str(source).partition("?")[0].lower()
        return name.endswith(".zip") and not name.endswith(".zarr.zip")
    path = Path(source)
    try:
        if path.is_dir():
            return (
                path.suffix.upper() == ".SAFE"
                or path.absolute().parent.name == "GRANULE"
                or _metadata_in(path)
                or any(child.is_dir() and _metadata_in(child) for child in path.iterdir())
            )
        if path.suffix.lower() == ".xml":
            return is_tile_file(path.name) or bool(_PRODUCT_FILE.fullmatch(path.name))
        # A download cut off in its middle has lost the directory at its end, not its first bytes.
        with path.open("rb") as file:
            is_zip = file.read(4).startswith(b"PK") or path.suffix.lower() == ".zip"
        return is_zip and not path.name.lower().endswith((".zarr.zip", ".npz"))
    except OSError:
        return False


def holds_products(folder: Path) -> int:
    """Return how many products lie directly in a folder; 0 where it is one itself."""
    try:
        if (
            folder.suffix.upper() == ".SAFE"
            or folder.absolute().parent.name == "GRANULE"
            or _metadata_in(folder)
        ):
            return 0
        return sum(child.is_dir() and _metadata_in(child) for child in folder.iterdir())
    except OSError:
        return 0


def locate(path: Path | str, signer: Signer = UNSIGNED) -> tuple[Container, str]:
    """Return where the files lie, and which of them the user pointed at ("" for all)."""
    if is_url(path):
        return RemoteZip(str(path), signer), ""
    try:
        return _locate(Path(path))
    except OSError as error:
        raise ProductError(
            f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None


def _locate(path: Path) -> tuple[Container, str]:
    if path.is_file() and path.suffix.lower() == ".xml":
        folder, inside = path.absolute().parent, path.name
        if is_tile_file(path.name):
            return Folder(folder.parent.parent), f"GRANULE/{folder.name}/{inside}"
        return Folder(path.parent), inside
    if path.is_file():
        return Zip(path), ""
    if path.absolute().parent.name == "GRANULE":
        path = path.absolute()
        return Folder(path.parent.parent), f"GRANULE/{path.name}/"
    # The parent of a product is not searched any deeper than that: it may be a whole archive.
    if not _metadata_in(path):
        below = sorted(child for child in path.iterdir() if child.is_dir() and _metadata_in(child))
        if len(below) > 1:
            raise ProductError(
                f"{path}: holds {len(below)} products ({below[0].name}, {below[1].name}"
                f"{', ...' if len(below) > 2 else ''}); give one of them"
            )
        if not below:
            raise ProductError(f"{path}: has {_NO_METADATA}; download the complete product")
        path = below[0]
    return Folder(path), ""


def _metadata_in(folder: Path) -> bool:
    try:
        return any(_PRODUCT_FILE.fullmatch(child.name) for child in folder.iterdir())
    except PermissionError:
        return False


def product_file(container: Container, inside: str) -> str:
    """Find the one metadata file that describes the product."""
    if inside and _PRODUCT_FILE.fullmatch(inside):
        return inside
    found = sorted(
        name for name in container.names if _PRODUCT_FILE.fullmatch(posixpath.basename(name))
    )
    # Old L2A products keep a copy of the L1C metadata deeper down, but no granules beside it.
    homes = {name.partition("GRANULE/")[0] for name in container.names if "GRANULE/" in name}
    whole = [name for name in found if name[: name.rfind("/") + 1] in homes]
    depth = min((name.count("/") for name in found), default=0)
    top = whole or [name for name in found if name.count("/") == depth]
    if not top:
        raise ProductError(f"{container.label}: has {_NO_METADATA}; download the complete product")
    if len(top) > 1:
        raise ProductError(
            f"{container.label}: holds {len(top)} products ({top[0]}, {top[1]}"
            f"{', ...' if len(top) > 2 else ''}); give one product at a time"
        )
    return top[0]
