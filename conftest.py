"""Hypothesis profiles, a working Ctrl-C and room to measure in, for every suite here."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator

import pytest
from hypothesis import HealthCheck, settings

# A shared machine makes single examples slow without anything being wrong, hence no deadline.
slow_is_fine = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("dev", slow_is_fine, max_examples=50)
# Continuous integration repeats the same examples, so that a red run can be run again.
settings.register_profile("ci", slow_is_fine, max_examples=100, derandomize=True, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "dev"))

# A shell that runs the tests in the background has them ignore Ctrl-C, and what they start too;
# the tests of interruptions need it.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Let a child whose files are limited go unmeasured: it cannot write which lines it ran."""
    with pytest.MonkeyPatch.context() as patch:
        if "full_disk" in item.name or "no_room" in item.name:
            patch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)
        return (yield)
