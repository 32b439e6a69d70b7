"""What was wrong with one of many, in one line."""

from __future__ import annotations

from s2_superres.errors import S2SuperresError


def explained(error: BaseException) -> str:
    """Return an error in one line."""
    if isinstance(error, MemoryError):
        return "out of memory: take a smaller --tile, or fewer --jobs"
    text = " ".join(str(error).split())
    if isinstance(error, S2SuperresError):
        return text
    if isinstance(error, OSError):
        return f"{error.filename or 'a file'}: {error.strerror or text}"
    return f"{type(error).__name__}: {text}; please report it"
