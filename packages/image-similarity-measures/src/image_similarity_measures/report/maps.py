"""Where the quality maps of a comparison go."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from image_similarity_measures import metrics as registry
from image_similarity_measures.errors import UsageError

__all__ = ["map_paths"]


def map_paths(
    folder: str | os.PathLike[str], images: Sequence[str | None], metrics: Iterable[str]
) -> list[dict[str, Path]]:
    """Where the maps of each image go, for those of the metrics that have one.

    To ``<folder>/<stem>_<metric>.tif``; with the image's suffix where two images have one stem.

    Raises
    ------
    UsageError
        If none of the metrics has a map.
    """
    asked = [registry.get(name) for name in metrics]
    mapped = [metric.name for metric in asked if metric.has_map]
    if not mapped:
        raise UsageError(
            f"no map of {', '.join(metric.name for metric in asked)}; maps exist for "
            + ", ".join(metric.name for metric in registry.METRICS.values() if metric.has_map)
        )
    files = [Path(image or "") for image in images]
    stems = Counter(file.stem for file in files)
    names = [file.stem if stems[file.stem] == 1 else file.name for file in files]
    return [
        {
            metric: Path(folder) / "_".join(filter(None, (name, f"{metric}.tif")))
            for metric in mapped
        }
        for name in names
    ]
