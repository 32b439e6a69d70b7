"""Settings of the documentation of both packages."""

from __future__ import annotations

import os
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from image_similarity_measures import __version__
from image_similarity_measures.metrics.registry import METRICS, Metric

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
        "better is": "higher" if metric.higher_is_better else "lower",
        "ideal value": ideal,
        "unit": units.get(metric.unit, metric.unit),
        "per band": "yes" if metric.band_wise else "no",
        "local map": "yes" if metric.has_map else "no",
        "needs the data range": "yes" if metric.needs_range else "no",
    }
    header = "| " + " | ".join(rows) + " |\n" + "|---" * len(rows) + "|\n"
    return header + "| " + " | ".join(rows.values()) + " |"


myst_substitutions = {f"{name}_facts": facts(metric) for name, metric in METRICS.items()}


def add_tables(app: Sphinx, page: str, source: list[str]) -> None:
    """Put what the benchmarks have written at the end of the page on performance."""
    if page == "performance":
        for table in sorted(Path(__file__).parent.glob("performance/*.md")):
            include = f"```{{include}} performance/{table.name}\n```"
            source[0] += f"\n## {table.stem.capitalize()}\n\n{include}\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_tables)
    # One signature for a metric; its overloads are for type checkers.
    analyzer = ModuleAnalyzer.for_module("image_similarity_measures.metrics.functions")
    analyzer.analyze()
    analyzer.overloads.clear()
