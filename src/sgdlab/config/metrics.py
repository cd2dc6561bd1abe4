"""Which way a metric is better: one rule for training, which keeps the best, and analysis, which ranks."""

from __future__ import annotations

_LOWER_IS_BETTER = ("loss", "cost", "c_reg", "norm", "error", "perplexity")


def lower_is_better(metric: str) -> bool:
    """Whether the optimum of this metric is its smallest value."""
    return any(part in metric for part in _LOWER_IS_BETTER)
