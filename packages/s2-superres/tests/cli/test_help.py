"""The help names what is registered, also what another package brought."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from s2_superres.cli import options
from s2_superres.cli.app import app
from s2_superres.networks import family
from s2_superres.training.config import TrainingConfig
from s2_superres.writers.formats import DEFAULT


def shown(*words: str) -> str:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "200", "TERM": "dumb"})
    assert done.exit_code == 0
    return " ".join(done.output.split())


@pytest.mark.parametrize("command", ["info", "sample", "predict", "patches", "train", "validate"])
def test_no_placeholder_is_left(command: str) -> None:
    assert not re.search("{[a-z]+}", shown(command))


def test_a_network_that_is_added_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the window that suits it; among those with weights only if it has some."""
    known = "|".join(family.family_names())
    added = replace(family.find_family("dsen2"), name="mine", tile=240)
    monkeypatch.setattr(family, "_registered", {"mine": added})
    options._registered.cache_clear()
    assert f"{known}|mine" == options._registered()["networks"]
    assert options._registered()["tiles"].endswith("240 for mine")
    assert "mine" not in options._registered()["shipped"]
    options._registered.cache_clear()


def test_the_help_of_predict_and_train_says_what_there_is() -> None:
    predict = shown("predict")
    assert "default|compact|dsen2|none" in predict and "720, 636 for dsen2" in predict
    assert "compact|dsen2|vdsen2" in shown("train")


def test_the_defaults_that_the_help_names_are_those_that_hold() -> None:
    """The settings of a training, and the format of an output, have theirs elsewhere."""
    commands = getattr(get_command(app), "commands")  # noqa: B009 - of a group
    config = TrainingConfig()
    named = {
        option.name: (option.show_default, getattr(config, option.name))
        for option in commands["train"].params
        if isinstance(option.show_default, str) and hasattr(config, option.name)
    }
    consistent, value = named.pop("consistent")
    assert value and consistent == "consistent"
    assert len(named) > 7
    for name, (told, held) in named.items():
        assert told == str(held), name
    (form,) = (option for option in commands["predict"].params if option.name == "file_format")
    assert form.show_default.endswith(f"else {DEFAULT}")
