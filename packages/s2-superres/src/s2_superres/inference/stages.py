"""Three stages at once: load the next window, compute this one, store the last one."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")
Loaded = TypeVar("Loaded")
Computed = TypeVar("Computed")

#: Items waiting between two stages. More would only cost memory: a stage that is
#: ahead stays ahead.
_DEPTH = 1
_POLL = 0.1


def overlap(
    items: Iterable[Item],
    load: Callable[[Item], Loaded],
    compute: Callable[[Loaded], Computed],
    store: Callable[[Computed], None],
) -> None:
    """Run ``store(compute(load(item)))`` for every item, in order, the stages overlapping.

    ``load`` runs in one thread, ``store`` in another, ``compute`` in the
    caller's. The first exception of any stage stops all and is raised here once
    both threads have ended, so that what they use can be closed; Ctrl-C too.
    """
    stop = threading.Event()
    loaded: _Stage[Loaded] = _Stage(stop)
    computed: _Stage[Computed] = _Stage(stop)

    def reader() -> None:
        for item in items:
            if not loaded.put(load(item)):
                return

    def writer() -> None:
        for result in computed:
            store(result)

    threads = [loaded.feed(reader), computed.drain(writer)]
    try:
        for value in loaded:
            if not computed.put(compute(value)):
                break
        computed.close()
        threads[1].join()
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    for stage in (loaded, computed):
        if stage.error is not None:
            raise stage.error


class _End:
    pass


class _Stage(Generic[Item]):
    """A bounded queue that can be given up from either side."""

    def __init__(self, stop: threading.Event) -> None:
        self._queue: queue.Queue[Item | _End] = queue.Queue(_DEPTH)
        self._stop = stop
        self.error: BaseException | None = None

    def put(self, value: Item | _End) -> bool:
        """Wait for room; False if the work was given up meanwhile."""
        while not self._stop.is_set():
            try:
                self._queue.put(value, timeout=_POLL)
            except queue.Full:
                continue
            return True
        return False

    def close(self) -> None:
        self.put(_End())

    def __iter__(self) -> _Stage[Item]:
        return self

    def __next__(self) -> Item:
        while not self._stop.is_set():
            try:
                value = self._queue.get(timeout=_POLL)
            except queue.Empty:
                continue
            if isinstance(value, _End):
                break
            return value
        raise StopIteration

    def feed(self, work: Callable[[], None]) -> threading.Thread:
        """Start the thread that puts; the end of its work is the end of the queue."""
        return self._start(work, then=self.close)

    def drain(self, work: Callable[[], None]) -> threading.Thread:
        """Start the thread that takes."""
        return self._start(work)

    def _start(
        self, work: Callable[[], None], then: Callable[[], None] = lambda: None
    ) -> threading.Thread:
        def run() -> None:
            try:
                work()
                then()
            except BaseException as error:  # Raised again in the caller's thread.
                self.error = error
                self._stop.set()

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        return thread
