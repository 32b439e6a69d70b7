"""Every option that a message tells the user to give is one that a command has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from typer.main import get_command

import s2_superres
from s2_superres.cli.app import app

SOURCE = Path(s2_superres.__file__).parent


def test_messages_name_options_that_exist() -> None:
    """A cure that the command does not know is none."""
    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    known = {
        name
        for command in commands
        for option in command.params
        for name in (*option.opts, *option.secondary_opts)
    } | {"--version", "--help"}
    named: dict[str, str] = {}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise):
                for text in ast.walk(node):
                    if isinstance(text, ast.Constant) and isinstance(text.value, str):
                        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", text.value):
                            named[option] = f"{path.name}:{node.lineno}"
    assert named
    assert {o: where for o, where in named.items() if o not in known} == {}
