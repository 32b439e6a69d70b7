"""Measure how much more the sensor blurs coarse bands than means of finer bands.

``python scripts/measure_blur.py CROP.npz... --resolution 60`` prints, per crop and band, the
standard deviation in pixels of the Gaussian that, applied to the means of finer bands, lets a
linear mix of them come nearest to the band, and what share of the band's fine detail is left.
It is a property of the sensor, so a scene that differs from all others was resampled, or its
grids do not fit: better not to train on it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter

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
    options = parser.parse_args()
    bands = BY_RESOLUTION[options.resolution]
    print("crop  " + "  ".join(f"{band.name} sigma, left" for band in bands))
    for path in options.crops:
        with np.load(path) as file:
            if f"b{options.resolution}" not in file:
                continue
            print(path.stem, *measure(dict(file), options.resolution), sep="  ")


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


def detail(band: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what is finer than some pixels."""
    return band - gaussian_filter(band, _WIDE)


if __name__ == "__main__":
    main()
