"""GDAL's settings, what it warns of, and what it says went wrong."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from threading import Lock
from typing import Any

import rasterio
from rasterio.env import getenv, hasenv
from rasterio.errors import NotGeoreferencedWarning

# rasterio logs each GDAL message and also raises it; without a handler Python prints the log.
logging.getLogger("rasterio").addHandler(logging.NullHandler())

_DECODERS = 2


class _Process:
    """Whether this process was forked, maybe from one where GDAL's threads had run.

    GDAL keeps its threads for the life of the process, and a fork copies everything but them:
    whatever is handed to them in the child is never done.
    """

    def __init__(self) -> None:
        parent = getattr(sys.modules.get("multiprocessing"), "parent_process", None)
        # Imported only now, in a worker that forked before: GDAL may have been at work in between.
        self.forked = parent is not None and parent() is not None
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._mark)

    def _mark(self) -> None:
        self.forked = True


_process = _Process()


def decoders() -> Any:
    """How many threads GDAL may decode and encode with.

    Two, or what the environment or an enclosing ``rasterio.Env`` says; one in a forked process,
    where more would wait for ever.
    """
    if _process.forked:
        return 1
    given = _given("GDAL_NUM_THREADS")
    return _DECODERS if given is None else given


def gdal_options(cache_bytes: int | None = None) -> dict[str, Any]:
    """GDAL's options for reading and writing: `decoders`, no leniency, and a bounded cache.

    By default GDAL fills up what is missing of a JPEG, and of a PNG that it reads at once. A size
    of the cache that the environment or an enclosing ``rasterio.Env`` names holds.
    """
    options: dict[str, Any] = {
        "GDAL_NUM_THREADS": decoders(),
        "GDAL_ERROR_ON_LIBJPEG_WARNING": True,
        "GDAL_PNG_WHOLE_IMAGE_OPTIM": False,
    }
    if cache_bytes is not None and _given("GDAL_CACHEMAX") is None:
        options["GDAL_CACHEMAX"] = cache_bytes
    return options


def _given(option: str) -> Any:
    """What an enclosing ``rasterio.Env`` or the environment says of an option, or None."""
    enclosing = getenv() if hasenv() else {}
    return enclosing.get(option, os.environ.get(option))


def gdal_settings() -> rasterio.Env:
    """`gdal_options` for the thread that enters it."""
    return rasterio.Env(**gdal_options())


class _Silence:
    """Ignores a warning as long as any thread is within.

    The filters of warnings belong to the whole process: threads that each put back what they found
    would put back each other's.
    """

    def __init__(self, category: type[Warning]) -> None:
        self._category = category
        self._lock = Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore", self._category)
            self._inside += 1

    def __exit__(self, *details: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._filters.__exit__(None, None, None)


#: rasterio warns of files without a georeference, which are as good as any here.
unreferenced_is_fine = _Silence(NotGeoreferencedWarning)


def reason(error: BaseException) -> str:
    """The innermost message of a chain of errors, on one line: GDAL says what happened there."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())
