"""The forms that products come in: one module each, with its ``OPENER``."""
