"""Speed of `predict` beside the naive way, on this machine, both in one run.

    python benchmarks/bench_predict.py --sizes 600 1800 --out ../../docs/performance/predict.md

The naive way is what existing tools do: all 128 x 128 patches in memory, through
Keras's ``model.predict`` in batches. Both run the 20 m DSen2 with the same fixed
random weights; speed does not depend on their values. Rounds alternate, and the
one of each that took the fewest CPU seconds counts. Every measurement runs in a
process of its own, for its peak memory.

``--product`` adds whole runs on a product, a file or a synthetic one of so many pixels a
side, with each family of networks that ships: in what share of the time a network was at work,
and what share of the CPU seconds the same run takes with the networks left out, which holds on
a machine that is busy with other things, too.

``--writing`` writes the windows of a synthetic output of so many pixels a side, eight bands, in
each format, in turns: what the formats cost beside the networks.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

#: Multiplications and additions of the 20 m DSen2 per 10 m pixel: 3 x 3 convolutions of
#: 10 -> 128, twelve of 128 -> 128, 128 -> 6.
FLOP_PER_PIXEL = 2 * 9 * (10 * 128 + 12 * 128 * 128 + 128 * 6)
PATCH, BORDER, BATCH = 128, 14, 128


def inputs(side: int) -> list[Any]:
    """Return a landscape at the networks' scale."""
    import numpy as np

    from s2_superres.bands import BANDS_10M, BANDS_20M
    from s2_superres.testing.products import landscape

    return [
        np.stack([landscape(band, side // ratio, side // ratio) for band in bands])
        for bands, ratio in ((BANDS_10M, 1), (BANDS_20M, 2))
    ]


def weights() -> Any:
    """Return DSen2 for 20 m with fixed random weights, without projection."""
    import numpy as np

    from s2_superres.networks.family import standard_spec
    from s2_superres.networks.graph import build_network
    from s2_superres.networks.weights import Weights, variables_of

    spec = standard_spec("dsen2", 20, consistent=False)
    rng = np.random.default_rng(0)
    shapes = {name: v.shape for name, v in variables_of(build_network(spec)).items()}
    arrays = {name: rng.normal(0, 0.03, shape).astype("f4") for name, shape in shapes.items()}
    return Weights(spec, arrays, name="random")


def naive(side: int) -> None:
    """All patches, with their borders, through `Model.predict`."""
    import numpy as np

    from s2_superres.networks.compute import quiet_keras
    from s2_superres.networks.graph import build_network
    from s2_superres.networks.weights import apply_weights

    quiet_keras()
    made = weights()
    model = build_network(made.spec)
    apply_weights(model, made)
    images = [np.moveaxis(image.astype("f4") / 2000, 0, -1) for image in inputs(side)]

    def run() -> None:
        step = PATCH - 2 * BORDER
        steps = range(0, side, step)
        patches = []
        for image, ratio in zip(images, (1, 2), strict=True):
            border, more = BORDER // ratio, PATCH // ratio
            padded = np.pad(image, ((border, more), (border, more), (0, 0)), mode="symmetric")
            patches.append(
                np.stack(
                    [
                        padded[r // ratio : r // ratio + more, c // ratio : c // ratio + more]
                        for r in steps
                        for c in steps
                    ]
                )
            )
        parts = model.predict(patches, batch_size=BATCH, verbose=0)
        out = np.empty((side, side, 6), "f4")
        kept = parts[:, BORDER:-BORDER, BORDER:-BORDER]
        for i, (r, c) in enumerate((r, c) for r in steps for c in steps):
            out[r : r + step, c : c + step] = kept[i, : side - r, : side - c]

    report(run, side)


def ours(side: int, precision: str) -> None:
    """The array function, from digital numbers to digital numbers."""
    from s2_superres import superresolve
    from s2_superres.networks.weights import save_weights

    made = weights()
    b10, b20 = inputs(side)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "random.npz"
        save_weights(path, made.spec, made.arrays, {}, "float32")

        def run() -> None:
            superresolve(b10, b20, level="L1C", weights=path, precision=precision, consistent=False)

        report(run, side)


def product(source: str, precision: str, network: str) -> None:
    """Two whole runs on a product, the second without running the networks."""
    import numpy as np

    from s2_superres.inference import blocks
    from s2_superres.inference.cost import peak_memory
    from s2_superres.inference.plan import Options, prepare
    from s2_superres.inference.predict import predict
    from s2_superres.raster.grid import Grid
    from s2_superres.testing.products import landscape, write_product
    from s2_superres.testing.spec import ProductSpec

    rng = np.random.default_rng(0)

    def pixels(band: Any, rows: int, cols: int) -> Any:
        # With noise it takes as many bytes, and as long to decode, as real bands.
        values = landscape(band, rows, cols) + rng.normal(0, 20, (rows, cols))
        return np.clip(values, 1, 20000).astype(np.uint16)

    real = blocks.compute
    kept: list[Any] = []
    at_work = 0.0

    def networks(*arguments: Any) -> Any:
        nonlocal at_work
        start = time.perf_counter()
        kept[:] = [real(*arguments)]
        at_work += time.perf_counter() - start
        return kept[0]

    with tempfile.TemporaryDirectory() as folder:
        safe = Path(source)
        if source.isdecimal():
            grid = Grid("EPSG:32633", 300000.0, 6200040.0, int(source), int(source))
            safe = write_product(Path(folder), ProductSpec("L1C", "05.09", grid), pixels)
        output = Path(folder) / "o.tif"
        run = prepare(safe, Options(precision=precision, network=network, overwrite=True))

        def took(compute: Any) -> tuple[float, float]:
            setattr(blocks, "compute", compute)  # noqa: B010
            start, cpu = time.perf_counter(), time.process_time()
            predict(run, output)
            return time.perf_counter() - start, time.process_time() - cpu

        wall, cpu = took(networks)
        memory = peak_memory()
        _, without = took(lambda *_: kept[0])
    got = {"wall": wall, "cpu": cpu, "memory": memory, "windows": len(run.windows)}
    print(json.dumps(got | {"at_work": at_work / wall, "without": without}))


def writing(side: str, name: str) -> None:
    """An output in one format, from windows of landscape that lie ready."""
    import os

    import numpy as np

    from s2_superres.bands import BANDS_20M, BANDS_60M
    from s2_superres.inference.cost import peak_memory
    from s2_superres.raster.grid import Grid
    from s2_superres.raster.windows import plan
    from s2_superres.testing.products import landscape
    from s2_superres.writers.formats import formats
    from s2_superres.writers.spec import Layer, RasterSpec, written

    grid = Grid("EPSG:32633", 300000.0, 6200040.0, int(side), int(side))
    windows = plan(grid.area, 720, 36)
    shape = windows.core_rows, windows.core_cols
    bands = (*BANDS_20M, *BANDS_60M)
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 20, (len(bands), *shape))
    values = (np.stack([landscape(band, *shape) for band in bands]) + noise).astype("uint16")
    layers = [Layer(band.name, scale=1e-4) for band in bands]
    spec = RasterSpec(
        grid, layers, saturated=65535, window=shape, threads=os.cpu_count() or 1,
        tags={"S2_SUPERRES_VERSION": "benchmark"},
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "output"
        start, cpu = time.perf_counter(), time.process_time()
        with written(formats()[name].open(output, spec)) as writer:
            for window in windows:
                rows, cols = window.core.shape
                writer.write(window.core, values[:, :rows, :cols])
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        files = [output] if output.is_file() else [f for f in output.rglob("*") if f.is_file()]
        size = sum(file.stat().st_size for file in files)
    got = {"wall": wall, "cpu": cpu, "memory": peak_memory(), "size": size, "files": len(files)}
    print(json.dumps({**got, "ratio": spec.nbytes / size}))


def writing_table(side: int, rounds: int) -> str:
    """Measure the formats in turns and return Markdown; the round of fewest CPU seconds counts."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name in ("cog", "gtiff", "zarr"):
            got = measure("writing", side, name)
            if name not in best or got["cpu"] < best[name]["cpu"]:
                best[name] = got
    lines = [
        "| format | seconds | CPU seconds | files | of the pixels' size | memory, MiB |",
        "|---|---|---|---|---|---|",
    ]
    for name, got in best.items():
        lines.append(
            f"| {name} | {got['wall']:.1f} | {got['cpu']:.1f} | {got['files']:.0f} "
            f"| {1 / got['ratio']:.0%} | {got['memory'] / 2**20:.0f} |"
        )
    return "\n".join(lines) + "\n"


def report(run: Any, side: int) -> None:
    """Time a second run; the first one compiles."""
    from s2_superres.inference.cost import peak_memory

    run()
    wall, cpu = time.perf_counter(), time.process_time()
    run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": peak_memory()}))


def peak(precision: str) -> None:
    """The fastest matrix product: the machine's peak in GFLOP per CPU second."""
    from s2_superres.networks.compute import quiet_keras, set_threads

    quiet_keras()
    set_threads(1)
    import tensorflow as tf

    kind = tf.bfloat16 if precision == "bfloat16" else tf.float32
    best = 0.0
    for size in (1024, 2048, 4096):
        a = tf.cast(tf.random.normal((size, size)), kind)
        product_of = tf.function(lambda x: tf.linalg.matmul(x, x))
        product_of(a)
        repeats = (4096 // size) ** 2
        for _ in range(5):
            start = time.process_time()
            for _ in range(repeats):
                product_of(a).numpy()
            seconds = (time.process_time() - start) / repeats
            best = max(best, 2 * size**3 / seconds / 1e9)
    print(json.dumps({"gflops": best}))


def computed(way: str, side: int) -> int:
    """How many pixels go through the network: those of the image and of all halos."""
    if way == "naive":
        return len(range(0, side, PATCH - 2 * BORDER)) ** 2 * PATCH**2
    from s2_superres.networks import support
    from s2_superres.networks.family import find_family, standard_spec
    from s2_superres.raster.grid import Area
    from s2_superres.raster.windows import plan

    halo = support.halo(standard_spec("dsen2", 20, consistent=False))
    windows = plan(Area(0, 0, side, side), find_family("dsen2").tile, halo, 2)
    rows, cols = windows.outer_shape
    return len(windows) * rows * cols


def measure(*arguments: object) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def table(sizes: list[int], rounds: int, whole: str | None, networks: list[str]) -> str:
    """Measure everything and return Markdown."""
    from s2_superres.networks.compute import resolve_precision

    fast = resolve_precision("auto") == "bfloat16"
    ways = ["naive", "float32", *(["bfloat16"] if fast else [])]
    return "\n".join(
        [*(of_sizes(sizes, rounds, ways) if sizes else []), *of_product(whole, ways[-1], networks)]
    )


def of_sizes(sizes: list[int], rounds: int, ways: list[str]) -> list[str]:
    """Measure the ways on images of some sizes; return lines of Markdown."""
    peaks = {way: measure("peak", 0, way)["gflops"] for way in ways[1:]}
    lines = [
        (
            "| pixels a side | way | seconds | CPU seconds | times naive | Mpixel/s "
            "| GFLOP per CPU second | of a matrix product's | memory, MiB |"
        ),
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for side in sizes:
        best: dict[str, dict[str, float]] = {}
        for _ in range(rounds):
            for way in ways:
                kind = ("naive", side) if way == "naive" else ("ours", side, way)
                got = measure(*kind)
                if way not in best or got["cpu"] < best[way]["cpu"]:
                    best[way] = got
        for way, got in best.items():
            rate = FLOP_PER_PIXEL * computed(way, side) / 1e9 / got["cpu"]
            lines.append(
                f"| {side} | {way} | {got['wall']:.1f} | {got['cpu']:.1f} "
                f"| {best['naive']['cpu'] / got['cpu']:.2f} "
                f"| {side**2 / got['wall'] / 1e6:.3f} | {rate:.0f} "
                f"| {rate / peaks.get(way, peaks['float32']):.0%} | {got['memory'] / 2**20:.0f} |"
            )
    lines += [
        "",
        "Times naive compares CPU seconds. GFLOP counts what is computed, halos included; "
        "the fastest of the matrix products of 1024, 2048 and 4096 runs at "
        + " and ".join(f"{value:.0f} in {way}" for way, value in peaks.items())
        + ".",
        "",
    ]
    return lines


def of_product(whole: str | None, precision: str, networks: list[str]) -> list[str]:
    """Measure whole runs on a product; return lines of Markdown."""
    lines = []
    for network in networks if whole else []:
        got = measure("product", whole, precision, network)
        lines += [
            (
                f"The product, all eight bands by {network}, in {precision}: {got['wall']:.0f} s, "
                f"{got['cpu']:.0f} CPU seconds, {got['windows']:.0f} windows, "
                f"{got['memory'] / 2**20:.0f} MiB. In {got['at_work']:.1%} of the time a network "
                f"was at work. The same without running the networks takes {got['without']:.0f} "
                f"CPU seconds, {got['without'] / got['cpu']:.1%}."
            ),
            "",
        ]
    return lines


def main() -> None:
    """Parse the options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="*", default=[600])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--product", help="a product, or the side of a synthetic one in pixels")
    parser.add_argument("--writing", type=int, help="the side of an output: only this is measured")
    parser.add_argument("--networks", nargs="*", default=["compact", "dsen2"])
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        kind, side, *precision = chosen.one
        if kind == "naive":
            naive(int(side))
        elif kind == "ours":
            ours(int(side), *precision)
        elif kind == "product":
            product(side, *precision)
        elif kind == "writing":
            writing(side, *precision)
        else:
            peak(*precision)
        return
    if chosen.writing:
        text = writing_table(chosen.writing, chosen.rounds)
    else:
        text = table(chosen.sizes, chosen.rounds, chosen.product, chosen.networks)
    print(text)
    if chosen.out:
        given = [Path(text).name if Path(text).exists() else text for text in sys.argv[1:]]
        command = " ".join(["python benchmarks/bench_predict.py", *given])
        chosen.out.write_text(f"Printed by `{command}`.\n\n{text}")


if __name__ == "__main__":
    main()
