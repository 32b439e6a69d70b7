"""What an output is to be, and what every writer and every format of files offers.

A format opens a writer, which takes windows in any order and then commits or discards
them. To add a format, see "Add a writer" in the documentation's page on the house.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from s2_superres.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from s2_superres.raster.grid import Area, Grid


@dataclass(frozen=True)
class Layer:
    """What a band of the output is.

    Attributes
    ----------
    name : str
        Its description, such as ``B05``.
    wavelength : float, optional
        Central wavelength in nanometres.
    scale, offset : float
        Physical value = stored value x scale + offset.
    classes : mapping of int to str
        What the numbers mean, where they are classes: no mean is made of those.
    """

    name: str
    wavelength: float | None = None
    scale: float = 1.0
    offset: float = 0.0
    classes: Mapping[int, str] = field(default_factory=dict)

    @property
    def flags(self) -> dict[int, str]:
        """The classes in CF's way, whose names are words joined by underscores."""
        return {value: re.sub(r"\W+", "_", name) for value, name in self.classes.items()}


@dataclass(frozen=True)
class RasterSpec:
    """What the output is to be.

    Attributes
    ----------
    grid : Grid
        Of the output; its upper left pixel is row 0, column 0 of what is written.
    layers : sequence of Layer
        The bands.
    dtype : str
        NumPy's name of the pixels' type.
    nodata : float or None
        The value of pixels without data; also that of pixels never written.
    saturated : float or None
        The value of pixels whose brightness nobody knows: no mean of others is made of it.
    tags : mapping
        Of the whole file.
    window : tuple of int, optional
        Rows and columns of the windows that will be written, from the upper left corner on;
        those at the other edges may be smaller.
    options : mapping
        The format's creation options, on top of the writer's own.
    overwrite : bool
        Replace an output that is there already.
    threads : int
        For compressing.
    """

    grid: Grid
    layers: Sequence[Layer]
    dtype: str = "uint16"
    nodata: float | None = 0
    saturated: float | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    window: tuple[int, int] | None = None
    options: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    threads: int = 1

    @property
    def nbytes(self) -> int:
        """Size of the pixels in memory or uncompressed on disk."""
        import numpy as np

        return self.grid.rows * self.grid.cols * len(self.layers) * np.dtype(self.dtype).itemsize

    def halve(self, values: NDArray[Any], layers: Sequence[Layer] | None = None) -> NDArray[Any]:
        """Return ``(bands, rows, cols)`` at half the resolution.

        Parameters
        ----------
        values : ndarray
            From an even row and column on.
        layers : sequence of Layer, optional
            What its bands are; all of the output's by default.
        """
        from s2_superres.raster.overviews import halve, thin

        half = halve(values, self.nodata, self.saturated)
        of_classes = [bool(layer.classes) for layer in layers or self.layers]
        if any(of_classes):
            half[of_classes] = thin(values[of_classes])
        return half

    @property
    def has_classes(self) -> bool:
        """Whether any band holds classes."""
        return any(layer.classes for layer in self.layers)

    def check_window(self, path: Path, area: Area, values: NDArray[Any]) -> None:
        """Check that a window fits the output.

        Raises
        ------
        InputError
            If it does not, in place, size, bands or dtype: nothing is cast or cut silently.
        """
        wanted = len(self.layers), *area.shape
        fits = self.grid.area.contains(area)
        if not fits or values.shape != wanted or values.dtype != self.dtype:
            raise InputError(
                f"{values.dtype} window {values.shape} at {area.row}, {area.col} does not fit into "
                f"{path}: {self.dtype} {(len(self.layers), self.grid.rows, self.grid.cols)}; "
                "give windows as opened for"
            )


class Writer(Protocol):
    """One output that is being written.

    Attributes
    ----------
    notes : mapping of Area to str
        The windows that an earlier run has finished, which need not come again, each with
        its note. Empty for formats that start afresh.
    """

    notes: Mapping[Area, str]

    def write(self, area: Area, values: NDArray[Any], note: str = "") -> None:
        """Write a window.

        Parameters
        ----------
        area : Area
            In the output's pixels.
        values : ndarray
            ``(bands, rows, cols)`` of the output's dtype.
        note : str
            Kept with the window by writers that can be resumed.

        Raises
        ------
        InputError
            If the window does not fit the output.
        OutputError
            If it cannot be written, for want of room say.
        """

    def commit(self) -> None:
        """Make the output whole and give it its name.

        Raises
        ------
        OutputError
            If that fails; then it is as after `discard`.
        """

    def discard(self) -> str | None:
        """Give up: no output appears. What a next run can go on from may stay, hidden.

        Returns
        -------
        str or None
            What stays, for the user to know.
        """


class Format(Protocol):
    """A format of files: stands in its module's ``FORMATS``, see `s2_superres.writers.formats`.

    Attributes
    ----------
    name : str
        As users give it.
    title : str
        In words, for help and messages.
    suffixes : tuple of str
        Endings of names, in small letters, that choose it.
    media_type : str
        What catalogues call it.
    """

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def suffixes(self) -> tuple[str, ...]: ...
    @property
    def media_type(self) -> str: ...

    def check(self, path: Path, *, overwrite: bool, nbytes: int = 0) -> None:
        """Check that an output of so many bytes, uncompressed, can be written.

        Raises
        ------
        OutputError
            If it cannot, or would replace anything but an output of this format.
        """

    def open(self, path: Path, spec: RasterSpec) -> Writer:
        """Start an output.

        Raises
        ------
        OutputError
            If it cannot be written, or another run is writing it.
        """

    def read(self, path: Path, area: Area, names: Sequence[str]) -> NDArray[Any]:
        """Return layers, by their names, of a part of a finished output, ``(n, rows, cols)``."""

    def recall(self, path: Path) -> RasterSpec | None:
        """Return what a file says that it is: grid, layers, dtype, no data and tags.

        None if it is damaged, of another format, or the format does not tell.
        """


@contextmanager
def written(writer: Writer) -> Iterator[Writer]:
    """Commit a writer when the block ends, discard it if the block fails."""
    try:
        yield writer
    except BaseException as error:
        kept = writer.discard()
        if kept:
            error.add_note(kept)
        raise
    writer.commit()


def parse_options(items: Sequence[str]) -> dict[str, str]:
    """Turn ``NAME=VALUE`` texts into creation options, names in upper case.

    Raises
    ------
    InputError
        If one has no name or no ``=``.
    """
    options = {}
    for item in items:
        name, equals, value = item.partition("=")
        if not name.strip() or not equals:
            raise InputError(f"--co {item}: give NAME=VALUE, such as --co COMPRESS=ZSTD")
        options[name.strip().upper()] = value.strip()
    return options
