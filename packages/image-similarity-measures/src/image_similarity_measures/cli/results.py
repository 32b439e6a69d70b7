"""What is written of the reports, and whether they are good enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from image_similarity_measures.report.pairs import Pairing

from .batch import Outcome
from .options import Format
from .printing import say

if TYPE_CHECKING:
    from image_similarity_measures.report.report import Failure, Report


@dataclass
class Results:
    """What came of the pairs, in their order however they were scored.

    Attributes
    ----------
    pairing : Pairing
    reports : list of Report
    failed : list of Failure
    """

    pairing: Pairing
    reports: list[Report] = field(default_factory=list)
    failed: list[Failure] = field(default_factory=list)
    _told: bool = False

    def say_what_is_left_out(self) -> None:
        """Name the files that are compared with none."""
        for path in self.pairing.alone:
            say(f"warning: {path} has no partner and is left out")
        for note in self.pairing.notes:
            say(f"warning: {note}")

    def add(self, outcome: Outcome, *, quiet: bool, verbose: bool) -> None:
        """Take in an outcome and say what is to be said of it."""
        from image_similarity_measures.opencv import slower_without
        from image_similarity_measures.report.report import Failure

        pair, result = outcome.task, outcome.result
        if isinstance(result, Failure):
            self.failed.append(result)
            named = pair.pred in result.error
            say(f"error: {result.error}" if named else f"error: {pair.pred}: {result.error}")
            return
        self.reports.append(result)
        for note in () if quiet else result.notes:
            if note != slower_without():
                say(f"warning: {pair.pred}: {note}")
            elif not self._told:
                say(f"warning: {note}")
                self._told = True
        if verbose:
            say(f"{pair.org} | {pair.pred}: {outcome.seconds:.2f} s")

    def sort(self) -> None:
        """Bring reports and failures into the order of the pairs."""
        order = {pair: number for number, pair in enumerate(self.pairing.pairs)}
        self.reports.sort(key=lambda one: order[str(one.image1), str(one.image2)])
        self.failed.sort(key=lambda one: order[one.image1, one.image2])

    def written(self, form: Format, *, per_band: bool) -> str:
        """Everything as text."""
        from image_similarity_measures.report import report

        if not self.pairing.batch:
            (one,) = self.reports
            if form is Format.csv:
                return one.to_csv(per_band=per_band)
            if form is Format.json:
                return one.to_json(per_band=per_band)
            return one.to_table(per_band=per_band)
        if form is Format.csv:
            return report.to_csv(self.reports, per_band=per_band, failed=self.failed)
        if form is Format.table:
            return report.to_table(self.reports, per_band=per_band)
        return report.to_json(
            self.reports, per_band=per_band, failed=self.failed, unpaired=self.pairing.alone
        )

    def shortfalls(self, bounds: Mapping[str, float]) -> list[str]:
        """What is not as good as asked."""
        if not bounds:
            return []
        found = [f"{path} has no partner" for path in self.pairing.alone]
        for report in self.reports:
            for name, bound in bounds.items():
                result = report[name]
                if not result.reaches(bound):
                    relation = {"higher": "below", "lower": "above"}.get(
                        result.better, "farther from 0 than"
                    )
                    found.append(
                        f"{report.image2}: {name} {result.value:.6g} is {relation} {bound:g}"
                    )
        return found
