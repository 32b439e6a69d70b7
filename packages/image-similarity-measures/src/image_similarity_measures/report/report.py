"""The result of a comparison, and its forms: dictionary, JSON, CSV, table."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from image_similarity_measures.metrics import METRICS

__all__ = ["Failure", "Report", "Result", "to_csv", "to_json", "to_table"]


@dataclass(frozen=True, slots=True)
class Result:
    """One metric's outcome.

    Attributes
    ----------
    name : str
        The metric.
    value : float
        Aggregate over the bands; infinite for identical images where the metric says so, NaN
        where no pixel or window is valid.
    per_band : tuple of float or None
        One value per band, None where the metric has none.
    unit : str
        ``""`` when dimensionless, ``"dn"`` for the unit of the data.
    data_range : float, (float, float) or None
        The data range used, the least and the largest value where the least is not 0; None where
        the metric needs none.
    share : float
        Share of the image's pixels, windows or cells, whichever the metric averages, that are
        valid, 0 to 1.
    """

    name: str
    value: float
    per_band: tuple[float, ...] | None = None
    unit: str = ""
    data_range: float | tuple[float, float] | None = None
    share: float = 1.0

    @property
    def title(self) -> str:
        """The metric's full name."""
        return METRICS[self.name].title

    @property
    def better(self) -> str:
        """Which values are better: "higher", "lower", or "zero" for those close to zero."""
        return METRICS[self.name].better

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        return METRICS[self.name].higher_is_better

    @property
    def ideal(self) -> float:
        """The value of identical images."""
        return METRICS[self.name].ideal

    def reaches(self, bound: float) -> bool:
        """Whether the value is at least as good as `bound`; NaN never is."""
        return METRICS[self.name].reaches(self.value, bound)


@dataclass(frozen=True, slots=True)
class Report:
    """How similar two images are.

    Attributes
    ----------
    image1, image2 : str or None
        File names as they were given, None for arrays.
    results : tuple of Result
        In the order asked; ``report["psnr"]`` is the one of that name.
    bands : tuple of int or str
        The bands compared, counted from 1, or named as xarray's arrays name them.
    valid_share : float
        Share of the pixels that count in both images, 0 to 1.
    definitions : {"1", "0.3"}
        Whose definitions the values follow.
    version : str
        Version of the package.
    notes : tuple of str
        What deserves a second look.
    """

    image1: str | None
    image2: str | None
    results: tuple[Result, ...]
    bands: tuple[int | str, ...]
    valid_share: float
    version: str
    definitions: Literal["1", "0.3"] = "1"
    notes: tuple[str, ...] = field(default=())

    def __getitem__(self, name: str) -> Result:
        for result in self.results:
            if result.name == name:
                return result
        raise KeyError(name)

    @property
    def metrics(self) -> dict[str, float]:
        """Value of each metric by name."""
        return {result.name: result.value for result in self.results}

    @property
    def per_band(self) -> dict[str, tuple[float, ...]]:
        """Values per band of each metric that has them, by name."""
        return {
            result.name: result.per_band for result in self.results if result.per_band is not None
        }

    def __str__(self) -> str:
        """As `to_table`: what ``print`` shows."""
        return self.to_table().rstrip("\n")

    def to_dict(self, *, per_band: bool = True) -> dict[str, Any]:
        """The report in types that JSON knows.

        Parameters
        ----------
        per_band : bool
            With the values per band.

        Returns
        -------
        dict
            Keys ``image1``, ``image2``, ``metrics`` and, beyond those of version 0.3,
            ``per_band``, ``bands``, ``details``, ``valid_share``, ``notes``, ``definitions``,
            ``version``. A value that is not finite is None and explained in ``notes``.
        """
        content: dict[str, Any] = {
            "image1": self.image1,
            "image2": self.image2,
            "metrics": {result.name: _finite(result.value) for result in self.results},
        }
        if per_band:
            content["per_band"] = {
                name: [_finite(value) for value in values] for name, values in self.per_band.items()
            }
        details = {
            result.name: {
                "better": result.better,
                "ideal": _finite(result.ideal),
                "unit": result.unit,
                "data_range": result.data_range,
                "share": result.share,
            }
            for result in self.results
        }
        return content | {
            "bands": list(self.bands),
            "details": details,
            "valid_share": self.valid_share,
            "notes": [*self.notes, *self._unwritable(per_band)],
            "definitions": self.definitions,
            "version": self.version,
        }

    def to_json(self, *, per_band: bool = True, indent: int | None = 2) -> str:
        """`to_dict` as strict JSON: no ``NaN``, no ``Infinity``."""
        return _dumps(self.to_dict(per_band=per_band), indent)

    def to_csv(self, *, per_band: bool = True) -> str:
        """A header and one row; see `to_csv` of this module for several reports."""
        return to_csv([self], per_band=per_band)

    def to_table(self, *, per_band: bool = True) -> str:
        """Aligned text for people, one line per metric."""
        header = ["metric", "value", "unit", "better", "ideal", "data range"]
        if per_band:
            header += [f"band {band}" for band in self.bands]
        lines = [header]
        for result in self.results:
            line = [
                result.name,
                _short(result.value),
                result.unit,
                result.better,
                _short(result.ideal),
                _range(result.data_range),
            ]
            if per_band:
                line += [_short(value) for value in result.per_band or ()]
            lines.append(line)
        names = [f"{self.image1} | {self.image2}"] if self.image1 else []
        share = f"{100 * self.valid_share:.4g} % of the pixels are valid"
        return "\n".join([*names, *_aligned(lines), share]) + "\n"

    def _unwritable(self, per_band: bool) -> list[str]:
        """Notes on the values that JSON cannot hold."""
        notes = []
        for result in self.results:
            values = [result.value, *((per_band and result.per_band) or ())]
            if any(math.isinf(value) for value in values):
                where = "" if math.isinf(result.value) else " in a band"
                notes.append(
                    f"{result.name} is {_short(_first_infinite(values))}{where}, written as null"
                )
            if any(math.isnan(value) for value in values):
                notes.append(f"{result.name} is not defined here (NaN), written as null")
        return notes


@dataclass(frozen=True, slots=True)
class Failure:
    """A pair that could not be compared, and why."""

    image1: str
    image2: str
    error: str


def to_json(
    reports: Sequence[Report],
    *,
    per_band: bool = True,
    indent: int | None = 2,
    failed: Sequence[Failure] = (),
    unpaired: Sequence[str] = (),
) -> str:
    """Several reports as strict JSON.

    An object whose ``pairs`` are the reports, beside the pairs that ``failed`` and the files that
    are ``unpaired``.
    """
    content = {
        "pairs": [report.to_dict(per_band=per_band) for report in reports],
        "failed": [asdict(failure) for failure in failed],
        "unpaired": list(unpaired),
    }
    return _dumps(content, indent)


def to_csv(
    reports: Sequence[Report], *, per_band: bool = True, failed: Sequence[Failure] = ()
) -> str:
    """One row per report, then one per pair that failed.

    Columns are ``image1``, ``image2``, the metrics, with ``per_band`` also ``<metric>_<band>``,
    ``valid_share``, ``data_range`` (``least..largest`` where the least is not 0; empty where no
    metric needs one) and, where pairs failed, ``error``. Infinite values are written ``inf``,
    undefined ones ``nan``.
    """
    columns, rows = _columns(reports, per_band)
    columns.append("data_range")
    for row, report in zip(rows, reports, strict=True):
        ranges = (result.data_range for result in report.results)
        row["data_range"] = next((_range(one) for one in ranges if one is not None), "")
    if failed:
        columns.append("error")
        rows += [asdict(failure) for failure in failed]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def to_table(reports: Sequence[Report], *, per_band: bool = False) -> str:
    """Aligned text with the rows and columns of `to_csv`."""
    columns, rows = _columns(reports, per_band)
    lines = [[*columns[:-1], "valid %"]]
    for row in rows:
        row["valid_share"] = float(f"{100 * row['valid_share']:.4g}")
        lines.append([_cell(row.get(column)) for column in columns])
    return "\n".join(_aligned(lines, text_columns=2)) + "\n"


def _columns(reports: Sequence[Report], per_band: bool) -> tuple[list[str], list[dict[str, Any]]]:
    """Names of the columns, and a row per report that need not have all of them."""
    rows: list[dict[str, Any]] = []
    for report in reports:
        row: dict[str, Any] = {"image1": report.image1, "image2": report.image2}
        for result in report.results:
            row[result.name] = result.value
            if per_band and result.per_band is not None:
                names = (f"{result.name}_{band}" for band in report.bands)
                row |= dict(zip(names, result.per_band, strict=True))
        rows.append(row)
    columns = list(dict.fromkeys(["image1", "image2", *(name for row in rows for name in row)]))
    for row, report in zip(rows, reports, strict=True):
        row["valid_share"] = report.valid_share
    return [*columns, "valid_share"], rows


def _dumps(content: dict[str, Any], indent: int | None) -> str:
    # Escaped, names of files come through every encoding, and need not be Unicode themselves.
    text = json.dumps(content, indent=indent, allow_nan=False)
    # Lists of numbers on one line; a line break is never part of a JSON string.
    return re.sub(r"\[\n[^\[\]{}\"]+\]", _on_one_line, text) + "\n"


def _on_one_line(match: re.Match[str]) -> str:
    return "[" + " ".join(match[0][1:-1].split()) + "]"


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _first_infinite(values: Iterable[float]) -> float:
    return next(value for value in values if math.isinf(value))


def _cell(value: str | float | None) -> str:
    return _short(value) if isinstance(value, float) else value or ""


def _short(value: float) -> str:
    return f"{value:.6g}"


def _range(data_range: float | tuple[float, float] | None) -> str:
    if isinstance(data_range, tuple):
        return "..".join(map(_short, data_range))
    return "" if data_range is None else _short(data_range)


def _aligned(lines: Sequence[Sequence[str]], text_columns: int = 1) -> list[str]:
    """Pad the columns: words to the left, the numbers after them to the right."""
    widths = [0] * max(map(len, lines))
    for line in lines:
        for index, cell in enumerate(line):
            widths[index] = max(widths[index], len(cell))
    return [
        "  ".join(
            cell.ljust(width) if index < text_columns else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    ]
