"""A cache for data pipelines: computed once, never stale."""

from everfresh._lru import cache, lru_cache

__all__ = ["cache", "lru_cache"]
