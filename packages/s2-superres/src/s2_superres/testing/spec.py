"""What a product to be written is: level, baseline, grid, and the names that follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from s2_superres.bands import BANDS, Band
from s2_superres.errors import InputError
from s2_superres.raster.grid import UNIT, Grid

#: L1C holds the cirrus band too; this package only carries it along.
B10 = Band("B10", 60, 1373.5)
#: What a band id in the metadata stands for.
BAND_IDS = (*BANDS[:10], B10, *BANDS[10:])
NODATA = 0
SATURATED = 65535

_WHOLE_TILE = Grid("EPSG:32633", 300000.0, 6200040.0, 10980, 10980)


@dataclass(frozen=True)
class ProductSpec:
    """What a product to be written is.

    Attributes
    ----------
    level : str
        ``L1C`` or ``L2A``.
    baseline : str
        Processing baseline such as ``05.09``; from ``04.00`` on, digital
        numbers are stored 1000 higher and the metadata says so.
    grid : Grid
        CRS as ``EPSG:326xx`` or ``EPSG:327xx``; a size of whole 60 m pixels.
    tile : str
        MGRS tile with its ``T``.
    sensed : datetime
        Time of acquisition, UTC.
    spacecraft : str
        ``A``, ``B`` or ``C``.
    orbit : int
        Relative orbit, 1 to 143.
    """

    level: str = "L1C"
    baseline: str = "05.09"
    grid: Grid = _WHOLE_TILE
    tile: str = "T33UUB"
    sensed: datetime = datetime(2023, 6, 15, 10, 20, 21, tzinfo=UTC)
    spacecraft: str = "A"
    orbit: int = 65

    def __post_init__(self) -> None:
        if self.level not in ("L1C", "L2A"):
            raise InputError(f"level {self.level!r}: give L1C or L2A")
        if self.grid.rows % UNIT or self.grid.cols % UNIT:
            raise InputError(
                f"a product of {self.grid.rows} x {self.grid.cols} pixels of 10 m: "
                f"take multiples of {UNIT}, which are whole 60 m pixels"
            )

    @property
    def offset(self) -> int:
        """What the metadata says to add to a digital number."""
        return -1000 if self.baseline >= "04.00" else 0

    @property
    def name(self) -> str:
        """The product's name, without ``.SAFE``."""
        stamp = f"{self.sensed:%Y%m%dT%H%M%S}"
        return (
            f"S2{self.spacecraft}_MSI{self.level}_{stamp}_N{self.baseline.replace('.', '')}"
            f"_R{self.orbit:03d}_{self.tile}_{stamp}"
        )

    @property
    def granule(self) -> str:
        """Name of the granule's folder."""
        return f"{self.level}_{self.tile}_A012345_{self.sensed:%Y%m%dT%H%M%S}"

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands such a product holds, in ESA's order."""
        return BAND_IDS if self.level == "L1C" else BANDS

    def image(self, band: Band, resolution: int | None = None) -> str:
        """Return a band file's path within the product, without ``.jp2``."""
        folder = f"GRANULE/{self.granule}/IMG_DATA"
        name = f"{self.tile}_{self.sensed:%Y%m%dT%H%M%S}_{band.name}"
        if self.level == "L1C":
            return f"{folder}/{name}"
        resolution = resolution or band.resolution
        return f"{folder}/R{resolution}m/{name}_{resolution}m"
