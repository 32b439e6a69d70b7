"""Products made for tests and benchmarks."""
