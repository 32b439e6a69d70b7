"""Code as a user would write it, for the type checker only; it is never run."""

from __future__ import annotations

from s2_superres import bands, errors

names: tuple[str, ...] = tuple(band.name for band in bands.BANDS_20M)
metres: int = bands.BY_NAME["B8A"].resolution
wavelength: float = bands.B05.wavelength


def explain(problem: errors.S2SuperresError) -> str:
    return str(problem)


problem: ValueError = errors.AreaError("outside the tile")
