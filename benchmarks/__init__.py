"""Measurements of the hot paths. `make bench` runs `benchmarks.run`; nothing here is judged, only told."""
