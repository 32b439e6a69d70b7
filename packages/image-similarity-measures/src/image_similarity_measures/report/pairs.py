"""Which file is compared with which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from image_similarity_measures.errors import InputError, ReadError

__all__ = ["IMAGE_SUFFIXES", "pair_up"]

# What counts as an image in a folder; sidecar files do not.
IMAGE_SUFFIXES = (
    *(".tif", ".tiff", ".vrt", ".jp2", ".img", ".png", ".jpg", ".jpeg"),
    *(".webp", ".bmp", ".gif", ".ppm", ".pgm", ".tga", ".exr", ".hdr"),
)


def pair_up(org: str, pred: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Pair two files, or the images of two folders.

    In folders, files of one name belong together; of those left over, files of one name but for
    the extension.

    Parameters
    ----------
    org, pred : str
        Two folders, or two of what else rasterio opens: files, URLs, subdatasets.

    Returns
    -------
    pairs : list of (str, str)
        In the order of the names.
    alone : list of str
        Images of either folder without a partner.

    Raises
    ------
    InputError
        One is a folder and the other not, or no two files belong together.
    ReadError
        A folder cannot be listed.
    """
    folders = [path for path in (org, pred) if Path(path).is_dir()]
    if not folders:
        return [(org, pred)], []
    if len(folders) == 1:
        folder, other = (org, pred) if folders == [org] else (pred, org)
        raise InputError(f"{folder} is a folder and {other} is not; give two files or two folders")
    left, right = _images(Path(org)), _images(Path(pred))
    pairs = [(left.pop(name), right.pop(name)) for name in sorted(left.keys() & right.keys())]
    left_stems, right_stems = _by_stem(left.values()), _by_stem(right.values())
    for stem in sorted(left_stems.keys() & right_stems.keys()):
        if len(left_stems[stem]) == len(right_stems[stem]) == 1:
            first, second = left_stems[stem][0], right_stems[stem][0]
            pairs.append((first, second))
            del left[first.name], right[second.name]
    if not pairs:
        raise InputError(
            f"no image in {org} has a partner of the same name in {pred}; rename the files"
        )
    found = [(str(first), str(second)) for first, second in sorted(pairs)]
    return found, [str(path) for path in (*left.values(), *right.values())]


def _images(folder: Path) -> dict[str, Path]:
    try:
        return {
            path.name: path
            for path in sorted(folder.iterdir())
            if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".")
        }
    except OSError as error:
        raise ReadError(f"cannot list {folder}: {error.strerror}") from error


def _by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in paths:
        groups[path.stem].append(path)
    return groups
