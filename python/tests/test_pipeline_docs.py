"""The examples in the docstrings are right."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest


@pytest.mark.parametrize("module", ["_pipeline", "_cache", "_precomputed"])
def test_docstrings(module: str) -> None:
    failed, tried = doctest.testmod(import_module(f"everfresh.{module}"))
    assert (failed, tried > 0) == (0, True)
