"""Settings of the documentation of both packages."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from image_similarity_measures import METRICS, Metric, __version__

EXAMPLES = Path(__file__).parents[1] / "examples"

project = "s2-superres and image-similarity-measures"
author = "The s2-superres and image-similarity-measures developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx-mathjax-offline",
    "sphinxcontrib.programoutput",
]
html_theme = "furo"
html_title = "Sentinel-2 super-resolution and its metrics"
exclude_patterns = ["_build", "performance/*"]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["dollarmath", "substitution"]
myst_heading_anchors = 3
# The docstrings give the types, in words that a reader of arrays knows.
autodoc_typehints = "none"
add_module_names = False
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# The code of the pages runs where the example images are.
doctest_global_setup = f"""
import dataclasses
import os
import numpy as np
import image_similarity_measures as ism
os.chdir({str(EXAMPLES)!r})
"""
doctest_test_doctest_blocks = ""
programoutput_prompt_template = "$ {command}\n{output}"
# Commands run to show their output draw no colours and no boxes wider than the page.
os.environ |= {"COLUMNS": "96", "TERMINAL_WIDTH": "96", "NO_COLOR": "1", "TERM": "dumb"}


def facts(metric: Metric) -> str:
    """The table that opens a metric's page."""
    units = {"": "none", "dn": "that of the data", "deg": "degrees"}
    ideal = "+∞" if metric.ideal == float("inf") else f"{metric.ideal:g}"
    rows = {
        "better is": {"zero": "closer to 0"}.get(metric.better, metric.better),
        "ideal value": ideal,
        "unit": units.get(metric.unit, metric.unit),
        "per band": "yes" if metric.band_wise else "no",
        "local map": "yes" if metric.has_map else "no",
        "needs the data range": "yes" if metric.needs_range else "no",
    }
    header = "| " + " | ".join(rows) + " |\n" + "|---" * len(rows) + "|\n"
    return header + "| " + " | ".join(rows.values()) + " |"


def overview() -> str:
    """The table of all metrics, with links to their pages or else to the reference."""
    lines = ["| metric | what it sees | blind to | range |", "|---|---|---|---|"]
    for name, metric in METRICS.items():
        link = f"{{py:obj}}`{name.upper()} <image_similarity_measures.{name}>`"
        if (Path(__file__).parent / "metrics" / f"{name}.md").exists():
            link = f"[{name.upper()}]({name}.md)"
        lines.append(f"| {link} | {metric.summary} | {metric.blind} | {metric.values} |")
    return "\n".join(lines)


myst_substitutions = {
    "metrics_overview": overview(),
    **{f"{name}_facts": facts(metric) for name, metric in METRICS.items()},
}


def reference() -> dict[str, str]:
    """What the reference lists of the registry: the functions, and the options of `Options`."""
    options = [
        f"   ``{name}_{field.name}``: {field.default!r}"
        for name, metric in METRICS.items()
        if metric.settings is not None
        for field in dataclasses.fields(metric.settings)
    ]
    return {
        ".. all-metrics::": "\n".join(f".. autofunction:: {name}" for name in METRICS),
        "   .. all-options::": "\n\n".join(options),
    }


def add_tables(app: Sphinx, page: str, source: list[str]) -> None:
    """Put in what the benchmarks have written, and what the registry of metrics lists."""
    if page == "performance":
        for table in sorted(Path(__file__).parent.glob("performance/*.md")):
            include = f"```{{include}} performance/{table.name}\n```"
            source[0] += f"\n## {table.stem.capitalize()}\n\n{include}\n"
    if page == "metrics/api":
        for mark, text in reference().items():
            source[0] = source[0].replace(mark, text)


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_tables)
    # One signature for a metric; its overloads are for type checkers.
    for name in METRICS:
        analyzer = ModuleAnalyzer.for_module(f"image_similarity_measures.metrics.{name}")
        analyzer.analyze()
        analyzer.overloads.clear()
