"""The product that ships with the package: a small part of a real L1C scene."""

from __future__ import annotations

import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from s2_superres.errors import OutputError
from s2_superres.files.paths import keep_out_of_products


def sample_path() -> Path:
    """Return the sample's ``.SAFE`` folder as installed; do not write into it."""
    folder = Path(str(resources.files("s2_superres"))) / "data" / "sample"
    return next(folder.glob("*.SAFE"))


def copy_sample(folder: str | Path, *, overwrite: bool = False) -> Path:
    """Put the sample where the user says.

    Parameters
    ----------
    folder : path
        Made if it is not there; the product becomes a folder in it.
    overwrite : bool
        Replace a copy that is there already.

    Returns
    -------
    Path
        The ``.SAFE`` folder written.

    Raises
    ------
    OutputError
        If it cannot be written, or is there already.
    """
    folder = Path(folder)
    keep_out_of_products(folder)
    source = sample_path()
    target = folder / source.name
    if target.exists() and not overwrite:
        raise OutputError(f"{target} exists already; use it, or replace it with --overwrite")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".sample-", dir=folder) as scratch:
            copy = Path(scratch) / source.name
            # Not the permissions of an installation, which may be read-only.
            shutil.copytree(source, copy, copy_function=shutil.copyfile)
            copy.chmod(0o777 & ~_umask())
            for child in copy.rglob("*"):
                if child.is_dir():
                    child.chmod(0o777 & ~_umask())
            if target.exists():
                target.rename(Path(scratch) / "replaced")
            copy.rename(target)
    except OSError as error:
        raise OutputError(
            f"{folder}: the sample cannot be written ({error.strerror}); choose another folder"
        ) from None
    return target


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current
