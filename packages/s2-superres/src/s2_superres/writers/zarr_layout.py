"""How a Zarr store is laid out: its creation options, resolutions, shards and chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from s2_superres.errors import InputError
from s2_superres.raster.grid import PIXEL, Area, Grid, round_up
from s2_superres.writers.spec import RasterSpec

#: Side of a chunk in pixels, about. Without shards it is a file of its own.
_BLOCK = {3: 256, 2: 512}
#: The levels of each compression, the usual one first. Blosc is ESA's choice for EOPF: zstd after
#: a shuffle of bytes, smaller than DEFLATE with a predictor, in half the time.
_COMPRESSIONS: dict[str, tuple[int, range]] = {
    "BLOSC": (3, range(10)),
    "ZSTD": (1, range(1, 23)),
    "GZIP": (1, range(1, 10)),
    "NONE": (0, range(1)),
}


@dataclass(frozen=True)
class Options:
    """The creation options, named as those of GDAL's drivers.

    Attributes
    ----------
    format : int
        Zarr's: 3, or 2, which has no shards and which older readers know.
    block : int
        Side of a chunk in pixels, about: what a window divides into.
    compress : str
    level : int
    overviews : bool
    """

    format: int
    block: int
    compress: str
    level: int
    overviews: bool

    @classmethod
    def parse(cls, given: Mapping[str, str]) -> Options:
        """Read the options of a run.

        Raises
        ------
        InputError
            Naming the option and what there is.
        """
        known = {
            "FORMAT": ("ZARR_V3", "ZARR_V2"),
            "COMPRESS": tuple(_COMPRESSIONS),
            "OVERVIEWS": ("AUTO", "NONE"),
        }
        chosen = {name: values[0] for name, values in known.items()}
        for name, value in given.items():
            if name in known:
                chosen[name] = value.upper()
                if chosen[name] not in known[name]:
                    raise InputError(f"--co {name}={value}; choose {' or '.join(known[name])}")
            elif name not in ("BLOCKSIZE", "LEVEL"):
                names = ", ".join([*known, "BLOCKSIZE", "LEVEL"])
                raise InputError(
                    f"--co {name}: a Zarr store has no such option; choose from {names}"
                )
        number = int(chosen["FORMAT"][-1])
        usual, allowed = _COMPRESSIONS[chosen["COMPRESS"]]
        return cls(
            number,
            _number(given, "BLOCKSIZE", _BLOCK[number], range(16, 10001)),
            chosen["COMPRESS"],
            _number(given, "LEVEL", usual, allowed),
            chosen["OVERVIEWS"] == "AUTO",
        )

    def compressor(self) -> Any:
        """Return what zarr compresses with; None for nothing."""
        if self.compress == "NONE":
            return None
        if self.format == 2:
            import numcodecs

            if self.compress == "BLOSC":
                return numcodecs.Blosc("zstd", self.level, numcodecs.Blosc.SHUFFLE)
            return numcodecs.Zstd(self.level) if self.compress == "ZSTD" else numcodecs.GZip(
                self.level
            )  # fmt: skip
        from zarr import codecs

        if self.compress == "BLOSC":
            return codecs.BloscCodec(cname="zstd", clevel=self.level, shuffle="shuffle")
        codec = codecs.ZstdCodec if self.compress == "ZSTD" else codecs.GzipCodec
        return codec(level=self.level)


def _number(given: Mapping[str, str], name: str, usual: int, allowed: range) -> int:
    text = given.get(name, str(usual))
    if not text.isdecimal() or int(text) not in allowed:
        raise InputError(
            f"--co {name}={text}; give a whole number from {allowed[0]} to {allowed[-1]}"
        )
    return int(text)


#: Largest side of a level that has no coarser one, as in our GeoTIFFs.
SMALLEST = 512
#: Chunks along the side of a shard of the coarser levels, which no window is a shard of.
_CHUNKS = 4


@dataclass(frozen=True)
class Level:
    """A resolution of the store: the full one, or an overview.

    Attributes
    ----------
    number : int
        0 for the full resolution, 1 for half of it, and so on.
    rows, cols : int
    shard : tuple of int
        Rows and columns of a file. Zarr 2 has no shards: there a chunk is a file.
    chunk : tuple of int
        Rows and columns of what is read at once; shards are whole chunks.
    """

    number: int
    rows: int
    cols: int
    shard: tuple[int, int]
    chunk: tuple[int, int]

    @property
    def pixel(self) -> int:
        """Side of a pixel in metres."""
        return PIXEL << self.number

    @property
    def group(self) -> str:
        """Path of the group in the store, empty for the store itself."""
        return f"r{self.pixel}m" if self.number else ""

    @property
    def dimensions(self) -> tuple[str, str]:
        """Names of rows and columns.

        Those of overviews have names of their own: groups inherit their parents' coordinates
        in xarray's trees, which refuse two lengths under one name.
        """
        return (f"y_{self.pixel}m", f"x_{self.pixel}m") if self.number else ("y", "x")

    def transform(self, grid: Grid) -> list[float]:
        """Return the coefficients of its affine transform."""
        return list(grid.transform(self.pixel))

    def coordinates(self, grid: Grid) -> tuple[Any, Any]:
        """Return the centres of its rows and columns."""
        import numpy as np

        centres = [np.arange(size) + 0.5 for size in (self.rows, self.cols)]
        return grid.top - self.pixel * centres[0], grid.left + self.pixel * centres[1]


def levels(spec: RasterSpec, options: Options) -> list[Level]:
    """Return the resolutions of a store, the full one first.

    Windows are shards of the full resolution and, halved, of the first overview. The chunks
    are what divides a shard into parts of about the size of a block.
    """
    block = options.block
    rows, cols = spec.grid.rows, spec.grid.cols
    window = spec.window or (2 * block, 2 * block)
    shard = min(window[0], round_up(rows, 2)), min(window[1], round_up(cols, 2))
    found = [Level(0, rows, cols, shard, _parts(shard, block))]
    while options.overviews and max(rows, cols) > SMALLEST:
        rows, cols = -(-rows // 2), -(-cols // 2)
        if len(found) == 1:
            shard = shard[0] // 2, shard[1] // 2
            chunk = _parts(shard, block)
        else:
            chunk = min(block, rows), min(block, cols)
            shard = (
                min(_CHUNKS * chunk[0], round_up(rows, chunk[0])),
                min(_CHUNKS * chunk[1], round_up(cols, chunk[1])),
            )
        found.append(Level(len(found), rows, cols, shard, chunk))
    return found


def _parts(shard: tuple[int, int], block: int) -> tuple[int, int]:
    """Return the parts nearest to `block` that a shard divides into."""
    rows, cols = (
        min(
            (side for side in range(1, length + 1) if length % side == 0),
            key=lambda side: max(side / block, block / side),
        )
        for length in shard
    )
    return rows, cols


def files(array: Any, area: Area | None = None) -> Iterator[str]:
    """Yield the files that hold an array's pixels, or those of an area of it, by their paths."""
    rows, cols = array.shards or array.chunks
    area = area or Area(0, 0, *array.shape)
    for row in range(area.row // rows, -(-area.row_stop // rows)):
        for col in range(area.col // cols, -(-area.col_stop // cols)):
            yield f"{array.path}/{array.metadata.encode_chunk_key((row, col))}"
