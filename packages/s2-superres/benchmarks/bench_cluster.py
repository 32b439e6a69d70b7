"""What a Dask cluster costs beside the plain command, on this machine, interleaved.

    python benchmarks/bench_cluster.py --side 1830 --rounds 2

The same synthetic products are sharpened in this process, through one local worker, by windows and
whole, and whole through two. Networks are loaded before the clock starts. Rounds alternate; of
each way the round that took the fewest CPU seconds counts, those of the workers included.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

TILES = ("T33UUB", "T33UVB")


def products(folder: Path, side: int) -> list[Path]:
    """Write synthetic products."""
    from s2_superres.raster.grid import Grid
    from s2_superres.testing.products import landscape, write_product
    from s2_superres.testing.spec import ProductSpec

    grid = Grid("EPSG:32633", 300000.0, 6200040.0, side, side)
    return [write_product(folder, ProductSpec("L1C", "05.09", grid, t), landscape) for t in TILES]


def measure(work: Callable[[], object], client: Any) -> tuple[float, float]:
    """Return wall and CPU seconds, those of the workers included."""

    def spent() -> float:
        theirs = client.run(time.process_time).values() if client is not None else ()
        return time.process_time() + sum(theirs)

    begin, before = time.perf_counter(), spent()
    work()
    return time.perf_counter() - begin, spent() - before


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=1830)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--network", default="default")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    chosen = parser.parse_args()

    from s2_superres import predict_batch
    from s2_superres.inference import Options
    from s2_superres.inference.cluster import connected, window_executor
    from s2_superres.inference.cost import peak_memory
    from s2_superres.inference.predict import predict

    options = Options(network=chosen.network, overwrite=True)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sources = products(folder, chosen.side)
        one, two = (stack.enter_context(connected(f"local:{count}")) for count in (1, 2))

        def alone() -> None:
            for source in sources:
                predict(source, folder / "o.tif", options)

        def windows() -> None:
            for source in sources:
                predict(source, folder / "o.tif", options, executor=window_executor(one))

        def whole(client: Any) -> None:
            shutil.rmtree(folder / "out", ignore_errors=True)
            assert all(o.status == "done" for o in
                       predict_batch(sources, folder / "out", options, client=client))  # fmt: skip

        ways: dict[str, tuple[Callable[[], None], Any]] = {
            "alone": (alone, None),
            "one worker, windows": (windows, one),
            "one worker, whole products": (lambda: whole(one), one),
            "two workers, whole products": (lambda: whole(two), two),
        }
        best: dict[str, tuple[float, float]] = {}
        for number in range(chosen.rounds + 1):
            for name, (work, client) in ways.items():
                took = measure(work, client)
                if number:  # The first loads and compiles.
                    best[name] = min(best.get(name, took), took, key=lambda each: each[1])
        rows = [
            "| way | seconds | CPU seconds | beside alone | memory of a worker, MiB |",
            "|---|---|---|---|---|",
        ]
        for name, (wall, cpu) in best.items():
            client = ways[name][1]
            peaks = [peak_memory()] if client is None else client.run(peak_memory).values()
            rows.append(
                f"| {name} | {wall:.1f} | {cpu:.1f} | {cpu / best['alone'][1] - 1:+.0%} "
                f"| {max(peaks) / 2**20:.0f} |"
            )
    text = f"{len(TILES)} products of {chosen.side} x {chosen.side} pixels.\n\n" + "\n".join(rows)
    print(text)
    if chosen.out:
        given = " ".join(Path(each).name if "/" in each else each for each in sys.argv[1:])
        chosen.out.write_text(
            f"Printed by `python benchmarks/bench_cluster.py {given}`.\n\n{text}\n"
        )


if __name__ == "__main__":
    main()
