"""Reading ``.npz`` files of NumPy that others may have made, or damaged."""

from __future__ import annotations

import lzma
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray


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
    try:
        # An .npy file is an array, which is no context: a TypeError.
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if names is None or name in names}
    except (
        # zipfile's RuntimeError: packed in a way that it cannot unpack.
        ValueError, TypeError, KeyError, EOFError, RuntimeError,
        zipfile.BadZipFile, zlib.error, lzma.LZMAError,
    ) as error:  # fmt: skip
        raise ValueError("not an .npz of NumPy, or damaged") from error
