"""From windows of pixels to a Zarr store in a folder, window by window.

A window is a shard of each band, so that it is written once and nothing is read back. The
store grows in a hidden folder beside the output and gets its name when it is whole. A run
that was stopped leaves what it has finished there, and the same run goes on from it: the
folder's name and first line say what it was made from, and every window proves itself by a
checksum of its pixels.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import warnings
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.errors import InstallationError, OutputError
from s2_superres.files.kinds import ZARR
from s2_superres.files.paths import check_output
from s2_superres.files.scratch import ScratchFolder
from s2_superres.files.writing import explained
from s2_superres.raster.grid import Area
from s2_superres.writers.geozarr import create_store, told
from s2_superres.writers.spec import Format, RasterSpec, Writer
from s2_superres.writers.zarr_layout import Options, files, levels

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: What is in the hidden folder, beside the lock.
_STORE, _LEDGER, _OLD = "store", "windows.jsonl", "old"


class ZarrStore:
    """See `s2_superres.writers.spec.Format`."""

    name, title, suffixes = "zarr", "Zarr store", ZARR.suffixes
    media_type = "application/vnd.zarr"

    def check(self, path: Path, *, overwrite: bool, nbytes: int = 0) -> None:
        _require(path)
        # One copy is made, where a GeoTIFF takes two.
        check_output(path, ZARR, overwrite=overwrite, nbytes=nbytes // 2)

    def open(self, path: Path, spec: RasterSpec) -> Writer:
        return ZarrWriter(path, spec)

    def read(self, path: Path, area: Area, names: Sequence[str]) -> NDArray[Any]:
        import numpy as np
        import zarr

        group: Any = zarr.open_group(path, mode="r")
        return np.stack([group[name][_cut(area)] for name in names])

    def recall(self, path: Path) -> RasterSpec | None:
        import zarr

        try:
            root = zarr.open_group(path, mode="r")
            found = told(root)
            names = [layer.name for layer in found.layers]
            arrays = [group[name] for group in (root, *root.group_values()) for name in names]
        except Exception:  # Whatever a store that is not ours makes zarr raise.
            return None
        # All files are written, also those of no data: a copy that was cut off lacks some.
        whole = all((path / file).is_file() for array in arrays for file in files(array))
        return found if whole else None


FORMATS: tuple[Format, ...] = (ZarrStore(),)


def _require(path: Path) -> None:
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise InstallationError(
            f"{path}: Zarr stores need zarr; pip install 's2-superres[zarr]'"
        ) from None


def _cut(area: Area) -> tuple[slice, slice]:
    return slice(area.row, area.row_stop), slice(area.col, area.col_stop)


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop zarr's remarks that consolidated metadata are an extension: xarray asks for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


class ZarrWriter:
    """Writes windows in any order, see `s2_superres.writers.spec.Writer`.

    Parameters
    ----------
    path : path
        Of the output.
    spec : RasterSpec
        What it is to be.

    Raises
    ------
    InputError
        If there is no such creation option.
    OutputError
        If it cannot be written, or another run is writing it.
    """

    def __init__(self, path: str | Path, spec: RasterSpec) -> None:
        self.path, self.spec = Path(path), spec
        self.options = Options.parse(spec.options)
        self.levels = levels(spec, self.options)
        ZarrStore().check(self.path, overwrite=spec.overwrite, nbytes=spec.nbytes)
        self._target = self.path.resolve()
        made_of = _made_of(spec)
        key = hashlib.sha256(made_of.encode()).hexdigest()
        with self._explained():
            self._folder = ScratchFolder(self._target, key)
        self._store = self._folder.path / _STORE
        self._ledger = self._folder.path / _LEDGER
        self._arrays: list[dict[str, Any]] = []
        self.notes: Mapping[Area, str] = {}
        self._done = 0
        try:
            # Another run may have finished the output before the lock was ours.
            ZarrStore().check(self.path, overwrite=spec.overwrite)
            with self._explained(), _quiet():
                if not self._go_on(made_of):
                    self._begin(made_of)
        except BaseException:
            self.discard()
            raise

    def write(self, area: Area, values: NDArray[Any], note: str = "") -> None:
        self.spec.check_window(self.path, area, values)
        halved = self._halved(area, values)
        with self._explained():
            self._check_room(values.nbytes)
            for level, where, pixels in halved:
                for layer, plane in zip(self.spec.layers, pixels, strict=True):
                    self._arrays[level][layer.name][_cut(where)] = plane
            line = {"area": list(area), "crc32": _crc(values), "note": note}
            with self._ledger.open("a", encoding="utf-8") as ledger:
                ledger.write(json.dumps(line) + "\n")
        self._done += 1

    def commit(self) -> None:
        import zarr

        try:
            with self._explained(), _quiet():
                self._finish()
                zarr.consolidate_metadata(str(self._store))
                # Hours may have passed since the first check.
                ZarrStore().check(self.path, overwrite=self.spec.overwrite)
                self._rename()
        except BaseException as error:
            kept = self.discard()
            if kept:
                error.add_note(kept)
            raise
        self._folder.remove()
        self._folder.remove_others()

    def discard(self) -> str:
        """Give up: no output appears.

        Returns
        -------
        str
            What is left for the next run, if anything is.
        """
        if not self._done:
            self._folder.remove()
            return ""
        self._folder.release()
        windows = "1 window" if self._done == 1 else f"{self._done} windows"
        return f"{windows} of {self.path} are kept, and the same command goes on from there"

    def _begin(self, made_of: str) -> None:
        """Make a store without pixels, and the list of its windows, which has none yet."""
        shutil.rmtree(self._store, ignore_errors=True)
        create_store(self._store, self.spec, self.options, self.levels)
        self._open()
        self._ledger.write_text(made_of + "\n", encoding="utf-8")

    def _open(self) -> None:
        import zarr

        root: Any = zarr.open_group(self._store, mode="r+", use_consolidated=False)
        groups = [root[level.group] if level.number else root for level in self.levels]
        self._arrays = [
            {layer.name: group[layer.name] for layer in self.spec.layers} for group in groups
        ]

    def _go_on(self, made_of: str) -> bool:
        """Take over what an earlier run has finished, as far as it proves itself."""
        try:
            first, *lines = self._ledger.read_text(encoding="utf-8").splitlines()
            if first != made_of:
                return False
            self._open()
        except Exception:  # Whatever a store that is not whole makes zarr raise.
            return False
        notes = {}
        for line in lines:
            # The last line of a killed run may be cut off; what cannot be read is made anew.
            with suppress(Exception):
                said = json.loads(line)
                area = Area(*said["area"])
                if self._is_whole(area, said["crc32"]):
                    notes[area] = str(said["note"])
        self.notes, self._done = notes, len(notes)
        self._clear()
        return True

    def _clear(self) -> None:
        """Remove what is not of the finished windows: zarr reads a part of a shard to add to it."""
        for number, arrays in enumerate(self._arrays):
            done = [where for area in self.notes for n, where in self._places(area) if n == number]
            for array in arrays.values():
                kept = {file for where in done for file in files(array, where)}
                for file in set(files(array)) - kept:
                    (self._store / file).unlink(missing_ok=True)

    def _is_whole(self, area: Area, crc32: int) -> bool:
        """Whether a window's pixels, and those of the overview made of it, are on the disk."""
        import numpy as np

        full, *rest = [
            np.stack([self._arrays[level][layer.name][_cut(where)] for layer in self.spec.layers])
            for level, where in self._places(area)
        ]
        return _crc(full) == crc32 and all(
            np.array_equal(half, self.spec.halve(full), True) for half in rest
        )

    def _places(self, area: Area) -> list[tuple[int, Area]]:
        """Return where a window lies, and where in the first overview."""
        if len(self.levels) == 1:
            return [(0, area)]
        return [(0, area), (1, self.spec.grid.halved_area(area))]

    def _halved(self, area: Area, values: NDArray[Any]) -> list[tuple[int, Area, NDArray[Any]]]:
        """Return a window's pixels and those of the first overview, and where they go."""
        places = self._places(area)
        pixels = [values]
        if len(places) > 1:
            pixels.append(self.spec.halve(values))
        return [(*place, part) for place, part in zip(places, pixels, strict=True)]

    def _finish(self) -> None:
        """Make the coarser overviews, each of the one before."""
        for layer in self.spec.layers:
            if len(self.levels) > 2:
                values = self._arrays[1][layer.name][:][None]
                for arrays in self._arrays[2:]:
                    values = self.spec.halve(values, [layer])
                    arrays[layer.name][:] = values[0]

    def _rename(self) -> None:
        """Give the store its name. An older one makes room, and comes back if that fails."""
        old = self._folder.path / _OLD
        if self._target.exists():
            shutil.rmtree(old, ignore_errors=True)
            self._target.rename(old)
        try:
            self._store.rename(self._target)
        except OSError:
            if old.exists():
                old.rename(self._target)
            raise

    def _explained(self) -> AbstractContextManager[None]:
        return explained(self.path, lambda: "; choose another place, or make room")

    def _check_room(self, nbytes: int) -> None:
        if shutil.disk_usage(self._folder.path).free < nbytes:
            raise OutputError(
                f"{self.path}: the disk is full; make room in {self.path.parent}, "
                "or choose another disk"
            )


def _made_of(spec: RasterSpec) -> str:
    """Return all that the pixels depend on, in one line."""
    said = {
        "grid": asdict(spec.grid),
        "layers": [asdict(layer) for layer in spec.layers],
        "dtype": spec.dtype,
        "nodata": spec.nodata,
        "saturated": spec.saturated,
        "tags": dict(spec.tags),
        "window": spec.window,
        "options": dict(spec.options),
    }
    return json.dumps(said, sort_keys=True)


def _crc(values: NDArray[np.generic]) -> int:
    return zlib.crc32(values.tobytes())
