"""What GDAL only says in passing.

Some failures, such as a code stream without its end, a write that failed on
flushing or an option that a driver does not know, reach Python as log messages
of rasterio and not as exceptions.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def complaints() -> Iterator[list[str]]:
    """Collect GDAL's warnings and errors that this thread causes in the block."""
    seen: list[str] = []
    thread = threading.get_ident()

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.thread == thread:
                seen.append(re.sub(r"^CPLE_\w+ in ", "", record.getMessage()))

    handler = Collect(logging.WARNING)
    logger = logging.getLogger("rasterio")
    logger.addHandler(handler)
    try:
        yield seen
    finally:
        logger.removeHandler(handler)
