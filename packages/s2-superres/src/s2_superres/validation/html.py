"""A validation as one HTML file: tables, plots per band, images, and where they come from.

It takes a validation's JSON document and arrays of pictures, and knows nothing
of how they were made. The file needs no other file and no script; its text is in
``templates``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from s2_superres.validation.pictures import Pictures, figure
from s2_superres.validation.plots import curves, plots
from s2_superres.validation.table import DIGITS, coverage, digits_of, number

Document = Mapping[str, Any]

_COLOURS = ("#8a94a3", "#0b6fa4", "#d1642a", "#2f8f5b", "#8f5bb5", "#b58a00", "#c2406e", "#4d5a6a")


def html_report(document: Document, pictures: Sequence[Pictures | None]) -> str:
    """Return the report.

    Parameters
    ----------
    document : mapping
        As the `to_dict` of what `validate` returns.
    pictures : sequence of Pictures or None
        One for each of the document's comparisons.
    """
    scenes = document["scenes"]
    pairs = zip(document["comparisons"], pictures, strict=True)
    return _environment().get_template("report.html").render(
        document=document,
        title=scenes[0]["name"] if len(scenes) == 1 else f"{len(scenes)} scenes",
        colours={
            method["name"]: _COLOURS[index % len(_COLOURS)]
            for index, method in enumerate(document["methods"])
        },
        gains=list(_gains(document)),
        summaries=list(_summaries(document)),
        comparisons=[_comparison(document, *pair) for pair in pairs],
    )  # fmt: skip


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("s2_superres.validation"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters["digits"] = number
    return environment


def _resolutions(document: Document) -> list[int]:
    return sorted({comparison["resolution"] for comparison in document["comparisons"]})


def _gains(document: Document) -> Iterator[dict[str, Any]]:
    """Yield for each resolution what the best method gains over the first."""
    for resolution in _resolutions(document):
        means = [mean for mean in document["means"] if mean["resolution"] == resolution]
        first, rest = means[0], [m for m in means[1:] if m["overall"]["rmse"] is not None]
        if rest and first["overall"]["rmse"]:
            best = min(rest, key=lambda mean: float(mean["overall"]["rmse"]))
            rmse, first_rmse = best["overall"]["rmse"], first["overall"]["rmse"]
            yield {
                "resolution": resolution,
                "best": best["method"],
                "rmse": rmse,
                "first": first["method"],
                "first_rmse": first_rmse,
                "share": 1 - rmse / first_rmse,
            }


def _summaries(document: Document) -> Iterator[dict[str, Any]]:
    """Yield the RMSE of each scene, and the means, where there are several scenes."""
    for resolution in _resolutions(document):
        comparisons = [c for c in document["comparisons"] if c["resolution"] == resolution]
        if len(comparisons) < 2:
            continue
        names = [
            m["name"] for m in document["methods"] if coverage(document, resolution, m["name"])
        ]
        rows = []
        for comparison in comparisons:
            found = {r["method"]: r["overall"]["rmse"] for r in comparison["results"]}
            head = {"text": comparison["scene"], "anchor": _anchor(comparison)}
            rows.append(_row(head, [found.get(name) for name in names], 1))
        means = {m["method"]: m for m in document["means"] if m["resolution"] == resolution}
        rows.append(
            _row({"text": "mean"}, [means[name]["overall"]["rmse"] for name in names], 1, last=True)
        )
        yield {
            "resolution": resolution,
            "matrix": _table("Scene", [{"method": name} for name in names], rows),
            "means": _metrics(document, list(means.values())),
        }


def _comparison(
    document: Document, comparison: Mapping[str, Any], images: Pictures | None
) -> dict[str, Any]:
    resolution = comparison["resolution"]
    return {
        **comparison,
        "anchor": _anchor(comparison),
        "coarse": resolution * resolution // 10,
        "methods": [result["method"] for result in comparison["results"]],
        "metrics": _metrics(document, comparison["results"]),
        "figure": None if images is None else figure(comparison, images),
        "plots": list(plots(document["metrics"], comparison)),
        "curves": list(curves(comparison)),
        "per_band": list(_per_band(document, comparison)),
    }


def _metrics(document: Document, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return a table of one row a metric, one column a method."""
    rows = []
    for name in sorted(document["metrics"], key=_rank):
        metric = document["metrics"][name]
        lower = metric["better"] == "lower"
        head = {
            "text": name.upper(),
            "title": metric["title"],
            "unit": metric["unit"],
            "arrow": "↓" if lower else "↑",
        }
        values = [result["overall"].get(name) for result in results]
        rows.append(_row(head, values, digits_of(name), lower=lower))
    if any(result["agreement"] is not None for result in results):
        head = {
            "text": "full scale",
            "title": "Sharpened at full scale, degraded, against measured",
            "unit": "DN",
            "arrow": "↓",
        }
        rows.append(_row(head, [result["agreement"] for result in results], 2))
    return _table("", [{"method": result["method"]} for result in results], rows)


def _per_band(document: Document, comparison: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield for each metric a table of one row a method, one column a band."""
    for name in sorted(document["metrics"], key=_rank):
        rows = [
            {**_row({"method": r["method"]}, r["per_band"][name], digits_of(name)), "best": None}
            for r in comparison["results"]
            if name in r["per_band"]
        ]
        if rows:
            metric = document["metrics"][name]
            heads = [{"text": band} for band in comparison["bands"]]
            yield {**_table("", heads, rows), "title": metric["title"], "unit": metric["unit"]}


def _table(corner: str, heads: list[dict[str, str]], rows: list[dict[str, Any]]) -> dict[str, Any]:
    return {"corner": corner, "heads": [_head(head) for head in heads], "rows": rows}


def _head(head: Mapping[str, str]) -> dict[str, str]:
    return {"unit": "", "arrow": "", **head}


def _row(
    head: Mapping[str, str],
    values: Sequence[float | None],
    digits: int,
    *,
    lower: bool = True,
    last: bool = False,
) -> dict[str, Any]:
    """Return a row of numbers, and the best of them where there are several."""
    known = [value for value in values if value is not None]
    best = (min if lower else max)(known) if len(known) > 1 else None
    return {
        "head": _head(head), "cells": list(values), "digits": digits, "best": best, "last": last,
    }  # fmt: skip


def _rank(name: str) -> int:
    order = list(DIGITS)
    return order.index(name) if name in order else len(order)


def _anchor(comparison: Mapping[str, Any]) -> str:
    return f"{comparison['scene']}-{comparison['resolution']}m".replace(" ", "-")
