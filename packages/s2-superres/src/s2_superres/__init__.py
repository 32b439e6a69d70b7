"""Sentinel-2's 20 m and 60 m bands at 10 m."""

__version__ = "1.0.0"
