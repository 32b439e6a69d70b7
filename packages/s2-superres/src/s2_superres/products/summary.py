"""A product in a few lines for people to read."""

from __future__ import annotations

from collections.abc import Iterator

from s2_superres.bands import BANDS
from s2_superres.products.product import Product


def summarize(product: Product) -> str:
    """Return what ``s2-superres info`` prints."""
    grid = product.grid
    left, bottom, right, top = grid.bounds
    lines = [
        ("product", product.name),
        ("file", product.path),
        ("level", product.level),
        ("baseline", product.baseline),
        ("tile", product.tile),
        ("acquired", _time(product)),
        ("spacecraft", f"{product.spacecraft}, relative orbit {product.orbit or 'unknown'}"),
        ("CRS", grid.crs or "none: a crop lies nowhere on earth"),
        ("bounds", f"{left:.10g} {bottom:.10g} {right:.10g} {top:.10g}"),
        ("size", f"{grid.rows} x {grid.cols} pixels of 10 m"),
        ("reflectance", _reflectance(product)),
        *product.facts.items(),
        *((f"{what} from", how) for what, how in product.decided.items()),
        ("special values", f"{product.nodata} no data, {product.saturated} saturated"),
    ]
    width = max(len(name) for name, _ in lines)
    head = [f"{name:<{width}}  {value}" for name, value in lines]
    return "\n".join([*head, "", *_bands(product)])


def _time(product: Product) -> str:
    return f"{product.acquired:%Y-%m-%d %H:%M:%S} UTC" if product.acquired else "unknown"


def _reflectance(product: Product) -> str:
    offsets = sorted(set(product.offsets.values()))
    if len(offsets) > 1:
        return f"(DN + offset of the band) / {product.quantification:g}"
    if not offsets[0]:
        return f"DN / {product.quantification:g}"
    sign = "-" if offsets[0] < 0 else "+"
    return f"(DN {sign} {abs(offsets[0]):g}) / {product.quantification:g}"


def _bands(product: Product) -> Iterator[str]:
    yield "band  metres  wavelength  offset  file"
    for band in BANDS:
        where = product.files.get(band.name) or f"MISSING: {product.missing[band.name]}"
        where = where[max(where.find("GRANULE/"), 0) :] if band.name in product.files else where
        yield (
            f"{band.name:<4}  {band.resolution:>6}  {product.wavelengths[band.name]:>7.1f} nm  "
            f"{product.offsets[band.name]:>6g}  {where}"
        )
