"""Times as people read them."""

from __future__ import annotations


def describe_duration(seconds: float) -> str:
    """Write a time to two or three digits: 0.4 s, 45 s, 3.2 min, 25 min, 2.5 h, 12 days."""
    for unit, size, largest in (("s", 1, 100), ("min", 60, 100), ("h", 3600, 72)):
        value = seconds / size
        if value < largest:
            return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"
    return f"{seconds / 86400:,.1f} days" if seconds < 10 * 86400 else f"{seconds / 86400:,.0f} days"
