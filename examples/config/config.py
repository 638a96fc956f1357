"""A configuration that is read once, until its file changes.

`python examples/config/config.py everfresh.toml other.yaml`
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import everfresh as ef


@dataclass(frozen=True)
class Config:
    name: str
    retries: int
    hosts: list[str]


@ef.cached
def load(path: str) -> Config:
    """The configuration in a file, by the ending of its name."""
    return Config(**ef.load_config(path))


def show(path: Path) -> None:
    how = "kept" if load.cache_contains(str(path)) else "read"
    try:
        config = load(str(path))
    except ValueError as error:
        print(f"{path.name} ({how}): error: {str(error).replace(f'{path.parent}/', '')}")
    else:
        print(f"{path.name} ({how}): {config.name}, {config.retries} retries, {' and '.join(config.hosts)}")


def demonstrate(folder: Path) -> None:
    yaml, json, toml, ini = (folder / f"a.{ending}" for ending in ("yaml", "json", "toml", "ini"))
    yaml.write_text("name: loader\nretries: 3\nhosts: [db1, db2]\n")
    json.write_text('{ "name": "loader", "retries": 3, "hosts": ["db1", "db2"] }')
    toml.write_text("name = 'loader'\nretries = 3\nhosts = ['db1', 'db2']\n")
    ini.write_text("name=loader\n")
    for path in (yaml, json, toml, ini, yaml, json, toml, ini):
        show(path)
    print("a.yaml is changed, a.toml is written once more with what it says")
    yaml.write_text("name: loader\nretries: 5\nhosts: [db1]\n")
    toml.write_text("name = 'loader'\nretries = 3\nhosts = ['db1', 'db2']\n")
    for path in (yaml, json, toml, yaml):
        show(path)


def main() -> None:
    paths = [Path(argument) for argument in sys.argv[1:]]
    for path in paths:
        show(path)
    if not paths:
        with tempfile.TemporaryDirectory() as folder:
            demonstrate(Path(folder))


if __name__ == "__main__":
    main()
