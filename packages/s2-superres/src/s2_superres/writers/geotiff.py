"""From windows of pixels to a GeoTIFF that opens well anywhere.

The windows go, in any order, into an uncompressed raster in a hidden folder
beside the output. When all are there, GDAL makes the cloud-optimised or tiled
GeoTIFF of it, with overviews, which is then renamed: the output exists whole or
not at all, and whatever ends the work early, the hidden folder goes away (see
`s2_superres.files.scratch`).
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np

from s2_superres.errors import InputError, OutputError
from s2_superres.files.gdal import complaints
from s2_superres.files.kinds import TIFF
from s2_superres.files.paths import check_output
from s2_superres.files.scratch import ScratchFolder
from s2_superres.raster.grid import PIXEL, Grid

if TYPE_CHECKING:
    from numpy.typing import NDArray

Format = Literal["cog", "gtiff"]
#: GDAL's block cache while overviews are made, in bytes.
_GDAL_CACHE = 128 * 2**20
_BLOCK = 512
#: Pixels along the side of what is read back from the corner of a finished file.
_LAST = 16
#: The rehearsal's largest digital number, and how far off a lossy compression may be.
_BRIGHTEST, _LOSS = 20000, 500
#: With one of these creation options the COG driver makes the overviews, as it is told.
_DRIVERS_OVERVIEWS = {"OVERVIEWS", "OVERVIEW_COUNT", "OVERVIEW_RESAMPLING", "RESAMPLING"}


@dataclass(frozen=True)
class Layer:
    """What a band of the output is.

    Attributes
    ----------
    name : str
        Its description, such as ``B05``.
    wavelength : float, optional
        Central wavelength in nanometres.
    scale, offset : float
        Physical value = stored value x scale + offset.
    """

    name: str
    wavelength: float | None = None
    scale: float = 1.0
    offset: float = 0.0


@dataclass(frozen=True)
class RasterSpec:
    """What the output is to be.

    Attributes
    ----------
    grid : Grid
        Of the output; its upper left pixel is row 0, column 0 of what is written.
    layers : sequence of Layer
        The bands.
    dtype : str
        NumPy's name of the pixels' type.
    nodata : float or None
        The value of pixels without data; also that of pixels never written.
    tags : mapping
        Of the whole file.
    format : str
        ``cog`` (cloud-optimised, the default) or ``gtiff`` (tiled).
    options : mapping
        GDAL's creation options, on top of the writer's own.
    overwrite : bool
        Replace a file that is there already.
    threads : int
        For compressing.
    """

    grid: Grid
    layers: Sequence[Layer]
    dtype: str = "uint16"
    nodata: float | None = 0
    tags: Mapping[str, str] = field(default_factory=dict)
    format: Format = "cog"
    options: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    threads: int = 1

    @property
    def nbytes(self) -> int:
        """Size of the pixels in memory or uncompressed on disk."""
        return self.grid.rows * self.grid.cols * len(self.layers) * np.dtype(self.dtype).itemsize


def parse_options(items: Sequence[str]) -> dict[str, str]:
    """Turn ``NAME=VALUE`` texts into creation options, names in upper case.

    Raises
    ------
    InputError
        If one has no name or no ``=``.
    """
    options = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not name.strip() or not equals:
            raise InputError(f"--co {item}: give NAME=VALUE, such as --co COMPRESS=ZSTD")
        options[name.strip().upper()] = value.strip()
    return options


class RasterWriter:
    """Writes windows in any order; a context manager.

    Leaving the ``with`` block finishes the file; leaving it by an exception
    removes every trace.

    Parameters
    ----------
    path : path
        Of the output.
    spec : RasterSpec
        What it is to be.

    Raises
    ------
    OutputError
        If it cannot be written.
    """

    def __init__(self, path: str | Path, spec: RasterSpec) -> None:
        self.path = Path(path)
        self.spec = spec
        check_output(self.path, TIFF, overwrite=spec.overwrite, nbytes=spec.nbytes)
        # Through a symbolic link: the link stays, and the disk is the file's.
        self._target = self.path.resolve()
        with self._explained():
            self._folder = ScratchFolder(self._target)
        self._scratch = self._folder.path
        try:
            with self._explained("; correct --co" if spec.options else ""):
                self._rehearse()
            with self._explained():
                self._dataset: Any = self._create(self._scratch / "windows.tif", spec.grid)
        except BaseException:
            self.discard()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.finish()
        else:
            self.discard()

    def write(self, row: int, col: int, values: NDArray[Any]) -> None:
        """Write a window.

        Parameters
        ----------
        row, col : int
            Of its upper left pixel in the output.
        values : ndarray
            ``(bands, rows, cols)`` of the output's dtype.

        Raises
        ------
        InputError
            If the window does not fit the output, in place, bands or dtype.
        OutputError
            If the disk is full.
        """
        from rasterio.windows import Window

        bands, rows, cols = values.shape
        grid = self.spec.grid
        fits = 0 <= row <= grid.rows - rows and 0 <= col <= grid.cols - cols
        if not fits or bands != len(self.spec.layers) or values.dtype != self.spec.dtype:
            raise InputError(
                f"{values.dtype} window {values.shape} at {row}, {col} does not fit into "
                f"{self.path}: {self.spec.dtype} {(len(self.spec.layers), grid.rows, grid.cols)}"
            )
        with self._explained():
            self._check_room(values.nbytes)
            self._dataset.write(values, window=Window(col, row, cols, rows))

    def finish(self) -> None:
        """Make the final file and put it in place.

        Raises
        ------
        OutputError
            If it cannot be made; nothing is left behind then.
        """
        try:
            with self._explained():
                self._dataset.close()
                final = self._scratch / "final.tif"
                _run(lambda: self._convert(self._scratch / "windows.tif", final))
                self._verify(final, self.spec.grid)
                # Hours may have passed since the first check.
                check_output(self.path, TIFF, overwrite=self.spec.overwrite)
                final.replace(self._target)
        finally:
            self.discard()

    def discard(self) -> None:
        """Remove whatever was written, the finished output excepted."""
        dataset = getattr(self, "_dataset", None)
        if dataset is not None:
            with suppress(Exception):
                dataset.close()
        self._folder.remove()

    def _rehearse(self) -> None:
        """Make a tiny output first: options that GDAL refuses must not cost hours of work.

        GDAL refuses some by writing other values than it was given, without a word.
        """
        side = 16
        grid = Grid(self.spec.grid.crs, self.spec.grid.left, self.spec.grid.top, side, side)
        source, target = self._scratch / "rehearsal.tif", self._scratch / "rehearsed.tif"
        values = np.linspace(1, _BRIGHTEST, side * side).reshape(side, side).astype(self.spec.dtype)
        with self._create(source, grid) as dataset:
            dataset.write(np.broadcast_to(values, (len(self.spec.layers), side, side)))
        self._convert(source, target)
        back = self._verify(target, grid)
        if not np.allclose(back, values, rtol=0, atol=_LOSS):
            chosen = " ".join(f"{name}={value}" for name, value in self.spec.options.items())
            raise OutputError(f"{self.path}: {chosen} does not keep the values; correct --co")

    def _create(self, path: Path, grid: Grid) -> Any:
        import rasterio
        from rasterio.transform import Affine

        spec = self.spec
        dataset = rasterio.open(
            path,
            "w",
            driver="GTiff",
            width=grid.cols,
            height=grid.rows,
            count=len(spec.layers),
            dtype=spec.dtype,
            nodata=spec.nodata,
            crs=grid.crs,
            transform=Affine(*grid.transform(PIXEL)),
            tiled=True,
            blockxsize=_BLOCK,
            blockysize=_BLOCK,
            # GDAL makes overviews of bands that lie apart several times faster.
            interleave="band",
            bigtiff="IF_SAFER",
            sparse_ok=True,
            photometric="MINISBLACK",
        )
        dataset.update_tags(**spec.tags)
        dataset.descriptions = tuple(layer.name for layer in spec.layers)
        dataset.scales = tuple(layer.scale for layer in spec.layers)
        dataset.offsets = tuple(layer.offset for layer in spec.layers)
        for number, layer in enumerate(spec.layers, 1):
            if layer.wavelength is not None:
                # The first pair is what QGIS's spectral tools read, the second GDAL's own.
                dataset.update_tags(
                    number, wavelength=f"{layer.wavelength:g}", wavelength_units="nm"
                )
                micrometres = f"{layer.wavelength / 1000:.4f}"
                dataset.update_tags(number, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=micrometres)
        return dataset

    def _convert(self, source: Path, target: Path) -> None:
        """Compress, tile and add overviews."""
        import rasterio
        from rasterio.shutil import copy

        spec = self.spec
        floating = np.issubdtype(np.dtype(spec.dtype), np.floating)
        options = {"COMPRESS": "DEFLATE", "BIGTIFF": "IF_SAFER", "NUM_THREADS": str(spec.threads)}
        if spec.format == "cog":
            # A higher level makes noise hardly smaller, and takes twice the time.
            defaults = {"LEVEL": "1", "PREDICTOR": "YES", "OVERVIEW_RESAMPLING": "AVERAGE",
                        "BLOCKSIZE": str(_BLOCK)}  # fmt: skip
            driver = "COG"
            own_overviews = not _DRIVERS_OVERVIEWS & set(spec.options)
        else:
            defaults = {"ZLEVEL": "1", "PREDICTOR": "3" if floating else "2", "TILED": "YES",
                        "BLOCKXSIZE": str(_BLOCK), "BLOCKYSIZE": str(_BLOCK),
                        "COPY_SRC_OVERVIEWS": "YES", "INTERLEAVE": "PIXEL"}  # fmt: skip
            driver = "GTiff"
            own_overviews = True
        chosen = {**options, **defaults, **spec.options}
        if "COMPRESS" in spec.options:
            # A level and a predictor are meant for one compression only.
            chosen = {
                name: value
                for name, value in chosen.items()
                if name in spec.options or name not in ("LEVEL", "ZLEVEL", "PREDICTOR")
            }
            if spec.options["COMPRESS"].upper() in ("LZW", "ZSTD", "DEFLATE"):
                chosen.setdefault("PREDICTOR", defaults["PREDICTOR"])
        with (
            rasterio.Env(GDAL_CACHEMAX=_GDAL_CACHE, GDAL_NUM_THREADS=str(spec.threads)),
            complaints() as said,
        ):
            if own_overviews:
                # Twice as fast as the driver, which goes by way of a compressed file.
                self._add_overviews(source)
            copy(source, target, driver=driver, **chosen)
        for text in said:
            if "does not support" in text or "unexpected value" in text:
                raise OutputError(f"{self.path}: {text}; correct --co")
        self._check(said)

    def _add_overviews(self, path: Path) -> None:
        import rasterio
        from rasterio.enums import Resampling

        with rasterio.open(path, "r+") as dataset:
            factors: list[int] = []
            while max(dataset.shape) / 2 ** len(factors) > _BLOCK:
                factors.append(2 ** (len(factors) + 1))
            if factors:
                dataset.build_overviews(factors, Resampling.average)

    def _verify(self, path: Path, grid: Grid) -> NDArray[Any]:
        """Read the last block back: GDAL does not report every write that failed."""
        import rasterio
        from rasterio.windows import Window

        with rasterio.open(path) as dataset:
            bands = len(self.spec.layers)
            if (dataset.count, *dataset.shape) != (bands, grid.rows, grid.cols):
                raise OutputError(
                    f"{self.path}: GDAL wrote another size than asked for; leave out --co options "
                    "that change the grid"
                )
            rows, cols = min(_LAST, grid.rows), min(_LAST, grid.cols)
            last = Window(grid.cols - cols, grid.rows - rows, cols, rows)
            values: NDArray[Any] = dataset.read(window=last)
            return values

    @contextmanager
    def _explained(self, cure: str = "") -> Iterator[None]:
        """Turn what GDAL or the system says into one line that names the output."""
        from rasterio._err import CPLE_BaseError
        from rasterio.errors import RasterioError

        try:
            with complaints() as said:
                yield
        except (RasterioError, CPLE_BaseError, OSError) as error:
            reason = getattr(error, "strerror", None) or str(error.__cause__ or error)
            said_first = reason.splitlines()[0].strip()
            raise OutputError(
                f"{self.path}: cannot be written ({said_first}){cure or self._hint()}"
            ) from None
        self._check(said)

    def _check_room(self, nbytes: int) -> None:
        """Find out before libtiff does, which has words of its own for standard error."""
        unwritten = min(_GDAL_CACHE, self.spec.nbytes)
        if shutil.disk_usage(self._scratch).free < nbytes + unwritten:
            raise OutputError(
                f"{self.path}: the disk is full; make room in {self.path.parent}, "
                "or choose another disk"
            )

    def _check(self, said: list[str]) -> None:
        """Raise if one of GDAL's remarks tells of a write that failed."""
        failed = [text for text in said if _is_failure(text)]
        if failed:
            raise OutputError(f"{self.path}: cannot be written ({failed[0]}){self._hint()}")

    def _hint(self) -> str:
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError:
            return ""
        return "; the disk is full, make room" if free < 64 * 2**20 else ""


def _is_failure(text: str) -> bool:
    return any(
        sign in text for sign in ("No space left", "Write error", "write error", "File too large")
    )


def _run(work: Callable[[], None]) -> None:
    """Run a long call of GDAL aside, so that a signal is answered while it lasts."""
    failure: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=body, name="finish", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if failure:
        raise failure[0]
