"""What the numbers of an output are: digital numbers as they come, harmonised, or reflectance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.choices import Values
from s2_superres.products.product import Product
from s2_superres.raster.radiometry import to_integers


@dataclass(frozen=True)
class Convention:
    """How an output writes reflectance. The product's digital numbers become it, and no others.

    Attributes
    ----------
    values : Values
    quantification : float
        Reflectance = (DN + offset) / quantification.
    dn_nodata, dn_saturated : int
        The digital numbers with a meaning of their own.
    """

    values: Values
    quantification: float
    dn_nodata: int
    dn_saturated: int

    @classmethod
    def of(cls, product: Product, values: str) -> Convention:
        """Return the one of a product's output."""
        return cls(Values(values), product.quantification, product.nodata, product.saturated)

    @property
    def floating(self) -> bool:
        """Whether the output holds reflectance."""
        return self.values is Values.REFLECTANCE

    @property
    def dtype(self) -> str:
        """NumPy's name of the output's type."""
        return "float32" if self.floating else "uint16"

    @property
    def nodata(self) -> float:
        """What means no data in the output."""
        return math.nan if self.floating else self.dn_nodata

    @property
    def saturated(self) -> int | None:
        """What means saturated in the output, None where that has no data."""
        return None if self.floating else self.dn_saturated

    def scaling(self, offset: float) -> tuple[float, float]:
        """Return scale and offset of a band: reflectance = number * scale + offset.

        Parameters
        ----------
        offset : float
            What is to be added to the product's digital numbers.
        """
        if self.floating:
            return 1.0, 0.0
        kept = offset if self.values is Values.DN else 0.0
        return 1 / self.quantification, kept / self.quantification

    def convert(self, dn: NDArray[Any], offset: float) -> NDArray[Any]:
        """Turn digital numbers of the product into the output's numbers.

        Parameters
        ----------
        dn : ndarray of uint16
        offset : float
            What is to be added to them; 0 for error bars, whose unit is that of the bands.

        Returns
        -------
        ndarray of the output's dtype
            Harmonised numbers keep what means no data and saturated, and are 1 where they would
            be less: reflectance of 0.0001 is the least that baselines before 04.00 can tell.
            Reflectance is float32 and NaN where there is no data or the sensor was saturated:
            nobody knows how bright that was.
        """
        if self.values is Values.DN:
            return dn
        special = (dn == self.dn_nodata) | (dn == self.dn_saturated)
        if self.floating:
            reflectance = (dn + offset) / self.quantification
            return np.where(special, np.nan, reflectance).astype(np.float32)
        if not offset:
            return dn
        harmonised = to_integers(
            dn.astype(np.float64) + offset, self.dtype, (self.dn_nodata, self.dn_saturated)
        )
        return np.where(special, dn, harmonised)

    def convert_classes(self, classes: NDArray[np.uint8]) -> NDArray[Any]:
        """Turn classes, of which 0 is no data, into the output's numbers."""
        return np.where(classes == 0, self.nodata, classes).astype(self.dtype)
