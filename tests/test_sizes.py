"""Modules and functions can be read at once, and test files say what they promise."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted(ROOT.glob("packages/*/src/**/*.py"))
TESTS = sorted([*ROOT.glob("packages/*/tests/**/test_*.py"), *ROOT.glob("tests/test_*.py")])
#: Lines of a module, and of a function without its docstring.
MODULE, FUNCTION = 400, 60


def name(path: Path) -> str:
    return path.as_posix().partition("/src/")[2]


def long_functions(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            described = (ast.get_docstring(node) or "").splitlines()
            lines = (node.end_lineno or 0) - node.lineno + 1
            if lines - (len(described) + 1 if described else 0) > FUNCTION:
                found.add(f"{name(path)}:{node.name}")
    return found


def test_no_module_is_long() -> None:
    assert not [path for path in SOURCES if len(path.read_text("utf-8").splitlines()) > MODULE]


def test_no_function_is_long() -> None:
    assert not {each for path in SOURCES for each in long_functions(path)}


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_a_test_file_begins_with_its_promise(path: Path) -> None:
    promise = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert promise and promise.splitlines()[0].endswith("."), "say in one line what it promises"
