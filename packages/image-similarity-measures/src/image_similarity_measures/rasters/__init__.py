"""Raster files: read as pairs on one grid, and written as maps."""
