"""A helper of the step. Edit it, and the step runs again."""

from __future__ import annotations

import numpy as np
import pandas as pd


def slope(x: pd.Series, y: pd.Series) -> float:
    """The slope of the straight line with the least squares."""
    return float(np.polyfit(x, y, deg=1)[0])
