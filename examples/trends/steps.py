"""The Python step of `everfresh.yaml`: a plain function, which tests can call."""

from __future__ import annotations

import pandas as pd
from fit import slope


def trends(daily: pd.DataFrame, least: int) -> pd.DataFrame:
    """By how many minutes a day the delay of each carrier grows; carriers with fewer than `least` days are left out."""
    rows = [
        {"carrier": carrier, "days": len(days), "slope": round(slope(days["day"], days["delay"]), 3)}
        for carrier, days in daily.groupby("carrier")
        if len(days) >= least
    ]
    return pd.DataFrame(rows, columns=["carrier", "days", "slope"])
