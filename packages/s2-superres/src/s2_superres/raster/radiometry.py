"""From digital numbers to the networks' scale and back.

Sentinel-2's digital number is ``reflectance * 10000 - offset`` with an offset
of -1000 from processing baseline 04.00 on (`RADIO_ADD_OFFSET`,
`BOA_ADD_OFFSET`) and 0 before. The networks see ``(DN + offset) / 2000``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from s2_superres.bands import BY_RESOLUTION, SATURATED
from s2_superres.raster.filling import fill_invalid

#: Digital numbers per unit of the networks' scale.
SCALE = 2000.0
#: The reflectance, times 10000, of what is saturated far and wide: more than a cloud's.
_BRIGHT = 20000.0


@dataclass(frozen=True)
class Radiometry:
    """How one image writes its reflectances.

    Attributes
    ----------
    offsets : mapping
        Per resolution, what to add to each band's digital numbers, in the
        order of `BY_RESOLUTION`.
    nodata : float or None
        The digital number that means no data; NaN always does.
    saturated : float or None
        The digital number that means saturated.
    dtype : dtype
        Of the output. An integer type is rounded and clipped; 0 (or whatever
        means no data or saturated) is never given to a pixel that is neither.
    """

    offsets: Mapping[int, tuple[float, ...]]
    nodata: float | None = 0.0
    saturated: float | None = float(SATURATED)
    dtype: DTypeLike = np.uint16

    @classmethod
    def uniform(
        cls,
        offset: float,
        nodata: float | None = 0.0,
        saturated: float | None = float(SATURATED),
        dtype: DTypeLike = np.uint16,
    ) -> Radiometry:
        """The same offset for every band."""
        offsets = {res: (float(offset),) * len(bands) for res, bands in BY_RESOLUTION.items()}
        return cls(offsets, nodata, saturated, dtype)

    def _offset(self, resolution: int) -> NDArray[np.float32]:
        return np.asarray(self.offsets[resolution], np.float32)[:, None, None]

    def valid(self, dn: NDArray[Any]) -> NDArray[np.bool_]:
        """Where there is data."""
        valid = np.ones(dn.shape, np.bool_)
        if self.nodata is not None:
            valid &= dn != self.nodata
        if dn.dtype.kind == "f":
            valid &= np.isfinite(dn)
        return valid

    def is_saturated(self, dn: NDArray[Any]) -> NDArray[np.bool_]:
        """Where the sensor was saturated."""
        if self.saturated is None:
            return np.zeros(dn.shape, np.bool_)
        return np.asarray(dn == self.saturated)

    def fill(self, dn: NDArray[Any], resolution: int, limit: float) -> NDArray[Any]:
        """Give no data and saturated pixels what a network may see in their place.

        That is the nearest measured value of the band up to `limit` pixels away, beyond it
        black or, in the middle of what is saturated, bright. A saturated pixel hides how bright
        it is: any number for it would be a step that its neighbours ring from.
        """
        saturated = self.is_saturated(dn)
        black = self._number(0.0, resolution, dn.dtype)
        bright = self._number(_BRIGHT, resolution, dn.dtype)
        beyond = np.where(saturated, bright, black) if saturated.any() else black
        return fill_invalid(dn, self.valid(dn) & ~saturated, limit, beyond)

    def _number(self, reflectance: float, resolution: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        """Each band's digital number of a reflectance, as near as the dtype comes."""
        numbers = reflectance - self._offset(resolution).astype(np.float64)
        if dtype.kind in "iu":
            info = np.iinfo(dtype)
            numbers = np.clip(np.rint(numbers), info.min, info.max)
        return numbers.astype(dtype)

    def no_data(self, shape: tuple[int, ...]) -> NDArray[Any]:
        """Return an image without any data."""
        return np.full(shape, np.nan if self.nodata is None else self.nodata, self.dtype)

    def reflectance(self, dn: NDArray[Any], resolution: int) -> NDArray[np.float32]:
        """``(bands, rows, cols)`` digital numbers without their offset: reflectance * 10000."""
        return dn.astype(np.float32) + self._offset(resolution)

    def known(self, dn: NDArray[Any], resolution: int) -> NDArray[np.float32]:
        """As `reflectance`, NaN where there is no data or the sensor was saturated."""
        values = self.reflectance(dn, resolution)
        values[~self.valid(dn) | self.is_saturated(dn)] = np.nan
        return values

    def to_scaled(self, dn: NDArray[Any], resolution: int) -> NDArray[np.float32]:
        """``(bands, rows, cols)`` digital numbers in the networks' scale, float32."""
        reflectance = self.reflectance(dn, resolution)
        reflectance /= np.float32(SCALE)
        return reflectance

    def to_dn(
        self,
        scaled: NDArray[np.float32],
        resolution: int,
        valid: NDArray[np.bool_],
        saturated: NDArray[np.bool_],
    ) -> NDArray[Any]:
        """The reverse, for a network's output.

        Parameters
        ----------
        scaled : ndarray of float32, shape (bands, rows, cols)
        resolution : int
            The resolution the bands were measured at: 20 or 60.
        valid : ndarray of bool, shape (bands, rows, cols)
            Elsewhere the output is no data (NaN if there is no such number); see also
            `mosaic.keep_nan`.
        saturated : ndarray of bool, shape (bands, rows, cols)
            Here the output is the saturated value.
        """
        dtype = np.dtype(self.dtype)
        reflectance = scaled * np.float32(SCALE)
        if dtype.kind in "iu":
            # Rounded before the offset: the same scene of either baseline stays the same.
            dn = np.rint(reflectance) - self._offset(resolution)
            dn = to_integers(dn, dtype, (self.nodata, self.saturated))
        else:
            dn = (reflectance - self._offset(resolution)).astype(dtype, copy=False)
        if self.saturated is not None:
            dn[saturated] = self.saturated
        if not valid.all():
            dn[~valid] = np.nan if self.nodata is None else self.nodata
        return dn


def to_integers(
    values: NDArray[Any], dtype: DTypeLike, reserved: Iterable[float | None]
) -> NDArray[Any]:
    """Round and clip to an integer type, giving no pixel a number with a meaning of its own.

    Parameters
    ----------
    values : ndarray
        Finite numbers.
    dtype : dtype
    reserved : iterable of float or None
        What means no data, or saturated: the next number takes its place.
    """
    info = np.iinfo(np.dtype(dtype))
    low, high = int(info.min), int(info.max)
    taken = {int(v) for v in reserved if v is not None and math.isfinite(v)}
    while low in taken:
        low += 1
    while high in taken:
        high -= 1
    # In float64, where every 32-bit bound is exact.
    rounded = np.clip(np.rint(values.astype(np.float64)), low, high).astype(dtype)
    for value in sorted(taken):
        if low < value < high:
            rounded[rounded == value] = value + 1
    return rounded
