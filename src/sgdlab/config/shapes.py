"""Which runs can be trained together: those that differ only in values that change no tensor's shape."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import Any

from sgdlab.config.components import Budget, Data, Evaluation, Model
from sgdlab.config.identity import canonical_json
from sgdlab.config.schema import Run


def shape_of(run: Run) -> str:
    """Return a short name of what all runs of a pack share, the number of updates included."""
    optimizer, regularizer = run.optimizer, run.regularizer
    return _shape(
        run.precision,
        run.data,
        run.model,
        run.budget,
        run.evaluation,
        run.loss.kind,
        (optimizer.kind, optimizer.batch_size, optimizer.inner_steps, optimizer.order, optimizer.remainder),
        (regularizer.kind, getattr(regularizer, "estimator", None)),
    )


@lru_cache(maxsize=4096)
def _shape(
    precision: str, data: Data, model: Model, budget: Budget, evaluation: Evaluation, *rest: Any
) -> str:
    parts = [component.model_dump(mode="json") for component in (data, model, budget, evaluation)]
    return hashlib.sha256(canonical_json([precision, *parts, *rest]).encode()).hexdigest()[:12]
