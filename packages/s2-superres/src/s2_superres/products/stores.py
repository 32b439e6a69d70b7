"""Zarr stores, wherever they lie: opened to read, and read by arrays and windows of them."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import parse_qsl

from s2_superres.errors import InstallationError, ProductError, S2SuperresError
from s2_superres.products.remote import client_options, is_url, patiently
from s2_superres.products.signing import UNSIGNED, Signer
from s2_superres.raster.grid import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray

Result = TypeVar("Result")

#: Of which a store's root has one.
ROOTS = (".zmetadata", ".zgroup", "zarr.json")


def open_group(path: str, signer: Signer = UNSIGNED) -> Any:
    """Open a store to read, wherever it lies; a link as it was signed last."""
    try:
        import zarr
    except ImportError:
        raise InstallationError(
            f"{path}: EOPF products need zarr; pip install 's2-superres[zarr]'"
        ) from None
    try:
        store, names = _store(signer(path))
        return patiently(lambda: zarr.open_group(store, path=_inside(names), mode="r"), path)
    except ImportError as error:
        raise InstallationError(
            f"{path}: reading it needs {error.name}; pip install 's2-superres[zarr]'"
        ) from None
    except Exception as error:  # Stores raise whatever their libraries do.
        reason = signer.hide(reason_of(error))
        raise ProductError(
            f"{path}: cannot be opened as a Zarr store ({reason}); check the path or link, "
            "and that it is complete"
        ) from None


def _store(path: str) -> tuple[Any, Iterable[str]]:
    """Return what zarr reads of, and the names in it where it is a zip."""
    from zarr.storage import FsspecStore, LocalStore, ZipStore

    root, _, query = path.partition("?")
    if is_url(path) and root.endswith(".zip"):
        import fsspec

        options = client_options(path)
        names = fsspec.filesystem("zip", fo=path, target_options=options).find("")
        chained = {path.partition("://")[0]: options}
        return FsspecStore.from_url(f"zip::{path}", storage_options=chained, read_only=True), names
    if is_url(path):
        # What is signed is each file of the store.
        options = client_options(path) | ({"params": dict(parse_qsl(query))} if query else {})
        return FsspecStore.from_url(root, storage_options=options, read_only=True), ()
    if path.endswith(".zip"):
        with zipfile.ZipFile(path) as archive:
            return ZipStore(path, read_only=True), archive.namelist()
    return LocalStore(path, read_only=True), ()


def reason_of(error: Exception) -> str:
    """Return the first line of what an error says."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def unreadable(path: str, name: str, reason: str) -> ProductError:
    """Return the error of something in a store that cannot be read."""
    cure = "check the link, and try again" if is_url(path) else "it is damaged, download it again"
    return ProductError(f"{path}: {name} cannot be read ({reason}); {cure}")


def _inside(names: Iterable[str]) -> str:
    """Return the folder in a zip that holds the product, empty if it lies at the root."""
    roots = [name for name in names if name.rpartition("/")[2] in ROOTS]
    return min(roots, key=lambda name: name.count("/")).rpartition("/")[0] if roots else ""


class Store:
    """A store's arrays, by their names, and the files that they lie in.

    Parameters
    ----------
    path : str
    signer : Signer, optional
        Signs it where it is a link, and again where something in it is refused.

    Raises
    ------
    ProductError
        If the store, or something in it, cannot be read.
    """

    def __init__(self, path: str, signer: Signer = UNSIGNED) -> None:
        self.path, self._signer = path, signer
        self._there: dict[str, bool] = {}
        try:
            self._open()
        except ProductError:
            # Maybe what was signed before has expired.
            if not signer.renew(path):
                raise
            self._open()

    def _open(self) -> None:
        self._group = open_group(self.path, self._signer)
        self._arrays: dict[str, Any] = {}

    def array(self, name: str) -> Any:
        """Return an array, without its pixels."""
        if name not in self._arrays:
            # A name that is not there is no failure of a server's.
            found = self._ask(name, lambda: self._group.get(name))
            if found is None:
                raise ProductError(f"{self.path}: has no {name}; open it again")
            self._arrays[name] = found
        return self._arrays[name]

    def whole(self, name: str) -> Area:
        """Return all pixels of an array."""
        return Area(0, 0, *self.array(name).shape)

    def read(self, name: str, area: Area) -> NDArray[Any]:
        """Read pixels of an array, as they are stored."""
        import numpy as np

        place = np.s_[area.row : area.row_stop, area.col : area.col_stop]
        return self._ask(name, lambda: np.asarray(self.array(name)[place]))

    def files(self, name: str, area: Area) -> Iterator[tuple[str, Area]]:
        """Yield the files that pixels of an array lie in, and all pixels that each is of."""
        array, whole = self.array(name), self.whole(name)
        rows, cols = array.shards or array.chunks
        for row in range(area.row // rows, -(-area.row_stop // rows)):
            for col in range(area.col // cols, -(-area.col_stop // cols)):
                pixels = Area(row * rows, col * cols, rows, cols).intersection(whole)
                assert pixels is not None
                yield f"{name}/{array.metadata.encode_chunk_key((row, col))}", pixels

    def has(self, file: str) -> bool:
        """Whether there is a file: its first byte is asked for, once, and nothing is listed."""
        if file not in self._there:
            self._there[file] = self._ask(file, lambda: self._first_byte(file) is not None)
        return self._there[file]

    def _first_byte(self, file: str) -> Any:
        from zarr.abc.store import RangeByteRequest
        from zarr.core.buffer import default_buffer_prototype
        from zarr.core.sync import sync

        # Where a server fails, asking file systems whether something exists gives a plain no.
        place = self._group.store_path / file
        return sync(place.get(default_buffer_prototype(), RangeByteRequest(0, 1)))

    def _ask(self, name: str, read: Callable[[], Result]) -> Result:
        try:
            return patiently(read, self.path)
        except S2SuperresError:
            raise
        except Exception as error:  # Codecs and file systems raise whatever their libraries do.
            failed = error
        if self._signer.renew(self.path):
            self._open()
            try:
                return patiently(read, self.path)
            except Exception as error:  # As above.
                failed = error
        raise unreadable(self.path, name, self._signer.hide(reason_of(failed)))
