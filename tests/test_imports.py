"""Which module may import what, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
METRICS = PACKAGES / "image-similarity-measures" / "src" / "image_similarity_measures"
SUPERRES = PACKAGES / "s2-superres" / "src" / "s2_superres"

#: The modules of s2_superres that may import TensorFlow or Keras, most of them lazily.
LEARNING = {
    "engine",
    "injection",
    "layers",
    "network",
    "operators",
    "optimizers",
    "training",
    "weights",
}
FRAMEWORKS = {"jax", "keras", "tensorflow", "torch"}
#: Plain integers and arrays: neither files nor networks, not even through a module they import.
PURE = ("bands", "grid", "mosaic", "windows")


def imports(path: Path) -> set[str]:
    """The dotted names of all modules that a source file imports, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            # `from package import module` may import a module as well.
            base = node.module or ""
            if node.level:
                base = ".".join(filter(None, (package_of(path), base)))
            names |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return names


def package_of(path: Path) -> str:
    """The dotted name of the package that holds a source file."""
    source = next(parent for parent in path.parents if parent.name == "src")
    return ".".join(path.relative_to(source).parts[:-1])


def roots(path: Path) -> set[str]:
    """The top-level packages that a source file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def reachable(module: str, seen: set[str]) -> set[str]:
    """A module of s2_superres and all modules of it that it imports, directly or not."""
    if module not in seen and (SUPERRES / f"{module}.py").exists():
        seen.add(module)
        for name in imports(SUPERRES / f"{module}.py"):
            package, _, rest = name.partition(".")
            if package == "s2_superres" and rest:
                reachable(rest.partition(".")[0], seen)
    return seen


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    source = tmp_path / "src" / "package" / "module.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import a.b\nfrom c import d\nfrom . import e\ndef f():\n    from .g import h\n"
    )
    assert imports(source) == {
        "a.b",
        "c",
        "c.d",
        "package",
        "package.e",
        "package.g",
        "package.g.h",
    }


#: The rooms of image_similarity_measures, and the modules beside them: what each may import.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "opencv": {"errors"},
    "files": {"errors"},
    "arrays": {"errors"},
    "rasters": {"arrays", "errors", "files", "opencv"},
    "metrics": {"arrays", "errors", "opencv"},
    "legacy": {"errors", "opencv", "rasters"},
    "report": {"arrays", "errors", "files", "legacy", "metrics", "rasters"},
    "cli": {"errors", "files", "metrics", "report"},
}
#: The ways in: they may import any room, and no room imports them.
DOORS = {"__init__", "__main__", "evaluate", "quality_metrics"}


def room(path: Path) -> str:
    """The room of image_similarity_measures that a source file belongs to."""
    return Path(path.relative_to(METRICS).parts[0]).stem


def test_every_module_of_the_metrics_has_a_room() -> None:
    assert {room(path) for path in modules(METRICS)} == ROOMS.keys() | DOORS


def test_the_rooms_of_the_metrics_stand_in_order() -> None:
    """No room may import one that stands below it in the table."""
    order = list(ROOMS)
    for name, below in ROOMS.items():
        assert below <= set(order[: order.index(name)]), name


@pytest.mark.parametrize("path", modules(METRICS), ids=lambda path: path.stem)
def test_a_room_of_the_metrics_imports_only_what_the_table_says(path: Path) -> None:
    if (name := room(path)) in DOORS:
        return
    inside = {
        other.split(".")[1] for other in imports(path) if other.startswith(f"{METRICS.name}.")
    }
    assert inside - {"__version__", name} <= ROOMS[name]


def test_there_is_source_to_read() -> None:
    assert len(modules(METRICS)) > 5
    assert len(modules(SUPERRES)) > 5


@pytest.mark.parametrize("path", modules(METRICS), ids=lambda path: path.stem)
def test_the_metrics_know_nothing_of_super_resolution(path: Path) -> None:
    assert "s2_superres" not in roots(path)


@pytest.mark.parametrize("path", modules(METRICS), ids=lambda path: path.stem)
def test_the_metrics_need_no_learning_framework(path: Path) -> None:
    assert not roots(path) & FRAMEWORKS


@pytest.mark.parametrize("path", modules(SUPERRES), ids=lambda path: path.stem)
def test_only_validation_scores(path: Path) -> None:
    """Prediction works without the sibling package."""
    assert path.stem == "validation" or "image_similarity_measures" not in roots(path)


@pytest.mark.parametrize("path", modules(SUPERRES), ids=lambda path: path.stem)
def test_only_the_modules_that_learn_import_a_framework(path: Path) -> None:
    assert path.stem in LEARNING or not roots(path) & FRAMEWORKS


@pytest.mark.parametrize("module", PURE)
def test_grids_and_windows_touch_neither_files_nor_networks(module: str) -> None:
    if not (SUPERRES / f"{module}.py").exists():
        pytest.skip(f"{module}.py is not written yet")
    for name in reachable(module, set()):
        assert not roots(SUPERRES / f"{name}.py") & (FRAMEWORKS | {"rasterio", "h5py"}), name


@pytest.mark.parametrize(
    ("package", "heavy"),
    [
        ("image_similarity_measures", {"cv2", "matplotlib", "phasepack", "rasterio", "skimage"}),
        ("s2_superres", {"keras", "matplotlib", "tensorflow"}),
    ],
)
def test_a_command_asks_for_help_without_the_heavy_libraries(package: str, heavy: set[str]) -> None:
    if not any((PACKAGES / package.replace("_", "-") / "src" / package).glob("cli*")):
        pytest.skip(f"{package} has no command yet")
    program = f"import sys, {package}.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert f"{package}.cli" in loaded
    assert not loaded & heavy
