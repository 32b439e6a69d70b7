"""What GDAL only says in passing, and what an installation of it may lack.

Some failures, such as a code stream without its end, a write that failed on
flushing or an option that a driver does not know, reach Python as log messages
of rasterio and not as exceptions.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from s2_superres.errors import InstallationError

_JP2_DRIVERS = ("JP2OpenJPEG", "JP2KAK", "JP2ECW", "JP2MrSID", "JPEG2000")
#: Where PROJ looks for its data, the newer name first.
_PROJ_VARIABLES = ("PROJ_DATA", "PROJ_LIB")


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


def check_jpeg2000() -> None:
    """Check that this GDAL reads JPEG 2000.

    Raises
    ------
    InstallationError
        If it has no driver for it.
    """
    import rasterio

    with rasterio.Env() as env:
        if set(env.drivers()).isdisjoint(_JP2_DRIVERS):
            skipped = os.environ.get("GDAL_SKIP")
            raise InstallationError(
                f"GDAL {rasterio.__gdal_version__} has no driver for JPEG 2000"
                + (f" (GDAL_SKIP={skipped})" if skipped else "")
                + "; take rasterio's wheel from PyPI, or install libgdal-jp2openjpeg from "
                "conda-forge"
            )


def check_proj() -> None:
    """Check that PROJ finds its data, without which no CRS can be read or written.

    Raises
    ------
    InstallationError
        If it does not.
    """
    import rasterio
    from rasterio.crs import CRS
    from rasterio.errors import CRSError

    try:
        with rasterio.Env():
            CRS.from_epsg(32633)
    except CRSError as error:
        given = [f"{name}={os.environ[name]}" for name in _PROJ_VARIABLES if name in os.environ]
        cure = f"unset {given[0].partition('=')[0]}" if given else "install rasterio again"
        raise InstallationError(
            f"PROJ does not find the data that belong to it ({', '.join(given) or error}); {cure}"
        ) from None
