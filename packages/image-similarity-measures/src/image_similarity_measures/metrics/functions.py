"""The eight metrics, as functions of two arrays."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from image_similarity_measures.arrays import ArrayPair
from image_similarity_measures.checks import Array
from image_similarity_measures.errors import warn

from .streaming import Options, score_bands

Values = NDArray[np.float64]
Map = NDArray[np.float32]
Range = float | tuple[float, float] | None


class _Collected:
    """A map kept in memory."""

    def __init__(self) -> None:
        self.rows: list[Array] = []

    def write(self, row: int, block: Array) -> None:
        """Keep the rows."""
        self.rows.append(block)


def _compute(
    name: str,
    images: tuple[ArrayLike, ArrayLike],
    given: tuple[ArrayLike | None, float | None, int | None],
    options: Options,
    *,
    per_band: bool = False,
    full: bool = False,
) -> Any:
    """Score a pair of arrays and give the result the form asked for."""
    mask, nodata, axis = given
    source = ArrayPair(*images, mask=mask, nodata=nodata, axis=axis)
    collected = _Collected()
    scores = score_bands(source, name, options, {name: collected} if full else {})
    for note in (*source.notes, *scores.notes):
        warn(note)
    result = scores[name]
    value = np.array(result.per_band) if per_band else result.value
    if not full:
        return value
    local = np.concatenate(collected.rows)
    if not per_band:
        local = local.mean(axis=2)
    return value, local


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[False] = ...,
) -> Values: ...


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


@overload
def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    reduce: bool = ...,
    t1: float = ...,
    t2: float = ...,
    full: Literal[True],
) -> tuple[Values, Map]: ...


def fsim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    reduce: bool = True,
    t1: float = 0.85,
    t2: float = 160.0,
    full: bool = False,
) -> float | Values | tuple[float | Values, Map]:
    """Feature similarity (Zhang et al. 2011): phase congruency and gradient magnitude.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones, with a warning when a value lies
        outside; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    reduce : bool
        Shrink large images as the authors do, by ``F = max(1, round(min(rows, cols) / 256))`` with
        an F x F mean, halves rounded up. The score depends on it.
    t1, t2 : float
        Constants for phase congruency and for gradient magnitude on the 0..255 scale.
    full : bool
        Return the local map as well: float32, (rows, cols), or (rows, cols, bands) with
        `per_band`; NaN where there is no complete and valid window.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands; 1 for identical images, constant ones included. NaN
        with a warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    Each pixel's similarity of phase congruency and of Scharr gradient magnitude,
    ``(2 a b + t) / (a^2 + b^2 + t)`` each, are multiplied and pooled with the larger phase
    congruency as weight. The local map holds the product. In a reduced image a cell is the mean
    of its valid pixels, and counts if at least half of them, and of those of all eight cells
    around it, are valid. Symmetric; intensities are clipped to `data_range` and scaled to
    0..255.

    References
    ----------
    .. [1] L. Zhang, L. Zhang, X. Mou, D. Zhang, "FSIM: A feature similarity index for image
       quality assessment", IEEE Transactions on Image Processing 20(8), 2011.
       doi 10.1109/TIP.2011.2109730
    """
    options = Options(data_range=data_range, fsim_reduce=reduce, fsim_t1=t1, fsim_t2=t2)
    result: float | Values | tuple[float | Values, Map] = _compute(
        "fsim", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band, full=full
    )
    return result


@overload
def issm(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
) -> float: ...


@overload
def issm(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def issm(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Information theoretic-based statistic similarity (Aljanabi et al. 2019).

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones, with a warning when a value lies
        outside; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands. NaN with a warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``(rho E (A + B) + e) / (A rho E + B E + C SSIM + e)`` with A = .3, B = .5, C = .7: rho is the
    correlation of the Canny edge maps, E the Shannon entropy in bits of the normalised joint
    histogram with 256 bins, both on the 8-bit scale ``rint(255 value / data_range)``.

    Assumed, where the paper was not at hand: e = .01 as in Shnain et al. 2017 [2]_, Canny
    thresholds of 100 and 200 with a 3 x 3 Sobel gradient, and SSIM with the Gaussian window. rho is
    1 for two maps without edges and 0 if only one has none. The score has no fixed range: identical
    images give ``(.8 E + .01) / (.8 E + .71)``, from .014 for constant ones to .95 for 16 bits of
    entropy, and where SSIM or rho is negative the denominator may be small, and the score far above
    1 or below 0. Lower SSIM raises it: read it next to SSIM.
    Edge pixels within two pixels of an invalid one do not count.

    References
    ----------
    .. [1] M. A. Aljanabi et al., "Design of a hybrid measure for image similarity: a statistical,
       algebraic, and information-theoretic approach", European Journal of Remote Sensing 52, 2019.
       doi 10.1080/22797254.2019.1628617
    .. [2] N. A. Shnain, Z. M. Hussain, S. F. Lu, "A feature-based structural measure: an image
       similarity measure for face recognition", Applied Sciences 7(8):786, 2017.
       doi 10.3390/app7080786
    """
    options = Options(data_range=data_range)
    result: float | Values = _compute(
        "issm", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band
    )
    return result


@overload
def psnr(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
) -> float: ...


@overload
def psnr(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
) -> Values: ...


def psnr(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
) -> float | Values:
    """Peak signal-to-noise ratio in dB.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones, with a warning when a value lies
        outside; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is from the MSE pooled over bands; infinite for identical images. NaN with a
        warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``10 log10(data_range^2 / MSE)``.
    """
    options = Options(data_range=data_range)
    result: float | Values = _compute(
        "psnr", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band
    )
    return result


@overload
def rmse(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    normalized: bool = ...,
) -> float: ...


@overload
def rmse(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    normalized: bool = ...,
) -> Values: ...


def rmse(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    normalized: bool = False,
) -> float | Values:
    """Root mean squared error, in the unit of the data.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float, optional
        Largest possible value, used with `normalized`. By default 255 for 8-bit integers and 4095
        for wider ones, with a warning when a value exceeds it; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    normalized : bool
        Divide by `data_range`.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands; 0 for identical images. NaN with a
        warning if nothing valid is left.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``sqrt(mean((x - y)^2))`` per band.
    """
    options = Options(data_range=data_range, normalized=normalized)
    result: float | Values = _compute(
        "rmse", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band
    )
    return result


@overload
def sam(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    degrees: bool = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def sam(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    degrees: bool = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


def sam(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    degrees: bool = True,
    full: bool = False,
) -> float | tuple[float, Map]:
    """Spectral angle mapper (Kruse et al. 1993): mean angle between spectra.

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    degrees : bool
        In degrees rather than radians.
    full : bool
        Return the angle of each pixel as well: float32, (rows, cols), NaN where there is none.

    Returns
    -------
    float
        The mean over the pixels; 0 for spectra that differ in brightness only. NaN with a
        warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    The angle is ``arccos(x . y / (|x| |y|))``, computed from its tangent, which keeps small angles
    exact. Pixels whose spectrum is zero in either image are left out.

    References
    ----------
    .. [1] F. A. Kruse et al., "The spectral image processing system (SIPS)", Remote Sensing of
       Environment 44, 1993. doi 10.1016/0034-4257(93)90013-N
    """
    options = Options(sam_degrees=degrees)
    result: float | tuple[float, Map] = _compute(
        "sam", (org_img, pred_img), (mask, nodata, axis), options, full=full
    )
    return result


@overload
def sre(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    variant: Literal["lanaras", "supreme"] = ...,
) -> float: ...


@overload
def sre(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    variant: Literal["lanaras", "supreme"] = ...,
) -> Values: ...


def sre(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    variant: Literal["lanaras", "supreme"] = "lanaras",
) -> float | Values:
    """Signal-to-reconstruction-error ratio in dB (Lanaras et al. 2018).

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    variant : {"lanaras", "supreme"}
        ``10 log10(mean(x)^2 / mean((y - x)^2))``, or ``10 log10(sum(x^2) / sum((y - x)^2))``.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands of the values in dB; infinite for identical images.
        NaN with a warning if nothing valid is left, or if bands are infinite with both signs.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    Not symmetric: x is `org_img`.

    References
    ----------
    .. [1] C. Lanaras, J. Bioucas-Dias, S. Galliani, E. Baltsavias, K. Schindler, "Super-resolution
       of Sentinel-2 images: Learning a globally applicable deep neural network", ISPRS Journal of
       Photogrammetry and Remote Sensing 146, 2018. doi 10.1016/j.isprsjprs.2018.09.018
    """
    options = Options(sre_variant=variant)
    result: float | Values = _compute(
        "sre", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band
    )
    return result


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[False] = ...,
) -> Values: ...


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


@overload
def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = ...,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window: Literal["gaussian", "uniform"] = ...,
    full: Literal[True],
) -> tuple[Values, Map]: ...


def ssim(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    data_range: Range = None,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    window: Literal["gaussian", "uniform"] = "gaussian",
    full: bool = False,
) -> float | Values | tuple[float | Values, Map]:
    """Structural similarity index (Wang et al. 2004).

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    data_range : float or (float, float), optional
        Largest possible value, or the least and the largest where values may be negative. By
        default 255 for 8-bit integers and 4095 for wider ones, with a warning when a value lies
        outside; floating point must say it.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    window : {"gaussian", "uniform"}
        11 x 11 Gaussian with sigma 1.5 and population covariance, as published, or uniform 7 x 7
        with sample covariance.
    full : bool
        Return the local map as well: float32, (rows, cols), or (rows, cols, bands) with
        `per_band`; NaN where there is no complete and valid window.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands; 1 for identical images. NaN with a
        warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    K1 = .01, K2 = .03. Windows that reach over the edge, or hold an invalid pixel, are left out.
    Computed in float32 around the local mean wherever that suffices, and else in float64: the
    score is good to 1e-6, single values of the map to 1e-4.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, "Image quality assessment: from
       error visibility to structural similarity", IEEE Transactions on Image Processing 13(4),
       2004. doi 10.1109/TIP.2003.819861
    """
    options = Options(data_range=data_range, ssim_window=window)
    result: float | Values | tuple[float | Values, Map] = _compute(
        "ssim", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band, full=full
    )
    return result


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window_size: int = ...,
    step: int = ...,
    full: Literal[False] = ...,
) -> float: ...


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window_size: int = ...,
    step: int = ...,
    full: Literal[False] = ...,
) -> Values: ...


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[False] = ...,
    window_size: int = ...,
    step: int = ...,
    full: Literal[True],
) -> tuple[float, Map]: ...


@overload
def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = ...,
    nodata: float | None = ...,
    axis: int | None = ...,
    per_band: Literal[True],
    window_size: int = ...,
    step: int = ...,
    full: Literal[True],
) -> tuple[Values, Map]: ...


def uiq(
    org_img: ArrayLike,
    pred_img: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    nodata: float | None = None,
    axis: int | None = None,
    per_band: bool = False,
    window_size: int = 8,
    step: int = 1,
    full: bool = False,
) -> float | Values | tuple[float | Values, Map]:
    """Universal image quality index (Wang & Bovik 2002).

    Parameters
    ----------
    org_img, pred_img : array_like
        (rows, cols) or (rows, cols, bands), any real dtype, one shape.
    mask : array_like of bool, optional
        (rows, cols), True where pixels are used.
    nodata : float, optional
        Pixels with this value in any band of either image are left out, as are NaN, infinity, and
        what a masked array masks.
    axis : int, optional
        Where the bands are; the last axis by default, with a warning if it could be the first.
    per_band : bool
        Return one value per band instead of the aggregate.
    window_size : int
        Side of the windows.
    step : int
        Pixels from one window to the next.
    full : bool
        Return the local map as well: float32, (rows, cols), or (rows, cols, bands) with
        `per_band`; NaN where there is no complete and valid window.

    Returns
    -------
    float, or ndarray of shape (bands,)
        The aggregate is the mean over bands, -1 to 1; 1 for identical images. NaN with a
        warning if nothing valid is left. With `full` a pair of this and the map.

    Raises
    ------
    ShapeMismatchError
        If the images differ in shape.
    InputError
        If an image or option cannot be used.

    Notes
    -----
    ``4 cov(x, y) mean(x) mean(y) / ((var(x) + var(y)) (mean(x)^2 + mean(y)^2))``; where both
    windows are flat only the luminance factor ``2 mean(x) mean(y) / (mean(x)^2 + mean(y)^2)`` is
    left, and a factor of 0 / 0 is 1. In the local map a window belongs to the pixel after its first
    ``(window_size - 1) // 2`` rows and columns. Good to 1e-7, however large the values are against
    their variation.

    References
    ----------
    .. [1] Z. Wang, A. C. Bovik, "A universal image quality index", IEEE Signal Processing Letters
       9(3), 2002. doi 10.1109/97.995823
    """
    options = Options(uiq_window_size=window_size, uiq_step=step)
    result: float | Values | tuple[float | Values, Map] = _compute(
        "uiq", (org_img, pred_img), (mask, nodata, axis), options, per_band=per_band, full=full
    )
    return result
