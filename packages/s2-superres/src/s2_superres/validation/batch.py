"""Many sources: what cannot be scored is told at the end, and the rest is scored."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from s2_superres.errors import InputError, S2SuperresError, in_one_line
from s2_superres.inference.ledger import Ledger, Outcome
from s2_superres.inference.pool import Died, Share, run_in_processes
from s2_superres.interrupts import stop_behind
from s2_superres.products.sources import Listed
from s2_superres.validation.methods import Method
from s2_superres.validation.results import Failure, Validation
from s2_superres.validation.run import SceneResult, gather, score_scene
from s2_superres.validation.scenes import Selection, find_input, read_scene
from s2_superres.validation.settings import Settings
from s2_superres.validation.wald import Progress


@dataclass(frozen=True)
class Task:
    """One source and how to score it. Picklable."""

    number: int
    listed: Listed
    selection: Selection
    methods: tuple[Method, ...]
    settings: Settings


@dataclass(frozen=True)
class Scored:
    """What came of a task: a result or the reason why there is none."""

    result: SceneResult | str
    seconds: float = 0.0


def places(sources: Iterable[Listed], selection: Selection) -> Iterator[Path]:
    """Yield what the sources lie in, as far as they can be opened."""
    for listed in sources:
        try:
            yield find_input(listed.source, selection)
        except S2SuperresError:
            yield Path(listed.label)


def score(task: Task, share: Share, progress: Progress = lambda text: None) -> Scored:
    """Read a source and score all methods on it."""
    begin = time.perf_counter()
    try:
        scene = read_scene(task.listed.source, task.selection)
        result: SceneResult | str = score_scene(scene, task.methods, task.settings, progress)
    except Exception as error:  # Whatever it is, the others are to be scored.
        if stopped := stop_behind(error):
            raise stopped from None
        result = in_one_line(error)
    return Scored(result, time.perf_counter() - begin)


def validate_sources(
    sources: Sequence[Listed],
    methods: Sequence[Method],
    settings: Settings | None = None,
    selection: Selection | None = None,
    *,
    jobs: int = 1,
    ledger: Path | None = None,
    progress: Progress = lambda text: None,
) -> Validation:
    """Score methods on many sources; what cannot be scored is in the result's `failed`.

    Parameters
    ----------
    sources : sequence of Listed
        See `s2_superres.products.sources.expand`.
    methods : sequence of Method
    settings : Settings, optional
    selection : Selection, optional
    jobs : int
        Sources at a time, each by a process with its share of the threads.
    ledger : path, optional
        Takes a line of JSON for each source.
    progress : callable, optional
        Called with a few words before each step.

    Raises
    ------
    InputError
        If none could be scored, with the reasons.
    """
    settings = settings or Settings()
    if jobs > 1:
        threads = max(1, (settings.compute.threads or os.cpu_count() or 1) // jobs)
        settings = replace(settings, compute=replace(settings.compute, threads=threads))
    tasks = [
        Task(number, listed, selection or Selection(), tuple(methods), settings)
        for number, listed in enumerate(sources)
    ]
    found: dict[int, SceneResult] = {}
    failed: dict[int, Failure] = {}
    with ExitStack() as stack:
        book = stack.enter_context(Ledger(ledger)) if ledger is not None else None
        for task, scored in _ends(tasks, jobs, progress):
            result = scored.result
            if not isinstance(result, str):
                same = [one for one in found.values() if one.name == result.name]
                if same:
                    result = f"a second scene named {result.name}; leave one out"
            if isinstance(result, str):
                failed[task.number] = Failure(task.listed.label, result)
            else:
                found[task.number] = result
            if book is not None:
                book.write(_line(task, replace(scored, result=result)))
    failures = [failed[number] for number in sorted(failed)]
    if not found:
        raise InputError("; ".join(map(str, failures)))
    return gather([found[number] for number in sorted(found)], methods, settings, failures)


def _ends(tasks: list[Task], jobs: int, progress: Progress) -> Iterator[tuple[Task, Scored]]:
    if jobs == 1 or len(tasks) == 1:
        for task in tasks:
            place = f"{task.number + 1}/{len(tasks)}  " if len(tasks) > 1 else ""
            say = partial(_say, progress, place)
            yield task, score(task, lambda share: None, say)
        return
    ended = 0
    for event in run_in_processes(score, iter(tasks), jobs):
        progress(f"{ended}/{len(tasks)}  {event.task.listed.key}")
        if isinstance(event.result, Died):
            text = (
                f"the process that scored it died ({event.result.how}), maybe for want of memory; "
                "take fewer --jobs or a smaller --side"
            )
            yield event.task, Scored(text)
        elif event.result is not None:
            yield event.task, event.result
        ended += event.result is not None


def _say(progress: Progress, place: str, text: str) -> None:
    progress(place + text)


def _line(task: Task, scored: Scored) -> Outcome:
    result = scored.result
    if isinstance(result, str):
        return Outcome(task.listed.label, status="failed", message=result, seconds=scored.seconds)
    shares = [comparison.valid_share for comparison in result.comparisons]
    return Outcome(
        task.listed.label, result.name, seconds=scored.seconds, valid_share=round(min(shares), 6)
    )
