"""A validation: every method on every scene, at every resolution that both are for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from s2_superres.errors import InputError
from s2_superres.validation import wald
from s2_superres.validation.methods import Method
from s2_superres.validation.results import Comparison, Failure, Validation
from s2_superres.validation.scenes import Scene
from s2_superres.validation.settings import Settings


def validate(
    scenes: Iterable[Scene],
    methods: Sequence[Method],
    settings: Settings | None = None,
    progress: wald.Progress = lambda text: None,
) -> Validation:
    """Score methods on scenes.

    Parameters
    ----------
    scenes : iterable of Scene
        Taken one at a time.
    methods : sequence of Method
    settings : Settings, optional
    progress : callable, optional
        Called with a few words before each step.

    Returns
    -------
    Validation

    Raises
    ------
    InputError
        If a scene cannot be scored at any resolution, or at one that was
        required, or two have one name.
    """
    settings = settings or Settings()
    results: list[SceneResult] = []
    for scene in scenes:
        if any(scene.name == other.name for other in results):
            raise InputError(f"{scene.source}: a second scene named {scene.name}; leave one out")
        results.append(score_scene(scene, methods, settings, progress))
    if not results:
        raise InputError("nothing to validate: name a product or an array file")
    return gather(results, methods, settings)


@dataclass(frozen=True)
class SceneResult:
    """What came of one scene.

    Attributes
    ----------
    name : str
    described : dict
        As in `Validation.scenes`.
    comparisons : tuple of Comparison
    notes : tuple of str
    """

    name: str
    described: dict[str, Any]
    comparisons: tuple[Comparison, ...]
    notes: tuple[str, ...]


def gather(
    results: Sequence[SceneResult],
    methods: Sequence[Method],
    settings: Settings,
    failed: Sequence[Failure] = (),
) -> Validation:
    """Return what came of all scenes as one value."""
    return Validation(
        tuple(methods),
        tuple(one.described for one in results),
        tuple(comparison for one in results for comparison in one.comparisons),
        settings,
        tuple(note for one in results for note in one.notes),
        tuple(failed),
    )


def score_scene(
    scene: Scene,
    methods: Sequence[Method],
    settings: Settings,
    progress: wald.Progress = lambda text: None,
) -> SceneResult:
    """Score methods on one scene.

    Raises
    ------
    InputError
        If it cannot be scored at any resolution, or at one that was required.
    """
    found, reasons = [], []
    for resolution in settings.resolutions:
        serving = [m for m in methods if m.serves(resolution, scene.level)]
        if _only_interpolate(serving) and not _only_interpolate(methods):
            continue
        reason = wald.hindrance(scene, resolution)
        if reason:
            reasons.append(f"{scene.source}: {reason}")
            continue
        if not _only_interpolate(serving):
            # Once counts; here, so that a source that cannot be read is told before
            # TensorFlow starts.
            settings.compute.ready()
        found.append(wald.compare(scene, resolution, serving, settings, progress))
    if reasons and (settings.required or not found):
        raise InputError(reasons[0])
    if not found:
        raise InputError(
            f"{scene.source}: none of the weights serve {scene.level} at "
            f"{' or '.join(map(str, settings.resolutions))} m; name others, or leave it out"
        )
    own = [f"{scene.name}: {scene.note}"] if scene.note else []
    return SceneResult(scene.name, _described(scene), tuple(found), (*own, *reasons))


def _only_interpolate(methods: Sequence[Method]) -> bool:
    return all(method.is_interpolation for method in methods)


def _described(scene: Scene) -> dict[str, Any]:
    return {
        "name": scene.name,
        "source": scene.source,
        "level": scene.level,
        "rows": scene.size[0],
        "cols": scene.size[1],
        "facts": dict(scene.facts),
    }
