"""The version, for whatever room writes or compares it."""

__version__ = "1.0.0"
