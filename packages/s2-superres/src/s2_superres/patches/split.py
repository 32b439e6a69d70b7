"""Which places are learned from, and which are kept for validation."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from s2_superres.errors import InputError
from s2_superres.patches.scene import SceneFacts


@dataclass(frozen=True)
class Split:
    """Which places are kept for validation.

    Attributes
    ----------
    places : tuple of str
        These, by name.
    share : float
        This share of the other places whose source does not tell, drawn by the seed. Of a place
        that is the only one, `cut_patches` keeps this share of its rows.
    """

    places: tuple[str, ...] = ()
    share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InputError(f"validation share {self.share}: give 0 to 1")

    def assign(self, facts: Sequence[SceneFacts], seed: int = 0) -> dict[str, str]:
        """Return ``train`` or ``validation`` per place.

        A place lies on one side with all its scenes: on that of validation if it is named,
        or the source of any of its scenes says so.

        Raises
        ------
        InputError
            If a place that was named is not there.
        """
        known = {fact.place for fact in facts}
        for place in self.places:
            if place not in known:
                raise InputError(
                    f"validation place {place!r}: not there; choose from {', '.join(sorted(known))}"
                )
        sides = {fact.place: fact.split for fact in facts if fact.split == "train"}
        sides |= {fact.place: fact.split for fact in facts if fact.split == "validation"}
        sides |= dict.fromkeys(self.places, "validation")
        open_places = sorted(
            known - set(sides),
            key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).digest(),
        )
        # One place alone is for training, and where there are more, one is left for it.
        if any(side == "train" for side in sides.values()):
            spare = len(open_places)
        else:
            spare = len(open_places) - 1
        kept = min(math.ceil(self.share * len(open_places)), max(spare, 0))
        for number, place in enumerate(open_places):
            sides[place] = "validation" if number < kept else "train"
        return {place: side or "train" for place, side in sides.items()}
