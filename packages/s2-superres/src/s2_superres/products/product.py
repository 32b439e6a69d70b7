"""What a product is, whatever form it came in: one value, passed whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from s2_superres.bands import BANDS, BY_RESOLUTION, Band
from s2_superres.errors import ProductError
from s2_superres.products.signing import UNSIGNED, Signer
from s2_superres.raster.grid import Grid

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from s2_superres.raster.radiometry import Radiometry

Level = Literal["L1C", "L2A", "unknown"]


@dataclass(frozen=True)
class Product:
    """What is known of a product before any pixel is read.

    Attributes
    ----------
    path : str
        What was opened: the ``.SAFE`` folder or the zip, the URL, the store.
    name : str
        The product's id, without ``.SAFE``; where it holds several granules, with the tile.
    level : str
        ``L1C`` (top of the atmosphere) or ``L2A`` (bottom); ``unknown`` of crops that do not say.
    baseline : str
        Processing baseline, such as ``05.09``.
    tile : str
        MGRS tile, such as ``T33UUB``.
    acquired : datetime or None
        Start of the acquisition, UTC; None where nothing tells.
    spacecraft : str
        ``Sentinel-2A``, ``-2B`` or ``-2C``.
    orbit : int
        Relative orbit number, 0 where nothing tells.
    grid : Grid
        CRS, upper left corner and size in 10 m pixels.
    quantification : float
        Reflectance = (DN + offset) / quantification.
    offsets : dict
        Offset per band name, in DN: -1000 from baseline 04.00 on, else 0.
    nodata, saturated : int
        The digital numbers with a meaning of their own.
    files : dict
        Per band name, where its pixels lie, in the reader's terms; bands that the product lacks
        are absent.
    format : str
        Name of the opener that it is read by.
    missing : dict
        Per absent band, what is wrong with it.
    wavelengths : dict
        Central wavelength per band name in nanometres, of this satellite.
    granule : str
        The granule's folder within what was opened.
    clouds : str
        What tells where clouds are, in the reader's terms; empty if nothing does.
    decided : dict
        What was found in several places or decided by pixels, and how.
    facts : dict
        What an index beside a crop says of it, such as its place and licence.
    signer : Signer
        What signs the links among its files before they are read.
    """

    path: str
    name: str
    level: Level
    baseline: str
    tile: str
    acquired: datetime | None
    spacecraft: str
    orbit: int
    grid: Grid
    quantification: float
    offsets: dict[str, float]
    nodata: int
    saturated: int
    files: dict[str, str]
    format: str
    missing: dict[str, str] = field(default_factory=dict)
    wavelengths: dict[str, float] = field(default_factory=dict)
    granule: str = ""
    clouds: str = ""
    decided: dict[str, str] = field(default_factory=dict)
    facts: dict[str, str] = field(default_factory=dict)
    signer: Signer = field(default=UNSIGNED, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        # Before it goes to another process: what signs links may not be able to.
        for path in (self.path, *self.files.values(), self.clouds):
            self.signer(path)
        return self.__dict__

    @property
    def bands(self) -> tuple[Band, ...]:
        """The bands that can be read, in ESA's order."""
        return tuple(band for band in BANDS if band.name in self.files)

    def require(self, bands: Iterable[Band]) -> None:
        """Check that the bands are there.

        Raises
        ------
        ProductError
            Naming the first one that is not and why, the others, and what can be made without.
        """
        lacking = [band for band in bands if band.name in self.missing]
        if not lacking:
            return
        first, *others = lacking
        also = f"; it lacks {' '.join(band.name for band in others)} too" if others else ""
        raise ProductError(f"{self.missing[first.name]}{also}; {self._possible()}")

    def require_level(self) -> None:
        """Check that the level is known: each has networks of its own.

        Raises
        ------
        ProductError
            If it is not.
        """
        if self.level == "unknown":
            raise ProductError(
                f"{self.path}: its level is not known; name it L1C_... or L2A_..., or say it in "
                "an index.csv beside it"
            )

    def _possible(self) -> str:
        """Say which bands can be sharpened with what is there."""
        there = [r for r in (10, 20, 60) if all(band in self.bands for band in BY_RESOLUTION[r])]
        if 10 not in there or 20 not in there:
            return "without all bands of 10 m and 20 m nothing can be sharpened"
        made = [band.name for band in BANDS if band.resolution in there and band.resolution > 10]
        return f"what there is serves --bands {','.join(made)}"

    def radiometry(self, dtype: DTypeLike = "uint16") -> Radiometry:
        """Return how its digital numbers are to be read, and written as a dtype."""
        import numpy as np

        from s2_superres.raster.radiometry import Radiometry

        offsets = {
            resolution: tuple(self.offsets[band.name] for band in bands)
            for resolution, bands in BY_RESOLUTION.items()
        }
        return Radiometry(offsets, self.nodata, self.saturated, np.dtype(dtype))

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values that JSON can hold."""
        values = asdict(replace(self, signer=UNSIGNED))
        del values["signer"]
        if self.acquired is not None:
            values["acquired"] = self.acquired.isoformat().replace("+00:00", "Z")
        values["bounds"] = list(self.grid.bounds)
        return values
