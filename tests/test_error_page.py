"""The page of error messages is of the present source, and holds every message."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "write_error_page.py"))


def test_the_page_is_of_the_present_source(script: dict[str, Any]) -> None:
    current = script["PAGE"].read_text(encoding="utf-8") == script["page"]()
    assert current, "run: python scripts/write_error_page.py"


def test_every_message_has_a_next_step(script: dict[str, Any]) -> None:
    """Behind a semicolon, or a colon and a verb: what to give, check, fetch, leave out."""
    folders = script["PACKAGES"].values()
    texts = [text for folder in folders for _, text in script["messages"](folder)]
    assert len(texts) > 300
    assert [text for text in texts if not all(script["parts"](text))] == []


@pytest.mark.parametrize(
    ("text", "said", "cure"),
    [
        ("…: damaged; fetch it again", "…: damaged", "fetch it again"),
        ("seed …: take 0 or more", "seed …", "take 0 or more"),
        ("…: damaged (…)…", "…: damaged (…)", "…"),
        ("…: damaged (…)", "…: damaged (…)", ""),
        ("a network: it takes 10 m", "a network: it takes 10 m", ""),
    ],
)
def test_a_next_step_is_told_from_what_is_said(
    script: dict[str, Any], text: str, said: str, cure: str
) -> None:
    assert script["parts"](text) == (said, cure)


def test_the_reader_of_messages_sees_every_form(script: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "errors.py").write_text('class OurError(Exception):\n    """Ours."""\n')
    (tmp_path / "module.py").write_text(
        "import errors\n"
        "def f(x):\n"
        "    if x:\n"
        '        raise OurError(f"{x}: is wrong" "; mend it")\n'
        '    errors.OurError("plain " + str(x))\n'
        "    raise OurError(str(x))\n"
        '    raise ValueError("not ours")\n'
    )
    assert sorted(script["messages"](tmp_path)) == [
        ("OurError", "plain …"),
        ("OurError", "…: is wrong; mend it"),
    ]
