"""What a computation finds set around it, and no name leads to: it counts as a version of its own."""

from __future__ import annotations

import sys

from . import _native

DECIMAL = "the context of `decimal`"


def decimal_context() -> bytes:
    """A fingerprint of what decides on the results of decimal arithmetic on this thread, in this task."""
    import decimal

    now = decimal.getcontext()
    traps = sorted(signal.__name__ for signal, traps in now.traps.items() if traps)
    return _native.fingerprint((now.prec, now.rounding, now.Emin, now.Emax, now.capitals, now.clamp, traps))


def version(name: str) -> bytes | None:
    """The fingerprint of one of these now; `None` for other names."""
    return decimal_context() if name == DECIMAL else None


def is_decimal(value: object) -> bool:
    """Whether arithmetic with it asks for the context."""
    module = sys.modules.get("decimal")
    return module is not None and isinstance(value, module.Decimal)
