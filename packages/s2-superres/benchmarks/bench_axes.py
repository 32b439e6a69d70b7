"""What it costs that arrays have their bands first and networks want them last.

    python benchmarks/bench_axes.py --rounds 5

`networks/engine.py` turns a window once on its way in and once on its way out. Here the same
network takes windows that lie bands last already and leaves its output so, in turns with it, in CPU
seconds of all threads, the fewest of all rounds; and the turning is timed alone, since it is less
than what rounds differ by.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2_superres.bands import BY_RESOLUTION
from s2_superres.networks import support
from s2_superres.networks.compute import Compute, quiet_keras
from s2_superres.networks.engine import Predictor
from s2_superres.networks.family import family_of
from s2_superres.networks.weights import Weights, build_with_weights, find_weights

Arrays = Sequence[NDArray[np.float32]]
#: Turning alone takes no time: so many times in a row.
_TURNS = 20


def compiled(function: Callable[[Any], Any], arrays: Arrays) -> Callable[[Arrays], list[Any]]:
    """Return a function of tensors as TensorFlow runs it: arrays in, arrays out."""
    import tensorflow as tf

    signature = [[tf.TensorSpec(array.shape, tf.float32) for array in arrays]]
    traced = tf.function(function, input_signature=signature).get_concrete_function()
    return lambda given: [np.asarray(out) for out in traced([*map(tf.convert_to_tensor, given)])]


def ways(weights: Weights, precision: str) -> dict[str, Callable[[], Any]]:
    """Return what is timed: the window as it comes, bands last all the way, turning alone."""
    ops = quiet_keras().ops
    spec = weights.spec
    tile, trim = family_of(spec).tile, support.trim(spec)
    rng = np.random.default_rng(0)
    first = {
        r: rng.uniform(0.05, 0.6, (len(BY_RESOLUTION[r]), tile * 10 // r, tile * 10 // r)).astype(
            "f4"
        )
        for r in spec.inputs
    }
    last = [np.ascontiguousarray(np.moveaxis(array, 0, -1)) for array in first.values()]
    predictor = Predictor(weights, tile, tile, Compute(precision), trim=trim)
    model = build_with_weights(weights, precision, trim)
    straight = compiled(
        lambda x: [model([ops.expand_dims(each, 0) for each in x], training=False)[0]], last
    )
    (output,) = straight(last)
    np.testing.assert_allclose(predictor(first).values, np.moveaxis(output, -1, 0), atol=1e-3)
    both = [*first.values(), output]
    turning = compiled(
        lambda x: [*(ops.transpose(each, (1, 2, 0)) for each in x[:-1]),
                   ops.transpose(x[-1], (2, 0, 1))], both)  # fmt: skip
    turning(both)
    return {
        "first": lambda: predictor(first),
        "last": lambda: straight(last),
        "turning": lambda: [turning(both) for _ in range(_TURNS)],
    }


def main() -> None:
    """Print a row for each family with weights here, at 20 m."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--networks", nargs="*", default=["compact", "dsen2"])
    parser.add_argument("--precisions", nargs="*", default=["float32"])
    args = parser.parse_args()
    print("| network | precision | bands first | bands last | turning | share |")
    print("|---|---|---|---|---|---|")
    for network in args.networks:
        for precision in args.precisions:
            timed = ways(find_weights(20, "L2A", network), precision)
            taken: dict[str, list[float]] = {name: [] for name in timed}
            for _ in range(args.rounds):
                for name, run in timed.items():
                    begun = time.process_time()
                    run()
                    taken[name].append(time.process_time() - begun)
            first, last, turning = (min(each) for each in taken.values())
            turning /= _TURNS
            print(
                f"| {network} | {precision} | {first:.2f} s | {last:.2f} s "
                f"| {1000 * turning:.0f} ms | {turning / last:.2%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
