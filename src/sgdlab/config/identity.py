"""The identity of a run: a hash of what can change its result, and of nothing else.

First the configuration is normalised: two configurations that describe the same training become equal
(λ = 0 has no estimator, a budget is a number of updates, a remainder that doesn't exist has no rule).
Then the key is SHA-256 over the canonical JSON of what differs from the schema's defaults. So a new field
whose default is the old behaviour leaves every key as it was. Every variant's `kind` is always included.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import BaseModel

from sgdlab.config.components import (
    ConstantSchedule,
    GradientNormRegularizer,
    HoldThenDecaySchedule,
    NoRegularizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.schema import Run

SCHEMA_VERSION = 1
KEY_LENGTH = 32  # hexadecimal digits, 128 bits


def normalize(run: Run) -> Run:
    """Return the one representative of all configurations that describe the same training."""
    changes: dict[str, Any] = {
        "budget": UpdateBudget(num_updates=run.num_updates),
        "evaluation": UpdateEvaluation(every_num_updates=run.evaluate_every_num_updates),
    }
    regularizer, schedule, optimizer = run.regularizer, run.schedule, run.optimizer
    if isinstance(regularizer, GradientNormRegularizer):
        if regularizer.strength == 0:
            changes["regularizer"] = NoRegularizer()
        elif regularizer.estimator == "exact":
            changes["regularizer"] = _with_default(regularizer, "difference_radius")
    if isinstance(schedule, HoldThenDecaySchedule) and (schedule.num_drops == 0 or schedule.factor == 1):
        changes["schedule"] = ConstantSchedule()
    drawn_anew = optimizer.order in ("independent", "with_replacement")
    if drawn_anew or run.data.num_train % optimizer.batch_size == 0:
        changes["optimizer"] = _with_default(optimizer, "remainder")
    return run.model_copy(update=changes)


def key_of(run: Run) -> str:
    """Return the run's key: 32 hexadecimal digits."""
    return key_of_normalized(normalize(run))


def key_of_normalized(run: Run) -> str:
    """Return the key of a run that `normalize` has returned."""
    payload = {"schema": SCHEMA_VERSION, **_differences(run)}
    return hashlib.sha256(canonical_json(payload).encode()).hexdigest()[:KEY_LENGTH]


def canonical_json(value: Any) -> str:
    """Write JSON in one way only: sorted keys, no spaces, floats as the shortest exact decimal."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _differences(component: BaseModel) -> dict[str, Any]:
    """Return what differs from the defaults, plus every `kind`, plus revisions above 1."""
    fields = type(component).model_fields
    result: dict[str, Any] = {}
    for name, value in component.__dict__.items():
        if isinstance(value, BaseModel):
            result[name] = _differences(value)
        elif name == "kind" or value != fields[name].default:
            result[name] = value
    revision = getattr(component, "revision", 1)
    if revision > 1:
        result["revision"] = revision
    return result


def _with_default(component: BaseModel, field: str) -> BaseModel:
    default = type(component).model_fields[field].default
    if getattr(component, field) == default:
        return component
    return component.model_copy(update={field: default})
