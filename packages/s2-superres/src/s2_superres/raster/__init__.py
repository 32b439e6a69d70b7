"""Grids, windows and arrays: neither files nor networks."""
