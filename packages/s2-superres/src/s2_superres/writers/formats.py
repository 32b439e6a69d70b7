"""The registry of formats: whatever module of this room has ``FORMATS`` is in it.

Nothing else names a format. A new one is a module beside this one.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from s2_superres import writers
from s2_superres.errors import InputError
from s2_superres.writers.spec import Format

#: Of an output whose name does not tell.
DEFAULT = "cog"


def formats() -> dict[str, Format]:
    """Return every format by its name."""
    return {one.name: one for one in _found()}


def _found() -> Iterator[Format]:
    for module in sorted(pkgutil.iter_modules(writers.__path__), key=lambda found: found.name):
        yield from getattr(import_module(f"{writers.__name__}.{module.name}"), "FORMATS", ())


def choose_format(name: str | None, path: str | Path) -> Format:
    """Return the format of a name, or else of an output's ending.

    Parameters
    ----------
    name : str, optional
    path : path
        Of the output. An ending that no format has means the default one.

    Raises
    ------
    InputError
        If there is no such format, or the ending is that of another one.
    """
    known = formats()
    suffix = Path(path).suffix.lower()
    of_suffix = [one for one in known.values() if suffix in one.suffixes]
    if name is None:
        return of_suffix[0] if of_suffix else known[DEFAULT]
    if name not in known:
        raise InputError(f"format {name!r}: choose {' or '.join(known)}")
    chosen = known[name]
    if of_suffix and chosen not in of_suffix:
        raise InputError(
            f"{path}: its ending is that of {of_suffix[0].name}, and --format {name} is asked for; "
            f"give a name that ends in {chosen.suffixes[0]}, or leave the format out"
        )
    return chosen
