"""The bands of Sentinel-2's MSI instrument that this package reads or makes.

Wavelengths are the central wavelengths of Sentinel-2A in nanometres, after the
Sentinel-2 User Handbook (ESA, 2015), section 1.
"""

from __future__ import annotations

from dataclasses import dataclass


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
BY_NAME = {band.name: band for band in BANDS}
BY_RESOLUTION = {10: BANDS_10M, 20: BANDS_20M, 60: BANDS_60M}
