"""Pillow's images, with palettes, alpha and EXIF's orientation as in files."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ORIENTATION = 0x0112  # EXIF 2.3, table 4


def unpacked(image: Any) -> tuple[Any, NDArray[np.bool_] | None]:
    """Return what a picture shows, and where; anything else as it is.

    Parameters
    ----------
    image : PIL.Image.Image or any
        Known by its methods: Pillow need not be there.

    Returns
    -------
    colours : ndarray or any
        (rows, cols) or (rows, cols, bands): a palette's colours rather than its indices, without
        alpha, black and white as 0 and 255, turned as EXIF's orientation says.
    seen : ndarray of bool or None
        (rows, cols), False where alpha is 0; None without alpha.
    """
    if not (hasattr(image, "getbands") and hasattr(image, "convert") and hasattr(image, "mode")):
        return image, None
    if image.getexif().get(_ORIENTATION, 1) != 1:
        from PIL.ImageOps import exif_transpose

        image = exif_transpose(image)
    if image.mode == "1":
        image = image.convert("L")
    if "transparency" in image.info or image.mode in ("PA", "La", "RGBa"):
        image = image.convert("RGBA")
    if image.mode == "P":
        image = image.convert("RGB")
    pixels = np.asarray(image)
    if image.getbands()[-1] != "A":
        return pixels, None
    colours = pixels[:, :, :-1]
    return colours[:, :, 0] if colours.shape[2] == 1 else colours, pixels[:, :, -1] > 0
