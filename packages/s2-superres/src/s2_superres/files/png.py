"""PNG files in memory."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_TRUE_COLOUR = 2
#: Filter 1: each byte minus that of the pixel to its left, which compresses images well.
_SUB = 1


def encode_png(image: NDArray[np.uint8]) -> bytes:
    """Encode an image ``(3, rows, cols)`` as an 8-bit RGB PNG (W3C PNG, third edition)."""
    channels, rows, cols = image.shape
    if channels != 3:
        raise ValueError(f"an image of {channels} channels; give red, green and blue")
    pixels = np.moveaxis(image, 0, -1)
    lines = np.empty((rows, 1 + 3 * cols), np.uint8)
    lines[:, 0] = _SUB
    left = np.zeros_like(pixels)
    left[:, 1:] = pixels[:, :-1]
    lines[:, 1:] = (pixels - left).reshape(rows, 3 * cols)  # Modulo 256, as PNG wants it.
    header = struct.pack(">IIBBBBB", cols, rows, 8, _TRUE_COLOUR, 0, 0, 0)
    return _SIGNATURE + b"".join(
        _chunk(kind, data)
        for kind, data in (
            (b"IHDR", header),
            (b"IDAT", zlib.compress(lines.tobytes(), 9)),
            (b"IEND", b""),
        )
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
