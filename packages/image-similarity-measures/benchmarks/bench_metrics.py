"""Time the metrics against version 0.3.6 and against other libraries, side by side.

Every contender computes in a process of its own; all are asked in turn, round after round, so that
other load on the machine hits them alike. CPU time is the least of the rounds, memory the peak of
the process.

    python bench_metrics.py --old ENV/bin/python --output docs/performance-metrics.md
    python bench_metrics.py --raster --size 10980 --output docs/performance-rasters.md

ENV is an environment with image-similarity-measures 0.3.6 and numpy below 2. Peers that are not
installed are left out of the table.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

Job = Callable[[Any, Any], object]


# ---- what each contender computes; imported in its own process only ----


def ours(what: str) -> Job:
    """Return the function of this package."""
    import image_similarity_measures as ism
    from image_similarity_measures import ArrayPair, score

    if what == "rmse+psnr+sre":
        return lambda x, y: score(ArrayPair(x, y), ["rmse", "psnr", "sre"])
    if what == "ssim uniform":
        return lambda x, y: ism.ssim(x, y, window="uniform")
    if what == "fsim full size":
        return lambda x, y: ism.fsim(x, y, reduce=False)
    function: Job = getattr(ism, what)
    return function


def old(what: str) -> Job:
    """Version 0.3.6: it knows SSIM with the uniform window, and FSIM at full size, only."""
    import image_similarity_measures.quality_metrics as qm

    if what == "rmse+psnr+sre":
        return lambda x, y: (qm.rmse(x, y), qm.psnr(x, y), qm.sre(x, y))
    function: Job = getattr(qm, what.split()[0])
    return function


def scikit_image(what: str) -> Job:
    """scikit-image has SSIM."""
    from skimage import metrics

    gauss: dict[str, Any] = {}
    if what == "ssim":
        gauss = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    compute: Any = metrics.structural_similarity
    return lambda x, y: compute(x, y, data_range=4095, channel_axis=2, **gauss)


def sewar(what: str) -> Job:
    """Sewar has SAM, and an UIQ that is wrong: what counts here is its time."""
    from sewar import full_ref

    function: Job = {"sam": full_ref.sam, "uiq": full_ref.uqi}[what]
    return function


def piq(what: str, dtype: str = "float64") -> Job:
    """Piq has FSIM, of one band at a time, on values of 0 to 1."""
    import piq
    import torch

    torch.set_num_threads(2)

    def fsim(x: Any, y: Any) -> object:
        images = [
            torch.from_numpy(np.clip(i.astype(dtype) / 4095, 0, 1)).permute(2, 0, 1) for i in (x, y)
        ]
        return [
            piq.fsim(a[None, None], b[None, None], data_range=1.0, chromatic=False)
            for a, b in zip(*images, strict=True)
        ]

    return fsim


CONTENDERS: dict[str, Callable[[str], Job]] = {
    "ours": ours,
    "0.3.6": old,
    "scikit-image": scikit_image,
    "sewar": sewar,
    "piq": piq,
    # To be asked for: NumPy's division of integers gives float64.
    "piq float32": partial(piq, dtype="float32"),
}
# What is computed, by whom else, and the ratios to reach.
ROWS: list[tuple[str, dict[str, float]]] = [
    ("rmse+psnr+sre", {"0.3.6": 15}),
    ("sam", {"0.3.6": 4, "sewar": 3}),
    ("ssim", {"0.3.6": 6, "scikit-image": 4}),
    ("ssim uniform", {"0.3.6": 6, "scikit-image": 4}),
    ("uiq", {"0.3.6": 1000, "sewar": 5}),
    ("fsim", {"0.3.6": 100, "piq": 10, "piq float32": 10}),
    ("fsim full size", {"0.3.6": 1}),
    ("issm", {"0.3.6": 4}),
]
# Small images, where what each call costs beyond arithmetic shows.
SMALL = 200
SMALL_ROWS: list[tuple[str, dict[str, float]]] = [(what, {"0.3.6": 1}) for what, _ in ROWS]
SLOW = {("0.3.6", "uiq"), ("0.3.6", "fsim"), ("0.3.6", "fsim full size")}


def scene(size: int, bands: int = 4, seed: int = 0) -> tuple[Any, Any]:
    """A 12-bit scene with fields, texture and noise, and a blurred copy of it."""
    rng = np.random.default_rng(seed)
    row, col = np.mgrid[:size, :size].astype(np.float32)
    org = np.empty((size, size, bands), np.uint16)
    pred = np.empty_like(org)
    for band in range(bands):
        fields = rng.uniform(300, 2500, (size // 50 + 1, size // 70 + 1)).astype(np.float32)
        values = fields[(row // 50).astype(int), (col // 70).astype(int)]
        values += 200 * np.sin(row / (7 + band)) * np.cos(col / 11)
        values += rng.normal(0, 40, values.shape).astype(np.float32)
        org[:, :, band] = np.clip(values, 0, 4095)
        blurred = (values + np.roll(values, 1, 0) + np.roll(values, 1, 1)) / 3
        blurred += rng.normal(0, 20, values.shape).astype(np.float32)
        pred[:, :, band] = np.clip(blurred, 0, 4095)
    return org, pred


def usage() -> tuple[float, float]:
    """CPU seconds of this process so far, and its peak memory in MiB."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def work(contender: str, what: str, data: str) -> None:
    """Answer each line on stdin with the CPU time of one computation."""
    warnings.simplefilter("ignore")
    # Answers go where the libraries' own messages cannot get in between.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    job = CONTENDERS[contender](what)
    with np.load(data) as images:
        x, y = images["x"], images["y"]
    if (contender, what) not in SLOW:
        job(x, y)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        start = time.process_time()
        job(x, y)
        print(json.dumps([time.process_time() - start, usage()[1]]), file=answers, flush=True)


def race(
    what: str, others: dict[str, str], data: Path, rounds: int
) -> Iterator[tuple[str, float, float]]:
    """Yield contender, CPU seconds and MiB for all that can run."""
    running: dict[str, subprocess.Popen[str]] = {}
    for contender, python in {"ours": sys.executable, **others}.items():
        process = subprocess.Popen(
            [python, __file__, "--worker", contender, "--what", what, "--data", str(data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        if process.stdout.readline() == "ready\n":
            running[contender] = process
        else:
            print(f"{contender} cannot run {what} here", file=sys.stderr)
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in running}
    for number in range(rounds):
        for name, process in running.items():
            if number and (name, what) in SLOW:
                continue
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write("\n")
            process.stdin.flush()
            cpu, memory = json.loads(process.stdout.readline())
            results[name].append((cpu, memory))
    for name, process in running.items():
        process.communicate()
        yield name, min(cpu for cpu, _ in results[name]), results[name][-1][1]


def compare_libraries(
    size: int, rows: list[tuple[str, dict[str, float]]], rounds: int, old_python: str | None
) -> list[str]:
    """Return the table's lines."""
    lines = [
        f"{size} x {size} x 4, uint16; CPU seconds, peak memory in MiB of the process.",
        "",
        "| metric | contender | CPU s | MiB | ours is faster by | asked |",
        "|---|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "pair.npz"
        x, y = scene(size)
        np.savez(data, x=x, y=y)
        for what, asked in rows:
            others = {name: sys.executable for name in asked if name != "0.3.6"}
            if old_python and "0.3.6" in asked:
                others["0.3.6"] = old_python
            mine = 0.0
            for name, cpu, memory in race(what, others, data, rounds):
                mine = cpu if name == "ours" else mine
                ratio = "" if name == "ours" else f"{cpu / mine:.1f} x"
                goal = f"{asked[name]:g} x" if name in asked else ""
                lines.append(f"| {what} | {name} | {cpu:.4f} | {memory:.0f} | {ratio} | {goal} |")
                print(lines[-1], file=sys.stderr)
    return lines


# ---- rasters ----


def write_rasters(folder: Path, size: int) -> tuple[Path, Path]:
    """Write a tiled, deflated pair of size x size x 4 uint16, from a smaller scene repeated."""
    import rasterio
    from rasterio.transform import from_origin
    from rasterio.windows import Window

    paths = folder / "org.tif", folder / "pred.tif"
    if all(path.exists() for path in paths):
        return paths
    step = 1024
    for path, image in zip(paths, scene(step), strict=True):
        with rasterio.open(
            path, "w", driver="GTiff", width=size, height=size, count=4, dtype="uint16",
            tiled=True, blockxsize=512, blockysize=512, compress="deflate", predictor=2,
            crs="EPSG:32633", transform=from_origin(500000, 5000000, 10, 10),
        ) as file:  # fmt: skip
            planes = np.moveaxis(image, -1, 0)
            for row in range(0, size, step):
                for col in range(0, size, step):
                    high, wide = min(step, size - row), min(step, size - col)
                    window = Window(col, row, wide, high)
                    file.write(planes[:, :high, :wide], window=window)
    return paths


def raster_work(what: str, org: str, pred: str) -> None:
    """Read both files once, or score them, and print wall s, CPU s and MiB."""
    start = time.perf_counter()
    if what == "read":
        import rasterio
        from rasterio.windows import Window

        for path in (org, pred):
            with rasterio.open(path) as file:
                for row in range(0, file.height, 512):
                    height = min(512, file.height - row)
                    file.read(window=Window(0, row, file.width, height))
    else:
        import image_similarity_measures as ism

        ism.compare(org, pred, metrics=what.split("+"))
    print(json.dumps([time.perf_counter() - start, *usage()]))


def compare_reading(size: int, folder: Path) -> list[str]:
    """Return the table's lines."""
    org, pred = write_rasters(folder, size)
    lines = [
        f"Two {size} x {size} x 4 uint16 GeoTIFFs, deflate, 512 x 512 tiles.",
        "",
        "| job | wall s | CPU s | MiB | wall over reading |",
        "|---|---|---|---|---|",
    ]
    reading = 0.0
    for what in ("read", "rmse+psnr+sre+sam+ssim+uiq", "all"):
        run = subprocess.run(
            [sys.executable, __file__, "--worker", "raster", "--what", what, "--data", org, pred],
            capture_output=True,
            text=True,
            check=True,
        )
        wall, cpu, memory = json.loads(run.stdout.splitlines()[-1])
        reading = reading or wall
        lines.append(f"| {what} | {wall:.1f} | {cpu:.1f} | {memory:.0f} | {wall / reading:.2f} x |")
        print(lines[-1], file=sys.stderr)
    return lines


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--old", help="python of an environment with version 0.3.6")
    parser.add_argument("--size", type=int, help="rows and columns; 1024, or 10980 for rasters")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--raster", action="store_true", help="score files against reading them")
    parser.add_argument("--folder", type=Path, help="where to keep the rasters; else temporary")
    parser.add_argument("--output", type=Path, help="Markdown file to write as well")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--what", help=argparse.SUPPRESS)
    parser.add_argument("--data", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker == "raster":
        raster_work(args.what, *args.data)
        return
    if args.worker:
        work(args.worker, args.what, args.data[0])
        return
    if args.raster:
        with tempfile.TemporaryDirectory() as temporary:
            folder = args.folder or Path(temporary)
            folder.mkdir(parents=True, exist_ok=True)
            lines = compare_reading(args.size or 10980, folder)
    else:
        from image_similarity_measures import METRICS

        # Those without a peer to be compared with are timed all the same.
        named = {word for what, _ in ROWS for word in what.replace("+", " ").split()}
        rows = [*ROWS, *((name, {}) for name in METRICS if name not in named)]
        lines = compare_libraries(args.size or 1024, rows, args.rounds, args.old)
        if args.old and not args.size:
            lines += ["", *compare_libraries(SMALL, SMALL_ROWS, args.rounds, args.old)]
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    text = "\n".join([*lines, "", f"Measured on {machine}, NumPy {np.__version__}.", ""])
    print(text)
    if args.output:
        args.output.write_text(text)


if __name__ == "__main__":
    main()
