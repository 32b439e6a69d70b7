"""What is to be made of a product, and all that can be checked before the work starts."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from s2_superres.bands import (
    BANDS,
    BANDS_10M,
    BANDS_20M,
    BANDS_60M,
    BY_NAME,
    BY_RESOLUTION,
    INPUTS,
    Band,
    find_band,
)
from s2_superres.choices import DEFAULT_NETWORK, Values
from s2_superres.errors import InputError
from s2_superres.files.gdal import check_proj
from s2_superres.inference import blocks
from s2_superres.networks import support
from s2_superres.networks.compute import Compute
from s2_superres.networks.selection import WeightsFiles, choose_networks
from s2_superres.networks.sharpener import sharpener
from s2_superres.products.area import find_area, find_polygons
from s2_superres.products.masks import choose_masks, require_masks
from s2_superres.products.openers import Source, open_product
from s2_superres.products.product import Product
from s2_superres.products.remote import Sign
from s2_superres.raster.grid import UNIT, Area, Bounds, Grid
from s2_superres.raster.windows import Plan, plan
from s2_superres.writers.formats import formats

#: Options of other types than their checks tell, what these are, and what to give.
_KINDS: tuple[tuple[tuple[str, ...], Any, str], ...] = (
    (
        ("include_10m", "with_error", "mask_outside", "consistent", "overwrite"),
        bool | np.bool_,
        "True or False",
    ),
    (("bands", "masks"), Collection, "names, such as ['B05', 'B8A'] or 'scl'"),
    (("aoi",), str | os.PathLike, "the path of a vector file"),
    (("granule",), str, "a tile, such as 'T33UUB'"),
    (("sign",), Callable, "a function from a URL to a URL"),
    (("creation_options",), Mapping, "names and values, such as {'COMPRESS': 'ZSTD'}"),
    (("stac",), bool | str | os.PathLike, "True, or the path of the item"),
)


def _is_box(value: object) -> bool:
    try:
        return len([float(side) for side in value]) == 4  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        return False


@dataclass(frozen=True)
class Options:
    """What to make of a product, and how.

    Attributes
    ----------
    bands : sequence of str or str, optional
        Bands of the output, also as ``"B05,B8A"``; all 20 m and 60 m bands by
        default. Only the networks that they need are run.
    include_10m : bool
        Add the 10 m bands as they are.
    with_error : bool
        Add an error bar per sharpened band, ``B05_err90`` and so on.
    values : {"dn", "harmonised", "reflectance"}
        What the output's numbers are: digital numbers as in the product, digital numbers with
        the offset of baseline 04.00 removed, or reflectance in float32.
    masks : sequence of str or str, optional
        What the product says of its pixels, to be put beside the bands: ``"scl"``, the scene
        classification of L2A, and ``"cloud"``; also as ``"scl,cloud"``.
    bbox, bounds : tuple of float, optional
        Left, bottom, right, top in degrees, or in the product's CRS.
    aoi : path, optional
        A vector file.
    mask_outside : bool
        Make no data of what lies outside the polygons of `aoi`.
    granule : str, optional
        Tile, for products with several.
    offset : float, optional
        -1000 or 0: what to add to the digital numbers, where a catalogue contradicts itself.
    sign : callable, optional
        Makes the URL to read of one in a catalogue, such as ``planetary_computer.sign``.
    network : str
        ``"default"``, ``"compact"``, ``"dsen2"``, ``"vdsen2"`` or ``"none"``.
    weights : path, sequence of paths or mapping of resolution to path, optional
        Files to take instead of those that ship; ``"none"`` for the local
        regression without weights.
    consistent : bool
        Whether the output, degraded, returns the measured bands.
    precision : {"auto", "float32", "bfloat16"}
    tile : int, optional
        10 m pixels along the side of a window, with its halo.
    threads : int, optional
    device : str
        ``auto``, ``cpu``, ``gpu`` or ``gpu:1``.
    format : str, optional
        Such as ``"cog"``, ``"gtiff"``; by the output's ending by default, and else a
        cloud-optimised GeoTIFF.
    creation_options : mapping of str to str
        The format's, such as ``{"COMPRESS": "ZSTD"}``.
    stac : bool or path
        Write a STAC item of the output too: beside it with the ending ``.json``, or there.
    overwrite : bool
    """

    bands: Sequence[str] | str | None = None
    include_10m: bool = False
    with_error: bool = False
    values: str = Values.DN
    masks: Sequence[str] | str | None = None
    bbox: Bounds | None = None
    bounds: Bounds | None = None
    aoi: str | Path | None = None
    mask_outside: bool = False
    granule: str | None = None
    offset: float | None = None
    sign: Sign | None = None
    network: str = DEFAULT_NETWORK
    weights: WeightsFiles | None = None
    consistent: bool = True
    precision: str = "auto"
    tile: int | None = None
    threads: int | None = None
    device: str = "auto"
    format: str | None = None
    creation_options: Mapping[str, str] = field(default_factory=dict)
    stac: bool | str | Path = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.format is not None and self.format not in formats():
            raise InputError(f"format {self.format!r}: choose {' or '.join(formats())}")
        if self.values not in set(Values):
            raise InputError(f"values {self.values!r}: choose {' or '.join(Values)}")
        self.compute()
        choose_masks(self.masks)
        if self.mask_outside and self.aoi is None:
            raise InputError("mask_outside: give polygons with --aoi")
        for name in ("bbox", "bounds"):
            box = getattr(self, name)
            if box is not None and not _is_box(box):
                raise InputError(f"{name} {box!r}: give left, bottom, right and top")

    def _check_kinds(self) -> None:
        """Check the types of what is not looked at until later, in the middle of the work maybe."""
        for names, kinds, words in _KINDS:
            for name in names:
                value = getattr(self, name)
                if value is not None and not isinstance(value, kinds):
                    raise InputError(f"{name} of {type(value).__name__}: give {words}")

    def compute(self) -> Compute:
        """Return how the networks are to run."""
        return Compute(self.precision, self.tile, self.threads, self.device)


@dataclass(frozen=True)
class Prepared:
    """A run that is ready to start: everything checked, no pixel read.

    Attributes
    ----------
    product : Product
    bands : tuple of Band
        Of the output, in order.
    area : Area
        In 10 m pixels of the product.
    windows : Plan
    job : Job
    options : Options
    inside : tuple of dict
        Polygons as GeoJSON in the product's CRS, outside of which there is to be no data;
        empty for everywhere.
    """

    product: Product
    bands: tuple[Band, ...]
    area: Area
    windows: Plan
    job: blocks.Job
    options: Options
    inside: tuple[dict[str, Any], ...] = ()

    @property
    def grid(self) -> Grid:
        """The output's grid."""
        return self.product.grid.crop(self.area)

    @property
    def sources(self) -> tuple[Band, ...]:
        """The bands to read."""
        return tuple(b for b in BANDS if b.resolution in self.job.resolutions)

    @property
    def with_errors(self) -> tuple[Band, ...]:
        """The bands whose error bars follow them in the output."""
        if not self.options.with_error:
            return ()
        return tuple(band for band in self.bands if band.resolution != 10)

    @property
    def names(self) -> list[str]:
        """What is in the output, in order."""
        named = [b.name for b in self.bands] + [error_name(b) for b in self.with_errors]
        return named + [mask.name.upper() for mask in self.job.masks]

    def to_dict(self) -> dict[str, Any]:
        """Return what will be done as plain values that JSON can hold."""
        return {
            "product": self.product.name,
            "level": self.product.level,
            "baseline": self.product.baseline,
            "crs": self.grid.crs,
            "bounds": list(self.grid.bounds),
            "rows": self.area.rows,
            "cols": self.area.cols,
            "bands": self.names,
            "values": str(self.options.values),
            "windows": len(self.windows),
            "window_shape": list(self.windows.outer_shape),
            "precision": self.job.sharpener.compute.precision,
            "consistent": self.options.consistent,
            "networks": [
                {
                    "resolution": resolution,
                    "family": weights.spec.family,
                    "weights": weights.name,
                    "sha256": weights.sha256,
                    "halo": support.halo(weights.spec),
                }
                for resolution, weights in self.job.sharpener.weights.items()
            ],
        }


def error_name(band: Band) -> str:
    """Return what a band's error bar is called."""
    return f"{band.name}_err90"


def prepare(product: Product | Source, options: Options | None = None) -> Prepared:
    """Check everything that can be checked before the work starts.

    Raises
    ------
    S2SuperresError
        If the product, the area, the bands or the weights cannot be used.
    """
    options = options or Options()
    check_proj()
    if not isinstance(product, Product):
        product = open_product(product, options.granule, offset=options.offset, sign=options.sign)
    bands = choose_bands(options.bands, options.include_10m)
    resolutions = tuple(r for r in (20, 60) if any(b.resolution == r for b in bands))
    if not resolutions:
        raise InputError("nothing to sharpen: --bands names only 10 m bands; add one of 20 or 60 m")
    product.require_level()
    product.require(band for r in INPUTS[max(resolutions)] for band in BY_RESOLUTION[r])
    masks = choose_masks(options.masks)
    require_masks(product, masks)
    area = find_area(product.grid, bbox=options.bbox, bounds=options.bounds, aoi=options.aoi)
    networks = choose_networks(
        resolutions,
        product.level,
        network=options.network,
        weights=options.weights,
        consistent=options.consistent,
    )
    made = sharpener(networks, options.compute().ready(), options.with_error)
    unit = UNIT if area.is_aligned() else blocks.unit_of(made.inputs)
    windows = plan(area, made.tile, made.halo, unit)
    job = blocks.Job(made, windows.outer_shape, product.radiometry(), masks)
    inside: tuple[dict[str, Any], ...] = ()
    if options.mask_outside and options.aoi is not None:
        inside = find_polygons(product.grid, options.aoi)
    return Prepared(product, bands, area, windows, job, options, inside)


def choose_bands(names: Sequence[str] | str | None, include_10m: bool) -> tuple[Band, ...]:
    """Return the bands of the output in ESA's order.

    Raises
    ------
    InputError
        If there is no such band.
    """
    if names is None:
        wanted = {*BANDS_20M, *BANDS_60M}
    else:
        wanted = set()
        if isinstance(names, str):
            names = names.replace(",", " ").split()
        if not names:
            raise InputError(f"no bands are asked for; choose from {' '.join(BY_NAME)}")
        for name in names:
            try:
                wanted.add(find_band(name))
            except KeyError:
                raise InputError(
                    f"no band {name!r} to make; choose from {' '.join(BY_NAME)}"
                ) from None
    if include_10m:
        wanted |= set(BANDS_10M)
    return tuple(band for band in BANDS if band in wanted)
