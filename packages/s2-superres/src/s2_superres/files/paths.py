"""Where outputs go, and where they must not: checked before any work."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from s2_superres.errors import OutputError
from s2_superres.files.kinds import Kind
from s2_superres.product_folders import is_product_folder

#: The uncompressed raster and the finished one beside it, both with overviews.
_HEADROOM = 2 * 4 / 3
#: What lies in each group of a Zarr store.
_ZARR = ("zarr.json", ".zgroup", ".zmetadata")


def _target(path: str | Path) -> Path:
    """Return the file that a path leads to."""
    try:
        return Path(path).resolve()
    except (OSError, RuntimeError, ValueError):
        raise OutputError(f"{path}: its links lead nowhere; choose another place") from None


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e9:.2f} GB" if nbytes >= 1e8 else f"{nbytes / 1e6:.1f} MB"


def check_output(path: str | Path, kind: Kind, *, overwrite: bool, nbytes: int = 0) -> None:
    """Check that a file, or a folder of a kind that is one, can be written.

    Parameters
    ----------
    path : path
        Of the output. Through a symbolic link, the file that it points to.
    kind : Kind
        Of the output: whatever `overwrite` says, it replaces nothing of another kind.
    overwrite : bool
        Whether it may replace a file.
    nbytes : int
        Uncompressed size of a raster's pixels.

    Raises
    ------
    OutputError
        If its folder is missing or read-only or has not enough room, the file exists and
        is not to be replaced, is no ordinary file or is something else, or it would lie
        in a product.
    """
    path = Path(path)
    target = _target(path)
    folder = target.parent
    keep_out_of_products(path)
    try:
        if path.is_dir() and not kind.told_by:
            raise OutputError(f"{path}: is a folder; give the name of a file")
        if path.exists() and not path.is_file() and not path.is_dir():
            raise OutputError(f"{path}: is a device or a pipe; give the name of a file")
        if path.exists() and not kind.replaces(path):
            raise OutputError(
                f"{path}: is there and is not {kind.name}, so it is never replaced; "
                "choose another name"
            )
        if path.exists() and not overwrite:
            raise OutputError(f"{path}: exists already; choose another name or give --overwrite")
        if not all(map(kind.takes_name, (path, target))):
            raise OutputError(
                f"{path}: the ending {path.suffix} is not that of {kind.name}; "
                f"give a name that ends in {kind.suffixes[0]}"
            )
        if not folder.is_dir():
            raise OutputError(f"{path}: the folder {folder} does not exist; make it first")
        if not os.access(folder, os.W_OK | os.X_OK):
            raise OutputError(f"{path}: the folder {folder} cannot be written to; choose another")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror}); choose another place"
        ) from None
    needed = int(nbytes * _HEADROOM)
    if needed > free:
        raise OutputError(
            f"{path}: needs up to {_size(needed)} in {folder} while it is written, and "
            f"{_size(free)} are free; make room, or choose another disk"
        )


def check_file_size(path: str | Path, nbytes: int) -> None:
    """Check that the system lets this process write a file so large.

    Raises
    ------
    OutputError
        If it does not: libraries find out in the middle of their work, and have words of their own
        for standard error.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limits.
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_FSIZE)
    if limit != resource.RLIM_INFINITY and nbytes > limit:
        raise OutputError(
            f"{path}: needs a file of up to {_size(nbytes)} while it is written, and the "
            f"system allows this process {_size(limit)}; raise the limit with ulimit -f"
        )


def keep_out_of_products(path: str | Path) -> None:
    """Check that an output, a file or a folder, lies in no product, and in no other's Zarr store.

    Raises
    ------
    OutputError
        If it does, or has the name of one.
    """
    for folder in (_target(path), *_target(path).parents):
        if is_product_folder(folder):
            raise OutputError(f"{path}: lies in the product {folder}; write somewhere else")
    for folder in _target(path).parents:
        if any((folder / name).is_file() for name in _ZARR):
            raise OutputError(f"{path}: lies in the Zarr store {folder}; write somewhere else")


def protect_inputs(outputs: Iterable[str | Path], inputs: Iterable[str | Path]) -> None:
    """Check that outputs lie in no input, and that no two are the same file.

    Raises
    ------
    OutputError
        Naming the output.
    """
    sources = [Path(source).resolve() for source in inputs]
    seen: dict[Path, str | Path] = {}
    for output in outputs:
        target = _target(output)
        if any(target == source or source in target.parents for source in sources):
            raise OutputError(f"{output}: lies in an input; write somewhere else")
        if target in seen:
            raise OutputError(f"{output}: is {seen[target]} as well; give each output its own name")
        seen[target] = output
