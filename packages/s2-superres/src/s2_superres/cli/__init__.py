"""The command ``s2-superres``: options in, one function call, text out."""

from s2_superres.cli.app import main

__all__ = ["main"]
