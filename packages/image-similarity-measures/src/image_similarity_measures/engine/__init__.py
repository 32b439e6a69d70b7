"""How metrics are computed: one pass over a pair, tile by tile, for all that are asked."""
