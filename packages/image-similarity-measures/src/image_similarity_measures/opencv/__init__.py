"""OpenCV, imported at first use, and what takes its place where it cannot be imported."""

from __future__ import annotations

from typing import Any

from image_similarity_measures.errors import OpenCVMissingError

__all__ = ["opencv", "opencv_itself", "slower_without"]

_CURE = (
    "install the system library it misses (on Debian: apt install libgl1 libglib2.0-0), or the "
    "build that needs none: pip install --force-reinstall --no-deps opencv-python-headless"
)

# What importing failed with, once it has: another attempt would take as long and say less.
_failed: list[str] = []


def opencv() -> Any:
    """Return the ``cv2`` module, or `plain`, which does in SciPy what the metrics ask of it.

    Imported here and not at the top of modules because it takes time that ``--help`` should not
    pay, and because it fails on systems without libGL.
    """
    if not _failed:
        try:
            import cv2
        except ImportError as error:
            _failed.append(str(error))
        else:
            return cv2
    from . import plain

    return plain


def slower_without() -> str | None:
    """Say, if OpenCV was asked for and is missing, what that costs and how to get it."""
    if not _failed:
        return None
    return (
        f"OpenCV cannot be imported ({_failed[0]}): the scores are the same without, but slower; "
        + _CURE
    )


def opencv_itself() -> Any:
    """Return the ``cv2`` module, for what nothing takes the place of.

    Raises
    ------
    OpenCVMissingError
        If it cannot be imported; the message names both cures.
    """
    found = opencv()
    if _failed:
        raise OpenCVMissingError(f"OpenCV cannot be imported ({_failed[0]}); {_CURE}")
    return found
