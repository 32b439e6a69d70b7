"""How well a sharpener restores bands that were degraded on purpose."""
