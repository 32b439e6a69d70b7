"""Many products: each is made once, whatever is broken, stopped, killed, or run beside."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import rasterio
from typer.testing import CliRunner

from s2_superres import predict_batch
from s2_superres.cli.app import app
from s2_superres.errors import InputError, OutputError, S2SuperresError, WorkerError
from s2_superres.files.scratch import ScratchFolder
from s2_superres.inference.batch import Batch
from s2_superres.inference.ledger import Ledger, Outcome
from s2_superres.inference.plan import Options
from s2_superres.inference.pool import Died, Share, run_in_processes
from s2_superres.inference.predict import predict
from s2_superres.inference.rehearsal import rehearse_batch
from s2_superres.products.sources import expand
from s2_superres.raster.grid import Grid
from s2_superres.testing.products import landscape, write_product
from s2_superres.testing.spec import ProductSpec

GRID = Grid("EPSG:32633", 300000.0, 6200040.0, 60, 60)
OPTIONS = Options(network="none", bands="B05,B11", precision="float32")
COMMAND = [sys.executable, "-c", "from s2_superres.cli.app import main; main()", "predict"]
PLAIN = ["--network", "none", "--bands", "B05,B11", "--precision", "float32"]
posix = pytest.mark.skipif(os.name == "nt", reason="signals and locks of POSIX")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three products of one day."""
    folder = tmp_path_factory.mktemp("archive")
    for tile in ("T33UUB", "T33UVB", "T33UWB"):
        write_product(folder, ProductSpec("L1C", "05.09", GRID, tile), landscape)
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def outputs(archive: Path) -> list[str]:
    return sorted(f"{path.stem}_10m.tif" for path in archive.glob("*.SAFE"))


def statuses(found: list[Outcome]) -> list[tuple[str, str]]:
    return [(each.status, each.message) for each in found]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def stamps(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob("*.tif")}


def test_each_product_becomes_a_file_and_a_second_run_skips_it(
    archive: Path, tmp_path: Path
) -> None:
    """The pixels of a run of its own; skipped by what the file says, with --overwrite too."""
    out = tmp_path / "new" / "out"
    told: list[tuple[int, int, str, float]] = []
    found = predict_batch(archive, out, OPTIONS, progress=lambda *facts: told.append(facts))
    assert statuses(found) == [("done", "")] * 3
    assert names(out) == [*outputs(archive), "ledger.jsonl"]
    assert [share for *_, share in told] == sorted(share for *_, share in told)
    assert told[-1][:2] == (2, 3) and told[-1][3] == 1.0
    alone = tmp_path / "alone.tif"
    predict(found[1].source, alone, OPTIONS)
    with rasterio.open(alone) as one, rasterio.open(found[1].output) as other:
        assert (one.read() == other.read()).all()
    before = stamps(out)
    for options in (OPTIONS, replace(OPTIONS, overwrite=True, tile=480)):
        again = predict_batch([archive], out, options)
        assert statuses(again) == [("skipped", "finished before")] * 3
    assert stamps(out) == before
    kept = lines(out / "ledger.jsonl")
    assert [line["status"] for line in kept] == ["done"] * 3 + ["skipped"] * 6
    assert {line["output"] for line in kept} == {str(out / name) for name in outputs(archive)}
    assert all(line["seconds"] > 0 and line["time"].endswith("Z") for line in kept)
    assert [line["valid_share"] for line in kept[:3]] == [1.0] * 3


def test_what_is_there_and_something_else_is_an_error_of_its_product(
    archive: Path, tmp_path: Path
) -> None:
    """Other options, a foreign TIFF; --overwrite replaces it, but never what is no TIFF."""
    first, second, third = outputs(archive)
    predict_batch(sorted(archive.iterdir())[0], tmp_path, OPTIONS)
    shutil.copy(tmp_path / first, tmp_path / second)
    (tmp_path / third).write_bytes(b"PK\3\4 precious")
    changed = replace(OPTIONS, consistent=False)
    found = predict_batch(archive, tmp_path, changed)
    assert [each.status for each in found] == ["failed"] * 3
    assert "CONSISTENT is yes, and no is asked for" in found[0].message
    assert "PRODUCT_ID" in found[1].message
    found = predict_batch(archive, tmp_path, replace(changed, overwrite=True))
    assert [each.status for each in found] == ["done", "done", "failed"]
    assert "never replaced" in found[2].message
    assert (tmp_path / third).read_bytes() == b"PK\3\4 precious"


def test_broken_products_are_told_and_the_rest_is_done(archive: Path, tmp_path: Path) -> None:
    """At the end, in the ledger, by exit 1; what failed is tried again by the next run."""
    mixed = tmp_path / "in"
    shutil.copytree(archive, mixed)
    broken = sorted(mixed.glob("*.SAFE"))[1]
    image = next(broken.rglob("*B05.jp2"))
    good = image.read_bytes()
    image.write_bytes(good[:200])
    (mixed / "not.zip").write_bytes(b"PK\3\4 cut off")
    (mixed / "gone.SAFE").symlink_to(tmp_path / "nowhere")
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["predict", str(mixed), "--out-dir", str(out), *PLAIN])
    assert done.exit_code == 1
    assert done.stdout == f"2 done, 3 failed; {out / 'ledger.jsonl'}\n"
    errors = done.stderr.splitlines()
    assert len(errors) == 3 and all(line.startswith("error: ") for line in errors)
    for name in (image.name, "not.zip", "gone.SAFE"):
        assert sum(name in line for line in errors) == 1
    failed = [line for line in lines(out / "ledger.jsonl") if line["status"] == "failed"]
    assert len(failed) == 3 and all(line["message"] for line in failed)
    image.write_bytes(good)
    again = sorted(each.status for each in predict_batch(mixed, out, OPTIONS))
    assert again == ["done", "failed", "failed", "skipped", "skipped"]
    assert names(out) == [*outputs(archive), "ledger.jsonl"]


def test_two_sources_of_one_name_are_not_written_over_one_another(
    archive: Path, tmp_path: Path
) -> None:
    """The first is made; of the second it is said. A source named twice is one."""
    (tmp_path / "copy").mkdir()
    original = sorted(archive.iterdir())[0]
    copied = tmp_path / "copy" / original.name
    shutil.copytree(original, copied)
    options = replace(OPTIONS, overwrite=True)
    found = predict_batch([original, copied, original], tmp_path / "out", options)
    assert [each.status for each in found] == ["done", "failed"]
    assert f"has the name of {original}" in found[1].message


def test_every_granule_of_an_old_product_is_made(several_granules: Path, tmp_path: Path) -> None:
    """Each named after its tile, or one of them if it is asked for."""
    found = predict_batch(several_granules, tmp_path, OPTIONS)
    assert statuses(found) == [("done", "")] * 2
    assert sorted(name.endswith("10m.tif") for name in names(tmp_path)) == [False, True, True]
    one = predict_batch(several_granules, tmp_path, replace(OPTIONS, granule="T33UVB"))
    assert len(one) == 1 and "T33UVB" in one[0].output


def test_what_is_wrong_for_all_is_told_once_and_before(archive: Path, tmp_path: Path) -> None:
    """Not a thousand times; nothing is made."""
    out = tmp_path / "out"
    for options, says in (
        ({"bands": "B10"}, "no band 'B10'"),
        ({"weights": str(tmp_path / "none.npz")}, r"none\.npz"),
    ):
        with pytest.raises(S2SuperresError, match=says):
            predict_batch(archive, out, Options(**options))
    with pytest.raises(OutputError, match="lies in the product"):
        predict_batch(archive, sorted(archive.iterdir())[0] / "out", OPTIONS)
    listed = tuple(expand(archive))
    for change, says in (({"jobs": 0}, "1 or more"), ({"shard": (0, 2)}, "1/2 to 2/2"),
                         ({"shard": (3, 2)}, "1/2 to 2/2")):  # fmt: skip
        with pytest.raises(InputError, match=says):
            Batch(listed, out, OPTIONS, **change)
    assert not out.exists()


def test_processes_make_the_same(archive: Path, tmp_path: Path) -> None:
    """Several at a time; a rehearsal before and after tells what is left."""
    out = tmp_path / "out"
    batch = Batch(tuple(expand(archive)), out, OPTIONS)
    told = rehearse_batch(batch)
    assert (told.to_do, told.finished, told.broken) == (3, 0, [])
    assert told.windows == 3 and told.nbytes == 3 * 2 * 2 * 60 * 60
    assert told.memory > 0 and told.seconds > 0
    assert not out.exists()
    assert statuses(predict_batch(archive, out, OPTIONS, jobs=2)) == [("done", "")] * 3
    assert names(out) == [*outputs(archive), "ledger.jsonl"]
    before = stamps(out)
    again = predict_batch(archive, out, OPTIONS)
    assert statuses(again) == [("skipped", "finished before")] * 3
    assert stamps(out) == before
    told = rehearse_batch(batch)
    assert (told.to_do, told.finished, told.broken) == (0, 3, [])


def test_shards_have_ledgers_of_their_own(archive: Path, tmp_path: Path) -> None:
    """Together they make every product, each once."""
    made = []
    for part in (1, 2):
        for each in predict_batch(archive, tmp_path, OPTIONS, shard=(part, 2)):
            made.append(Path(each.output).name)
            assert each.status == "done"
    assert sorted(made) == outputs(archive)
    kept = [lines(tmp_path / f"ledger-{part}-of-2.jsonl") for part in (1, 2)]
    assert len(kept[0]) + len(kept[1]) == 3


def test_a_ledger_is_added_to_and_never_replaces_anything(tmp_path: Path) -> None:
    """A line that was cut off by a kill stays alone."""
    path = tmp_path / "l.jsonl"
    path.write_text('{"source": "a"}\n{"sour')
    with Ledger(path) as ledger:
        ledger.write(Outcome("b", status="failed", message="ä\nb"))
    text = path.read_text().splitlines()
    assert text[:2] == ['{"source": "a"}', '{"sour'] and len(text) == 3
    assert json.loads(text[2])["source"] == "b"
    path.write_text("precious")
    with pytest.raises(OutputError, match="is no ledger"):
        Ledger(path)
    assert path.read_text() == "precious"
    with pytest.raises(OutputError, match="cannot be written"):
        Ledger(tmp_path)


@posix
def test_an_output_in_work_elsewhere_is_left_to_that_run(archive: Path, tmp_path: Path) -> None:
    """And the others are made."""
    first, *_ = outputs(archive)
    held = ScratchFolder(tmp_path / first)
    try:
        found = predict_batch(archive, tmp_path, OPTIONS)
    finally:
        held.remove()
    assert statuses(found) == [("skipped", "in work elsewhere"), ("done", ""), ("done", "")]


@posix
def test_two_runs_on_one_folder_make_each_product_once(archive: Path, tmp_path: Path) -> None:
    """At the same time, with one ledger."""
    words = [*COMMAND, str(archive), "--out-dir", str(tmp_path), *PLAIN]
    runs = [subprocess.Popen(words, stdout=subprocess.DEVNULL) for _ in range(2)]
    assert [process.wait(timeout=300) for process in runs] == [0, 0]
    assert names(tmp_path) == [*outputs(archive), "ledger.jsonl"]
    kept = lines(tmp_path / "ledger.jsonl")
    assert len(kept) == 6
    made = sorted(Path(line["output"]).name for line in kept if line["status"] == "done")
    assert made == outputs(archive)


#: The command, whose work on the second tile takes for ever.
SLOW = """
import time
from s2_superres.inference import predict as module
real = module._run_here
def slow(run, *more):
    if run.product.tile == "T33UVB":
        print("in work", flush=True)
        time.sleep(600)
    return real(run, *more)
module._run_here = slow
from s2_superres.cli.app import main
main()
"""


def start_slow(*arguments: object) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW, "predict", *map(str, arguments), *PLAIN],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "in work\n"
    return process


@posix
def test_a_batch_that_is_killed_goes_on_in_a_second_run(archive: Path, tmp_path: Path) -> None:
    """What is finished stays; what was begun is taken away by the next run."""
    first, *_ = outputs(archive)
    process = start_slow(archive, "--out-dir", tmp_path)
    process.kill()
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    hidden, *rest = names(tmp_path)
    assert hidden.startswith(".") and rest == [first, "ledger.jsonl"]
    found = predict_batch(archive, tmp_path, OPTIONS)
    assert [each.status for each in found] == ["skipped", "done", "done"]
    assert names(tmp_path) == [*outputs(archive), "ledger.jsonl"]


#: A worker that is killed, as for want of memory, or works for ever, at its second tile.
HOSTILE = """
import os, signal, time
from s2_superres.files.scratch import ScratchFolder
def work(task, share):
    if "T33UVB" in str(task.output):
        if os.environ["HOW"] == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        folder = ScratchFolder(task.output)
        try:
            print("in work", flush=True)
            time.sleep(600)
        finally:
            folder.remove()
    return task.outcome()
"""
THROUGH = """
import sys
from s2_superres.inference import batch
from hostile import work
batch.sharpen = work
from s2_superres.cli.app import main
main()
"""


@pytest.fixture
def hostile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., subprocess.Popen[str]]:
    """Start the command with a worker that does ill."""
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "hostile.py").write_text(HOSTILE)

    def begin(how: str, *arguments: object) -> subprocess.Popen[str]:
        environment = {**os.environ, "HOW": how, "PYTHONPATH": str(tmp_path / "lib")}
        return subprocess.Popen(
            [sys.executable, "-c", THROUGH, "predict", *map(str, arguments), *PLAIN],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        )  # fmt: skip

    return begin


@posix
def test_a_worker_that_is_killed_costs_its_product_alone(
    archive: Path, tmp_path: Path, hostile: Callable[..., subprocess.Popen[str]]
) -> None:
    out = tmp_path / "out"
    process = hostile("kill", archive, "--out-dir", out, "--jobs", 2)
    stdout, errors = process.communicate(timeout=300)
    assert process.returncode == 1 and stdout.startswith("2 done, 1 failed")
    assert "T33UVB" in errors and "died (killed by SIGKILL), maybe for want of memory" in errors
    assert errors.count("\n") == 1
    kept = lines(out / "ledger.jsonl")
    assert sorted(line["status"] for line in kept) == ["done", "done", "failed"]


@posix
@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_workers_that_are_stopped_clean_up(
    archive: Path, tmp_path: Path, hostile: Callable[..., subprocess.Popen[str]], number: str
) -> None:
    """And none of them stays behind."""
    out = tmp_path / "out"
    process = hostile("sleep", archive, "--out-dir", out, "--jobs", 2)
    assert process.stdout is not None and process.stdout.readline() == "in work\n"
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    started = children.read_text().split() if children.exists() else []
    # Another one, of the standard library, ends a little later.
    workers = [p for p in started if b"spawn_main" in Path(f"/proc/{p}/cmdline").read_bytes()]
    process.send_signal(signal.Signals[number])
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.Signals[number]
    assert errors == f"error: stopped by {number}; unfinished output was removed\n"
    assert names(out) == ["ledger.jsonl"]
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


def double(task: int, share: Share) -> int:
    share(0.5)
    if task == 3:
        os._exit(7)
    return 2 * task


def test_of_a_pool_only_what_dies_is_lost() -> None:
    """Every task has one end; shares come before it."""
    found = list(run_in_processes(double, iter(range(6)), 2))
    ends = {event.task: event.result for event in found if event.result is not None}
    assert ends == {0: 0, 1: 2, 2: 4, 3: Died("ended with 7"), 4: 8, 5: 10}
    assert all(event.share in (0.0, 0.5) for event in found if event.result is None)


def test_a_script_without_a_guard_is_told(tmp_path: Path, archive: Path) -> None:
    """Its workers would start it again."""
    script = tmp_path / "script.py"
    script.write_text(
        "from s2_superres import predict_batch\n"
        f"predict_batch({str(archive)!r}, {str(tmp_path / 'out')!r}, jobs=2)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert WorkerError.__name__ in done.stderr and "if __name__ == '__main__'" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["a", "b", "c"], 2, "--out-dir"),
        (["a", "--jobs", "2"], 2, "--out-dir"),
        (["a", "--shard", "1/2"], 2, "--out-dir"),
        (["a", "--ledger", "l.jsonl"], 2, "--out-dir"),
        (["*.SAFE"], 1, "--out-dir"),
        (["a", "--out-dir", "o", "--quicklook", "q.png"], 2, "--quicklook"),
        (["a", "--out-dir", "o", "--shard", "half"], 2, "2/8"),
        (["a", "--out-dir", "o", "--shard", "3/2"], 1, "1/2 to 2/2"),
        (["*.SAFF", "--out-dir", "o"], 1, "no product matches"),
    ],
)
def test_wrong_usage_says_how_it_is_meant(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["predict", *arguments])
    assert result.exit_code == code
    assert says in result.output + str(result.exception)
    assert list(tmp_path.iterdir()) == []
