"""Measures the relay and its peers, all with the same rows, in one run on one machine. docs/benchmarks/README.md."""
