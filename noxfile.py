"""Everything a developer or continuous integration runs.

``nox --list`` prints the sessions, ``nox -s tests`` runs one, and what follows ``--`` is passed
on to the tool, as in ``nox -s tests -- -k ssim``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.10.16"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["lint", "types", "tests"]
nox.options.error_on_missing_interpreters = "GITHUB_ACTIONS" in os.environ

ROOT = Path(__file__).parent
PYTHONS = ("3.11", "3.12", "3.13")
AT_HAND = f"{sys.version_info.major}.{sys.version_info.minor}"
#: The interpreter that runs nox; where TensorFlow does not support it yet, the newest it supports.
PYTHON = None if AT_HAND in PYTHONS else PYTHONS[-1]

METRICS = "image-similarity-measures"
SUPERRES = "s2-superres"
#: A process with TensorFlow takes a gigabyte, and threads of its own.
PYTEST = ("pytest", "--numprocesses=logical", "--maxprocesses=4", "--timeout=600")
GROUPS = nox.project.load_toml(ROOT / "pyproject.toml")


def install(session: nox.Session, *packages: str, groups: tuple[str, ...] = ()) -> None:
    """Install packages of this repository, not editable, and groups of requirements."""
    # Tests start a hundred processes with TensorFlow. uv compiles nothing, and where containers
    # ask Python to keep no bytecode, each process would compile two thousand modules anew.
    session.env["PYTHONDONTWRITEBYTECODE"] = ""
    arguments = [f"./packages/{package}" for package in packages]
    if session.venv_backend == "uv":
        # uv would take a wheel built before the last edit from its cache, and install a member of
        # its workspace editable.
        arguments += ["--no-sources", *(f"--reinstall-package={name}" for name in packages)]
    session.install(*arguments, *nox.project.dependency_groups(GROUPS, *groups))
    if packages:
        ensure_opencv(session)


def ensure_opencv(session: nox.Session) -> None:
    """Replace OpenCV by its headless build where the system lacks the libraries for windows."""
    probe = "try:\n import cv2\n print('ok')\nexcept ImportError as error:\n print(error)"
    answer = str(session.run("python", "-c", probe, silent=True)).strip()
    if answer != "ok":
        session.log(f"OpenCV cannot be loaded ({answer}): installing opencv-python-headless")
        uninstall = ("uv", "pip") if session.venv_backend == "uv" else ("pip",)
        confirm = () if session.venv_backend == "uv" else ("--yes",)
        session.run(*uninstall, "uninstall", *confirm, "opencv-python", silent=True)
        # The two share their files, so what the other left behind counts for nothing.
        session.install("--force-reinstall", "--no-deps", "opencv-python-headless")


def run_suites(session: nox.Session) -> None:
    """Test with one version of Python, each suite against no more packages than it may need."""
    # With a selection such as `-k ssim` a suite may have nothing to run (pytest's status 5).
    codes = [0, 5] if session.posargs else [0]
    install(session, METRICS, groups=("test",))
    session.run(*PYTEST, f"packages/{METRICS}/tests", *session.posargs, success_codes=codes)
    install(session, METRICS, SUPERRES)
    for suite in (f"packages/{SUPERRES}/tests", "tests"):
        session.run(*PYTEST, suite, *session.posargs, success_codes=codes)


@nox.session(python=PYTHON)
def tests(session: nox.Session) -> None:
    """Test both packages, and the two together, with the Python that runs nox."""
    run_suites(session)


for version in PYTHONS:
    nox.session(name=f"tests-{version}", python=version, download_python="never")(run_suites)


@nox.session(python=PYTHONS[0], download_python="never")
def lowest(session: nox.Session) -> None:
    """Test the metrics with the oldest releases that their package says it works with."""
    session.run_install(
        *("uv", "pip", "install", "--resolution=lowest-direct", "--no-sources"),
        *(f"--reinstall-package={METRICS}", f"./packages/{METRICS}"),
    )
    # Those who judge results may be as new as they like, as long as these stay.
    session.install("hypothesis>=6.100", "packaging>=23", "pytest>=8.2")
    ensure_opencv(session)
    folder = f"packages/{METRICS}/tests"
    suites = [f"{folder}/{name}" for name in ("cli", "engine", "report")]
    session.run("pytest", *suites, *session.posargs)


@nox.session(python=PYTHON)
def coverage(session: nox.Session) -> None:
    """Measure which lines the suites run, and ask for no fewer than they have run before."""
    install(session, METRICS, SUPERRES, groups=("coverage",))
    for package, module, least in (
        (METRICS, "image_similarity_measures", 97),
        # Without what commands and workers run in processes of their own.
        (SUPERRES, "s2_superres", 78),
    ):
        session.run(
            *PYTEST,
            f"packages/{package}/tests",
            f"--cov={module}",
            f"--cov-fail-under={least}",
            *session.posargs,
        )


@nox.session(python=PYTHON)
def lint(session: nox.Session) -> None:
    """Check style and formatting; ``-- --fix`` mends what can be mended."""
    install(session, groups=("lint",))
    fix = "--fix" in session.posargs
    session.run("ruff", "check", *session.posargs)
    session.run("ruff", "format", *(() if fix else ("--check",)))


@nox.session(python=PYTHON)
def types(session: nox.Session) -> None:
    """Check the types of both packages, of code that uses them, and of the tests."""
    install(session, METRICS, SUPERRES, groups=("types",))
    session.run("mypy", *session.posargs)
    # One after the other: modules of either have the same names.
    for folder in (f"packages/{METRICS}/tests", f"packages/{SUPERRES}/tests", "tests"):
        session.run("mypy", folder)


@nox.session(python=PYTHON)
def build(session: nox.Session) -> None:
    """Build the sdist and the wheel of both packages, or of those named, into dist/."""
    install(session, groups=("build",))
    for old in ROOT.glob("dist/*"):
        old.unlink()
    for package in session.posargs or (METRICS, SUPERRES):
        session.run("python", "-m", "build", "--outdir", "dist", f"packages/{package}", silent=True)
    files = sorted(str(path) for path in ROOT.glob("dist/*"))
    session.run("twine", "check", "--strict", *files)


@nox.session(python=PYTHON, requires=["build"])
def wheel(session: nox.Session) -> None:
    """Install the built wheels into a clean environment and use them away from the checkout."""
    session.install(*(str(path) for path in sorted(ROOT.glob("dist/*.whl"))))
    ensure_opencv(session)
    session.chdir(session.create_tmp())
    session.run("python", "-c", "import image_similarity_measures, s2_superres")
    for command in (METRICS, SUPERRES):
        session.run(command, "--help", silent=True)
    score_examples(session)
    (product,) = sample(session, Path("product"))
    session.run(SUPERRES, "info", str(product))
    session.run(SUPERRES, "predict", str(product), "out.tif", "--overwrite")


def sample(session: nox.Session, folder: Path) -> list[Path]:
    """Put the small real product that s2-superres carries into a folder."""
    session.run(SUPERRES, "sample", str(folder), "--overwrite")
    return list(folder.glob("*.SAFE"))


def score_examples(session: nox.Session, *options: str) -> None:
    """Run the metrics command on the example pair, whose reflectance is DN / 10000."""
    folder = ROOT / "examples"
    session.run(
        METRICS,
        f"--org-img-path={folder / 'reference.tif'}",
        f"--pred-img-path={folder / 'upsampled.tif'}",
        *("--metric", "all", "--data-range", "10000"),
        *options,
    )


@nox.session(python=PYTHON)
def demo(session: nox.Session) -> None:
    """Sharpen a small real product, draw it, and score that against bicubic interpolation."""
    install(session, METRICS, SUPERRES)
    (product,) = sample(session, ROOT / "demo")
    output = ROOT / "demo" / "sample_10m.tif"
    session.run(
        SUPERRES,
        "predict",
        *(str(product), str(output), "--overwrite"),
        f"--quicklook={output.with_suffix('.png')}",
    )
    session.run(SUPERRES, "validate", str(product), "--no-full-scale")
    session.log(f"The picture, before and after: {output.with_suffix('.png')}")


@nox.session(python=PYTHON)
def bench(session: nox.Session) -> None:
    """Time both packages beside others; ``-- --raster`` only files of 10980 x 10980 pixels.

    The tables are written to docs/performance/, where the docs find them.
    """
    packages = (METRICS,) if "--raster" in session.posargs else (METRICS, SUPERRES)
    install(session, *packages, groups=("bench",))
    (ROOT / "docs" / "performance").mkdir(exist_ok=True)
    script = f"packages/{METRICS}/benchmarks/bench_metrics.py"
    if "--raster" in session.posargs:
        session.run("python", script, "--output=docs/performance/rasters.md", *session.posargs)
        return
    # 0.3.6 needs releases of NumPy and scikit-image that newer versions of Python cannot install.
    old = Path(session.create_tmp()) / "version-0.3"
    session.run("uv", "venv", "-q", "--clear", "--python", "3.11", str(old))
    session.run("uv", "pip", "install", "-q", "--python", str(old), f"{METRICS}==0.3.6")
    python = old / ("Scripts" if os.name == "nt" else "bin") / "python"
    session.run(
        *("python", script, f"--old={python}", "--output=docs/performance/metrics.md"),
        *session.posargs,
    )
    session.run(
        *("python", f"packages/{SUPERRES}/benchmarks/bench_predict.py"),
        *("--sizes", "600", "1800", "--out", "docs/performance/predict.md"),
    )
    session.run(
        *("python", f"packages/{SUPERRES}/benchmarks/bench_predict.py"),
        *("--writing", "3660", "--out", "docs/performance/writing.md"),
    )
    session.run(
        *("python", f"packages/{SUPERRES}/benchmarks/bench_predict.py"),
        *("--sizes", "--product", "2460", "--networks", "compact"),
        *("--out", "docs/performance/product.md"),
    )
    session.run(
        *("python", f"packages/{SUPERRES}/benchmarks/bench_reading.py"),
        *("--side", "3660", "--out", "docs/performance/reading.md"),
    )
    session.run(
        *("python", f"packages/{SUPERRES}/benchmarks/bench_cluster.py"),
        *("--side", "732", "--rounds", "2", "--out", "docs/performance/cluster.md"),
    )


@nox.session(python=PYTHON)
def docs(session: nox.Session) -> None:
    """Build the documentation into docs/_build/html and run the code in it."""
    install(session, METRICS, SUPERRES, groups=("docs",))
    for builder in ("html", "doctest"):
        session.run(
            "sphinx-build",
            *("-b", builder, "-W", "--keep-going", "-q", "docs", f"docs/_build/{builder}"),
        )
