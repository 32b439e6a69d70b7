"""Cutting training patches out of scenes, by Wald's protocol.

The bands of a scene are degraded by the ratio, and the bands that a network is to
sharpen serve as truth where they were measured. A scene streams through memory by
rows. Patches lie on a lattice; of those that were measured for the most part, as many as
asked for are drawn at random, each with the same chance.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from s2_superres.errors import InputError, OutputError, ProductError
from s2_superres.files.atomic import write_text
from s2_superres.files.locks import sole_run
from s2_superres.files.paths import keep_out_of_products, protect_inputs
from s2_superres.patches.distillation import TaughtScene, Teachers
from s2_superres.patches.holdout import HELD_OUT, hold_out
from s2_superres.patches.patchset import (
    DTYPE,
    MANIFEST,
    SCENE,
    PatchScene,
    PatchSet,
    PatchSettings,
    manifest_text,
)
from s2_superres.patches.scenes import (
    Rows,
    Scene,
    SceneFacts,
    ShiftedScene,
    open_scenes,
    read_degraded,
)

#: Rows that are degraded at a time, in target pixels: bounds the memory for 10 m bands.
_CHUNK = 24
#: Candidate rows of patches that are looked at together, in patches.
_STRIP = 3
#: The same where networks need rows around it as well.
_TAUGHT_STRIP = 8
#: Candidates per patch asked for, so that enough are left after gaps and clouds.
_SPARE = 2

_AFTER_ROOM = (
    "scenes that were cut whole are kept, so free some space and run the same command again"
)

#: ``(rows done, rows in all)``, in target pixels.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Split:
    """Which places are kept for validation.

    Attributes
    ----------
    places : tuple of str
        These, by name.
    share : float
        This share of the other places whose source does not tell, drawn by the seed. Of a place
        that is the only one, `cut_patches` keeps this share of its rows.
    """

    places: tuple[str, ...] = ()
    share: float = 0.25

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1:
            raise InputError(f"validation share {self.share}: give 0 to 1")

    def assign(self, facts: Sequence[SceneFacts], seed: int = 0) -> dict[str, str]:
        """Return ``train`` or ``validation`` per place.

        A place lies on one side with all its scenes: on that of validation if it is named,
        or the source of any of its scenes says so.

        Raises
        ------
        InputError
            If a place that was named is not there.
        """
        known = {fact.place for fact in facts}
        for place in self.places:
            if place not in known:
                raise InputError(
                    f"validation place {place!r}: not there; choose from {', '.join(sorted(known))}"
                )
        sides = {fact.place: fact.split for fact in facts if fact.split == "train"}
        sides |= {fact.place: fact.split for fact in facts if fact.split == "validation"}
        sides |= dict.fromkeys(self.places, "validation")
        open_places = sorted(
            known - set(sides),
            key=lambda place: hashlib.sha256(f"{seed}:{place}".encode()).digest(),
        )
        # One place alone is for training, and where there are more, one is left for it.
        if any(side == "train" for side in sides.values()):
            spare = len(open_places)
        else:
            spare = len(open_places) - 1
        kept = min(math.ceil(self.share * len(open_places)), max(spare, 0))
        for number, place in enumerate(open_places):
            sides[place] = "validation" if number < kept else "train"
        return {place: side or "train" for place, side in sides.items()}


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
        Networks whose output is taken as truth, see `teaching.Teachers`. Nothing is degraded,
        and nothing is cut of places for validation.
    """

    split: Split = field(default_factory=Split)
    mixed_levels: bool = False
    skip_unusable: bool = False
    overwrite: bool = False
    teachers: tuple[str, ...] = ()


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
        See `training_scenes.open_scenes`.
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
    with _complaints(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with sole_run(folder):
        _clear(folder, options.overwrite)
        written = _cut_scenes(
            scenes,
            sides,
            folder,
            settings,
            skip_unusable=options.skip_unusable,
            progress=progress,
            warn=warn,
        )
        write_text(folder / MANIFEST, manifest_text(settings, written), _AFTER_ROOM)
    return PatchSet(folder)


def _held_out(
    scenes: list[Scene | TaughtScene],
    sides: dict[str, str],
    split: Split,
    settings: PatchSettings,
    warn: Callable[[str], None],
) -> tuple[list[Scene | TaughtScene], dict[str, str]]:
    """Keep a part of the only place for validation, and say so; leave it if it is named for it."""
    place = next(iter(sides))
    if place in split.places:
        return scenes, sides
    parts: list[Scene | TaughtScene] = [
        *hold_out(cast("list[Scene]", scenes), split.share, settings)
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
    scenes: Sequence[Scene | TaughtScene],
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
        fact, base, count = scene.facts, done, None
        try:
            count = _finished(folder, fact, settings)
            if count is None:
                count = _cut_whole_scene(
                    scene,
                    settings,
                    folder,
                    lambda rows, base=base: progress(base + rows, total) if progress else None,  # type: ignore[misc]
                )
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
        done += fact.shape[0]
        if progress:
            progress(done, total)
        if not count:
            continue
        written.append(
            PatchScene(fact.name, fact.place, fact.level, sides[fact.place], fact.offset,
                       fact.source, count)
        )  # fmt: skip
    if not written:
        raise InputError("none of the sources gave a patch; check them, or take a smaller --size")
    return written


def _usable(
    sources: Iterable[str | Path],
    settings: PatchSettings,
    options: CutOptions,
    teachers: Teachers | None,
    warn: Callable[[str], None],
) -> list[Scene | TaughtScene]:
    found, unusable = open_scenes(sources, settings.resolution)
    reasons = list(unusable)
    kept: list[Scene | TaughtScene] = []
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


def _clear(folder: Path, overwrite: bool) -> None:
    """Remove what a killed run left, and older patches if that was asked."""
    with _complaints(folder):
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


def _finished(folder: Path, facts: SceneFacts, settings: PatchSettings) -> int | None:
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


def _cut_whole_scene(
    scene: Scene | TaughtScene,
    settings: PatchSettings,
    folder: Path,
    progress: Callable[[int], None],
) -> int:
    """Cut a scene into a hidden folder and rename it; nothing is left if that fails."""
    partial = folder / f".{scene.facts.name}.part"
    with _complaints(folder):
        try:
            partial.mkdir()
            count = cut_scene(scene, settings, partial, progress)
            text = json.dumps({"count": count, "made": _made(scene.facts, settings)})
            (partial / SCENE).write_text(text, encoding="utf-8")
            partial.rename(folder / scene.facts.name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    return count


def cut_scene(
    scene: Scene | TaughtScene,
    settings: PatchSettings,
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> int:
    """Cut the patches of one scene into ``.npy`` files in a folder; return how many."""
    rng = np.random.default_rng([settings.seed, _hash(scene.facts.name)])
    size = settings.size
    drawn = _Smallest(settings.count)
    most = math.floor((1 - settings.measured) * size**2)
    height = scene.facts.shape[0]
    with contextlib.ExitStack() as stack:
        stack.enter_context(scene)
        files = {
            name: stack.enter_context((folder / f"{name}.raw").open("w+b"))
            for name in settings.arrays
        }
        views: list[ShiftedScene | TaughtScene]
        if isinstance(scene, TaughtScene):
            views = [scene]
        else:
            shifts = lattice_shifts(settings, scene.facts.shape)
            views = [ShiftedScene(scene, settings.resolution, *shift) for shift in shifts]
        for number, view in enumerate(views):
            for rows, top, places in _strips(view, settings):
                if settings.skip_clouds:
                    clear = ~view.clouds(top, len(rows.measured))
                    rows = replace(rows, measured=rows.measured & clear)
                gaps = _window_sums(~rows.measured, size)
                chances = rng.random(len(places))
                for (row, col), chance in zip(places, chances, strict=True):
                    if gaps[row, col] > most:
                        continue
                    slot = drawn.offer(float(chance))
                    if slot is not None:
                        for name, patch in _patch(rows, settings, row, col).items():
                            files[name].seek(slot * patch.nbytes)
                            files[name].write(patch.tobytes())
                if progress:
                    progress((number * height + top) // len(views))
        order = rng.permutation(len(drawn))
        for name, shape in settings.arrays.items():
            _write_shuffled(files[name], folder / f"{name}.npy", order, shape)
    for name in settings.arrays:
        (folder / f"{name}.raw").unlink()
    return len(drawn)


def lattice_stride(settings: PatchSettings, shape: tuple[int, int]) -> int:
    """Distance of candidate patches in target pixels.

    A whole patch where that gives enough candidates, else less, down to a quarter: beyond
    that, patches of a small scene would only repeat each other.
    """
    ratio, size, least = settings.ratio, settings.size, _least_stride(settings)
    for stride in range(size, least, -ratio):
        if math.prod((n - size) // stride + 1 for n in shape) >= _SPARE * settings.count:
            return stride
    return least


def lattice_shifts(settings: PatchSettings, shape: tuple[int, int]) -> list[tuple[int, int]]:
    """Rows and columns to leave out before a scene is degraded, one pair after the other.

    Of each block of ratio x ratio pixels that is averaged, a scene that begins a pixel further
    makes another block, so a small scene gives up to ratio^2 different pairs for one.
    """
    ratio, size = settings.ratio, settings.size
    stride = lattice_stride(settings, shape)
    candidates = math.prod((n - size) // stride + 1 for n in shape)
    wanted = math.ceil(_SPARE * settings.count / max(candidates, 1))
    every = [(r, c) for r in range(ratio) for c in range(ratio)]
    # Far from each other first; those that would leave no room for a patch are left out.
    every.sort(key=lambda shift: ((shift[0] + ratio * shift[1]) * 7) % ratio**2)
    fit = [
        s
        for s in every
        if all((n - k) // ratio * ratio >= size for n, k in zip(shape, s, strict=True))
    ]
    return fit[: max(1, wanted)]


def _least_stride(settings: PatchSettings) -> int:
    return max(settings.ratio, settings.size // 4 // settings.ratio * settings.ratio)


def _strips(
    scene: ShiftedScene | TaughtScene, settings: PatchSettings
) -> Iterator[tuple[Rows, int, list[tuple[int, int]]]]:
    """Yield strips of a scene, their first row, and where in them patches may begin."""
    size, (height, width) = settings.size, scene.facts.shape
    stride = lattice_stride(settings, scene.facts.shape)
    starts, cols = range(0, height - size + 1, stride), range(0, width - size + 1, stride)
    patches = _TAUGHT_STRIP if isinstance(scene, TaughtScene) else _STRIP
    per_strip = max(1, patches * size // stride)
    for first in range(0, len(starts), per_strip):
        strip = starts[first : first + per_strip]
        top = strip[0]
        rows = _read_strip(scene, settings, top, strip[-1] + size - top)
        yield rows, top, [(row - top, col) for row in strip for col in cols]


def _hash(text: str) -> int:
    """Return a number that is the same in every process and on every machine."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


class _Smallest:
    """Keeps the records with the smallest random numbers, each in a slot of its own."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._heap: list[tuple[float, int]] = []

    def __len__(self) -> int:
        return len(self._heap)

    def offer(self, chance: float) -> int | None:
        """Return the slot to write a record to, None to leave it out."""
        if len(self._heap) < self.count:
            slot = len(self._heap)
            heapq.heappush(self._heap, (-chance, slot))
            return slot
        worst, slot = self._heap[0]
        if chance >= -worst:
            return None
        heapq.heapreplace(self._heap, (-chance, slot))
        return slot


def _read_strip(
    scene: ShiftedScene | TaughtScene, settings: PatchSettings, top: int, rows: int
) -> Rows:
    if isinstance(scene, TaughtScene):
        return scene.rows(top, rows).filled()
    parts = [
        read_degraded(
            scene, settings.resolution, row, min(_CHUNK, top + rows - row), settings.sigma
        )
        for row in range(top, top + rows, _CHUNK)
    ]
    return Rows(
        {r: np.concatenate([part.inputs[r] for part in parts], axis=1) for r in parts[0].inputs},
        np.concatenate([part.target for part in parts], axis=1),
        np.concatenate([part.measured for part in parts]),
    ).filled()


def _window_sums(mask: NDArray[np.bool_], size: int) -> NDArray[np.int64]:
    """Count what is true in every size x size window, by its upper left pixel."""
    sums = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), np.int64)
    sums[1:, 1:] = mask.cumsum(axis=0, dtype=np.int64).cumsum(axis=1)
    return sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]


def _patch(rows: Rows, settings: PatchSettings, row: int, col: int) -> dict[str, NDArray[np.int16]]:
    size = settings.size
    cut: dict[str, NDArray[Any]] = {
        "target": rows.target[:, row : row + size, col : col + size],
        "measured": rows.measured[None, row : row + size, col : col + size],
    }
    for r, image in rows.inputs.items():
        k = r // 10
        cut[f"x{r}"] = image[:, row // k : (row + size) // k, col // k : (col + size) // k]
    return {name: np.rint(np.moveaxis(cut[name], 0, -1)).astype(DTYPE) for name in settings.arrays}


def _write_shuffled(
    raw: BinaryIO, path: Path, order: NDArray[np.intp], shape: tuple[int, int, int]
) -> None:
    size = math.prod(shape) * DTYPE.itemsize
    header = {
        "descr": np.lib.format.dtype_to_descr(DTYPE),
        "fortran_order": False,
        "shape": (len(order), *shape),
    }
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for slot in order:
            raw.seek(int(slot) * size)
            file.write(raw.read(size))


@contextlib.contextmanager
def _complaints(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{path}: cannot be written ({error.strerror or error}); {_AFTER_ROOM}"
        ) from None
