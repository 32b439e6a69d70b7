"""A validation as text for people; everything comes from its JSON document."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

#: Metrics in the order in which they are shown, with their decimals.
DIGITS = {"rmse": 1, "sre": 1, "sam": 2, "uiq": 3, "psnr": 1, "ssim": 3, "fsim": 3, "issm": 3}
#: The paper's, which the table shows.
SHOWN = tuple(DIGITS)[:4]
_AGREEMENT = "agreement"

Document = Mapping[str, Any]


def table(document: Document, *, per_band: bool = False) -> str:
    """Return a validation's table.

    One scene: all methods with the paper's metrics. Several: the RMSE of every
    scene and method, with its mean, and the means of the other metrics.

    Parameters
    ----------
    document : mapping
        As `s2_superres.validation.wald.Validation.to_dict` returns it.
    per_band : bool
        Add the RMSE of every band.
    """
    blocks: list[list[str]] = []
    for resolution in sorted({c["resolution"] for c in document["comparisons"]}):
        comparisons = [c for c in document["comparisons"] if c["resolution"] == resolution]
        if len(comparisons) == 1:
            title = f"{resolution} m bands of {comparisons[0]['scene']} ({comparisons[0]['level']})"
            blocks.append(_metrics(document, title, comparisons[0]["results"]))
        else:
            blocks.append(_matrix(document, resolution, comparisons))
            title = f"{resolution} m bands, means over {len(comparisons)} scenes"
            means = [m for m in document["means"] if m["resolution"] == resolution]
            blocks.append(_metrics(document, title, means))
        blocks += _error_bars(comparisons)
        if per_band:
            blocks += [_bands(comparison) for comparison in comparisons]
    if document["notes"]:
        blocks.append([f"note: {note}" for note in document["notes"]])
    return "\n\n".join("\n".join(block) for block in blocks) + "\n"


def number(value: float | None, digits: int) -> str:
    """Return a value with so many decimals; a dash where there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def digits_of(metric: str) -> int:
    """Decimals that a metric is shown with."""
    return DIGITS.get(metric, 3)


def coverage(document: Document, resolution: int, method: str) -> int:
    """How many scenes a method was scored on."""
    for mean in document["means"]:
        if (mean["resolution"], mean["method"]) == (resolution, method):
            return int(mean["scenes"])
    return 0


def _metrics(document: Document, title: str, results: Iterable[Mapping[str, Any]]) -> list[str]:
    results = list(results)
    full_scale = any(result[_AGREEMENT] is not None for result in results)
    heads = [name.upper() for name in SHOWN]
    units = [document["metrics"][name]["unit"] for name in SHOWN]
    if full_scale:
        heads, units = [*heads, "full scale"], [*units, "DN"]
    most = max(result.get("scenes", 1) for result in results)
    rows = [
        [
            result["method"] + _fewer(result.get("scenes", 1), most),
            *(number(result["overall"].get(name), digits_of(name)) for name in SHOWN),
            *([number(result[_AGREEMENT], 2)] if full_scale else []),
        ]
        for result in results
    ]
    return [title, *_aligned([["", *heads], ["", *units], *rows])]


def _matrix(
    document: Document, resolution: int, comparisons: Sequence[Mapping[str, Any]]
) -> list[str]:
    methods = [
        method["name"]
        for method in document["methods"]
        if coverage(document, resolution, method["name"])
    ]
    rows = []
    for comparison in comparisons:
        found = {r["method"]: r["overall"]["rmse"] for r in comparison["results"]}
        rows.append([comparison["scene"], *(number(found.get(name), 1) for name in methods)])
    means = {mean["method"]: mean for mean in document["means"] if mean["resolution"] == resolution}
    rows.append(["mean", *(number(means[name]["overall"]["rmse"], 1) for name in methods)])
    lines = [f"{resolution} m bands, RMSE in DN", *_aligned([["", *methods], *rows])]
    partial = [
        f"{name}: {means[name]['scenes']}"
        for name in methods
        if means[name]["scenes"] < len(comparisons)
    ]
    if partial:
        lines.append(f"(means over fewer scenes: {', '.join(partial)})")
    return lines


def _bands(comparison: Mapping[str, Any]) -> list[str]:
    rows = [
        [result["method"], *(number(value, 1) for value in result["per_band"]["rmse"])]
        for result in comparison["results"]
    ]
    return [
        f"{comparison['scene']}, RMSE in DN",
        *_aligned([["", *comparison["bands"]], *rows]),
    ]


def _error_bars(comparisons: Sequence[Mapping[str, Any]]) -> Iterator[list[str]]:
    """One block per method whose weights tell error bars."""
    told: dict[str, list[tuple[str, Mapping[str, Any]]]] = {}
    for comparison in comparisons:
        for result in comparison["results"]:
            if result.get("coverage") is not None:
                told.setdefault(result["method"], []).append((comparison["scene"], result))
    for method, scenes in told.items():
        rows = [
            [
                scene,
                *(
                    f"{share:.0%} ±{number(width, 0)}"
                    for share, width in zip(
                        result["coverage_per_band"], result["half_width_per_band"], strict=True
                    )
                ),
                f"{result['coverage']:.0%}",
            ]
            for scene, result in scenes
        ]
        title = (
            f"{comparisons[0]['resolution']} m bands, error bars of {method}: "
            "pixels that they hold, and their size in DN"
        )
        yield [title, *_aligned([["", *comparisons[0]["bands"], "mean"], *rows])]


def _fewer(scenes: int, most: int) -> str:
    return "" if scenes == most else f" ({scenes} scenes)"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Pad the columns: the first to the left, the numbers to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield ("  " + "  ".join(cells)).rstrip()
