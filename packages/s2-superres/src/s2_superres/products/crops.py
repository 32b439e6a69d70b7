"""Crops: ``.npz`` files with the bands of one place and time, and the index beside them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError
from s2_superres.files.npz import Header, npz_headers, read_npz
from s2_superres.products.remote import is_url

#: With native pixels and where they were measured, or with every band at 60 m.
_ARRAYS = ("b10", "b20", "b60", "ok10", "ok20", "ok60", "hr", "lr", "scl")


def as_source(source: Any) -> Any:
    """Return a text that is no link as a path, and anything else as it is."""
    return Path(source) if isinstance(source, str) and not is_url(source) else source


def check_source(source: object) -> None:
    """Check that a crop or a product is there; a link is asked when it is opened.

    Raises
    ------
    InputError
        If it is not, or nobody may look.
    """
    if not isinstance(source, Path):
        return
    try:
        source.stat()
    except OSError as error:
        raise InputError(f"{source}: cannot be read ({error.strerror}); check the path") from None


def read_crop(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a crop by name.

    Raises
    ------
    InputError
        If the file cannot be read, or is something else.
    """
    with _complaints(path):
        return read_npz(path, _ARRAYS)


def crop_headers(path: Path) -> dict[str, Header]:
    """Return what the arrays of a crop are, by name.

    Raises
    ------
    InputError
        As `read_crop`.
    """
    with _complaints(path):
        return npz_headers(path)


@contextmanager
def _complaints(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"{path}: cannot be read as .npz ({reason}); check the path, or fetch it again"
        ) from None


def masks_of(path: Path, crop: Mapping[str, NDArray[Any]]) -> dict[int, NDArray[np.bool_]]:
    """Return where the pixels of a crop were measured, by resolution: what masks it has.

    Masks are ``ok10``, ``ok20`` and ``ok60``, of the shape of the bands ``b10``, ``b20`` and
    ``b60``: false where a value was interpolated, which is no truth to learn from or to score by.

    Raises
    ------
    InputError
        If a mask is of another shape or kind, or nothing was measured.
    """
    masks = {}
    for resolution in (10, 20, 60):
        name, bands = f"ok{resolution}", crop.get(f"b{resolution}")
        if name not in crop or bands is None:
            continue
        mask = crop[name]
        if mask.shape != bands.shape[1:] or mask.dtype.kind not in "bui":
            raise InputError(
                f"{path}: {name} is {mask.dtype} of {mask.shape}; a mask of the {resolution} m "
                f"bands is true or false, {bands.shape[1:]}"
            )
        if not mask.any():
            raise InputError(
                f"{path}: {name} is false everywhere, so nothing was measured; leave the crop out, "
                "or write true where its pixels were measured"
            )
        masks[resolution] = mask.astype(np.bool_)
    return masks


def read_index(folder: Path) -> dict[str, dict[str, str]]:
    """Return what ``index.csv`` in a folder says of each crop, by file name.

    Raises
    ------
    InputError
        If there is such a file and it cannot be read, or is something else.
    """
    path = folder / "index.csv"
    if not path.is_file():
        return {}
    try:
        # Spreadsheets put a byte order mark before the first column's name.
        with path.open(newline="", encoding="utf-8-sig") as file:
            return {row["file"]: row for row in csv.DictReader(file)}
    except OSError as error:
        reason = str(error.strerror)
    except KeyError:
        reason = "it has no column file"
    except (UnicodeDecodeError, csv.Error) as error:
        reason = str(error)
    raise InputError(
        f"{path}: not an index of crops in UTF-8 ({reason}); it needs the columns file, level, "
        "split and place"
    )
