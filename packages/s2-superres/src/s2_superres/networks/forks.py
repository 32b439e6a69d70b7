"""Whether TensorFlow lives in this process, or did in the one that this was forked from.

A fork copies TensorFlow's locks but not the threads that would release them, so that the child
waits for ever at its first operation.
"""

from __future__ import annotations

import os
import sys

from s2_superres.errors import WorkerError

_forked_alive = False


def tensorflow_is_alive() -> bool:
    """Whether TensorFlow has begun its threads in this process, by us or anybody else."""
    eager = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(eager, "_context", None)
    return bool(getattr(context, "_initialized", False))


def check_not_forked() -> None:
    """Check that TensorFlow can run in this process.

    Raises
    ------
    WorkerError
        If it was forked from one where TensorFlow had begun, and would wait for ever.
    """
    if _forked_alive:
        raise WorkerError(
            "this process was forked from one where TensorFlow has run, and would wait for ever; "
            "start it by multiprocessing.get_context('spawn')"
        )


def _in_child() -> None:
    global _forked_alive
    _forked_alive = _forked_alive or tensorflow_is_alive()


# Windows has no forks.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
