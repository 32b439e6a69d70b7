"""Pairs of xarray's arrays: bands by name, places by coordinates, no data by encoding."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from image_similarity_measures.arrays import ArrayPair, Block, both, valid_pixels
from image_similarity_measures.checks import Mask, as_mask, as_number
from image_similarity_measures.errors import GridMismatchError, InputError, ShapeMismatchError

from .image import TOLERANCE, Labelled, band_axis, is_labelled, spatial


class LabelledPair:
    """Two arrays or datasets of xarray's as a `PairSource`.

    Bands are paired by their names. What is not computed yet, as with Dask, is computed strip by
    strip, both images together, and never held as a whole.

    Parameters
    ----------
    org, pred : DataArray or Dataset
        Dimensions for rows and columns and at most one more, in any order; of a dataset each
        variable is a band.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Takes the place of the values that the images' encoding or attributes name.
    bands : sequence of str or int, optional
        Bands to compare, by name or counted from 1; all by default.
    allow_grid_mismatch : bool
        Accept images whose coordinates differ.

    Raises
    ------
    InputError, ShapeMismatchError, GridMismatchError
        If the images cannot be compared.

    Attributes
    ----------
    bands : tuple
        Names of the bands compared.
    notes : tuple of str
        What deserves a second look.
    """

    notes: tuple[str, ...] = ()

    def __init__(
        self,
        org: Any,
        pred: Any,
        *,
        mask: ArrayLike | None = None,
        nodata: float | None = None,
        bands: Sequence[Hashable] | None = None,
        allow_grid_mismatch: bool = False,
    ) -> None:
        first, second = Labelled.of(org, "org_img"), Labelled.of(pred, "pred_img")
        if bands is None:
            bands = first.bands
            _same_bands(first, second)
        where = first.positions(bands)
        self._org = first.at(where)
        # By the names of the first image, unless one of them has none.
        named = not _only_numbers(first, second)
        self._pred = second.at(second.positions(self._org.bands) if named else where)
        _same_grid(self._org, self._pred, allow_grid_mismatch)
        rows, cols, count = self._org.array.shape
        self.shape: tuple[int, int, int] = rows, cols, count
        self.bands = self._org.bands
        self.dtypes = self._org.array.dtype, self._pred.array.dtype
        self.dtype: np.dtype[Any] = np.result_type(*self.dtypes).newbyteorder("=")
        self.block_rows = max(_chunk_rows(image.array) for image in (self._org, self._pred))
        self._mask = None if mask is None else as_mask(mask, (rows, cols))
        own = self._org.nodata, self._pred.nodata
        self._nodata = own if nodata is None else ((as_number(nodata, "nodata"),) * count,) * 2

    @property
    def crs(self) -> str | None:
        """Coordinate reference system of the first image that has one."""
        return self._org.crs or self._pred.crs

    @property
    def transform(self) -> tuple[float, float, float, float] | None:
        """Corner x and y, width and height of pixels, of the first image that lies on a grid."""
        return self._org.transform or self._pred.transform

    def read(self, rows: slice, cols: slice) -> Block:
        """Return the rectangle, computed if need be."""
        org, pred = _computed(part.data for part in self._cut(rows, cols))
        mask = None if self._mask is None else self._mask[rows, cols]
        return _block(org, pred, mask, self._nodata, self.dtype)

    @property
    def spread(self) -> bool:
        """Whether both images are Dask's and a cluster computes them."""
        if not all(hasattr(image.array.data, "dask") for image in (self._org, self._pred)):
            return False
        from dask.base import get_scheduler

        scheduler = get_scheduler()  # type: ignore[no-untyped-call]
        return type(getattr(scheduler, "__self__", None)).__module__.startswith("distributed")

    def rows_of_chunks(self) -> list[int]:
        """The rows at which chunks begin in the first image, and the number of rows."""
        return [0, *np.cumsum(self._org.array.chunks[0]).tolist()]

    def later(self, rows: slice) -> Any:
        """The full width of these rows as a `Block` of Dask's, not computed yet."""
        from dask.delayed import delayed

        org, pred = (part.data for part in self._cut(rows, slice(0, self.shape[1])))
        mask = None if self._mask is None else self._mask[rows]
        block = delayed(_block, pure=False)
        return block(org, pred, mask, self._nodata, self.dtype)

    def _cut(self, rows: slice, cols: slice) -> list[Any]:
        images = self._org.array, self._pred.array
        return [image.isel({image.dims[0]: rows, image.dims[1]: cols}) for image in images]


def _block(
    org: Any,
    pred: Any,
    mask: Mask | None,
    nodata: tuple[tuple[float | None, ...], tuple[float | None, ...]],
    dtype: np.dtype[Any],
) -> Block:
    """The pixels of both images, and which of them count."""
    images = np.asarray(org), np.asarray(pred)
    valid = mask
    for image, values in zip(images, nodata, strict=True):
        if len(set(values)) == 1:
            valid = both(valid, valid_pixels(image, values[0]))
            continue
        for index, value in enumerate(values):
            valid = both(valid, valid_pixels(image[:, :, index : index + 1], value))
    first, second = (image.astype(dtype, copy=False) for image in images)
    return Block(first, second, valid)


def _same_bands(org: Labelled, pred: Labelled) -> None:
    mine, others = (set(map(str, image.bands)) for image in (org, pred))
    if len(mine) != len(others) or (mine != others and not _only_numbers(org, pred)):
        listed = (", ".join(map(str, image.bands)) for image in (org, pred))
        raise InputError(
            f"org_img has the bands {next(listed)} and pred_img {next(listed)}; "
            "choose those to compare with bands"
        )


def _only_numbers(*images: Labelled) -> bool:
    """Whether the bands of one have no names."""
    return any(image.bands == tuple(range(1, len(image.bands) + 1)) for image in images)


def _same_grid(org: Labelled, pred: Labelled, allow_mismatch: bool) -> None:
    if org.array.shape[:2] != pred.array.shape[:2]:
        raise ShapeMismatchError(
            f"the images differ in shape, {org.array.shape[:2]} and {pred.array.shape[:2]}; "
            "align them, for example with xarray.align or rio.reproject_match"
        )
    if allow_mismatch:
        return
    for dim, what in ((0, "rows"), (1, "columns")):
        mine, others = org.centres(dim), pred.centres(dim)
        if mine is None or others is None:
            continue
        step = abs(mine[-1] - mine[0]) / max(1, len(mine) - 1) or 1.0
        away = float(np.abs(mine - others).max())
        if not away <= TOLERANCE * step:
            raise GridMismatchError(
                f"coordinates of the {what} differ by up to {away:g}, from {mine[0]:g} to "
                f"{mine[-1]:g} in org_img and from {others[0]:g} to {others[-1]:g} in pred_img; "
                "align the images, or pass allow_grid_mismatch=True"
            )
    if org.crs and pred.crs and org.crs != pred.crs and not _one_crs(org.crs, pred.crs):
        raise GridMismatchError(
            "org_img and pred_img have different coordinate reference systems; reproject one of "
            "them, for example with rio.reproject_match"
        )


def _one_crs(first: str, second: str) -> bool:
    """Whether two texts stand for one system."""
    from rasterio.crs import CRS

    return bool(CRS.from_wkt(first) == CRS.from_wkt(second))


def _chunk_rows(array: Any) -> int:
    """Rows of a chunk, the tallest; 1 where there are none."""
    chunks = getattr(array, "chunks", None)
    return max(chunks[0]) if chunks else 1


def _computed(images: Iterable[Any]) -> list[Any]:
    """The values; Dask's are computed together, so that what both need is done once."""
    parts = list(images)
    if all(hasattr(part, "dask") for part in parts):
        from dask.base import compute

        parts = list(compute(*parts))  # type: ignore[no-untyped-call]
    return parts


def pair_of(
    org: ArrayLike,
    pred: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    bands: Sequence[Any] | None = None,
    allow_grid_mismatch: bool = False,
) -> ArrayPair | LabelledPair:
    """The pair that two arrays make: by names if both have some that say where the bands are.

    Raises
    ------
    InputError, ShapeMismatchError, GridMismatchError
        If they cannot be compared.
    """
    labelled = [image for image in (org, pred) if _says_where(image)]
    if len(labelled) == 2 and axis is None:
        return LabelledPair(
            org,
            pred,
            mask=mask,
            nodata=nodata,
            bands=bands,
            allow_grid_mismatch=allow_grid_mismatch,
        )
    for image in labelled:
        if hasattr(image, "data_vars"):
            raise InputError("one image is a dataset and the other an array; give two of a kind")
        # The other, without names, is taken to be laid out alike.
        axis = band_axis(image) if axis is None else axis
    return ArrayPair(org, pred, mask=mask, nodata=nodata, axis=axis, bands=bands)


def _says_where(image: object) -> bool:
    return is_labelled(image) and (
        hasattr(image, "data_vars") or len(spatial(image.dims)[0]) == 2  # type: ignore[attr-defined]
    )
