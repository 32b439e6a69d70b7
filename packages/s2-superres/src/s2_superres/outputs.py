"""Where outputs go, and where they must not: checked before any work."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from s2_superres.errors import OutputError


def protect_inputs(outputs: Iterable[str | Path], inputs: Iterable[str | Path]) -> None:
    """Check that outputs lie in no input, and that no two are the same file.

    Raises
    ------
    OutputError
        Naming the output.
    """
    sources = [Path(source).resolve() for source in inputs]
    seen: dict[Path, str | Path] = {}
    for output in outputs:
        target = Path(output).resolve()
        if any(target == source or source in target.parents for source in sources):
            raise OutputError(f"{output}: lies in an input; write somewhere else")
        if target in seen:
            raise OutputError(f"{output}: is {seen[target]} as well; give each output its own name")
        seen[target] = output
