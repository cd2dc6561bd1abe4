"""Labels as matplotlib writes them."""

from __future__ import annotations

import re


def mathtext(label: str) -> str:
    """Turn ``2^{-6}`` and ``_{n}`` into matplotlib's, unless the label is already written for it."""
    return label if "$" in label else re.sub(r"(\d+\^\{[^}]*\}|_\{[^}]*\})", r"$\1$", label)
