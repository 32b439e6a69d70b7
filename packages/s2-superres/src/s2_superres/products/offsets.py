"""Which offset pixels have, where what is said of them disagrees.

Catalogues keep copies with the 1000 of newer baselines taken out, beside metadata that still name
it, or with flags that are wrong. What several sources say alike is taken; where two disagree, the
pixels decide; where they cannot, nobody guesses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from s2_superres.bands import B8A, B11, B12, Band
from s2_superres.errors import ProductError
from s2_superres.raster.grid import Area

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from s2_superres.products.reading import Reader

#: With the 1000 in place, hardly any pixel lies below this, noise and Sen2Cor's clipping included.
_BELOW = 800
_SHARE = 1e-3
#: The darkest of a band that water and shadow leave black, with the 1000 in place.
_FLOOR = (900, 1120)
#: Water and shadow are black in these, sand and cloud are not.
DARK = (B8A, B11, B12)
_SHORT_WAVE = (B11, B12)
_WINDOWS = 4
_SIDE = 256


@dataclass(frozen=True)
class Claim:
    """What one source says of the offset.

    Attributes
    ----------
    source : str
        Such as ``s2:processing_baseline 05.09``.
    offset : float
        In digital numbers.
    """

    source: str
    offset: float


def decide(
    label: str,
    claims: Sequence[Claim],
    asked: float | None,
    pixels: Callable[[], Reader],
) -> tuple[float, str]:
    """Return the offset, and how it was found.

    Parameters
    ----------
    label : str
        The product, for messages.
    claims : sequence of Claim
        The most trusted first.
    asked : float or None
        What the user says, which settles it.
    pixels : callable
        Opens the product's pixels; only called where claims disagree.

    Raises
    ------
    ProductError
        If nothing tells, or the pixels cannot settle what disagrees.
    """
    said = "; ".join(f"{claim.source} says {claim.offset:g}" for claim in claims)
    if asked is not None:
        return asked, f"{asked:g}, as asked for" + (f" ({said})" if said else "")
    found = {claim.offset for claim in claims}
    if not found:
        raise ProductError(
            f"{label}: nothing tells whether its digital numbers are stored 1000 higher, as from "
            "baseline 04.00 on; say --offset -1000 or --offset 0"
        )
    if len(found) == 1:
        offset = found.pop()
        return offset, f"{offset:g}, by {' and '.join(claim.source for claim in claims)}"
    told, why = _ask(pixels)
    if told is None or told not in found:
        raise ProductError(
            f"{label}: its sources disagree on the offset ({said}), and the pixels do not tell "
            f"({why}); say --offset -1000 or --offset 0"
        )
    return told, f"{told:g}, by the pixels ({why}), for the sources disagree ({said})"


def _ask(pixels: Callable[[], Reader]) -> tuple[float | None, str]:
    """Return the offset that the pixels show, None if they show neither, and what was seen."""
    import numpy as np

    with pixels() as reader:
        values = {band: _sample(reader, band) for band in DARK}
    if any(dn.size < _SIDE for dn in values.values()):
        return None, "there is hardly any data"
    for band, dn in values.items():
        share = float(np.mean(dn < _BELOW))
        if share > _SHARE:
            return 0.0, f"{share:.2%} of {band.name} lie below {_BELOW}"
    floors = {band.name: float(np.quantile(values[band], _SHARE)) for band in _SHORT_WAVE}
    text = " and ".join(f"{name} from {floor:.0f} on" for name, floor in floors.items())
    if all(_FLOOR[0] <= floor <= _FLOOR[1] for floor in floors.values()):
        return -1000.0, text
    return None, f"nothing in them is dark: {text}"


def _sample(reader: Reader, band: Band) -> NDArray[Any]:
    """Return the valid pixels of some windows spread over a band."""
    import numpy as np

    ratio = band.resolution // 10
    rows, cols = (size // ratio for size in reader.size)
    side = min(_SIDE, rows, cols)
    found = []
    for row in np.linspace(0, rows - side, _WINDOWS).astype(int):
        for col in np.linspace(0, cols - side, _WINDOWS).astype(int):
            found.append(reader.read([band], Area(int(row), int(col), side, side)).ravel())
    dn = np.concatenate(found)
    valid: NDArray[Any] = dn[(dn != reader.product.nodata) & (dn != reader.product.saturated)]
    return valid
