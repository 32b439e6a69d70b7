"""Writing by way of GDAL: what failed in one line, and signals answered meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from s2_superres.errors import OutputError
from s2_superres.files.gdal import complaints


@contextmanager
def explained(path: Path, cure: Callable[[], str]) -> Iterator[None]:
    """Turn what GDAL or the system says of a failed write into one line.

    Parameters
    ----------
    path : Path
        The output, to be named.
    cure : callable
        Returns how the line ends.

    Raises
    ------
    OutputError
    """
    from rasterio._err import CPLE_BaseError
    from rasterio.errors import RasterioError

    try:
        with complaints() as said:
            yield
    except (RasterioError, CPLE_BaseError, OSError, SystemError) as error:
        # A SystemError is rasterio's word for a failure of GDAL that tells no reason.
        silent = "GDAL failed" if isinstance(error, SystemError) else None
        reason = silent or getattr(error, "strerror", None) or str(error.__cause__ or error)
        first = reason.splitlines()[0].strip()
        raise OutputError(f"{path}: cannot be written ({first}){cure()}") from None
    failed = failure(said)
    if failed:
        raise OutputError(f"{path}: cannot be written ({failed}){cure()}")


def failure(said: list[str]) -> str | None:
    """Return the first of GDAL's remarks that tells of a write that failed."""
    signs = ("No space left", "Write error", "write error", "File too large")
    return next((text for text in said if any(sign in text for sign in signs)), None)


def aside(work: Callable[[], None]) -> None:
    """Run a long call of GDAL in a thread, so that a signal is answered while it lasts."""
    failed: list[BaseException] = []

    def body() -> None:
        try:
            work()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=body, name="finish", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if failed:
        raise failed[0]
