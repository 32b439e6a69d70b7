"""What the two packages say about each other and about themselves."""

from __future__ import annotations

import importlib
import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PACKAGES = ("image-similarity-measures", "s2-superres")
by_package = pytest.mark.parametrize("package", PACKAGES)


def metadata(package: str) -> dict[str, object]:
    text = (ROOT / "packages" / package / "pyproject.toml").read_text(encoding="utf-8")
    project: dict[str, object] = tomllib.loads(text)["project"]
    return project


@by_package
def test_the_version_is_the_newest_of_the_changelog(package: str) -> None:
    changelog = (ROOT / "packages" / package / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## \[?v?(\d+\.\d+\.\d+\S*?)\]?(?=\s|$)", changelog, re.MULTILINE)
    assert versions, "the changelog names no version"
    assert versions == sorted(versions, key=Version, reverse=True)
    assert importlib.import_module(package.replace("-", "_")).__version__ == versions[0]


@by_package
def test_the_installed_version_is_the_one_the_package_says(package: str) -> None:
    assert version(package) == importlib.import_module(package.replace("-", "_")).__version__


def test_super_resolution_admits_the_metrics_beside_it() -> None:
    needed = [Requirement(text) for text in requires("s2-superres") or ()]
    sibling = next(item for item in needed if item.name == "image-similarity-measures")
    assert sibling.specifier.contains(version("image-similarity-measures"))
    assert not sibling.specifier.contains("2.0.0"), "the next major version may break it"


def test_the_metrics_do_not_ask_for_super_resolution() -> None:
    needed = {Requirement(text).name for text in requires("image-similarity-measures") or ()}
    assert "numpy" in needed
    assert not needed & {"s2-superres", "tensorflow", "keras"}


@by_package
def test_each_package_carries_what_a_release_needs(package: str) -> None:
    folder = ROOT / "packages" / package
    assert (folder / "LICENSE").read_text("utf-8") == (ROOT / "LICENSE").read_text("utf-8")
    assert (folder / "src" / package.replace("-", "_") / "py.typed").exists()
    assert metadata(package)["license"] == "MIT"


@by_package
def test_a_tag_of_its_own_releases_each_package(package: str) -> None:
    workflow = (ROOT / ".github" / "workflows" / f"release-{package}.yml").read_text("utf-8")
    assert f'tags: ["{package}-v*.*.*"]' in workflow
    assert f"environment: release-{package}" in workflow


def test_citation_names_the_released_version() -> None:
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    said = re.search(r"^version: (\S+)$", citation, re.MULTILINE)
    assert said is not None
    assert said[1] == version("s2-superres")


def test_what_workflows_use_of_others_is_pinned() -> None:
    """A tag can be moved to other code, a commit cannot; its version stands behind it."""
    lines = [
        line.strip()
        for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if "uses:" in line and "uses: ./" not in line
    ]
    assert lines
    for line in lines:
        assert re.search(r"uses: [\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line
