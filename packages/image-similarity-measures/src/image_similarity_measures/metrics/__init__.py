"""The metrics: what each computes of two images, and the one pass that computes those asked."""
