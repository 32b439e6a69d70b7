"""The command: options in, a report out."""

from .app import main, run

__all__ = ["main", "run"]
