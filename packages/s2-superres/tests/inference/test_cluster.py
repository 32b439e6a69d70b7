"""On a Dask cluster windows and products come out as they do alone, whatever workers die."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from s2_superres.errors import InputError, InstallationError, WorkerError
from s2_superres.inference import cluster
from s2_superres.inference.batch import predict_batch
from s2_superres.inference.cluster import check_workers, connected, window_executor
from s2_superres.inference.plan import Options
from s2_superres.inference.pool import Died
from s2_superres.inference.predict import predict
from s2_superres.networks.sharpener import sharpener
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")

OPTIONS = Options(network="none", bands="B05,B11", precision="float32", tile=108)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three products of one day."""
    folder = tmp_path_factory.mktemp("archive")
    for tile in ("T33UUB", "T33UVB", "T33UWB"):
        spec = ProductSpec("L1C", "05.09", Grid("EPSG:32633", 300000.0, 6200040.0, 240, 180), tile)
        write_product(folder, spec, landscape)
    return folder


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with connected("local:2") as client:
        yield client


def pixels(path: Path) -> np.ndarray:
    with rasterio.open(path) as dataset:
        return np.asarray(dataset.read())


def pids(client: Any) -> list[int]:
    return list(client.run(os.getpid).values())


def loads() -> tuple[int, int]:
    """How often this process has loaded networks, and for how many it was asked."""
    from s2_superres.networks import sharpener as loaded

    found = loaded._load.cache_info()
    return found.misses, found.hits


def test_windows_come_out_as_alone_though_a_worker_is_killed(
    client: Any, archive: Path, tmp_path: Path
) -> None:
    """What it was at, another makes; each process loads the networks once."""
    product = sorted(archive.iterdir())[0]
    predict(product, tmp_path / "alone.tif", OPTIONS)
    victim, *_ = pids(client)

    def kill(windows: int, done: int) -> None:
        if windows == 2:
            os.kill(victim, signal.SIGKILL)

    executor = window_executor(client)
    summary = predict(product, tmp_path / "o.tif", OPTIONS, executor=executor, progress=kill)
    assert summary.plan["windows"] > 6
    assert (pixels(tmp_path / "o.tif") == pixels(tmp_path / "alone.tif")).all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alone.tif", "o.tif"]
    client.wait_for_workers(2, timeout=120)
    assert victim not in pids(client)
    for misses, hits in client.run(loads).values():
        assert misses <= 1 and (hits > 0 or misses == 0)


def test_whole_products_are_made_by_the_workers(client: Any, archive: Path, tmp_path: Path) -> None:
    """One file each; one worker is killed meanwhile; a second run skips all."""
    victim, *_ = pids(client)
    out = tmp_path / "out"
    told: list[int] = []

    def kill(ended: int, total: int, name: str, share: float) -> None:
        if not told:
            os.kill(victim, signal.SIGKILL)
        told.append(ended)

    found = predict_batch(archive, out, OPTIONS, client=client, progress=kill)
    assert [(each.status, each.message) for each in found] == [("done", "")] * 3
    for product in sorted(archive.iterdir()):
        predict(product, tmp_path / "alone.tif", OPTIONS)
        made = out / f"{product.stem}_10m.tif"
        assert (pixels(made) == pixels(tmp_path / "alone.tif")).all()
        (tmp_path / "alone.tif").unlink()
    assert len(list(out.iterdir())) == 4
    client.wait_for_workers(2, timeout=120)
    again = predict_batch(archive, out, OPTIONS, client=client)
    assert [each.message for each in again] == ["finished before"] * 3


def test_a_broken_product_is_told_by_its_worker(client: Any, tmp_path: Path) -> None:
    spec = ProductSpec("L1C", "05.09", Grid("EPSG:32633", 300000.0, 6200040.0, 60, 60))
    product = write_product(tmp_path, spec, landscape)
    next(product.rglob("*B05.jp2")).write_bytes(b"broken")
    (found,) = predict_batch(product, tmp_path / "out", OPTIONS, client=client)
    assert found.status == "failed" and "B05.jp2" in found.message


def test_a_batch_that_is_given_up_is_removed_from_the_workers(
    client: Any, archive: Path, tmp_path: Path
) -> None:
    """At their next window, before the cluster is left."""
    seen = tmp_path / "seen"
    client.wait_for_workers(2, timeout=120)
    work = cluster.run_on_cluster(client, hold, iter([str(seen), str(tmp_path / "quick")]))
    assert next(work).result == "quick"
    assert seen.exists()
    work.close()
    assert not seen.exists()


@pytest.mark.parametrize("way", ["windows", "products"])
def test_a_scheduler_that_is_lost_is_one_line(way: str, capfd: pytest.CaptureFixture[str]) -> None:
    """In seconds; what Dask says of it is kept back."""
    dask = pytest.importorskip("dask")
    quick = dask.config.set({"distributed.comm.timeouts.connect": "1s"})
    lose = lose_windows if way == "windows" else lose_products
    with quick, pytest.raises(WorkerError, match=r"out of reach since .*is finished stays"):
        lose(distributed.LocalCluster(n_workers=1, dashboard_address=":0", silence_logs=50))
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize("way", ["windows", "products"])
def test_a_scheduler_without_workers_is_not_waited_for_forever(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that it had are gone, and none comes."""
    monkeypatch.setattr(cluster, "_DESERTED", 1.0)
    left = distributed.LocalCluster(n_workers=1, dashboard_address=":0", silence_logs=50)
    with left, pytest.raises(WorkerError, match=r"no worker for 1 s; .*start workers"):
        desert(way, left)


def desert(way: str, left: Any) -> None:
    with connected(left.scheduler_address) as client:
        if way == "products":
            for _ in cluster.run_on_cluster(client, nap, iter(range(999))):
                left.scale(0)
            return
        executor = window_executor(client)
        futures = [executor.submit(time.sleep, 1) for _ in range(9)]
        left.scale(0)
        futures[-1].result(timeout=100)


def lose_windows(lost: Any) -> None:
    with connected(lost.scheduler_address) as client:
        executor = window_executor(client)
        futures = [executor.submit(time.sleep, 1) for _ in range(3)]
        lost.close()
        futures[-1].result(timeout=60)


def lose_products(lost: Any) -> None:
    with connected(lost.scheduler_address) as client:
        for _ in cluster.run_on_cluster(client, nap, iter(range(9))):
            lost.close()


def test_what_kills_every_worker_is_given_up() -> None:
    """As for want of memory: of products the rest is made, a window ends the run in one line."""
    dask = pytest.importorskip("dask")
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        mortal = distributed.LocalCluster(
            n_workers=1, threads_per_worker=1, dashboard_address=":0", silence_logs=50
        )
    with mortal:
        with connected(mortal.scheduler_address) as client:
            ended = cluster.run_on_cluster(client, devour, iter(range(3)))
            found = {event.task: event.result for event in ended}
        assert (found[0], found[2]) == (0, 2)
        assert found[1] == Died("it killed every worker that was given it")
        with pytest.raises(WorkerError, match=r"want of memory; take a smaller --tile"):
            devour_window(mortal)


def devour(task: int, share: Any) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def devour_window(mortal: Any) -> None:
    with connected(mortal.scheduler_address) as client:
        window_executor(client).submit(devour, 1, None).result(timeout=100)


def nap(task: int, share: Any) -> int:
    time.sleep(0.2)
    return task


def hold(path: str, share: Any) -> str:
    """Keep a file until the work is given up."""
    if path.endswith("quick"):
        while not Path(path).with_name("seen").exists():
            time.sleep(0.05)
        return "quick"
    Path(path).touch()
    try:
        while True:
            share(0.5)
            time.sleep(0.05)
    finally:
        Path(path).unlink()


def test_another_version_on_a_worker_is_refused_by_name(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_workers(client)
    real = cluster._version
    for package in ("s2-superres", "tensorflow"):
        own = {package: "99.1.0"}
        monkeypatch.setattr(cluster, "_version", lambda n, own=own: own.get(n) or real(n))
        with pytest.raises(WorkerError, match=rf"tcp://.* has .* {package} and this machine 99\.1"):
            check_workers(client)
    # One that came later is refused by itself.
    with pytest.raises(WorkerError, match=r"tcp://.* s2-superres and this machine 99\.1"):
        client.submit(cluster._on_worker, nap, 1, "flag", "99.1.0").result()


def test_dask_computes_elsewhere_what_it_did_before() -> None:
    """A cluster that was used, or could not be reached, takes nothing that is not its own."""
    dask = pytest.importorskip("dask")
    refused(WorkerError, "no Dask scheduler answers", "tcp://127.0.0.1:9")
    assert dask.delayed(os.getpid)().compute() == os.getpid()
    with connected("local:1") as client:
        assert dask.delayed(os.getpid)().compute() == os.getpid()
        assert client.submit(os.getpid, pure=False).result() != os.getpid()


def refused(error: type[Exception], says: str, address: str) -> None:
    with pytest.raises(error, match=says), connected(address, patience=1):
        raise AssertionError


def test_a_cluster_out_of_reach_is_one_line_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    begin = time.monotonic()
    refused(WorkerError, r"127\.0\.0\.1:9: no Dask scheduler answers", "tcp://127.0.0.1:9")
    refused(WorkerError, "nonsense", "non sense://nonsense")
    with distributed.LocalCluster(n_workers=0, dashboard_address=":0", silence_logs=50) as empty:
        refused(WorkerError, "has no workers", empty.scheduler_address)
    assert time.monotonic() - begin < 120
    refused(InputError, "local:4", "local:many")
    monkeypatch.setitem(sys.modules, "distributed", None)
    refused(InstallationError, r"s2-superres\[dask\]", "local")


def test_the_command_works_on_a_scheduler_that_runs(
    client: Any, archive: Path, tmp_path: Path
) -> None:
    """By its address; the workers were started in another folder."""
    (tmp_path / "in").symlink_to(archive)
    code = "from s2_superres.cli.app import main; main()"
    options = ["--network", "none", "--bands", "B05,B11", "--precision", "float32"]
    done = subprocess.run(
        [sys.executable, "-c", code, "predict", "in", "--out-dir", "out", "--json", *options,
         "--dask", client.scheduler.address],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["done"] == 3
    assert len(list((tmp_path / "out").glob("*.tif"))) == 3


def test_networks_are_loaded_once_for_all_threads() -> None:
    """Of one worker, however many ask at once."""
    from concurrent.futures import ThreadPoolExecutor

    from s2_superres.networks.compute import Compute
    from s2_superres.networks.selection import Network

    networks = (Network(20, "L2A"),)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: sharpener(networks, Compute("float32", 444)), range(8)))
    assert len(set(map(id, found))) == 1
