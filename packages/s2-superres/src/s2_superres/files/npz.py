"""Reading ``.npz`` files of NumPy that others may have made, or damaged."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Header(NamedTuple):
    """What an array is, without its values."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]


def read_npz(path: Path, names: Container[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return a file's arrays by name; nothing in it is run.

    Parameters
    ----------
    path : Path
    names : container of str, optional
        Read only these, as far as they are there.

    Raises
    ------
    OSError
        If the file cannot be opened or read.
    ValueError
        If it is something else, or damaged.
    """
    with _opened(path) as file:
        return {name: file[name] for name in file.files if names is None or name in names}


def npz_headers(path: Path) -> dict[str, Header]:
    """Return what a file's arrays are, by name; their values are not read.

    Raises
    ------
    OSError, ValueError
        As `read_npz`.
    """
    found = {}
    with _opened(path) as file:
        for name in file.files:
            with file.zip.open(f"{name}.npy") as stream:
                version = np.lib.format.read_magic(stream)
                read = {
                    (1, 0): np.lib.format.read_array_header_1_0,
                    (2, 0): np.lib.format.read_array_header_2_0,
                }[version]
                shape, _, dtype = read(stream)
            found[name] = Header(shape, dtype)
    return found


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        # An .npy file is an array, which is no context: a TypeError.
        with np.load(path, allow_pickle=False) as file:
            yield file
    except (
        # zipfile's RuntimeError: packed in a way that it cannot unpack.
        ValueError, TypeError, KeyError, EOFError, RuntimeError,
        zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    ) as error:  # fmt: skip
        raise ValueError("not an .npz of NumPy, or damaged") from error
