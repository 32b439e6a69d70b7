"""The pictures of a report: what a method made beside the truth, and where it errs."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.files.png import encode_png

Image = NDArray[np.float32]

#: Shown as red, green, blue per resolution: indexes of bands, and how to call them.
_COMPOSITES = {20: ((5, 3, 0), "B12 B8A B05"), 60: ((1, 0, 0), "B09 B01 B01")}
#: Stops of the error maps' colours, from none to most: dark violet over red to light yellow.
_ERROR_STOPS = np.array(
    [[13, 8, 35], [66, 15, 96], [130, 32, 106], [195, 60, 82], [238, 112, 48], [250, 182, 62],
     [252, 250, 190]],
    np.float32,
)  # fmt: skip
#: Shares of the truth's pixels that become black and white, and of the first method's
#: errors that the scale of all error maps covers.
_STRETCH = (1.0, 99.0)
_ERROR_SHARE = 99.0
#: Pixels of the truth along the side of a picture.
_SIDE = 200


@dataclass(frozen=True)
class Pictures:
    """A square of each image of a comparison, ``(bands, rows, cols)``.

    Attributes
    ----------
    truth, degraded : ndarray of float32
        The measured bands, and what the methods were given.
    predictions : mapping of str to ndarray
        What they made of it, by method.
    """

    truth: Image
    degraded: Image
    predictions: Mapping[str, Image]


def square(bands: Image, ratio: int, coarser: int = 1) -> Image:
    """Copy the middle of an image, which on a coarser grid is the same ground."""
    side = _SIDE // ratio * ratio // coarser
    step = ratio // coarser
    rows, cols = (min(side, length) for length in bands.shape[1:])
    row, col = (
        (whole - part) // 2 // step * step
        for whole, part in zip(bands.shape[1:], (rows, cols), strict=True)
    )
    return bands[:, row : row + rows, col : col + cols].copy()


def figure(comparison: Mapping[str, Any], images: Pictures) -> dict[str, Any]:
    """Return truth, input, every method, and its error, all on the same scales.

    Parameters
    ----------
    comparison : mapping
        Of a validation's document.
    images : Pictures
    """
    resolution = comparison["resolution"]
    channels, bands = _COMPOSITES[resolution]
    limits = [
        tuple(_percentile(images.truth[channel], share) for share in _STRETCH)
        for channel in channels
    ]
    errors = {
        name: np.sqrt(np.mean(np.square(image - images.truth), axis=0))
        for name, image in images.predictions.items()
    }
    largest = _percentile(next(iter(errors.values())), _ERROR_SHARE)
    ratio = resolution // 10
    repeated = images.degraded.repeat(ratio, axis=1).repeat(ratio, axis=2)
    shown = {
        f"Truth, measured at {resolution} m": images.truth,
        f"Input, degraded to {resolution * ratio} m": repeated,
        **images.predictions,
    }
    scores = {result["method"]: result["overall"]["rmse"] for result in comparison["results"]}
    rows, cols = images.truth.shape[1:]
    return {
        "bands": bands,
        "rows": rows,
        "cols": cols,
        "largest": largest,
        "colours": ",".join(f"rgb({r:.0f} {g:.0f} {b:.0f})" for r, g, b in _ERROR_STOPS),
        "panels": [
            _panel(name, _composite(image, channels, limits)) for name, image in shown.items()
        ],
        "maps": [
            {**_panel(name, _error_map(error, largest)), "rmse": scores[name]}
            for name, error in errors.items()
        ],
    }


def _panel(name: str, image: NDArray[np.uint8]) -> dict[str, Any]:
    data = base64.b64encode(encode_png(image)).decode("ascii")
    rows, cols = image.shape[1:]
    return {"name": name, "rows": rows, "cols": cols, "image": f"data:image/png;base64,{data}"}


def _percentile(image: Image, share: float) -> float:
    seen = image[np.isfinite(image)]
    return float(np.percentile(seen, share)) if seen.size else 0.0


def _composite(
    image: Image, channels: Sequence[int], limits: Sequence[tuple[float, ...]]
) -> NDArray[np.uint8]:
    planes = []
    for channel, (low, high) in zip(channels, limits, strict=True):
        share = np.clip((image[channel] - low) / max(high - low, 1.0), 0, 1)
        planes.append(np.rint(255 * np.nan_to_num(share) ** 0.8))
    return np.stack(planes).astype(np.uint8)


def _error_map(error: Image, largest: float) -> NDArray[np.uint8]:
    """Colour an error; where there is none, because there is no data, it is gray."""
    share = np.clip(np.nan_to_num(error) / max(largest, 1e-6), 0, 1) * (len(_ERROR_STOPS) - 1)
    positions = np.arange(len(_ERROR_STOPS))
    planes = [np.interp(share, positions, _ERROR_STOPS[:, channel]) for channel in range(3)]
    image: NDArray[np.uint8] = np.rint(np.stack(planes)).astype(np.uint8)
    image[:, ~np.isfinite(error)] = 128
    return image
