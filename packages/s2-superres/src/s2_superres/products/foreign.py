"""Data that are known and not read: what they are, and what to fetch in their place."""

from __future__ import annotations

import re
from pathlib import Path

_SAFE = "fetch the product as .SAFE from the Copernicus Data Space"

#: A pattern that a name in the folder matches, or the name of the file itself, what it tells of,
#: and the cure. The first that matches counts.
_FOREIGN = (
    (r"tileInfo\.json|R(?:10|20|60)m/B0\d\.jp2|(?:^|/)B(?:0\d|8A)\.jp2",
     "a tile as Sinergise keeps them on AWS, without the product's metadata",
     f"{_SAFE}, or give the STAC item of the tile"),
    (r"SENTINEL2[A-C]_\d{8}-\d{6}-\d+_L[12][A-Z]_T\w{5}_|_(?:FRE|SRE)_B\d+A?\.tif",
     "a product of Theia (MAJA)",
     f"its corrections differ from those the networks know; {_SAFE}"),
    (r"L[COTEM]0\d_L\w{3}_\d{6}_\d{8}", "a Landsat scene",
     f"only Sentinel-2 has the bands; {_SAFE}"),
    (r"S2[A-C]_MSIL1B_|MTD_MSIL1B", "a Sentinel-2 product of level 1B",
     "it is not yet on a map grid; fetch L1C or L2A"),
    (r"HLS\.[SL]30\.", "a tile of HLS, at 30 m", _SAFE),
    (r"S3[AB]_OL_|S1[A-D]_IW_", "a product of another Sentinel", _SAFE),
    (r"_TCI(?:_10m)?\.(?:jp2|tiff?)$|(?:^|/)TCI\.(?:jp2|tiff?)$", "a picture in true colour",
     "it holds no reflectances; give the product's .SAFE folder"),
    (r"(?:^|_)B(?:0?\d|1[0-2]|8A)(?:_(?:10|20|60)m)?\.(?:jp2|tiff?)$", "one band",
     "networks need them all; give the product's .SAFE folder, or a STAC item of the bands"),
)  # fmt: skip
#: The kinds of it, in the order of the table, for messages.
_KINDS = "AWS (Sinergise) tiles, Theia/MAJA, Landsat, HLS, level 1B, pictures and single bands"
_LARGEST_FOLDER = 10_000


def known() -> str:
    """Return what is known and not supported, in words."""
    return _KINDS


def foreign(path: Path) -> str:
    """Say what a file or folder is that is no product, and what to do; empty if it is not known.

    Only names are looked at, two folders deep.
    """
    names = [path.name]
    if path.is_dir():
        names += [_relative(path, child) for child in _children(path)]
    for pattern, what, cure in _FOREIGN:
        known = re.compile(pattern)
        if any(known.search(name) for name in names):
            return f"{what}, which is not supported; {cure}"
    return ""


def _children(path: Path) -> list[Path]:
    try:
        first = sorted(path.iterdir())[:_LARGEST_FOLDER]
        return first + [
            below for child in first if child.is_dir() for below in sorted(child.iterdir())
        ]
    except OSError:
        return []


def _relative(path: Path, child: Path) -> str:
    return child.relative_to(path).as_posix()
