"""Measurements; `python -m benchmarks.serve` compares the serving core with its peers."""
