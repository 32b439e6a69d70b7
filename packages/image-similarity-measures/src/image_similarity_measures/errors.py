"""Every error and warning this package raises on purpose.

A message names the file or value at fault and says what to do next; the command line prints it
as one line and exits with 1.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path


class ImageSimilarityError(Exception):
    """Base class of the package's errors."""


class ShapeMismatchError(ImageSimilarityError, ValueError, AssertionError):
    """The two images differ in shape.

    Also an ``AssertionError``, which is what versions up to 0.3 raised.
    """


class InputError(ImageSimilarityError, ValueError):
    """An array or an option has a shape, dtype or value that cannot be used."""


class GridMismatchError(ImageSimilarityError, ValueError):
    """Two rasters lie on different grids."""


class ReadError(ImageSimilarityError):
    """A file is missing or cannot be read."""


class OutputError(ImageSimilarityError):
    """The output cannot be written."""


class UsageError(ImageSimilarityError, ValueError):
    """A metric or option that does not exist was asked for."""


class OpenCVMissingError(ImageSimilarityError, ImportError):
    """OpenCV cannot be imported."""


class SimilarityWarning(UserWarning):
    """A result was computed, but deserves a second look."""


def warn(message: str, category: type[Warning] = SimilarityWarning) -> None:
    """Issue a warning about the line that called this package, however deep in it we are."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and _PACKAGE in Path(frame.f_code.co_filename).parents:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)


_PACKAGE = Path(__file__).parent
