"""What training leaves behind: curves over the evaluation grid, and which test images were right.

Correctness is kept as bits at four evaluations a run: the last, the best, and the best as judged by each half
of the test set alone (even and odd positions). So test images can be resampled later, and the epoch can be
chosen on one half and read on the other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from sgdlab.config.metrics import lower_is_better

_KEPT = {"best": "test_accuracy", "best_even": "test_accuracy_even", "best_odd": "test_accuracy_odd"}


@dataclass
class Recorder:
    """Curves of one run."""

    updates: list[int] = field(default_factory=list)
    rows: dict[str, list[float]] = field(default_factory=dict)  # name → a value for each evaluation
    correct: dict[str, Tensor] = field(default_factory=dict)  # name → ⌈M/8⌉ bytes, bits of (M,)

    def record(self, update: int, metrics: Mapping[str, float], test_correct: Tensor | None) -> None:
        """Add one evaluation: metrics by name, correctness of the test set ``(M,)``, bool, on the CPU."""
        if test_correct is not None:
            metrics = {
                **metrics,
                "test_accuracy_even": test_correct[0::2].double().mean().item(),
                "test_accuracy_odd": test_correct[1::2].double().mean().item(),
            }
            self._keep(metrics, torch.from_numpy(np.packbits(test_correct.numpy())))
        self.updates.append(update)
        for name, value in metrics.items():
            self.rows.setdefault(name, []).append(value)

    def _keep(self, metrics: Mapping[str, float], bits: Tensor) -> None:
        for kept, metric in _KEPT.items():
            if metrics[metric] > max(self.rows.get(metric, ()), default=-math.inf):
                self.correct[kept] = bits
        self.correct["final"] = bits

    def curves(self, before: int | None) -> dict[str, np.ndarray]:
        """Return the curves, each ``(E,)``, up to where the run diverged; NaN where not measured.

        With them, of a run that didn't diverge, its correctness bits, ``correct_NAME`` of ``(⌈M/8⌉,)``.
        """
        num_kept = sum(1 for update in self.updates if before is None or update < before)
        curves: dict[str, np.ndarray] = {"updates": np.array(self.updates[:num_kept], dtype=np.int64)}
        for name, values in self.rows.items():
            unmeasured = [np.nan] * (len(self.updates) - len(values))  # measured at the end only
            curves[name] = np.array([*unmeasured, *values][:num_kept], dtype=np.float64)
        if before is None:
            curves |= {f"correct_{name}": bits.numpy() for name, bits in self.correct.items()}
        return curves

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint stores: tensors and plain values."""
        rows = {name: list(values) for name, values in self.rows.items()}
        return {"updates": list(self.updates), "rows": rows, "correct": dict(self.correct)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        """Rebuild what `state` returned."""
        rows = {name: list(values) for name, values in state["rows"].items()}
        return cls(list(state["updates"]), rows, dict(state["correct"]))


def summarize(curves: dict[str, np.ndarray]) -> dict[str, float]:
    """Reduce one run's curves to ``name.best`` and ``name.final``, and the honest test accuracy.

    The best of an accuracy is its largest value over the grid, of a loss or a norm its smallest. Of the error
    of a finite-difference penalty the worst is kept as well.
    `test_accuracy.honest` chooses the evaluation on one half of the test set, reads the other, and swaps.
    """
    summary: dict[str, float] = {}
    for name, values in curves.items():
        if name == "updates" or name.startswith("correct_"):
            continue
        values = values[np.isfinite(values)]
        if len(values) == 0:
            continue
        lower = lower_is_better(name)
        summary[f"{name}.best"] = float(values.min() if lower else values.max())
        summary[f"{name}.final"] = float(values[-1])
        if name == "penalty_relative_error":
            summary[f"{name}.worst"] = float(values.max())
    if len(curves.get("test_accuracy_even", ())):
        even, odd = curves["test_accuracy_even"], curves["test_accuracy_odd"]
        summary["test_accuracy.honest"] = float((odd[even.argmax()] + even[odd.argmax()]) / 2)
    return summary
