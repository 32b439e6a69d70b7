"""The commands for training that the README and the documentation show work on one product."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click import Context
from typer.main import get_command
from typer.testing import CliRunner

from s2_superres.cli.app import app
from s2_superres.networks.weights import load_weights
from s2_superres.products.sample import sample_path

ROOT = Path(__file__).parents[1]
PAGES = ["packages/s2-superres/README.md", "docs/s2-superres/training.md"]
#: What makes each command short; nothing that it depends on.
SHORT = {
    "patches": "--count 4",
    "train": "--steps 2 --batch 1 --set features=8 --set blocks=1",
    "predict": "--bands B05 --bounds 443160,4173840,444360,4175040",
}


def commands(page: str) -> list[list[str]]:
    """The block of commands that begins with cutting patches."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    block = next(each for each in blocks if each.startswith("$ s2-superres patches"))
    return [shlex.split(line)[2:] for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES)
def test_the_commands_shown_work_on_the_sample(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From one small product to a network of its own, and its output."""
    monkeypatch.chdir(tmp_path)
    shown = commands(page)
    assert [words[0] for words in shown] == ["patches", "train", "predict"]
    for words in shown:
        stands_for = {"S2A_MSIL2A_*.SAFE": str(sample_path()), "PRODUCT": str(sample_path())}
        given = [stands_for.get(word, word) for word in words]
        done = CliRunner().invoke(app, [*given, *shlex.split(SHORT[words[0]])])
        assert done.exit_code == 0, (done.output, done.exception)
    assert load_weights(Path("run/best.npz")).metadata["validation_rmse"]
    assert Path("sharp.tif").exists()


def every_command() -> list[tuple[str, str]]:
    """Each command of s2-superres that a page shows, with the page."""
    pages = [ROOT / "README.md", *ROOT.glob("packages/*/README.md"), *ROOT.glob("docs/**/*.md")]
    found = []
    for page in sorted(pages):
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        lines = re.findall(r"^\$ s2-superres (.*)$", text, re.MULTILINE)
        found += [(line, page.name) for line in lines]
    return found


@pytest.mark.parametrize(("line", "page"), every_command())
def test_every_command_shown_has_the_arguments_it_needs(
    line: str, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And names options that there are."""
    # A package of others that a page shows; it need not be installed here.
    monkeypatch.setitem(sys.modules, "planetary_computer", SimpleNamespace(sign=str))
    name, *words = shlex.split(line.partition(" > ")[0])
    group: Any = get_command(app)
    command = group.get_command(Context(group), name)
    assert command is not None, f"{page} shows {name}"
    if "--help" not in words:
        command.make_context(name, words)
