"""The networks: their graphs, their weights, and running them."""
