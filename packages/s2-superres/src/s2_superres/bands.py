"""The bands of Sentinel-2's MSI instrument that this package reads or makes.

Wavelengths are the central wavelengths of Sentinel-2A in nanometres, as the products of its
baselines 02.06 to 02.09 give them; later ones and the other satellites differ by up to 17 nm.
"""

from __future__ import annotations

from dataclasses import dataclass

#: What means saturated among digital numbers, in products of every baseline.
SATURATED = 65535
#: What may have to be added to digital numbers to have reflectance * 10000.
OFFSETS = (0, -1000)


@dataclass(frozen=True)
class Band:
    """One spectral band.

    Attributes
    ----------
    name : str
        ESA's name, ``B01`` to ``B12`` and ``B8A``.
    resolution : int
        Ground sampling distance in metres: 10, 20 or 60.
    wavelength : float
        Central wavelength in nanometres.
    """

    name: str
    resolution: int
    wavelength: float


B01 = Band("B01", 60, 442.7)
B02 = Band("B02", 10, 492.4)
B03 = Band("B03", 10, 559.8)
B04 = Band("B04", 10, 664.6)
B05 = Band("B05", 20, 704.1)
B06 = Band("B06", 20, 740.5)
B07 = Band("B07", 20, 782.8)
B08 = Band("B08", 10, 832.8)
B8A = Band("B8A", 20, 864.7)
B09 = Band("B09", 60, 945.1)
B11 = Band("B11", 20, 1613.7)
B12 = Band("B12", 20, 2202.4)

#: In ESA's band order, without B10 (cirrus), which carries no surface signal.
BANDS = (B01, B02, B03, B04, B05, B06, B07, B08, B8A, B09, B11, B12)
#: The order of every array of this package, per resolution.
BANDS_10M = (B02, B03, B04, B08)
BANDS_20M = (B05, B06, B07, B8A, B11, B12)
BANDS_60M = (B01, B09)
#: Which bands feed the network of the bands at 20 m or 60 m, by resolution.
INPUTS = {20: (10, 20), 60: (10, 20, 60)}
BY_NAME = {band.name: band for band in BANDS}
BY_RESOLUTION = {10: BANDS_10M, 20: BANDS_20M, 60: BANDS_60M}

#: Of Sentinel-2B and 2C in ESA's order, as their products give them.
_WAVELENGTHS = {
    "Sentinel-2B": (442.3, 492.3, 559.0, 665.0, 703.8, 739.1, 779.7, 833.0, 864.0, 943.2, 1610.4,
                    2185.7),
    "Sentinel-2C": (444.2, 489.0, 560.6, 666.5, 707.1, 741.1, 784.7, 834.6, 865.6, 947.2, 1612.0,
                    2191.3),
}  # fmt: skip


def central_wavelengths(spacecraft: str) -> dict[str, float]:
    """Return each band's central wavelength on a satellite in nanometres; 2A's if it is unknown."""
    known = _WAVELENGTHS.get(spacecraft, tuple(band.wavelength for band in BANDS))
    return dict(zip(BY_NAME, known, strict=True))


def find_band(name: str) -> Band:
    """Return the band of a name as people write it: ``B05``, ``b5``, ``8A``.

    Raises
    ------
    KeyError
        If there is none.
    """
    key = name.strip().upper().removeprefix("B").removeprefix("0")
    return BY_NAME[f"B{key:0>2}"]
