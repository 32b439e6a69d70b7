"""The command."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
import types
import zipfile
from pathlib import Path

import pytest
import rasterio

import image_similarity_measures as ism
from image_similarity_measures import cli
from image_similarity_measures.cli import interrupts, progress
from image_similarity_measures.quality_metrics import metric_functions
from image_similarity_measures.report import comparison

DATA = Path(__file__).parents[1] / "data"
ORG, PRED = str(DATA / "reference.tif"), str(DATA / "upsampled.tif")
FILES = "--org_img_path", ORG, "--pred_img_path", PRED

Capture = pytest.CaptureFixture[str]


def command(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "image_similarity_measures", *arguments],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )


@pytest.fixture(scope="module")
def expected() -> ism.Report:
    return ism.compare(ORG, PRED)


class TestAsBefore:
    """What scripts written for 0.3 rely on."""

    def test_the_default_is_psnr_as_json_on_stdout(self, expected: ism.Report) -> None:
        done = command(*FILES)
        assert done.returncode == 0
        result = json.loads(done.stdout)
        assert (result["image1"], result["image2"]) == (ORG, PRED)
        assert result["metrics"] == {"psnr": expected["psnr"].value}

    @pytest.mark.parametrize(
        "files",
        [
            (f"--org_img_path={ORG}", f"--pred_img_path={PRED}"),
            ("--org-img-path", ORG, "--pred-img-path", PRED),
            (f"--pred-img-path={PRED}", "--org_img_path", ORG),
        ],
    )
    def test_options_are_spelled_either_way(self, capsys: Capture, files: list[str]) -> None:
        assert cli.run(files) == 0
        assert json.loads(capsys.readouterr().out)["image2"] == PRED

    def test_metrics_repeat(self, capsys: Capture, expected: ism.Report) -> None:
        assert cli.run([*FILES, "--metric", "ssim", "--metric=sam"]) == 0
        metrics = json.loads(capsys.readouterr().out)["metrics"]
        assert metrics == pytest.approx({n: expected[n].value for n in ("ssim", "sam")}, rel=1e-9)

    def test_all_means_all(self, capsys: Capture, expected: ism.Report) -> None:
        assert cli.run([*FILES, "--metric", "all"]) == 0
        metrics = json.loads(capsys.readouterr().out)["metrics"]
        assert list(metrics) == list(ism.METRICS)
        assert metrics == pytest.approx(expected.metrics, rel=1e-9)

    def test_the_loader_is_accepted(self, capsys: Capture) -> None:
        assert cli.run([*FILES, "--loader", "rasterio"]) == 0
        assert cli.run([*FILES, "--loader", "opencv", "--definitions", "0.3"]) == 0
        assert cli.run([*FILES, "--loader", "pillow"]) == 2
        capsys.readouterr()

    def test_the_old_definitions_give_the_old_numbers(self, capsys: Capture) -> None:
        assert cli.run([*FILES, "--definitions", "0.3", "--metric", "all"]) == 0
        captured = capsys.readouterr()
        result = json.loads(captured.out)
        assert captured.err == ""
        assert result["definitions"] == "0.3"
        # It had none of those that came later.
        assert sorted(result["metrics"]) == sorted(metric_functions)
        assert result["metrics"]["sam"] == pytest.approx(89.15890183181148, rel=1e-7)
        assert result["metrics"]["rmse"] == pytest.approx(0.012317524291574955, rel=1e-7)
        assert result["details"]["rmse"]["unit"] == ""
        assert cli.run([*FILES, "--definitions=0.3", "--data-range", "255"]) == 0
        new = json.loads(capsys.readouterr().out)["metrics"]["psnr"]
        assert new == pytest.approx(36.103556098820434 - 24.1134, abs=0.001)


class TestForms:
    """JSON, CSV and table; stdout or a file."""

    def test_values_per_band_come_when_asked(self, capsys: Capture, expected: ism.Report) -> None:
        cli.run([*FILES])
        assert "per_band" not in json.loads(capsys.readouterr().out)
        cli.run([*FILES, "--per-band"])
        assert json.loads(capsys.readouterr().out)["per_band"] == {
            "psnr": pytest.approx(expected["psnr"].per_band)
        }

    def test_csv_is_a_header_and_a_row(self, capsys: Capture) -> None:
        cli.run([*FILES, "--format", "csv", "--per-band"])
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert len(rows) == 1
        assert list(rows[0])[2:-2] == ["psnr", *(f"psnr_{b}" for b in (1, 2, 3, 4))]
        assert list(rows[0])[-2:] == ["valid_share", "data_range"]
        assert rows[0]["data_range"] == "4095"

    def test_the_table_is_for_people(self, capsys: Capture) -> None:
        cli.run([*FILES, "--format", "table", "--metric", "all"])
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines[1:-1]] == ["metric", *ism.METRICS]

    def test_output_goes_to_a_file_that_is_never_overwritten_unasked(
        self, capsys: Capture, tmp_path: Path
    ) -> None:
        target = tmp_path / "new" / "scores.json"
        asked = [*FILES, "--output", str(target)]
        assert cli.run(asked) == 0
        assert capsys.readouterr().out == ""
        first = target.read_text()
        assert json.loads(first)["image1"] == ORG
        assert cli.run([*asked, "--metric", "rmse"]) == 1
        assert "scores.json exists" in capsys.readouterr().err
        assert target.read_text() == first
        assert cli.run([*asked, "--metric", "rmse", "--overwrite"]) == 0
        assert "rmse" in json.loads(target.read_text())["metrics"]
        assert [path.name for path in target.parent.iterdir()] == ["scores.json"]

    def test_no_image_is_replaced_by_a_result(self, capsys: Capture, tmp_path: Path) -> None:
        """Neither by the scores nor by a map, though --overwrite is given."""
        first, second = (
            Path(shutil.copy(path, tmp_path / name))
            for path, name in ((ORG, "a_ssim.tif"), (PRED, "a.tif"))
        )
        before = first.read_bytes()
        for target in (["--output", str(first)], ["--metric", "ssim", "--maps", str(tmp_path)]):
            asked = ["--org_img_path", str(first), "--pred_img_path", str(second), *target]
            assert cli.run([*asked, "--overwrite"]) == 1
            assert "a_ssim.tif is one of the images" in capsys.readouterr().err
        assert first.read_bytes() == before

    def test_a_dash_is_stdout(
        self, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert cli.run([*FILES, "--output", "-"]) == 0
        assert json.loads(capsys.readouterr().out)["image1"] == ORG
        assert list(tmp_path.iterdir()) == []

    def test_files_are_called_what_they_were_called(
        self, capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Relative names, and those of GDAL whose slashes are more than separators."""
        shutil.copy(ORG, tmp_path / "a.tif")
        with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
            archive.write(PRED, "b.tif")
        monkeypatch.chdir(tmp_path)
        names = "./a.tif", f"zip://{tmp_path}/all.zip!b.tif"
        asked = ["--org-img-path", names[0], "--pred-img-path", names[1]]
        assert cli.run(asked) == 0
        result = json.loads(capsys.readouterr().out)
        assert (result["image1"], result["image2"]) == names

    def test_names_that_the_encoding_lacks_are_written_with_escapes(self, tmp_path: Path) -> None:
        name = str(tmp_path / "grün☀.tif")
        shutil.copy(ORG, name)
        files = "--org-img-path", name, "--pred-img-path", PRED
        ascii_only = {"env": {**os.environ, "PYTHONIOENCODING": "ascii"}}
        assert json.loads(command(*files, **ascii_only).stdout)["image1"] == name
        assert r"gr\xfcn\u2600.tif" in command(*files, "--format=csv", **ascii_only).stdout

    @pytest.mark.skipif(sys.platform != "linux", reason="needs names that are not UTF-8")
    @pytest.mark.parametrize("options", [(), ("--definitions=0.3",)])
    def test_a_name_that_is_no_text_is_one_line(
        self, tmp_path: Path, options: tuple[str, ...]
    ) -> None:
        name = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff.tif")
        shutil.copy(ORG, name)
        done = command("--org-img-path", name, "--pred-img-path", PRED, *options)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith("error: cannot read ")
        assert r"bad\udcff.tif" in done.stderr and done.stderr.count("\n") == 1


class TestSettings:
    """Options that reach the computation."""

    def test_data_range_and_bit_depth(self, capsys: Capture) -> None:
        values = []
        for option in ("--data-range=255", "--bit-depth=8", "--bit-depth=12", "--data-range=5,260"):
            assert cli.run([*FILES, option]) == 0
            values.append(json.loads(capsys.readouterr().out)["metrics"]["psnr"])
        assert values[0] == values[1] == values[3]
        assert values[2] == pytest.approx(values[0] + 24.1134, abs=0.001)

    def test_bands_and_nodata(self, capsys: Capture) -> None:
        with rasterio.open(ORG) as file:
            value = int(file.read(2)[0, 0])
        assert cli.run([*FILES, "--bands", "2,4", "--nodata", str(value), "--metric=rmse"]) == 0
        result = json.loads(capsys.readouterr().out)
        assert result["bands"] == [2, 4]
        assert result["valid_share"] < 1

    def test_maps(self, capsys: Capture, tmp_path: Path) -> None:
        folder = tmp_path / "maps"
        asked = [*FILES, "--metric=ssim", "--metric=psnr", "--maps", str(folder)]
        assert cli.run(asked) == 0
        assert [path.name for path in folder.iterdir()] == ["upsampled_ssim.tif"]
        assert cli.run(asked) == 1
        assert "upsampled_ssim.tif exists" in capsys.readouterr().err
        assert cli.run([*asked, "--overwrite"]) == 0

    def test_grid_mismatch_is_allowed_when_asked(self, capsys: Capture, tmp_path: Path) -> None:
        moved = tmp_path / "moved.tif"
        shutil.copy(PRED, moved)
        with rasterio.open(moved, "r+") as file:
            file.transform = rasterio.Affine(10, 0, 0, 0, -10, 0)
        asked = ["--org-img-path", ORG, "--pred-img-path", str(moved)]
        assert cli.run(asked) == 1
        assert "--allow-grid-mismatch" in capsys.readouterr().err
        assert cli.run([*asked, "--allow-grid-mismatch"]) == 0


class TestGate:
    """--fail-under, for use in continuous integration."""

    def test_higher_is_better_fails_below(self, capsys: Capture) -> None:
        assert cli.run([*FILES, "--fail-under", "psnr=30"]) == 0
        assert capsys.readouterr().err == ""
        assert cli.run([*FILES, "--fail-under", "psnr=40"]) == 3
        captured = capsys.readouterr()
        assert "psnr" in json.loads(captured.out)["metrics"]
        assert re.search(r"failed: .*upsampled\.tif: psnr 36\.\d+ is below 40", captured.err)

    def test_lower_is_better_fails_above(self, capsys: Capture) -> None:
        assert cli.run([*FILES, "--fail-under", "sam=80"]) == 0
        assert cli.run([*FILES, "--fail-under", "rmse=1"]) == 3
        captured = capsys.readouterr()
        assert "is above 1" in captured.err

    def test_a_metric_with_a_bound_is_computed_beside_those_asked(self, capsys: Capture) -> None:
        assert cli.run([*FILES, "--fail-under=psnr=99", "--fail-under=uiq=0.1"]) == 3
        assert list(json.loads(capsys.readouterr().out)["metrics"]) == ["psnr", "uiq"]
        assert cli.run([*FILES, "--metric=ssim", "--fail-under=psnr=1"]) == 0
        assert list(json.loads(capsys.readouterr().out)["metrics"]) == ["ssim", "psnr"]
        assert cli.run([*FILES, "--metric=all", "--fail-under=psnr=1"]) == 0
        assert list(json.loads(capsys.readouterr().out)["metrics"]) == list(ism.METRICS)

    @pytest.mark.parametrize("bound", ["psnr", "psnr=", "psnr=high", "nope=3", "=3"])
    def test_a_bound_that_is_none_is_wrong_usage(self, capsys: Capture, bound: str) -> None:
        assert cli.run([*FILES, "--fail-under", bound]) == 2
        assert capsys.readouterr().err.startswith("error: ")


class TestFolders:
    """Two folders, paired by name."""

    @pytest.fixture
    def folders(self, tmp_path: Path) -> tuple[Path, Path]:
        left, right = tmp_path / "left", tmp_path / "right"
        left.mkdir()
        right.mkdir()
        shutil.copy(ORG, left / "b.tif")
        shutil.copy(PRED, right / "b.tif")
        shutil.copy(ORG, left / "a.tif")
        shutil.copy(ORG, right / "a.TIFF")
        shutil.copy(ORG, left / "alone.tif")
        for noise in ("notes.txt", ".hidden.tif", "b.tif.aux.xml"):
            (left / noise).write_text("")
            (right / noise).write_text("")
        return left, right

    def test_one_row_per_pair(self, capsys: Capture, folders: tuple[Path, Path]) -> None:
        asked = ["--org-img-path", str(folders[0]), "--pred-img-path", str(folders[1])]
        assert cli.run([*asked, "--metric=rmse", "--format=csv"]) == 0
        captured = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(captured.out)))
        assert [Path(row["image2"]).name for row in rows] == ["a.TIFF", "b.tif"]
        assert float(rows[0]["rmse"]) == 0 < float(rows[1]["rmse"])
        assert (
            captured.err == f"warning: {folders[0] / 'alone.tif'} has no partner and is left out\n"
        )
        assert cli.run([*asked, "-q", "--fail-under=psnr=40"]) == 3
        captured = capsys.readouterr()
        pairs = json.loads(captured.out)["pairs"]
        assert [pair["metrics"]["psnr"] is None for pair in pairs] == [True, False]
        assert captured.err.count("failed:") == 2
        assert cli.run([*asked, "-q", "--format=table"]) == 0
        assert len(capsys.readouterr().out.splitlines()) == 3
        assert cli.run([*asked, "-q", "--format=table", "--per-band"]) == 0
        header = capsys.readouterr().out.splitlines()[0].split()
        assert header[2:7] == ["psnr", "psnr_1", "psnr_2", "psnr_3", "psnr_4"]

    def test_a_file_without_a_partner_fails_every_bound(
        self, capsys: Capture, folders: tuple[Path, Path]
    ) -> None:
        asked = ["--org-img-path", str(folders[0]), "--pred-img-path", str(folders[1]), "-q"]
        assert cli.run(asked) == 0
        alone = str(folders[0] / "alone.tif")
        assert json.loads(capsys.readouterr().out)["unpaired"] == [alone]
        assert cli.run([*asked, "--fail-under=psnr=1"]) == 3
        assert capsys.readouterr().err == f"failed: {alone} has no partner\n"

    def test_a_pair_that_cannot_be_scored_is_reported_and_the_rest_scored(
        self, capsys: Capture, folders: tuple[Path, Path], tmp_path: Path
    ) -> None:
        broken, small = str(folders[1] / "aa.tif"), str(folders[1] / "ab.tif")
        for path in (broken, small):
            shutil.copy(ORG, folders[0] / Path(path).name)
        Path(broken).write_text("no image")
        with rasterio.open(ORG) as file:
            profile = file.profile | {"height": 5, "width": 5}
        for folder in folders:
            with rasterio.open(folder / "ab.tif", "w", **profile):
                pass
        asked = ["--org-img-path", str(folders[0]), "--pred-img-path", str(folders[1]), "-q"]
        target = tmp_path / "scores.json"
        options = "--metric=ssim", "--fail-under=ssim=0.1", "--output", str(target)
        assert cli.run([*asked, *options]) == 1
        lines = [line for line in capsys.readouterr().err.splitlines() if line[:6] == "error:"]
        assert len(lines) == 2
        assert broken in lines[0] and f"{small}: SSIM looks at" in lines[1]
        result = json.loads(target.read_text())
        assert [Path(pair["image2"]).name for pair in result["pairs"]] == ["a.TIFF", "b.tif"]
        assert [failure["image2"] for failure in result["failed"]] == [broken, small]
        assert result["failed"][0]["error"].startswith("cannot read ")
        ledger = tmp_path / "failed.jsonl"
        assert cli.run([*asked, "--metric=ssim", "--format=csv", "--ledger", str(ledger)]) == 1
        rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
        assert [bool(row["error"]) for row in rows] == [False, False, True, True]
        assert [json.loads(line) for line in ledger.read_text().splitlines()] == result["failed"]
        assert cli.run([*asked, "--ledger", str(ledger)]) == 1
        assert f"{ledger} exists" in capsys.readouterr().err

    def test_several_jobs_say_what_one_says(
        self, capsys: Capture, folders: tuple[Path, Path], tmp_path: Path
    ) -> None:
        for folder in folders:
            shutil.copy(ORG, folder / "c.tif")
        (folders[1] / "c.tif").write_text("no image")
        asked = ["--org-img-path", str(folders[0]), "--pred-img-path", str(folders[1])]
        asked += ["--metric=ssim", "--metric=rmse"]
        assert cli.run([*asked, "--maps", str(tmp_path / "one")]) == 1
        alone = capsys.readouterr()
        done = command(*asked, "--jobs=2", "--maps", str(tmp_path / "two"))
        assert (done.returncode, done.stdout) == (1, alone.out)
        assert sorted(done.stderr.splitlines()) == sorted(alone.err.splitlines())
        for path in (tmp_path / "one").iterdir():
            assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()

    def test_patterns_and_subfolders_pair(
        self, capsys: Capture, folders: tuple[Path, Path]
    ) -> None:
        asked = ["-q", "--metric=rmse", "--org-img-path", str(folders[0] / "*.tif")]
        assert cli.run([*asked, "--pred-img-path", str(folders[1] / "*.[tT]*")]) == 1
        assert "no image" in capsys.readouterr().err
        assert cli.run([*asked, "--pred-img-path", str(folders[1] / "*.tif")]) == 0
        (pair,) = json.loads(capsys.readouterr().out)["pairs"]
        assert Path(pair["image2"]) == folders[1] / "b.tif"
        parents = [str(folder.parent) for folder in folders]
        assert cli.run(
            ["-q", "--recursive", "--org-img-path", parents[0], "--pred-img-path", parents[0]]
        ) == 0  # fmt: skip
        assert len(json.loads(capsys.readouterr().out)["pairs"]) == 5

    def test_maps_of_all_pairs(
        self, capsys: Capture, folders: tuple[Path, Path], tmp_path: Path
    ) -> None:
        asked = ["--org-img-path", str(folders[0]), "--pred-img-path", str(folders[1])]
        assert cli.run([*asked, "-q", "--metric=sam", "--maps", str(tmp_path / "maps")]) == 0
        names = sorted(path.name for path in (tmp_path / "maps").iterdir())
        assert names == ["a_sam.tif", "b_sam.tif"]

    def test_maps_of_pairs_with_one_stem_are_kept_apart(
        self, capsys: Capture, folders: tuple[Path, Path], tmp_path: Path
    ) -> None:
        for folder in folders:
            with rasterio.open(ORG) as file:
                pixels = file.read([1, 2, 3])
            with rasterio.open(
                folder / "b.png", "w", driver="PNG", height=64, width=64, count=3, dtype="uint16"
            ) as file:
                file.write(pixels)
        asked = ["--org-img-path", str(folders[0]), "--pred-img-path", str(folders[1])]
        maps = tmp_path / "maps"
        assert cli.run([*asked, "-q", "--metric=sam", "--maps", str(maps)]) == 0
        names = sorted(path.name for path in maps.iterdir())
        assert names == ["a_sam.tif", "b.png_sam.tif", "b.tif_sam.tif"]
        with rasterio.open(maps / "b.png_sam.tif") as file:
            assert (file.read(1) == 0).all()
        capsys.readouterr()
        (maps / "a_sam.tif").unlink()
        before = sorted(maps.iterdir())
        assert cli.run([*asked, "-q", "--metric=sam", "--maps", str(maps)]) == 1
        captured = capsys.readouterr()
        assert captured.out == "" and captured.err.count("exists") == 1
        assert sorted(maps.iterdir()) == before

    def test_a_folder_and_a_file_do_not_pair(
        self, capsys: Capture, folders: tuple[Path, Path]
    ) -> None:
        assert cli.run(["--org-img-path", str(folders[0]), "--pred-img-path", PRED]) == 1
        assert "two files, two folders or two patterns" in capsys.readouterr().err

    def test_folders_without_a_pair_are_an_error(
        self, capsys: Capture, folders: tuple[Path, Path], tmp_path: Path
    ) -> None:
        empty = tmp_path / "empty"
        empty.mkdir()
        assert cli.run(["--org-img-path", str(folders[0]), "--pred-img-path", str(empty)]) == 1
        assert "has a partner" in capsys.readouterr().err

    def test_names_that_fit_twice_do_not_pair(self, capsys: Capture, tmp_path: Path) -> None:
        left, right = tmp_path / "left", tmp_path / "right"
        for path in (left / "a.png", left / "a.jpg", right / "a.tif"):
            path.parent.mkdir(exist_ok=True)
            path.write_text("")
        assert cli.run(["--org-img-path", str(left), "--pred-img-path", str(right)]) == 1
        assert "has a partner" in capsys.readouterr().err


class TestTerminal:
    """What a person sees."""

    def test_help_is_quick_because_nothing_heavy_is_loaded(self) -> None:
        code = (
            "import sys; from image_similarity_measures import cli; status = cli.run(['--help']);"
            "heavy = {'numpy', 'cv2', 'rasterio', 'scipy', 'skimage', 'phasepack', 'matplotlib'};"
            "sys.exit(status or sorted(heavy & set(sys.modules)) or 0)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        for option in ("--org_img_path", "--metric", "--fail-under", "--definitions"):
            assert option in done.stdout

    def test_version(self, capsys: Capture) -> None:
        assert cli.run(["--version"]) == 0
        assert capsys.readouterr().out == f"image-similarity-measures {ism.__version__}\n"

    def test_verbose_says_what_was_done(self) -> None:
        done = command(*FILES, "-v")
        assert re.fullmatch(r".*reference\.tif \| .*upsampled\.tif: \d+\.\d\d s\n", done.stderr)

    def test_warnings_can_be_silenced(self, capsys: Capture, tmp_path: Path) -> None:
        bright = tmp_path / "bright.tif"
        with rasterio.open(PRED) as file:
            profile, pixels = file.profile, file.read()
        pixels[0, 0, 0] = 9999
        with rasterio.open(bright, "w", **profile) as file:
            file.write(pixels)
        asked = ["--org-img-path", ORG, "--pred-img-path", str(bright)]
        assert cli.run(asked) == 0
        captured = capsys.readouterr()
        assert captured.err.startswith(f"warning: {bright}: values reach 9999")
        assert len(json.loads(captured.out)["notes"]) == 1
        assert cli.run([*asked, "-q"]) == 0
        assert capsys.readouterr().err == ""

    def test_progress_waits_a_second_and_needs_a_terminal(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        now = [0.0]
        clock = types.SimpleNamespace(monotonic=lambda: now[0])
        monkeypatch.setattr(progress, "time", clock)
        monkeypatch.setenv("COLUMNS", "80")
        for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
            monkeypatch.setattr(sys, "stderr", stream)
            now[0] = 0.0
            bar = progress.ProgressBar(wanted=True)
            for now[0], share in ((0.5, 0.1), (1.5, 0.2), (1.55, 0.3), (2.0, 0.4)):
                bar.show("comparing", share)
            bar.clear()
            found = [share for share in (10, 20, 30, 40) if f"{share}%" in stream.getvalue()]
            assert found == ([20, 40] if shown else [])

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interruption_waits_for_the_next_strip(self, number: int) -> None:
        went_on = []

        def work(check: bool) -> None:
            with interrupts.interruptible(), interrupts.Hold() as hold:
                os.kill(os.getpid(), number)
                went_on.append(True)
                if check:
                    hold.check()
                    went_on.append(False)

        before = signal.getsignal(number)
        for check in (True, False):
            with pytest.raises(interrupts.Interrupted) as caught:
                work(check)
            assert caught.value.code == 128 + number
        assert went_on == [True, True]
        assert signal.getsignal(number) is before

    def test_an_interruption_of_0_3_works_at_once(
        self, capsys: Capture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        went_on = []

        def interrupted(*_: object, **__: object) -> None:
            os.kill(os.getpid(), signal.SIGINT)
            went_on.append(True)

        monkeypatch.setattr(comparison, "compare_as_0_3", interrupted)
        previous = signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            assert cli.run([*FILES, "--definitions", "0.3"]) == 130
        finally:
            signal.signal(signal.SIGINT, previous)
        assert capsys.readouterr().err == "interrupted\n"
        assert not went_on

    def test_an_interruption_that_a_library_drops_comes_again(self) -> None:
        """As imports of some do, with a bare except."""

        def dropped() -> None:
            with interrupts.interruptible():
                with contextlib.suppress(BaseException):
                    signal.raise_signal(signal.SIGTERM)
                time.sleep(10)

        with pytest.raises(interrupts.Interrupted) as caught:
            dropped()
        assert caught.value.code == 143

    def test_a_reader_that_stops_reading_is_no_error(self) -> None:
        done = subprocess.run(
            f"{sys.executable} -m image_similarity_measures {' '.join(FILES)} | true",
            shell=True, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.stderr == ""

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
    def test_a_full_stdout_is_one_line(self) -> None:
        with Path("/dev/full").open("w") as full:
            done = subprocess.run(
                [sys.executable, "-m", "image_similarity_measures", *FILES],
                stdout=full, stderr=subprocess.PIPE, text=True, check=False,
            )  # fmt: skip
        assert done.returncode == 1
        assert re.fullmatch(r"error: cannot write to stdout: .*\n", done.stderr)

    def test_the_console_script_is_installed(self) -> None:
        script = Path(sys.executable).with_name("image-similarity-measures")
        if not script.exists():
            pytest.skip("the package is not installed beside this interpreter")
        done = subprocess.run([script, *FILES], capture_output=True, text=True, check=False)
        assert json.loads(done.stdout)["image1"] == ORG


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
@pytest.mark.parametrize(
    ("number", "jobs"), [(signal.SIGINT, 1), (signal.SIGTERM, 1), (signal.SIGTERM, 2)]
)
def test_an_interruption_leaves_nothing_and_its_exit_code_says_it(
    tmp_path: Path, number: int, jobs: int
) -> None:
    """Nor do the processes of several jobs."""
    images = tmp_path / "images"
    images.mkdir()
    for name in ("a.tif", "b.tif")[:jobs]:
        with rasterio.open(
            images / name, "w", driver="GTiff", width=5000, height=5000, count=4, dtype="uint16",
            sparse_ok=True,
        ):  # fmt: skip
            pass
    maps = tmp_path / "maps"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "image_similarity_measures", "--org-img-path", str(images),
            "--pred-img-path", str(images), "--metric=uiq", "--metric=ssim", "--maps", str(maps),
            f"--jobs={jobs}",
        ],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (maps.exists() and any(maps.iterdir())):
        time.sleep(0.02)
    assert any(maps.iterdir()), "the maps were never begun"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert (out, err) == ("", "interrupted\n")
    assert not maps.exists()


def test_progress_is_shown_on_a_terminal_only(tmp_path: Path) -> None:
    """A pseudo-terminal stands in for the person."""
    slow = (
        "from image_similarity_measures.cli import main, progress; import itertools, time, types;"
        "ticks = itertools.count(step=2.0);"
        "progress.time = types.SimpleNamespace(monotonic=lambda: next(ticks)); main()"
    )
    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-c", slow, *FILES], stdout=subprocess.PIPE, stderr=follower, check=False
    )
    os.close(follower)
    shown = os.read(leader, 4096).decode()
    os.close(leader)
    assert done.returncode == 0
    assert "100%" in shown
    piped = subprocess.run([sys.executable, "-c", slow, *FILES], capture_output=True, check=False)
    assert piped.stderr == b""
