"""A cache for data pipelines: computed once, never stale.

    import everfresh as ef

    @ef.cached(ttl="5m", store=True)
    def rates(currency): ...

What is wrapped is served at once while everything that it was made from is unchanged: arguments, code, files,
environment variables. `f.cache_explain(…)` says why not.
"""

from __future__ import annotations

from . import _fork, _native
from ._api import cached, invalidate_tag, stats
from ._config import load_config
from ._depends import Dependency, dir, env, file, value
from ._lru import cache, lru_cache
from ._memory import Memory, expires_after
from ._native import Store
from ._observed import ImpureError, ImpureWarning

__version__ = _native.__version__
__all__ = [
    "Dependency",
    "ImpureError",
    "ImpureWarning",
    "Memory",
    "Store",
    "cache",
    "cached",
    "dir",
    "env",
    "expires_after",
    "file",
    "invalidate_tag",
    "load_config",
    "lru_cache",
    "stats",
    "value",
]

_fork.register()
