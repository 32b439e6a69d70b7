"""From windows of pixels to a GeoTIFF that opens well anywhere.

The windows go, in any order, into uncompressed rasters in a hidden folder beside the
output (`s2_superres.writers.staging`). When all are there, GDAL makes the cloud-optimised
or tiled GeoTIFF of them, which is then renamed: the output exists whole or not at all, and
whatever ends the work early, the hidden folder goes away (`s2_superres.files.scratch`).
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from s2_superres.errors import OutputError
from s2_superres.files.gdal import complaints
from s2_superres.files.kinds import TIFF
from s2_superres.files.paths import check_file_size, check_output
from s2_superres.files.scratch import ScratchFolder
from s2_superres.files.writing import aside, explained, failure
from s2_superres.raster.grid import Area, Grid
from s2_superres.writers.spec import Format, Layer, RasterSpec, Writer
from s2_superres.writers.staging import BLOCK, CACHE, StagedRaster, largest_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Pixels along the side of what is read back from the corner of a finished file.
_LAST = 16
#: The rehearsal's largest digital number, and how far off a lossy compression may be.
_BRIGHTEST, _LOSS = 20000, 500
#: With one of these creation options the COG driver makes the overviews, as it is told.
_DRIVERS_OVERVIEWS = {"OVERVIEWS", "OVERVIEW_COUNT", "OVERVIEW_RESAMPLING", "RESAMPLING"}
_ELSEWHERE = "; choose another place"


@dataclass(frozen=True)
class GeoTiff:
    """One of GDAL's two ways to write a GeoTIFF, see `s2_superres.writers.spec.Format`."""

    name: str
    title: str
    driver: str
    options: Mapping[str, str]
    #: The option with the effort of the compression.
    level: str
    media_type: str
    suffixes: tuple[str, ...] = TIFF.suffixes

    def check(self, path: Path, *, overwrite: bool, nbytes: int = 0) -> None:
        check_output(path, TIFF, overwrite=overwrite, nbytes=nbytes)

    def open(self, path: Path, spec: RasterSpec) -> Writer:
        if spec.has_classes and self.makes_overviews(spec):
            told = self.creation_options(spec)
            none = told.get("OVERVIEWS", "").upper() == "NONE"
            if not none and told["OVERVIEW_RESAMPLING"].upper() not in ("NEAREST", "MODE"):
                raise OutputError(
                    f"{path}: classes have no mean, and GDAL resamples all bands alike; leave the "
                    "creation options on overviews out, or give OVERVIEW_RESAMPLING=NEAREST"
                )
        return GeoTiffWriter(path, spec, self)

    def read(self, path: Path, area: Area, names: Sequence[str]) -> NDArray[Any]:
        import rasterio
        from rasterio.windows import Window

        with rasterio.open(path) as dataset:
            indexes = [dataset.descriptions.index(name) + 1 for name in names]
            values: NDArray[Any] = dataset.read(
                indexes, window=Window(area.col, area.row, area.cols, area.rows)
            )
        return values

    def recall(self, path: Path) -> RasterSpec | None:
        import rasterio
        from rasterio.errors import RasterioError
        from rasterio.windows import Window

        try:
            with complaints(), rasterio.open(path, driver="GTiff") as dataset:
                corner = Window(dataset.width - 1, dataset.height - 1, 1, 1)
                # The file's last bytes: a copy that was cut off lacks them.
                dataset.read(window=corner)
                return _told(dataset)
        except RasterioError:
            return None

    def makes_overviews(self, spec: RasterSpec) -> bool:
        """Whether the driver makes them, because the user says how."""
        return self.driver == "COG" and bool(_DRIVERS_OVERVIEWS & set(spec.options))

    def creation_options(self, spec: RasterSpec) -> dict[str, str]:
        """Return the driver's options: our own, with the user's on top."""
        import numpy as np

        options = dict(self.options)
        if self.driver == "GTiff" and np.issubdtype(np.dtype(spec.dtype), np.floating):
            options["PREDICTOR"] = "3"
        chosen = {"NUM_THREADS": str(spec.threads), **options, **spec.options}
        if "COMPRESS" in spec.options:
            # A level and a predictor are meant for one compression only.
            for name in {self.level, "PREDICTOR"} - set(spec.options):
                del chosen[name]
            if spec.options["COMPRESS"].upper() in ("LZW", "ZSTD", "DEFLATE"):
                chosen.setdefault("PREDICTOR", options["PREDICTOR"])
        return chosen


_COMMON = {"COMPRESS": "DEFLATE", "BIGTIFF": "IF_SAFER"}
# A higher level makes noise hardly smaller, and takes twice the time.
COG = GeoTiff(
    "cog",
    "cloud-optimised GeoTIFF",
    "COG",
    _COMMON | {"LEVEL": "1", "PREDICTOR": "YES", "OVERVIEW_RESAMPLING": "AVERAGE",
               "BLOCKSIZE": str(BLOCK)},
    "LEVEL",
    "image/tiff; application=geotiff; profile=cloud-optimized",
)  # fmt: skip
GTIFF = GeoTiff(
    "gtiff",
    "tiled GeoTIFF",
    "GTiff",
    _COMMON | {"ZLEVEL": "1", "PREDICTOR": "2", "TILED": "YES", "BLOCKXSIZE": str(BLOCK),
               "BLOCKYSIZE": str(BLOCK), "COPY_SRC_OVERVIEWS": "YES", "INTERLEAVE": "PIXEL"},
    "ZLEVEL",
    "image/tiff; application=geotiff",
)  # fmt: skip
FORMATS: tuple[Format, ...] = (COG, GTIFF)


def _told(dataset: Any) -> RasterSpec:
    """Return what an open file says that it is."""
    left, top = dataset.transform.c, dataset.transform.f
    crs = dataset.crs.to_string() if dataset.crs else ""
    layers = []
    for band, name in enumerate(dataset.descriptions, 1):
        wavelength = dataset.tags(band).get("wavelength")
        layers.append(
            Layer(
                name or "",
                float(wavelength) if wavelength else None,
                dataset.scales[band - 1],
                dataset.offsets[band - 1],
            )
        )
    return RasterSpec(
        Grid(crs, left, top, dataset.height, dataset.width),
        layers,
        dtype=dataset.dtypes[0],
        nodata=dataset.nodata,
        tags=dataset.tags(),
    )


class GeoTiffWriter:
    """Writes windows in any order, see `s2_superres.writers.spec.Writer`.

    Parameters
    ----------
    path : path
        Of the output.
    spec : RasterSpec
        What it is to be.
    kind : GeoTiff

    Raises
    ------
    OutputError
        If it cannot be written, another run is writing it, or GDAL does not take the options.
    """

    def __init__(self, path: str | Path, spec: RasterSpec, kind: GeoTiff = COG) -> None:
        self.path = Path(path)
        self.spec, self.kind = spec, kind
        self.notes: Mapping[Area, str] = MappingProxyType({})
        kind.check(self.path, overwrite=spec.overwrite, nbytes=spec.nbytes)
        check_file_size(self.path, largest_file(spec))
        # Through a symbolic link: the link stays, and the disk is the file's.
        self._target = self.path.resolve()
        with self._explained():
            self._folder = ScratchFolder(self._target)
        self._scratch = self._folder.path
        self._staged: StagedRaster | None = None
        try:
            # Another run may have finished the output before the lock was ours.
            kind.check(self.path, overwrite=spec.overwrite)
            with self._explained("; correct --co" if spec.options else ""):
                self._rehearse()
            with self._explained():
                self._staged = self._stage("windows.tif", spec.grid)
        except BaseException:
            self.discard()
            raise

    def write(self, area: Area, values: NDArray[Any], note: str = "") -> None:
        self.spec.check_window(self.path, area, values)
        assert self._staged is not None
        with self._explained():
            self._check_room(values.nbytes)
            self._staged.write(area, values)

    def commit(self) -> None:
        staged = self._staged
        assert staged is not None
        try:
            with self._explained():
                final = self._scratch / "final.tif"
                # Aside, so that a signal is answered while it lasts.
                aside(lambda: self._convert(staged, final))
                self._verify(final, self.spec.grid)
                # Hours may have passed since the first check.
                self.kind.check(self.path, overwrite=self.spec.overwrite)
                final.replace(self._target)
        finally:
            self.discard()

    def discard(self) -> None:
        if self._staged is not None:
            self._staged.abandon()
        self._folder.remove()

    def _stage(self, name: str, grid: Grid) -> StagedRaster:
        overviews = not self.kind.makes_overviews(self.spec)
        return StagedRaster(self._scratch / name, self.spec, grid, overviews=overviews)

    def _rehearse(self) -> None:
        """Make a tiny output first: options that GDAL refuses must not cost hours of work.

        GDAL refuses some by writing other values than it was given, without a word.
        """
        import numpy as np

        side = 16
        grid = Grid(self.spec.grid.crs, self.spec.grid.left, self.spec.grid.top, side, side)
        target = self._scratch / "rehearsed.tif"
        values = np.linspace(1, _BRIGHTEST, side * side).reshape(side, side).astype(self.spec.dtype)
        staged = self._stage("rehearsal.tif", grid)
        try:
            staged.write(grid.area, np.stack([values] * len(self.spec.layers)))
            self._convert(staged, target)
        finally:
            staged.abandon()
        back = self._verify(target, grid)
        if not np.allclose(back, values, rtol=0, atol=_LOSS):
            chosen = " ".join(f"{name}={value}" for name, value in self.spec.options.items())
            raise OutputError(f"{self.path}: {chosen} does not keep the values; correct --co")

    def _convert(self, staged: StagedRaster, target: Path) -> None:
        """Compress, tile and add overviews."""
        import rasterio
        from rasterio.shutil import copy

        options = self.kind.creation_options(self.spec)
        with (
            rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_NUM_THREADS=str(self.spec.threads)),
            complaints() as said,
        ):
            staged.finish()
            copy(staged.path, target, driver=self.kind.driver, **options)
        for text in said:
            if "does not support" in text or "unexpected value" in text:
                raise OutputError(f"{self.path}: {text}; correct --co")
        failed = failure(said)
        if failed:
            raise OutputError(f"{self.path}: cannot be written ({failed}){self._hint()}")

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

    def _explained(self, cure: str = "") -> AbstractContextManager[None]:
        return explained(self.path, lambda: cure or self._hint())

    def _check_room(self, nbytes: int) -> None:
        """Find out before libtiff does, which has words of its own for standard error."""
        unwritten = min(CACHE, self.spec.nbytes)
        if shutil.disk_usage(self._scratch).free < nbytes + unwritten:
            raise OutputError(
                f"{self.path}: the disk is full; make room in {self.path.parent}, "
                "or choose another disk"
            )

    def _hint(self) -> str:
        try:
            free = shutil.disk_usage(self.path.parent).free
        except OSError:
            return _ELSEWHERE
        return "; the disk is full, make room" if free < 64 * 2**20 else _ELSEWHERE
