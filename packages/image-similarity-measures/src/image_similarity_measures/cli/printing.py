"""What goes to stdout and stderr, and how."""

from __future__ import annotations

import contextlib
import io
import os
import sys

from image_similarity_measures.errors import OutputError


def say(text: str) -> None:
    """Write a line to stderr, if there is one."""
    if sys.stderr is not None:  # it may be closed, and print would take stdout instead
        print(text, file=sys.stderr)


def print_text(text: str) -> None:
    """Write the result to stdout."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read has read enough; Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise OutputError(
            f"cannot write to stdout: {error.strerror}; make room, or give a file with --output"
        ) from error


def names_can_be_shown() -> None:
    """Escape what the terminal cannot show: a name is no reason to fail."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def keep_stderr_to_ourselves() -> None:
    """Send to nowhere what C libraries write to stderr; libtiff cannot be told not to."""
    if sys.stderr is None:
        return
    with contextlib.suppress(OSError, ValueError):
        ours = os.fdopen(os.dup(sys.stderr.fileno()), "w", buffering=1, errors="backslashreplace")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        sys.stderr = ours
