"""Hypothesis profiles, and a working Ctrl-C, for every suite of the repository."""

from __future__ import annotations

import os
import signal

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
