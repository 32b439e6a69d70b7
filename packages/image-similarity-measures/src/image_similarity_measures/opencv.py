"""OpenCV, imported at first use."""

from __future__ import annotations

from typing import Any

from .errors import OpenCVMissingError


def opencv() -> Any:
    """Return the ``cv2`` module.

    Imported here and not at the top of modules because it takes time that ``--help`` should not
    pay, and because it fails on systems without libGL, where the rest still works.

    Raises
    ------
    OpenCVMissingError
        If it cannot be imported; the message names both cures.
    """
    try:
        import cv2
    except ImportError as error:
        raise OpenCVMissingError(
            f"OpenCV cannot be imported ({error}); install the system library it misses "
            "(on Debian: apt install libgl1 libglib2.0-0), or the build that needs none: "
            "pip install --force-reinstall --no-deps opencv-python-headless"
        ) from error
    return cv2
