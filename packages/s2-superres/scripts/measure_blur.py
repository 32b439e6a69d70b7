"""Measure how much more the sensor blurs coarse bands than means of finer bands.

``python scripts/measure_blur.py CROP.npz... --resolution 60`` prints, per crop and band, the
standard deviation in pixels of the Gaussian that, applied to the means of finer bands, lets a
linear mix of them come nearest to the band, and what share of the band's fine detail is left.
It is a property of the sensor, so a scene that differs from all others was resampled, or its
grids do not fit: better not to train on it.

With ``--tilted`` the Gaussian need not be round: it is applied to the 10 m bands before they are
averaged, and what is printed are its variances along columns and rows and their covariance, in 10 m
pixels squared; then how much longer it is one way than the other, and how far that way is turned
from north, clockwise. The protocol's own Gaussian has a variance of .25 each way.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter
from scipy.optimize import minimize

from s2_superres.bands import BY_RESOLUTION
from s2_superres.raster.degradation import degrade

SIGMAS = np.arange(0.2, 0.81, 0.02)
#: Detail is what a Gaussian of so many pixels takes away.
_WIDE = 2.5
#: Pixels around a gap that the Gaussians reach.
_MARGIN = 8


def main() -> None:
    """Parse the options."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("crops", type=Path, nargs="+", help=".npz with keys b10, b20 and b60")
    parser.add_argument("--resolution", type=int, default=60, choices=(20, 60))
    parser.add_argument("--tilted", action="store_true", help="fit an ellipse")
    options = parser.parse_args()
    bands = BY_RESOLUTION[options.resolution]
    what = "north east cross, ratio, turned" if options.tilted else "sigma, left"
    print("crop  " + "  ".join(f"{band.name} {what}" for band in bands))
    fit = measure_tilted if options.tilted else measure
    for path in options.crops:
        with np.load(path) as file:
            if f"b{options.resolution}" not in file:
                continue
            print(path.stem, *fit(dict(file), options.resolution), sep="  ", flush=True)


def measure(crop: dict[str, NDArray[np.uint16]], resolution: int) -> list[str]:
    """Return the blur and the share of detail left, per band, as text."""
    coarse = crop[f"b{resolution}"].astype(np.float32)
    rows, cols = coarse.shape[1:]
    finer = np.concatenate(
        [
            degrade(crop[f"b{r}"][:, : rows * k, : cols * k], k, 0)
            for r, k in ((r, resolution // r) for r in (10, 20))
            if k > 1
        ]
    )
    inside = binary_erosion((coarse > 0).all(0) & (finer > 0).all(0), iterations=_MARGIN)
    if not inside.any():
        return ["no data"]
    guides = [
        np.stack([detail(gaussian_filter(band, sigma))[inside] for band in finer], -1)
        for sigma in SIGMAS
    ]
    found = []
    for band in coarse:
        wanted = detail(band)[inside]
        left = [np.std(wanted - x @ np.linalg.lstsq(x, wanted)[0]) for x in guides]
        best = int(np.argmin(left))
        found.append(f"{SIGMAS[best]:.2f}, {left[best] / np.std(wanted):.2f}")
    return found


def measure_tilted(crop: dict[str, NDArray[np.uint16]], resolution: int) -> list[str]:
    """Return, per band, the Gaussian that need not be round, as text."""
    ratio = resolution // 10
    coarse = crop[f"b{resolution}"].astype(np.float32)
    rows, cols = coarse.shape[1:]
    fine = crop["b10"][:, : rows * ratio, : cols * ratio].astype(np.float32)
    measured = (fine > 0).all(0).reshape(rows, ratio, cols, ratio).all((1, 3))
    inside = binary_erosion((coarse > 0).all(0) & measured, iterations=_MARGIN)
    if not inside.any():
        return ["no data"]
    spectra = np.fft.rfft2(fine)
    y, x = np.fft.fftfreq(fine.shape[1])[:, None], np.fft.rfftfreq(fine.shape[2])

    def left(root: NDArray[np.float64], wanted: NDArray[np.float32]) -> float:
        """What a linear mix of the 10 m bands leaves of a band, under the blur root @ root.T."""
        (yy, xy), (_, xx) = covariance(root)
        passed = np.exp(-2 * np.pi**2 * (yy * y**2 + 2 * xy * x * y + xx * x**2))
        blurred = np.fft.irfft2(spectra * passed, fine.shape[1:])
        means = blurred.reshape(len(fine), rows, ratio, cols, ratio).mean((2, 4))
        guides = np.stack([detail(band)[inside] for band in means], -1)
        return float(np.std(wanted - guides @ np.linalg.lstsq(guides, wanted)[0]))

    found = []
    for band in coarse:
        begin = np.array([0.7, 0.0, 0.7]) + 0.1 * np.eye(4, 3)
        best = minimize(
            left,
            begin[-1],
            (detail(band)[inside],),
            "Nelder-Mead",
            options={"xatol": 0.005, "initial_simplex": begin},
        )
        (yy, xy), (_, xx) = covariance(best.x)
        (short, long), axes = np.linalg.eigh([[yy, xy], [xy, xx]])
        south, east = axes[:, 1] * np.sign(axes[0, 1] or 1)
        turned = np.degrees(np.arctan2(-east, south))
        found.append(f"{yy:.2f} {xx:.2f} {xy:+.3f}, {long / short:.2f}, {turned:+.0f}")
    return found


def covariance(root: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the matrix whose lower triangular root has these elements."""
    lower = np.array([[root[0], 0.0], [root[1], root[2]]])
    return np.asarray(lower @ lower.T)


def detail(band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is finer than some pixels."""
    return np.asarray(band - gaussian_filter(band, _WIDE))


if __name__ == "__main__":
    main()
