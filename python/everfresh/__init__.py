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
from ._cache import Cache
from ._config import load_config
from ._depends import Dependency, dir, env, file, value
from ._lru import cache, lru_cache
from ._native import Store
from ._observed import ImpureError, ImpureWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._pipeline import Pipeline
    from ._pipeline_node import CheckError
    from ._precomputed import precomputed
    from ._readers import read_csv, read_json, read_parquet
    from ._run import RunError, run

__version__ = _native.__version__
__all__ = [
    "Cache",
    "CheckError",
    "Dependency",
    "ImpureError",
    "ImpureWarning",
    "Pipeline",
    "RunError",
    "Store",
    "cache",
    "cached",
    "dir",
    "env",
    "file",
    "invalidate_tag",
    "load_config",
    "lru_cache",
    "precomputed",
    "read_csv",
    "read_json",
    "read_parquet",
    "run",
    "stats",
    "value",
]

# Imported when they are first used.
_LATER = {
    "CheckError": "_pipeline_node",
    "Pipeline": "_pipeline",
    "RunError": "_run",
    "precomputed": "_precomputed",
    "read_csv": "_readers",
    "read_json": "_readers",
    "read_parquet": "_readers",
    "run": "_run",
}


def __getattr__(name: str) -> object:
    module = _LATER.get(name)
    if module is None:
        raise AttributeError(f"module 'everfresh' has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{module}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_fork.register()
