"""Which module may import what, read from the source."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[1] / "packages"
METRICS = PACKAGES / "image-similarity-measures" / "src" / "image_similarity_measures"
SUPERRES = PACKAGES / "s2-superres" / "src" / "s2_superres"

#: The rooms of each package, and the modules beside them, from the bottom up: what each may import.
ROOMS: dict[Path, dict[str, set[str]]] = {
    METRICS: {
        "_version": set(),
        "errors": set(),
        "opencv": {"errors"},
        "files": {"errors"},
        "pillow": set(),
        "checks": {"errors"},
        "arrays": {"checks", "errors", "pillow"},
        "rasters": {"arrays", "checks", "errors", "files", "opencv"},
        "labelled": {"arrays", "checks", "errors"},
        "engine": {"_version", "arrays", "checks", "errors", "labelled", "opencv"},
        "metrics": {"arrays", "checks", "engine", "errors", "opencv"},
        "scoring": {"arrays", "checks", "engine", "errors", "metrics"},
        "legacy": {"errors", "opencv", "rasters"},
        "report": {
            "_version", "arrays", "checks", "engine", "errors", "files", "labelled", "legacy",
            "metrics", "rasters", "scoring",
        },
        "cli": {"_version", "errors", "files", "metrics", "opencv", "report"},
    },
    SUPERRES: {
        "_lazy": set(),
        "_version": set(),
        "errors": set(),
        "bands": set(),
        "interrupts": set(),
        "choices": set(),
        "product_folders": set(),
        "files": {"errors", "product_folders"},
        "raster": {"errors", "bands"},
        "products": {"errors", "bands", "files", "raster"},
        "networks": {"errors", "bands", "choices", "files", "raster"},
        "writers": {"errors", "bands", "files", "raster"},
        "inference": {
            "_lazy", "_version", "errors", "bands", "choices", "interrupts", "product_folders",
            "files", "raster", "products", "networks", "writers",
        },
        "patches": {
            "errors", "bands", "choices", "files", "raster", "products", "networks", "inference",
        },
        "training": {
            "_version", "errors", "bands", "choices", "interrupts", "files", "raster", "networks",
            "patches",
        },
        "validation": {
            "_lazy", "_version", "errors", "bands", "choices", "interrupts", "files", "raster",
            "products", "networks", "inference",
        },
        "cli": {
            "_version", "errors", "bands", "choices", "interrupts", "files", "raster", "products",
            "networks", "writers", "inference", "patches", "training", "validation",
        },
        "testing": {"errors", "bands", "files", "raster", "products"},
    },
}  # fmt: skip
#: The ways in: they may import any room, and no room imports them.
DOORS = {"__init__", "__main__", "evaluate", "quality_metrics"}
#: The rooms that may import TensorFlow or Keras, most of their modules lazily.
LEARNING = {"networks", "training"}
FRAMEWORKS = {"jax", "keras", "tensorflow", "torch"}


def imports(path: Path) -> set[str]:
    """The dotted names of all that a source file imports, wherever in it: modules, or what is in
    them."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                base = ".".join(filter(None, (package_of(path), base)))
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def package_of(path: Path) -> str:
    """The dotted name of the package that holds a source file."""
    source = next(parent for parent in path.parents if parent.name == "src")
    return ".".join(path.relative_to(source).parts[:-1])


def dotted(path: Path) -> str:
    """The dotted name of a source file, of its folder for an `__init__`."""
    return ".".join(filter(None, (package_of(path), path.stem.replace("__init__", ""))))


def roots(path: Path) -> set[str]:
    """The top-level packages that a source file imports."""
    return {name.partition(".")[0] for name in imports(path)}


def room(path: Path) -> str:
    """The room, or the module beside the rooms, that a source file belongs to."""
    package = METRICS if path.is_relative_to(METRICS) else SUPERRES
    return Path(path.relative_to(package).parts[0]).stem


def modules(package: Path) -> list[Path]:
    return sorted(package.rglob("*.py"))


def name(path: Path) -> str:
    """A source file by its room and name, for the names of tests."""
    return f"{path.parent.name}/{path.stem}"


def test_the_reader_of_imports_sees_every_form(tmp_path: Path) -> None:
    source = tmp_path / "src" / "package" / "module.py"
    source.parent.mkdir(parents=True)
    source.write_text(
        "import a.b\nfrom c import d\nfrom . import e\ndef f():\n    from .g import h\n"
    )
    assert imports(source) == {"a.b", "c.d", "package.e", "package.g.h"}


def test_a_circle_is_seen(tmp_path: Path) -> None:
    """In whatever form the imports are."""
    package = tmp_path / "src" / "package"
    (package / "room").mkdir(parents=True)
    for name, text in {
        "__init__": "from .room.a import A\n",
        "room/__init__": "",
        "room/a": "def f():\n    from package.room import b\n",
        "room/b": "from .c import C\n",
        "room/c": "if TYPE_CHECKING:\n    from package.room.a import A\n",
    }.items():
        (package / f"{name}.py").write_text(text)
    assert set(circle(package)) == {"package.room.a", "package.room.b", "package.room.c"}
    (package / "room" / "c.py").write_text("")
    assert circle(package) == []


def test_there_is_source_to_read() -> None:
    assert len(modules(METRICS)) > 5
    assert len(modules(SUPERRES)) > 5


@pytest.mark.parametrize("path", modules(METRICS), ids=name)
def test_the_metrics_know_nothing_of_super_resolution(path: Path) -> None:
    assert "s2_superres" not in roots(path)


@pytest.mark.parametrize("path", modules(METRICS), ids=name)
def test_the_metrics_need_no_learning_framework(path: Path) -> None:
    assert not roots(path) & FRAMEWORKS


@pytest.mark.parametrize("package", ROOMS, ids=lambda package: package.name)
def test_every_module_has_a_room(package: Path) -> None:
    assert {room(path) for path in modules(package)} - DOORS == ROOMS[package].keys()


@pytest.mark.parametrize("package", ROOMS, ids=lambda package: package.name)
def test_the_rooms_stand_in_order(package: Path) -> None:
    """No room may import one that stands below it in the table."""
    order = list(ROOMS[package])
    for name, below in ROOMS[package].items():
        assert below <= set(order[: order.index(name)]), name


@pytest.mark.parametrize("path", [*modules(METRICS), *modules(SUPERRES)], ids=name)
def test_a_room_imports_only_what_the_table_says(path: Path) -> None:
    if room(path) in DOORS:
        return
    package = METRICS if path.is_relative_to(METRICS) else SUPERRES
    inside = {
        other.split(".")[1] for other in imports(path) if other.startswith(f"{package.name}.")
    }
    assert inside - {room(path)} <= ROOMS[package][room(path)]


def circle(package: Path) -> list[str]:
    """Modules of which each is imported by the next, the last by the first; or none.

    The package's own `__init__` is left out: it hands on what lies in it.
    """
    face = package / "__init__.py"
    files = {dotted(path): path for path in modules(package) if path != face}
    taken = {
        module: {
            other if other in files else other.rpartition(".")[0]  # what is in a module
            for other in imports(path)
        }
        & files.keys()
        for module, path in files.items()
    }
    try:
        TopologicalSorter(taken).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", ROOMS, ids=lambda package: package.name)
def test_imports_run_one_way_inside_a_room_too(package: Path) -> None:
    """Those that only types need, and those inside of functions, included."""
    assert circle(package) == []


@pytest.mark.parametrize("path", modules(SUPERRES), ids=name)
def test_only_validation_scores(path: Path) -> None:
    """Prediction works without the sibling package."""
    assert room(path) == "validation" or "image_similarity_measures" not in roots(path)


@pytest.mark.parametrize("path", modules(SUPERRES), ids=name)
def test_only_the_rooms_that_learn_import_a_framework(path: Path) -> None:
    assert room(path) in LEARNING or not roots(path) & FRAMEWORKS


@pytest.mark.parametrize("path", modules(SUPERRES / "raster"), ids=name)
def test_grids_and_windows_touch_no_files(path: Path) -> None:
    assert not roots(path) & {"rasterio", "h5py", "pyogrio"}


@pytest.mark.parametrize(
    ("package", "heavy"),
    [
        (
            "image_similarity_measures",
            {"cv2", "matplotlib", "multiprocessing", "numpy", "phasepack", "rasterio", "skimage"},
        ),
        ("s2_superres", {"keras", "matplotlib", "multiprocessing", "numpy", "tensorflow"}),
    ],
)
def test_a_command_asks_for_help_without_the_heavy_libraries(package: str, heavy: set[str]) -> None:
    program = f"import sys, {package}.cli; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert f"{package}.cli" in loaded
    assert not loaded & heavy
