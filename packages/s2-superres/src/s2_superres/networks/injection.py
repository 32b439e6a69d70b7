"""Sharpening by local regression: the answer without any trained weights.

One scale down, where both sides are known, the detail of the coarse bands is
regressed on the detail of the fine ones in a Gaussian window around each pixel; the
coefficients then carry the detail of the fine grid (high-pass injection, as in the
pansharpening literature: Aiazzi et al. 2002, doi 10.1109/TGRS.2002.803623).

Everything is a filter of finite support or a per-pixel solve, so the result at a
pixel does not depend on how an image is cut into windows.
"""

from __future__ import annotations

import numpy as np
from keras import ops

from s2_superres.networks.operators import (
    Tensor,
    blur,
    degrade,
    depth_to_space,
    space_to_depth,
    upsample,
)
from s2_superres.raster.kernels import (
    VAPOUR_RADIUS,
    VAPOUR_SIGMA,
    WINDOW_RADIUS,
    WINDOW_SIGMA,
    gaussian_taps,
    smoothing_taps,
)

#: Ridge: a share of the mean variance of the guides per ratio (ten guides at 60 m need
#: less than four at 20 m), and a floor in (DN / 2000)^2 that stands for two DN of noise.
RIDGE_SHARE = {2: 0.1, 6: 0.004}
RIDGE_FLOOR = 1e-6
#: The sensor blurs its 20 m bands, the short-wave infrared most, and B01 more than the guides are
#: blurred when degraded to those grids. Share of a 3-pixel binomial mean that is taken of the
#: detail to be injected, per band: the least errors of the untrained result on training scenes.
SENSOR_BLUR = {2: (0.15, 0.15, 0.15, 0.15, 0.4, 0.4), 6: (0.35, 0.0)}
_BINOMIAL = np.array([0.25, 0.5, 0.25])


def inject(guide: Tensor, coarse: Tensor, ratio: int) -> tuple[Tensor, Tensor]:
    """Sharpen `coarse` with the detail of `guide`.

    Parameters
    ----------
    guide : tensor, shape (batch, rows, cols, guides)
    coarse : tensor, shape (batch, rows / ratio, cols / ratio, bands)
    ratio : int

    Returns
    -------
    sharpened : tensor, shape (batch, rows, cols, bands)
    unexplained : tensor, shape (batch, rows / ratio, cols / ratio, bands)
        Mean square, in the window, of the coarse detail that the guides do not tell of.
    """
    guide_coarse = degrade(guide, ratio)
    smooth = smoothing_taps(2)
    x = guide_coarse - blur(guide_coarse, smooth)
    y = coarse - blur(coarse, smooth)
    coefficients, unexplained = _regress(x, y, RIDGE_SHARE[ratio])
    detail = space_to_depth(guide - upsample(guide_coarse, ratio), ratio)
    guides = guide.shape[-1]
    phases = []
    # To split is one operation; slices, one by one, take most of the time until a graph is made.
    for part in ops.split(detail, ratio * ratio, axis=-1):
        planes = ops.split(part, guides, axis=-1)
        phases.append(sum(planes[g] * coefficients[g] for g in range(guides)))
    injected = depth_to_space(ops.concatenate(phases, -1), ratio)
    share = ops.convert_to_tensor(np.array(SENSOR_BLUR[ratio], np.float32))
    injected = injected + share * (blur(injected, _BINOMIAL) - injected)
    return upsample(coarse, ratio) + injected, unexplained


def _regress(x: Tensor, y: Tensor, ridge_share: float) -> tuple[list[Tensor], Tensor]:
    """Solve the windowed normal equations: per guide, and what is left, (batch, rows, cols, bands).

    With A c = b, ridge included, the mean of (y - c x)^2 is that of y^2 less c b less ridge c c.
    """
    n = x.shape[-1]
    taps = gaussian_taps(WINDOW_SIGMA, WINDOW_RADIUS)
    pairs = [(i, j) for i in range(n) for j in range(i + 1)]
    planes = ops.split(x, n, axis=-1)
    products = [planes[i] * planes[j] for i, j in pairs]
    products += [plane * y for plane in planes]
    means = blur(ops.concatenate(products, -1), taps)
    a = dict(zip(pairs, ops.split(means[..., : len(pairs)], len(pairs), axis=-1), strict=True))
    b = ops.split(means[..., len(pairs) :], n, axis=-1)
    ridge = ridge_share * sum(a[i, i] for i in range(n)) / n + RIDGE_FLOOR
    for i in range(n):
        a[i, i] = a[i, i] + ridge
    c = _cholesky_solve(a, b)
    told = sum(c[i] * (b[i] + ridge * c[i]) for i in range(n))
    return c, ops.maximum(blur(ops.square(y), taps) - told, 0.0)


def _cholesky_solve(a: dict[tuple[int, int], Tensor], b: list[Tensor]) -> list[Tensor]:
    """Solve one small positive definite system per pixel, unrolled over its size."""
    n = len(b)
    low: dict[tuple[int, int], Tensor] = {}
    for i in range(n):
        for j in range(i + 1):
            rest = a[i, j] - sum(low[i, k] * low[j, k] for k in range(j))
            low[i, j] = ops.rsqrt(rest) if i == j else rest * low[j, j]
    # The diagonal of `low` holds reciprocals.
    z: list[Tensor] = []
    for i in range(n):
        z.append((b[i] - sum(low[i, k] * z[k] for k in range(i))) * low[i, i])
    out: list[Tensor] = [None] * n
    for i in reversed(range(n)):
        out[i] = (z[i] - sum(low[k, i] * out[k] for k in range(i + 1, n))) * low[i, i]
    return out


#: The guide whose detail each 60 m band is likest to: B02 for B01, B8A for B09, as
#: channels of the ten fine bands; and what keeps dark pixels from dividing by nothing.
_LIKEST_60M = (0, 7)
_DARK = 0.02


def modulate(guide: Tensor, coarse: Tensor, ratio: int) -> Tensor:
    """Sharpen 60 m bands by the ratio to their likest fine band.

    Water vapour dims B09 by a factor that differs from scene to scene and hardly at
    all within a few hundred metres; a ratio carries it where a network trained on
    other skies would have to guess (intensity modulation, Liu 2000, doi
    10.1080/014311600750037499).

    Parameters
    ----------
    guide : tensor, shape (batch, rows, cols, 10)
    coarse : tensor, shape (batch, rows / ratio, cols / ratio, 2)
    ratio : int

    Returns
    -------
    tensor, shape (batch, rows, cols, 2)
    """
    fine = ops.concatenate([guide[..., i : i + 1] for i in _LIKEST_60M], -1) + _DARK
    share = ops.clip((coarse + _DARK) / ops.maximum(degrade(fine, ratio), _DARK), 0.0, 4.0)
    return fine * upsample(share, ratio) - _DARK


#: The least and greatest share of B8A's reflectance that B09 is taken to have.
_SHARES = (0.03, 2.0)


def vapour_share(guide: Tensor, coarse: Tensor, ratio: int) -> Tensor:
    """How bright the 60 m bands are beside their neighbours: B09 against B8A, in a window.

    Water vapour dims B09, and only B09, by a factor that varies smoothly in space and greatly
    between scenes, a tenth to a half at the top of the atmosphere. Divided by its share, B09 looks
    the same under any sky, and so it does to a network; the result is multiplied by it again.

    Parameters
    ----------
    guide : tensor, shape (batch, rows, cols, 10)
    coarse : tensor, shape (batch, rows / ratio, cols / ratio, 2)
    ratio : int

    Returns
    -------
    tensor, shape (batch, rows / ratio, cols / ratio, 2)
        1 for B01.
    """
    neighbour = _LIKEST_60M[1]
    dry = degrade(guide[..., neighbour : neighbour + 1], ratio) + _DARK
    wet = coarse[..., 1:2] + _DARK / 2
    means = blur(ops.concatenate([wet, dry], -1), gaussian_taps(VAPOUR_SIGMA, VAPOUR_RADIUS))
    share = ops.clip(means[..., :1] / ops.maximum(means[..., 1:], _DARK), *_SHARES)
    return ops.concatenate([ops.ones_like(share), share], -1)
