"""A cache for data pipelines: computed once, never stale.

    import everfresh as ef

    @ef.cached(ttl="5m", store=True)
    def rates(currency): ...

What is wrapped is served at once while everything that it was made from is unchanged: arguments, code, files,
environment variables. `f.cache_explain(…)` says why not.
"""

from . import _native
from ._native import Store

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._api import cached, invalidate_tag, stats
    from ._cache import Cache
    from ._config import load_config
    from ._depends import Dependency, dir, env, file, value
    from ._lru import cache, lru_cache
    from ._memory import Memory, expires_after
    from ._observed import ImpureError, ImpureWarning
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
    "Memory",
    "Pipeline",
    "RunError",
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
    "precomputed",
    "read_csv",
    "read_json",
    "read_parquet",
    "run",
    "stats",
    "value",
]

# Where each name is: a module is imported when something in it is first asked for.
_PLACES = {
    "Cache": "_cache",
    "CheckError": "_pipeline_node",
    "Dependency": "_depends",
    "ImpureError": "_observed",
    "ImpureWarning": "_observed",
    "Memory": "_memory",
    "Pipeline": "_pipeline",
    "RunError": "_run",
    "cache": "_lru",
    "cached": "_api",
    "dir": "_depends",
    "env": "_depends",
    "expires_after": "_memory",
    "file": "_depends",
    "invalidate_tag": "_api",
    "load_config": "_config",
    "lru_cache": "_lru",
    "precomputed": "_precomputed",
    "read_csv": "_readers",
    "read_json": "_readers",
    "read_parquet": "_readers",
    "run": "_run",
    "stats": "_api",
    "value": "_depends",
}


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'everfresh' has no attribute {name!r}")
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f".{place}", __name__), name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
