"""The folder of patches while it is filled: whole scenes count, and a run goes on from them."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from s2_superres.errors import OutputError
from s2_superres.patches.patchset import MANIFEST, SCENE, PatchSettings
from s2_superres.patches.scene import SceneFacts

AFTER_STOP = "scenes that were cut whole are kept, so run the same command again to go on"
AFTER_ROOM = (
    "scenes that were cut whole are kept, so free some space and run the same command again"
)


def clear(folder: Path, overwrite: bool) -> None:
    """Remove what a killed run left, and older patches if that was asked."""
    with complaints(folder):
        if (folder / MANIFEST).exists():
            if not overwrite:
                raise OutputError(
                    f"{folder}: holds patches already; take another folder, or add --overwrite"
                )
            _check_manifest(folder / MANIFEST)
            (folder / MANIFEST).unlink()
        for child in folder.iterdir():
            partial = child.name.startswith(".") and child.name.endswith(".part")
            if child.is_dir() and (partial or (overwrite and _is_ours(child / SCENE))):
                shutil.rmtree(child)


def _check_manifest(path: Path) -> None:
    """Check that a manifest is one of patches: others have files of this name too."""
    try:
        ours = {"format", "settings", "scenes"} <= set(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError):
        ours = False
    if not ours:
        raise OutputError(f"{path}: is no manifest of patches; take another folder")


def _is_ours(path: Path) -> bool:
    """Whether a file says that a scene was cut into its folder."""
    try:
        return {"count", "made"} <= set(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return False


def finished(folder: Path, facts: SceneFacts, settings: PatchSettings) -> int | None:
    """Return how many patches an earlier run has cut of a scene, None if it has not."""
    path = folder / facts.name / SCENE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        count, made = int(found["count"]), found["made"]
    except FileNotFoundError:
        if (folder / facts.name).exists():
            raise OutputError(
                f"{folder / facts.name}: is there already and holds no patches; take another folder"
            ) from None
        return None
    except (OSError, ValueError, KeyError, TypeError):
        raise OutputError(f"{path}: damaged; take another folder, or add --overwrite") from None
    if made != _made(facts, settings):
        raise OutputError(
            f"{folder / facts.name}: was cut with other settings; take another folder, or add "
            "--overwrite"
        )
    return count


def _made(facts: SceneFacts, settings: PatchSettings) -> dict[str, object]:
    return {"settings": asdict(settings), "source": facts.source, "shape": list(facts.shape)}


def whole_scene(
    folder: Path, facts: SceneFacts, settings: PatchSettings, cut: Callable[[Path], int]
) -> int:
    """Cut a scene into a hidden folder and rename it; nothing is left if that fails.

    Parameters
    ----------
    cut : callable
        Fills the folder that it is given, and returns how many patches it cut.
    """
    partial = folder / f".{facts.name}.part"
    with complaints(folder):
        try:
            partial.mkdir()
            count = cut(partial)
            text = json.dumps({"count": count, "made": _made(facts, settings)})
            (partial / SCENE).write_text(text, encoding="utf-8")
            partial.rename(folder / facts.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return count


@contextlib.contextmanager
def complaints(path: Path) -> Iterator[None]:
    """Say of what cannot be written which folder it is, and what to do."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); {AFTER_ROOM}"
        ) from None
