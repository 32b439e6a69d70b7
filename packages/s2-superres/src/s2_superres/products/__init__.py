"""Sentinel-2 products: what they are, where their bands lie, and reading them."""
