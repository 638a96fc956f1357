"""Measures pipelines: what is timed, against what, and the target that it should meet."""
