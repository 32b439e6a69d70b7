"""The commands the README promises are the commands there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def commands() -> list[str]:
    """The lines of the README's ``bash`` blocks."""
    blocks = re.findall(r"^```bash\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def sessions() -> set[str]:
    """The names of the nox sessions, read from the noxfile without nox."""
    source = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    return set(re.findall(r"^@nox\.session.*\ndef (\w+)", source, re.MULTILINE))


def test_two_commands_on_a_fresh_machine_show_it_and_test_it() -> None:
    asked = [re.search(r"nox -s (\S+)$", line) for line in commands()]
    assert [match and match[1] for match in asked] == ["demo", "tests"]


def test_every_session_the_readme_names_exists() -> None:
    table = re.findall(r"^\| `([\w.-]+)`", README, re.MULTILINE)
    inline = re.findall(r"nox -s ([\w.-]+)", README)
    named = {name for name in table + inline if not name.startswith("tests-")}
    assert {"demo", "tests", "docs", "wheel", "bench"} <= named
    assert named <= sessions()


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    steps = commands()[1].split(" && ")
    assert [line for line in script.splitlines() if line in steps] == steps


@pytest.mark.parametrize("target", re.findall(r"\]\((?!https?:)([^)#]+)\)", README))
def test_links_in_the_readme_lead_somewhere(target: str) -> None:
    assert (ROOT / target).exists()
