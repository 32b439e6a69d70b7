"""Cutting training patches out of scenes, by Wald's protocol.

The bands of a scene are degraded by the ratio, and the bands that a network is to
sharpen serve as truth where they were measured. A scene streams through memory by
rows. Patches lie on a lattice; of those that were measured for the most part, as many as
asked for are drawn at random, each with the same chance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

from s2_superres.errors import InputError, ProductError
from s2_superres.files.atomic import write_text
from s2_superres.files.locks import sole_run
from s2_superres.files.paths import keep_out_of_products, protect_inputs
from s2_superres.patches.distillation import TaughtScene, Teachers
from s2_superres.patches.folder import (
    AFTER_ROOM,
    AFTER_STOP,
    clear,
    complaints,
    finished,
    whole_scene,
)
from s2_superres.patches.holdout import HELD_OUT, hold_out
from s2_superres.patches.patchset import (
    MANIFEST,
    PatchScene,
    PatchSet,
    PatchSettings,
    manifest_text,
)
from s2_superres.patches.sampling import cut_scene
from s2_superres.patches.scene import SceneFacts, SceneReader
from s2_superres.patches.scenes import open_scenes
from s2_superres.patches.split import Split
from s2_superres.products.remote import Sign

#: ``(rows done, rows in all)``, in target pixels.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CutOptions:
    """What `cut_patches` does beside cutting.

    Attributes
    ----------
    split : Split
    mixed_levels : bool
        Allow L1C and L2A in one set.
    skip_unusable : bool
        Leave out what no patch can be cut from, instead of an error.
    overwrite : bool
        Replace patches that are there already.
    teachers : tuple of str
        Networks whose output is taken as truth, see `patches.distillation.Teachers`. Nothing is
        degraded, and nothing is cut of places for validation.
    offset : float, optional
        -1000 or 0: what to add to the digital numbers, where a catalogue contradicts itself.
    sign : callable, optional
        Makes the link to read of one in a catalogue.
    """

    split: Split = field(default_factory=Split)
    mixed_levels: bool = False
    skip_unusable: bool = False
    overwrite: bool = False
    teachers: tuple[str, ...] = ()
    offset: float | None = None
    sign: Sign | None = None


def cut_patches(
    sources: Iterable[str | Path],
    folder: str | Path,
    settings: PatchSettings,
    options: CutOptions | None = None,
    *,
    progress: Progress | None = None,
    warn: Callable[[str], None] | None = None,
) -> PatchSet:
    """Cut training patches from products and crops into a folder.

    A scene counts once it is whole. A run that was interrupted goes on where it was when it
    is started again with the same settings.

    Parameters
    ----------
    sources : iterable of path
        See `patches.scenes.open_scenes`.
    folder : path
        Made if it is not there.
    settings : PatchSettings
    options : CutOptions, optional
    progress : callable, optional
        Called with the target rows done and the target rows in all.
    warn : callable, optional
        Called with one line per source that is left out.

    Returns
    -------
    PatchSet
        What was written.

    Raises
    ------
    InputError
        If a source is unusable, levels are mixed unasked, crops at 60 m among finer scenes, or
        two scenes have one name.
    OutputError
        If the folder holds other patches, or cannot be written.
    """
    options = options or CutOptions()
    folder = Path(folder)
    keep_out_of_products(folder)
    warn = warn or (lambda line: None)
    teachers = Teachers(options.teachers, settings.resolution) if options.teachers else None
    if teachers:
        settings = replace(settings, teachers=teachers.label)
    scenes = _usable(sources, settings, options, teachers, warn)
    protect_inputs([folder], [scene.path for scene in scenes])
    facts = [scene.facts for scene in scenes]
    _check_levels(facts, options.mixed_levels)
    _check_stand_ins(facts)
    sides = options.split.assign(facts, settings.seed)
    if teachers:
        # What teachers say is no measure of how good others are.
        scenes = [scene for scene in scenes if sides[scene.facts.place] == "train"]
    elif options.split.share and len(sides) == 1 and not any(fact.split for fact in facts):
        scenes, sides = _held_out(scenes, sides, options.split, settings, warn)
    with complaints(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_run(folder):
        clear(folder, options.overwrite)
        written = _cut_scenes(
            scenes,
            sides,
            folder,
            settings,
            skip_unusable=options.skip_unusable,
            progress=progress,
            warn=warn,
        )
        write_text(folder / MANIFEST, manifest_text(settings, written), AFTER_ROOM)
    return PatchSet(folder)


def _held_out(
    scenes: list[SceneReader | TaughtScene],
    sides: dict[str, str],
    split: Split,
    settings: PatchSettings,
    warn: Callable[[str], None],
) -> tuple[list[SceneReader | TaughtScene], dict[str, str]]:
    """Keep a part of the only place for validation, and say so; leave it if it is named for it."""
    place = next(iter(sides))
    if place in split.places:
        return scenes, sides
    parts: list[SceneReader | TaughtScene] = [
        *hold_out(cast("list[SceneReader]", scenes), split.share, settings)
    ]
    held = [scene.facts for scene in parts if scene.facts.split == "validation"]
    if held:
        rows = f"{held[0].shape[0]} of {scenes[0].facts.shape[0]} rows"
        warn(
            f"{place} is the only place: the last {rows} are kept for validation; other places, or "
            "--validation-share 0, leave it whole"
        )
    else:
        warn(
            f"{place} is the only place and too small to keep a part for validation: training "
            "will give last.npz and no best.npz; a smaller --size or other places change that"
        )
    return parts, {**sides, place + HELD_OUT: "validation"}


def _cut_scenes(
    scenes: Sequence[SceneReader | TaughtScene],
    sides: Mapping[str, str],
    folder: Path,
    settings: PatchSettings,
    *,
    skip_unusable: bool,
    progress: Progress | None,
    warn: Callable[[str], None],
) -> list[PatchScene]:
    """Cut all that an earlier run has not."""
    total, done = sum(scene.facts.shape[0] for scene in scenes), 0
    written: list[PatchScene] = []
    for scene in scenes:
        fact, count = scene.facts, None

        def report(rows: int, before: int = done) -> None:
            if progress:
                progress(before + rows, total)

        try:
            count = _cut(scene, settings, folder, report)
            if count == 0:
                raise InputError(
                    f"{fact.source}: has no patch of {settings.size} x {settings.size} pixels "
                    f"without a gap{' or cloud' if settings.skip_clouds else ''}; leave it out, "
                    "or add --skip-unusable"
                )
        except (InputError, ProductError) as error:
            # Some damage shows only when the pixels are read.
            if not skip_unusable and not (count == 0 and fact.place.endswith(HELD_OUT)):
                raise
            warn(f"left out: {error}")
            count = 0
        except (KeyboardInterrupt, SystemExit) as stopped:
            if written:
                stopped.add_note(AFTER_STOP)
            raise
        report(fact.shape[0])
        done += fact.shape[0]
        if not count:
            continue
        written.append(
            PatchScene(fact.name, fact.place, fact.level, sides[fact.place], fact.offset,
                       fact.source, count)
        )  # fmt: skip
    if not written:
        raise InputError("none of the sources gave a patch; check them, or take a smaller --size")
    return written


def _cut(
    scene: SceneReader | TaughtScene,
    settings: PatchSettings,
    folder: Path,
    report: Callable[[int], None],
) -> int:
    """Cut a scene, unless an earlier run has; return its number of patches."""
    fact = scene.facts
    count = finished(folder, fact, settings)
    if count is not None:
        return count
    return whole_scene(
        folder, fact, settings, lambda partial: cut_scene(scene, settings, partial, report)
    )


def _usable(
    sources: Iterable[str | Path],
    settings: PatchSettings,
    options: CutOptions,
    teachers: Teachers | None,
    warn: Callable[[str], None],
) -> list[SceneReader | TaughtScene]:
    found, unusable = open_scenes(
        sources, settings.resolution, offset=options.offset, sign=options.sign
    )
    reasons = list(unusable)
    kept: list[SceneReader | TaughtScene] = []
    metres = 10 if teachers else settings.resolution
    for each in found:
        try:
            scene = TaughtScene(each, teachers) if teachers else each
            if settings.skip_clouds:
                scene.require_clouds()
        except (InputError, ProductError) as error:
            reasons.append(str(error))
            continue
        rows, cols = scene.facts.shape
        if min(rows, cols) < settings.size:
            reasons.append(
                f"{scene.facts.source}: {rows} x {cols} pixels of {metres} m are too few for "
                f"patches of {settings.size}; take a smaller --size, leave it out, or add "
                "--skip-unusable"
            )
        else:
            kept.append(scene)
    if reasons and not options.skip_unusable:
        more = f" (and {len(reasons) - 1} more like it)" if len(reasons) > 1 else ""
        raise InputError(reasons[0] + more)
    for reason in reasons:
        warn(f"left out: {reason}")
    if not kept:
        raise InputError(
            f"none of the sources can be used ({(reasons or ['none was given'])[0]}); "
            "name products or .npz crops that can"
        )
    names = [scene.facts.name for scene in kept]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"{name}: given twice; give every scene once")
    return kept


def _check_levels(facts: Sequence[SceneFacts], mixed: bool) -> None:
    levels = {fact.level: fact for fact in facts}
    if len(levels) > 1 and not mixed:
        examples = ", ".join(f"{fact.source} is {level}" for level, fact in sorted(levels.items()))
        raise InputError(
            f"the sources are of different levels ({examples}); cut each level into a folder of "
            "its own, or add --mixed-levels"
        )


def _check_stand_ins(facts: Sequence[SceneFacts]) -> None:
    kinds = {fact.stand_in: fact.source for fact in facts}
    if len(kinds) > 1:
        raise InputError(
            f"{kinds[True]}: holds bands at 60 m, which only stand for finer ones, and "
            f"{kinds[False]} holds those; cut them into folders of their own, and train on the "
            "former before the latter"
        )
