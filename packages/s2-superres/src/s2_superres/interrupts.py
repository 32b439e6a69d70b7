"""The signals that ask the command to stop."""

from __future__ import annotations

import signal


def stop_signals() -> list[signal.Signals]:
    """Return Ctrl-C, the wish to end, and a closed terminal unless `nohup` has it ignored."""
    numbers = [signal.SIGINT, signal.SIGTERM]
    # Windows has none.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    return numbers
