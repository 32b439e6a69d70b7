"""Settings of the documentation of both packages."""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer

from image_similarity_measures import __version__
from image_similarity_measures.registry import METRICS, Metric

ROOT = Path(__file__).parents[1]

project = "s2-superres and image-similarity-measures"
author = "The s2-superres and image-similarity-measures developers"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.doctest",
    "sphinx.ext.mathjax",
    "sphinxcontrib.programoutput",
]
html_theme = "furo"
html_title = "Sentinel-2 super-resolution and its metrics"
exclude_patterns = ["_build", "performance/*"]
suppress_warnings = ["config.cache"]

myst_enable_extensions = ["dollarmath", "substitution"]
myst_heading_anchors = 3
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
numpydoc_show_class_members = False

# The code of the pages runs in the checkout, where the example images are.
doctest_global_setup = f"""
import os
import numpy as np
import image_similarity_measures as ism
os.chdir({str(ROOT)!r})
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


def qualify_errors(app: Sphinx, doctree: nodes.document) -> None:
    """Let the name of an error mean the one of the package whose docstring names it."""
    for reference in doctree.findall(pending_xref):
        package = str(reference.get("py:module") or "").partition(".")[0]
        if package in ("image_similarity_measures", "s2_superres"):
            errors = import_module(f"{package}.errors")
            if hasattr(errors, reference["reftarget"]):
                reference["reftarget"] = f"{errors.__name__}.{reference['reftarget']}"


def setup(app: Sphinx) -> None:
    # One signature for a metric; its overloads are for type checkers.
    analyzer = ModuleAnalyzer.for_module("image_similarity_measures.metrics")
    analyzer.analyze()
    analyzer.overloads.clear()
    app.connect("doctree-read", qualify_errors)
