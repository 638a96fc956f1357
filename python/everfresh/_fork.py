"""Forked processes: what a child inherits of its parent's stores it must not use."""

from __future__ import annotations

import os

from . import _native


def register() -> None:
    """Has each child of a fork open its stores anew when it needs them."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_native.after_fork)
