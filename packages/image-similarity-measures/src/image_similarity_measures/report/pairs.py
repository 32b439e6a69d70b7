"""Which file is compared with which: two files, two folders, or what two patterns match."""

from __future__ import annotations

import glob
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from image_similarity_measures.errors import InputError, ReadError

__all__ = ["IMAGE_SUFFIXES", "Pairing", "pair_up"]

# What counts as an image in a folder, each read by a test; a Zarr store is a folder itself.
IMAGE_SUFFIXES = (
    *(".tif", ".tiff", ".vrt", ".jp2", ".j2k", ".img", ".png", ".jpg", ".jpeg", ".webp", ".bmp"),
    *(".gif", ".ppm", ".pgm", ".pfm", ".tga", ".hdr", ".nc", ".h5", ".hdf5", ".ntf", ".nitf"),
    *(".asc", ".bil", ".dat", ".bsq", ".bip", ".zarr"),
)
# What lies beside images and is none: nothing to speak of.
_BESIDE = {
    *(".xml", ".ovr", ".msk", ".prj", ".wld", ".hdr", ".clr", ".stx", ".idx", ".rrd", ".dat"),
    *(".txt", ".md", ".json", ".jsonl", ".geojson", ".csv", ".html", ".yaml", ".yml", ".log"),
}
_WORLD_FILE = re.compile(r"\.[a-z0-9]{2,4}w")


@dataclass(frozen=True, slots=True)
class Pairing:
    """What is compared.

    Attributes
    ----------
    pairs : list of (str, str)
        In the order of the names.
    alone : list of str
        Images of either side without a partner.
    batch : bool
        Whether there may be more pairs than one: of folders or patterns.
    notes : list of str
        What lies in the folders and is left out.
    """

    pairs: list[tuple[str, str]]
    alone: list[str] = field(default_factory=list)
    batch: bool = False
    notes: list[str] = field(default_factory=list)


class _Kind(StrEnum):
    file = "a file"
    folder = "a folder"
    pattern = "a pattern"


def pair_up(org: str, pred: str, *, recursive: bool = False) -> Pairing:
    """Pair two files, the images of two folders, or the files that two patterns match.

    In folders, files of one name belong together; of those left over, files of one name but for
    the extension. Of patterns, files for which the wildcards stand for the same text.

    Parameters
    ----------
    org, pred : str
        Two folders, two patterns with ``*``, ``?``, ``[...]`` or ``**``, or two of what else
        rasterio opens: files, URLs, subdatasets, Zarr stores.
    recursive : bool
        Pair the images of subfolders too, by their path in the folder.

    Returns
    -------
    Pairing

    Raises
    ------
    InputError
        The two are not of one kind, or no two files belong together.
    ReadError
        A folder cannot be listed.
    """
    kind, other = _kind(org), _kind(pred)
    if kind is not other:
        raise InputError(
            f"{org} is {kind} and {pred} is {other}; give two files, two folders or two patterns"
        )
    if kind is _Kind.file:
        return Pairing([(org, pred)])
    notes: list[str] = []
    if kind is _Kind.pattern:
        left, right = _matches(org), _matches(pred)
    else:
        left, right = (_images(Path(folder), recursive, notes) for folder in (org, pred))
    pairs = [(left.pop(key), right.pop(key)) for key in sorted(left.keys() & right.keys())]
    if kind is _Kind.folder:
        pairs += _same_stem(left, right)
    if not pairs:
        reason = "of the same name" if kind is _Kind.folder else "for the same text"
        raise InputError(
            f"no image of {org} has a partner {reason} in {pred}; rename the files"
            + "".join(f" ({note})" for note in notes)
        )
    return Pairing(sorted(pairs), [*left.values(), *right.values()], batch=True, notes=notes)


def _kind(path: str) -> _Kind:
    if Path(path).is_dir():
        return _Kind.file if _is_raster_folder(Path(path)) else _Kind.folder
    # In a URL a question mark is none, and a name that is there is a name.
    plain = "://" in path or path.startswith("/vsi") or Path(path).exists()
    return _Kind.pattern if glob.has_magic(path) and not plain else _Kind.file


def _is_raster_folder(folder: Path) -> bool:
    """Whether a folder is one raster: a Zarr store, or a grid of Arc/Info."""
    inside = (".zarray", ".zgroup", ".zmetadata", "zarr.json", "hdr.adf")
    return any((folder / name).is_file() for name in inside)


def _is_image(path: Path) -> bool:
    suffix = path.suffix.lower()
    if suffix == ".hdr":
        # A picture by Radiance; most are headers of another file.
        with path.open("rb") as file:
            return file.read(2) == b"#?"
    if suffix == ".dat":
        return path.with_suffix(".hdr").exists() or path.with_name(f"{path.name}.hdr").exists()
    return suffix in IMAGE_SUFFIXES


def _images(folder: Path, recursive: bool, notes: list[str]) -> dict[tuple[str, ...], str]:
    """Images by their path in the folder; `notes` takes what is left out."""
    found: dict[tuple[str, ...], str] = {}
    unread: list[Path] = []
    folders: list[Path] = []
    waiting = [folder]
    try:
        for inside in waiting:
            for path in sorted(inside.iterdir()):
                if path.name.startswith("."):
                    continue
                if path.is_dir() and not _is_raster_folder(path):
                    (waiting if recursive else folders).append(path)
                elif path.is_dir() or _is_image(path):
                    found[(path.relative_to(folder).as_posix(),)] = str(path)
                elif not _lies_beside(path):
                    unread.append(path)
    except OSError as error:
        raise ReadError(f"cannot list {folder}: {error.strerror}; check its permissions") from error
    if folders:
        notes.append(
            f"{_some(folders)} of {folder} {_are(folders, 'subfolder')} left out; "
            "--recursive compares what is in them"
        )
    if unread:
        notes.append(
            f"{_some(unread)} of {folder} {_are(unread, 'file')} left out: no image by the name; "
            "a pattern, such as 'folder/*', takes any"
        )
    return found


def _lies_beside(path: Path) -> bool:
    suffix = path.suffix.lower()
    return not suffix or suffix in _BESIDE or _WORLD_FILE.fullmatch(suffix) is not None


def _some(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:3])
    return names + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")


def _are(paths: list[Path], what: str) -> str:
    return f"is a {what} and" if len(paths) == 1 else f"are {what}s and"


def _same_stem(
    left: dict[tuple[str, ...], str], right: dict[tuple[str, ...], str]
) -> Iterator[tuple[str, str]]:
    """Take out and pair the files of one name but for the suffix, where there are no others."""
    stems = [_by_stem(side) for side in (left, right)]
    for stem in sorted(stems[0].keys() & stems[1].keys()):
        first, second = stems[0][stem], stems[1][stem]
        if len(first) == len(second) == 1:
            yield left.pop(first[0]), right.pop(second[0])


def _by_stem(keys: Iterable[tuple[str, ...]]) -> dict[Path, list[tuple[str, ...]]]:
    groups: dict[Path, list[tuple[str, ...]]] = defaultdict(list)
    for key in keys:
        groups[Path(key[0]).with_suffix("")].append(key)
    return groups


_WILDCARDS = re.compile(r"(\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\])")
_MEANT = {"**/": "((?:[^/]+/)*)", "**": "(.*)", "*": "([^/]*)", "?": "([^/])"}


def _matches(pattern: str) -> dict[tuple[str, ...], str]:
    """Files that a pattern matches, by what its wildcards stand for."""
    parts = _WILDCARDS.split(Path(pattern).as_posix())
    expression = re.compile(
        "".join(
            _MEANT.get(part, f"({part.replace('[!', '[^')})") if index % 2 else re.escape(part)
            for index, part in enumerate(parts)
        )
    )
    found: dict[tuple[str, ...], str] = {}
    # pathlib takes no absolute patterns.
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207
        path = Path(name)
        match = expression.fullmatch(path.as_posix())
        if match is not None and (path.is_file() or _is_raster_folder(path)):
            found[match.groups()] = name
    if not found:
        raise InputError(f"no file matches {pattern}; quote patterns, and check where they begin")
    return found
