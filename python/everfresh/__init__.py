"""A cache for data pipelines: computed once, never stale."""
