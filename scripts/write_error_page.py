"""Write docs/when-something-goes-wrong.md: every error message of both packages, with its cure.

``python scripts/write_error_page.py`` reads the messages from the source, where each is one line
that names what is wrong and, behind a semicolon, the next step. A test asks that the page is of
the present source.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "when-something-goes-wrong.md"
PACKAGES = {
    "s2-superres": ROOT / "packages/s2-superres/src/s2_superres",
    "image-similarity-measures": ROOT / "packages/image-similarity-measures/src"
    "/image_similarity_measures",
}
#: A next step behind a colon begins with one of these.
_STEP = re.compile(
    r": (?:add|align|call|choose|crop|cut|give|leave|name|pip|put|say|set|take|update|use)\b"
)
HEAD = """\
# When something goes wrong

A command says what is wrong in one line on standard error and ends with 1, or with 2 where it was
called wrongly; functions raise the same line as one of the classes below. `…` stands for what
differs: a file, a value. This page is written from the source by `scripts/write_error_page.py`.
"""


def error_classes(package: Path) -> dict[str, str]:
    """The errors of a package and what their docstrings say, in the order of its module."""
    tree = ast.parse((package / "errors.py").read_text(encoding="utf-8"))
    return {
        node.name: (ast.get_docstring(node) or "").splitlines()[0]
        for node in tree.body
        if isinstance(node, ast.ClassDef) and ast.get_docstring(node)
    }


def text_of(node: ast.expr) -> str | None:
    """A message as far as the source tells it, with ``…`` for what differs."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        parts = (text_of(each) or "…" for each in node.values)
        return "".join(parts)
    if isinstance(node, ast.FormattedValue):
        return "…"
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return f"{text_of(node.left) or '…'}{text_of(node.right) or '…'}"
    return None


def messages(package: Path) -> Iterator[tuple[str, str]]:
    """Each error that is raised or made: its class and its message."""
    known = error_classes(package)
    for path in sorted(package.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            name = getattr(node.func, "id", getattr(node.func, "attr", None))
            text = text_of(node.args[0])
            # What only repeats another error, with a file before it, is that error's message.
            if name in known and text is not None and any(map(str.isalpha, text)):
                yield name, " ".join(text.split())


def parts(text: str) -> tuple[str, str]:
    """What a message says, and the next step: behind a semicolon, or a colon and a verb.

    A step that differs may bring its own semicolon, behind what is in parentheses.
    """
    said, mark, cure = text.partition("; ")
    if not mark:
        said, mark, cure = text.rpartition(next(iter(_STEP.findall(text)), "; "))
        cure = mark.removeprefix(": ") + cure
    if not mark:
        said, cure = (text[:-1], "…") if text.endswith(")…") else (text, "")
    return said, cure.removeprefix("; ")


def table(rows: list[str]) -> Iterator[str]:
    """Rows of what is said and what to do."""
    yield "| what it says | what to do |"
    yield "|---|---|"
    for text in rows:
        said, cure = parts(text)
        yield f"| {escaped(said)} | {escaped(cure)} |"


def escaped(text: str) -> str:
    """Text as Markdown shows it."""
    for sign in "\\|*_<>[]`$":
        text = text.replace(sign, f"\\{sign}")
    return text


def page() -> str:
    """The whole page."""
    lines = [HEAD]
    for package, folder in PACKAGES.items():
        lines.append(f"## {package}\n")
        found = list(messages(folder))
        for name, meaning in error_classes(folder).items():
            rows = sorted({text for each, text in found if each == name}, key=str.casefold)
            if rows:
                lines += [f"### {name}\n", f"{meaning}\n", *table(rows), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
