"""Pairs of images: checked, and handed out in blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from .checks import Array, Mask, as_bands, as_mask, as_number, bands_come_first, chosen_bands
from .errors import ShapeMismatchError
from .pillow import unpacked

#: Bound on the bytes of both images that are read at a time.
BLOCK_BYTES = 96 * 2**20


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle of both images.

    Attributes
    ----------
    org, pred : ndarray
        Shape (rows, cols, bands), one dtype, native byte order. Never written to.
    valid : ndarray of bool or None
        Shape (rows, cols), True where the pixel counts; None when every pixel does.
    """

    org: Array
    pred: Array
    valid: Mask | None = None


class PairSource(Protocol):
    """A pair of images of one shape that can be read in rectangles.

    Reading never overlaps: each row is asked for at most once in a pass, from the top.
    """

    @property
    def shape(self) -> tuple[int, int, int]:
        """Rows, columns and bands of both images."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what `read` returns, the same for both images."""

    @property
    def block_rows(self) -> int:
        """Rows that are cheapest to read together, such as the height of a file's tiles."""

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle; both slices have a start and a stop inside the images."""


def _unmasked(image: Array) -> Mask | None:
    """Pixels that a masked array masks in no band; None for all of them."""
    if np.ma.getmask(image) is np.ma.nomask:
        return None
    return np.asarray(~np.ma.getmaskarray(image).any(axis=2))


def _chosen(image: Array, bands: Sequence[int], name: str) -> Array:
    numbers = chosen_bands(name, bands, range(1, image.shape[2] + 1))
    return image[:, :, [number - 1 for number in numbers]]


def _odd_shape(image: Array, dimensions: int, axis: int | None) -> Iterator[str]:
    """Say what an array of pixels cannot: whether it was read as it was meant."""
    if dimensions == 3 and axis is None and bands_come_first(image.shape) == "maybe":
        rows, cols, bands = image.shape
        yield (
            f"images of shape {image.shape} are taken for {rows} rows of {cols} columns with "
            f"{bands} bands; if the bands come first, say so with axis=0, and if not, with axis=-1"
        )
    if image.shape[2] in (2, 4) and image.dtype.kind in "uf":
        full = 1 if image.dtype.kind == "f" else np.iinfo(image.dtype).max
        first, last = image[:, :, 0], image[:, :, -1]
        # Where all bands are so, none of them is alpha.
        if _on_or_off(last, full) and last.any() and not _on_or_off(first, full):
            yield (
                f"the last of {image.shape[2]} bands holds only {full} and 0, as alpha does, and "
                "is compared like the others; leave it out with image[:, :, :-1], and what it "
                "hides with mask=image[:, :, -1] > 0"
            )


def _on_or_off(band: Array, full: int) -> bool:
    """Whether a band holds nothing but 0 and the full value; most are known by one pixel."""
    return band[0, 0] in (0, full) and bool(np.isin(band, (0, full)).all())


class ArrayPair:
    """Two arrays as a `PairSource`.

    Parameters
    ----------
    org, pred : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        A pixel that has this value in any band of either image is left out.
    axis : int, optional
        Where the bands are. By default the last axis, with a note if it could be the first.
    bands : sequence of int, optional
        Bands to compare, counted from 1; all by default.

    Raises
    ------
    InputError, ShapeMismatchError
        If the arrays cannot be compared.

    Attributes
    ----------
    notes : tuple of str
        What deserves a second look.

    Notes
    -----
    NaN and infinity in any band of either image make the pixel invalid, and so does the mask of a
    masked array.
    """

    block_rows = 1

    def __init__(
        self,
        org: ArrayLike,
        pred: ArrayLike,
        *,
        mask: ArrayLike | None = None,
        nodata: float | None = None,
        axis: int | None = None,
        bands: Sequence[int] | None = None,
    ) -> None:
        (org, org_seen), (pred, pred_seen) = unpacked(org), unpacked(pred)
        images = as_bands(org, "org_img", axis), as_bands(pred, "pred_img", axis)
        if images[0].shape != images[1].shape:
            raise ShapeMismatchError(
                f"the images differ in shape, {np.shape(org)} and {np.shape(pred)}; "
                "crop or resample one of them"
            )
        self.notes: tuple[str, ...] = tuple(_odd_shape(images[0], np.ndim(org), axis))
        if bands is not None:
            images = _chosen(images[0], bands, "org_img"), _chosen(images[1], bands, "pred_img")
        self._org, self._pred = map(np.ma.getdata, images)
        rows, cols, count = self._org.shape
        self.shape: tuple[int, int, int] = rows, cols, count
        self.dtypes = self._org.dtype, self._pred.dtype
        self.dtype: np.dtype[Any] = np.result_type(*self.dtypes).newbyteorder("=")
        self._mask = both(_unmasked(images[0]), _unmasked(images[1]))
        self._mask = both(self._mask, both(org_seen, pred_seen))
        if mask is not None:
            self._mask = both(self._mask, as_mask(mask, (rows, cols)))
        if nodata is not None:
            as_number(nodata, "nodata")
        self._nodata = nodata

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle; views of the arrays wherever the dtype allows it."""
        org = self._org[rows, cols]
        pred = self._pred[rows, cols]
        valid = None if self._mask is None else self._mask[rows, cols]
        valid = both(valid, valid_pixels(org, self._nodata))
        valid = both(valid, valid_pixels(pred, self._nodata))
        return Block(org.astype(self.dtype, copy=False), pred.astype(self.dtype, copy=False), valid)


def valid_pixels(block: Array, nodata: float | None = None) -> Mask | None:
    """Pixels of a (rows, cols, bands) block that are finite and not `nodata` in every band.

    Returns None when all are. A `nodata` of NaN adds nothing: NaN is never valid.
    """
    bad: Mask | None = None
    if block.dtype.kind == "f":
        finite = np.isfinite(block)
        if not finite.all():
            bad = np.asarray(~finite.all(axis=2))
    if nodata is not None and not np.isnan(nodata):
        # Compared in the block's own type: 0.1 as float32 is not 0.1 as float64.
        as_stored = np.array(nodata).astype(block.dtype) if block.dtype.kind == "f" else nodata
        is_nodata = block == as_stored
        if is_nodata.any():
            hit = np.asarray(is_nodata.any(axis=2))
            bad = hit if bad is None else bad | hit
    return None if bad is None else ~bad


def both(a: Mask | None, b: Mask | None) -> Mask | None:
    """Pixels valid in both, where None stands for all of them."""
    if a is None or b is None:
        return b if a is None else a
    return a & b
