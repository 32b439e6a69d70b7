"""Put trained weights into the package and its index.

Run from a checkout, with the package installed:
``python scripts/ship_weights.py RUN/best.npz compact_20m.npz --levels L1C L2A --default``.
The settings of the run go beside them, as compact_20m.json, and those of the runs whose weights it
started from by the names of their folders: ``train --config`` repeats them.
Values are stored in half precision; the index holds the SHA-256 that
`s2_superres.networks.weights.find_weights` checks.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s2_superres.networks.shipped import SHIPPED
from s2_superres.networks.weights import (
    file_hash,
    load_weights,
    save_weights,
    started_from,
)
from s2_superres.products.sample import sample_path
from s2_superres.validation.methods import choose_methods
from s2_superres.validation.run import validate
from s2_superres.validation.scenes import read_scene
from s2_superres.validation.settings import Settings


def main() -> None:
    """Parse the options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("name", help="file name in the package, such as compact_20m.npz")
    parser.add_argument("--levels", nargs="+", default=["L1C", "L2A"], choices=["L1C", "L2A"])
    parser.add_argument("--default", action="store_true", help="what --network default takes")
    options = parser.parse_args()

    weights = load_weights(options.source)
    SHIPPED.mkdir(parents=True, exist_ok=True)
    target = SHIPPED / options.name
    save_weights(target, weights.spec, weights.arrays, weights.metadata)
    write_recipes(weights.metadata, target.with_suffix(".json"))

    index_file = SHIPPED / "index.json"
    index = json.loads(index_file.read_text()) if index_file.exists() else {}
    if options.default:
        for entry in index.values():
            if entry["resolution"] == weights.spec.resolution:
                entry["default"] = False
    index[options.name] = {
        "family": weights.spec.family,
        "resolution": weights.spec.resolution,
        "levels": options.levels,
        "default": options.default,
        "sample_rmse": score_on_sample(target, weights.spec.resolution),
        "sha256": file_hash(target),
    }
    index_file.write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")


def write_recipes(metadata: Mapping[str, Any], path: Path) -> None:
    """Write the settings that made some weights, and those before them, for ``train --config``."""
    path.write_text(json.dumps(metadata["recipe"], indent=1) + "\n")
    for file, before in started_from(metadata).items():
        write_recipes(before, path.with_name(f"{Path(file).parent.name}.json"))


def score_on_sample(weights: Path, resolution: int) -> float:
    """Return the RMSE in DN, mean over bands, on the product that ships."""
    methods = choose_methods(resolutions=(resolution,), weights=[str(weights)], against=())
    settings = Settings((resolution,), full_scale=False)
    [comparison] = validate([read_scene(sample_path())], methods, settings).comparisons
    return round(comparison.scores[0].overall["rmse"], 2)


if __name__ == "__main__":
    main()
