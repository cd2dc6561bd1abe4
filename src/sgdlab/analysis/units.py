"""Units of what tables hold.

"loss" is nats an example (of text, a word), or what the squared error is counted in. Parameters count as
numbers without a unit; so curvature is in losses, and a learning rate in one over a loss.
"""

from __future__ import annotations

_SUMMARIES = (".best", ".final", ".honest", ".worst")
_BY_ENDING = {
    "accuracy": "share of examples",
    "accuracy_even": "share of examples",
    "accuracy_odd": "share of examples",
    "loss": "loss",
    "cost": "loss",
    "loss_change": "loss",
    "loss_change_se": "loss",
    "gap_statistic": "loss",
    "gap_statistic_printed": "loss",
    "gap_change": "loss",
    "c_reg": "loss²",
    "gradient_norm_sq": "loss²",
    "gradient_sq": "loss²",
    "noise_trace": "loss²",
    "interaction": "loss³",
    "interaction_se": "loss³",
    "sharpness": "loss",
    "perplexity": "words",
    "updates": "parameter updates",
    "epochs": "epochs",
    "batch_size": "examples",
    "ghost_size": "examples",
    "num_train": "examples",
    "num_test": "examples",
    "num_seeds": "runs",
    "num_asked": "runs",
    "num_done": "runs",
    "num_diverged": "runs",
    "num_failed": "runs",
    "num_missing": "runs",
    "num_spared": "runs",
    "lr": "1/loss",
}
_RELATIVE = "relative_"  # a ratio has no unit


def unit_of(column: str) -> str | None:
    """Return the unit of a metric, an axis or a count; None where it has none, or another in each row."""
    for summary in _SUMMARIES:
        column = column.removesuffix(summary)
    if column.startswith(_RELATIVE):
        return None
    for ending, unit in _BY_ENDING.items():
        if column == ending or column.endswith((f"_{ending}", f".{ending}")):
            return unit
    return None
