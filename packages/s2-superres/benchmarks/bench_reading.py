"""What of a product is read, over HTTP and by one chunk of a lazy dataset.

    python benchmarks/bench_reading.py --side 3660 --out ../../docs/performance/reading.md

An item with a COG per band, in blocks of 1024 pixels as catalogues have them, lies behind a web
server of this machine. `predict` makes all of it, and a square of 3 km in its middle. What is
needed are the blocks of full resolution that the windows touch, halos included, by their sizes in
the files; what is read is what the server sent, item and heads of files included.

Of the same item on disk, `s2_superres.open` is timed, and the first chunk that is computed, beside
`predict` of the chunk's area. Each runs in a process of its own, and the network's first run, which
compiles it, is part of it. Rounds alternate; the one of the fewest CPU seconds counts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s2_superres.inference.plan import Prepared
    from s2_superres.raster.grid import Area

BLOCK = 1024
#: Side of the part that is read, in metres.
PART = 3000
LEFT, TOP = 300000.0, 6200040.0


def make(folder: Path, side: int) -> Path:
    """Write an item and its COGs: a landscape with noise, which compresses as real bands do."""
    import numpy as np

    from s2_superres.bands import Band
    from s2_superres.raster.grid import Grid
    from s2_superres.testing.catalogues import write_item
    from s2_superres.testing.products import landscape
    from s2_superres.testing.spec import ProductSpec

    rng = np.random.default_rng(0)

    def pixels(band: Band, rows: int, cols: int) -> Any:
        values = landscape(band, rows, cols) + rng.normal(0, 20, (rows, cols))
        return np.clip(values, 1, 20000).astype(np.uint16)

    spec = ProductSpec("L2A", "05.09", Grid("EPSG:32633", LEFT, TOP, side, side))
    return write_item(folder, spec, pixels, "earthsearch-c1", block=BLOCK)


def part(side: int) -> tuple[float, float, float, float]:
    """Return the bounds of the part."""
    left, top = LEFT + 5 * side - PART / 2, TOP - 5 * side + PART / 2
    return left, top - PART, left + PART, top


def needed(run: Prepared, folder: Path) -> int:
    """Return the size of all blocks that the windows of a run touch."""
    import rasterio

    from s2_superres.raster.filling import reach

    margin = reach(run.job.sharpener.halo)
    total = 0
    for band in run.sources:
        (file,) = folder.glob(f"R*/*_{band.name}_*.tif")
        ratio = band.resolution // 10
        with rasterio.open(file) as dataset:
            blocks = {
                block
                for window in run.windows
                for block in touched(window.outer.at(band.resolution), margin // ratio, dataset)
            }
            total += sum(
                int(dataset.get_tag_item(f"BLOCK_SIZE_{col}_{row}", "TIFF", bidx=1))
                for row, col in blocks
            )
    return total


def touched(outer: Area, margin: int, dataset: Any) -> Iterator[tuple[int, int]]:
    """Yield the blocks of a file that an area and a margin around it touch."""
    (rows, cols), (height, width) = dataset.block_shapes[0], dataset.shape
    bottom, right = min(outer.row_stop + margin, height), min(outer.col_stop + margin, width)
    for row in range(max(outer.row - margin, 0) // rows, -(-bottom // rows)):
        for col in range(max(outer.col - margin, 0) // cols, -(-right // cols)):
            yield row, col


def remote(url: str, folder: str, side: str, area: str) -> dict[str, float]:
    """Run `predict` on an item behind a web server; return what it needed."""
    from s2_superres.inference.plan import Options, prepare
    from s2_superres.inference.predict import predict

    # Without a network: what is read does not depend on it, but for the halo.
    bounds = part(int(side)) if area == "part" else None
    run = prepare(url, Options(network="none", bounds=bounds))
    with tempfile.TemporaryDirectory() as output:
        predict(run, Path(output) / "o.tif")
    return {"needed": needed(run, Path(folder)), "windows": len(run.windows)}


def lazy(item: str, network: str) -> dict[str, float]:
    """Open an item lazily, and compute the chunk in its upper left corner, of all bands."""
    import dask
    import rioxarray  # noqa: F401
    import xarray  # noqa: F401

    import s2_superres

    start, cpu = time.perf_counter(), time.process_time()
    dataset = s2_superres.open(item, network=network)
    opened = time.perf_counter() - start
    rows, cols = (dataset.chunks[name][0] for name in ("y", "x"))
    dask.compute(dataset.isel(y=slice(rows), x=slice(cols)))
    return timed(start, cpu) | {"opened": opened, "rows": rows, "cols": cols}


def plain(item: str, network: str, rows: str, cols: str) -> dict[str, float]:
    """Run `predict` on the area of a chunk."""
    from s2_superres.inference.plan import Options
    from s2_superres.inference.predict import predict

    bounds = LEFT, TOP - 10 * int(rows), LEFT + 10 * int(cols), TOP
    start, cpu = time.perf_counter(), time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        predict(item, Path(folder) / "o.tif", Options(bounds=bounds, network=network))
    return timed(start, cpu)


def timed(start: float, cpu: float) -> dict[str, float]:
    """Return seconds since, and the peak of memory."""
    from s2_superres.inference.cost import peak_memory

    wall, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "memory": peak_memory()}


ONE = {"remote": remote, "lazy": lazy, "plain": plain}


def measure(kind: str, *arguments: object) -> dict[str, float]:
    """Run one measurement in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", kind, *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def over_http(item: Path, side: int) -> Iterator[str]:
    """Measure what is read over HTTP; yield lines of Markdown."""
    from s2_superres.testing.server import serve

    yield "| what is made | windows | requests | needed, MB | read, MB | read over needed |"
    yield "|---|---|---|---|---|---|"
    for area, words in (
        ("whole", f"{side} x {side} pixels"),
        ("part", f"{PART // 10} x {PART // 10} pixels of them, by --bounds"),
    ):
        with serve(item.parent) as site:
            got = measure("remote", f"{site.url}{item.name}", item.parent, side, area)
            sent, requests = sum(site.sent.values()), len(site.requests)
        yield (
            f"| {words} | {got['windows']:.0f} | {requests} | {got['needed'] / 1e6:.1f} "
            f"| {sent / 1e6:.1f} | {sent / got['needed']:.3f} |"
        )


def one_chunk(item: Path, rounds: int, network: str) -> Iterator[str]:
    """Measure one chunk; yield lines of Markdown."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        got = measure("lazy", item, network)
        rows, cols = (int(got[name]) for name in ("rows", "cols"))
        for way, took in (("lazy", got), ("plain", measure("plain", item, network, rows, cols))):
            if way not in best or took["cpu"] < best[way]["cpu"]:
                best[way] = took
    yield "| way | seconds | CPU seconds | memory, MiB |"
    yield "|---|---|---|---|"
    for way, words in (
        ("lazy", f"`open`, and one chunk of {rows} x {cols} computed"),
        ("plain", "`predict` of its area"),
    ):
        got = best[way]
        yield (f"| {words} | {got['wall']:.1f} | {got['cpu']:.1f} | {got['memory'] / 2**20:.0f} |")
    yield ""
    yield f"Of the former, {best['lazy']['opened']:.1f} s are `open` with TensorFlow's import."


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--side", type=int, default=3660, help="of the item, in 10 m pixels")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--network", default="default", help="of the chunk")
    parser.add_argument("--out", type=Path, help="Markdown file to write")
    parser.add_argument("--one", nargs="*", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        kind, *arguments = chosen.one
        print(json.dumps(ONE[kind](*arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        item = make(Path(folder), chosen.side)
        lines = [*over_http(item, chosen.side), ""]
        lines += one_chunk(item, chosen.rounds, chosen.network)
    text = "\n".join(lines) + "\n"
    print(text)
    if chosen.out:
        given = " ".join(Path(each).name if "/" in each else each for each in sys.argv[1:])
        chosen.out.write_text(f"Printed by `python benchmarks/bench_reading.py {given}`.\n\n{text}")


if __name__ == "__main__":
    main()
