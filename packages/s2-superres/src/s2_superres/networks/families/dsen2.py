"""DSen2 and VDSen2: a residual network on the 10 m grid.

Lanaras et al. 2018 (arXiv 1803.04271).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from s2_superres.networks.family import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from s2_superres.networks.body import Body
    from s2_superres.networks.spec import NetworkSpec


def _graph(body: Body, inputs: list[Any]) -> Any:
    import keras

    from s2_superres.networks.layers import Upsample

    spec = body.spec
    ups = [
        Upsample(r // 10, name=f"up{r}", dtype="float32")(x)
        for r, x in zip(spec.inputs[1:], inputs[1:], strict=True)
    ]
    stacked = keras.layers.Concatenate(name="stack", dtype="float32")([inputs[0], *ups])
    y = body(body.trimmed(stacked), len(spec.bands))
    return keras.layers.Add(name="residual", dtype="float32")([body.trimmed(ups[-1]), y])


def _reach(spec: NetworkSpec) -> int:
    return 2 * spec.ratio


def _circulating(
    path: Path,
) -> tuple[NetworkSpec, dict[str, NDArray[np.float32]], dict[str, Any]] | None:
    from s2_superres.networks.keras2 import read_legacy

    found = read_legacy(path)
    return None if found is None else (*found, {"recipe": "Keras 2 weights in circulation"})


_TAIL_RATE = 1 / 16

FAMILIES = (
    Family(
        name="dsen2",
        summary="the published residual network on the 10 m grid",
        graph=_graph,
        reach=_reach,
        features=128,
        blocks=6,
        tile=636,
        tail_rate=_TAIL_RATE,
        foreign=_circulating,
    ),
    Family(
        name="vdsen2",
        summary="the published one, deeper and wider",
        graph=_graph,
        reach=_reach,
        features=256,
        blocks=32,
        tile=512,
        tail_rate=_TAIL_RATE,
    ),
)
