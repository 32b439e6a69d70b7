"""How networks run is said once, checked at once, and needs a backend that is there."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize("backend", ["jax", "abacus"])
def test_a_backend_that_is_not_installed_is_one_line(backend: str) -> None:
    """From Python an error of ours, from the command exit 1."""
    code = (
        "import sys\n"
        "sys.modules['jax'] = None\n"
        "from s2_superres.cli import main\n"
        "from s2_superres.products.sample import sample_path\n"
        "sys.argv = ['s2-superres', 'predict', str(sample_path()), 'never.tif']\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": backend},
    )
    assert done.returncode == 1
    assert f"KERAS_BACKEND={backend}: cannot be loaded" in done.stderr
    assert done.stderr.count("\n") == 1
