"""The identity of a run: a hash of what can change its result, and of nothing else.

First the configuration is normalised: two configurations that describe the same training become equal
(λ = 0 has no estimator, a budget is a number of updates, a remainder that doesn't exist has no rule).
Coincidences of one run's numbers are not sought: two orders that agree on the first epoch stay two orders.
Then the key is SHA-256 over the canonical JSON of what differs from the schema's defaults. So a new field
whose default is the old behaviour leaves every key as it was. Every variant's `kind` is always included.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any, TypeVar

from sgdlab.config.components import (
    ConstantSchedule,
    GradientNormRegularizer,
    HoldThenDecaySchedule,
    NoRegularizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.fields import Component
from sgdlab.config.schema import Run

SCHEMA_VERSION = 1
KEY_LENGTH = 32  # hexadecimal digits, 128 bits

C = TypeVar("C", bound=Component)


def normalize(run: Run) -> Run:
    """Return the one representative of all configurations that describe the same training."""
    num_updates = run.num_updates
    changes: dict[str, Any] = {
        "budget": _update_budget(num_updates),
        "evaluation": _update_evaluation(run.evaluate_every_num_updates),
    }
    regularizer, schedule, optimizer = run.regularizer, run.schedule, run.optimizer
    if isinstance(regularizer, GradientNormRegularizer):
        if regularizer.strength == 0:
            changes["regularizer"] = NoRegularizer()
        elif regularizer.estimator == "exact":
            changes["regularizer"] = _with_default(regularizer, "difference_radius")
    if isinstance(schedule, HoldThenDecaySchedule) and not _ever_drops(schedule, num_updates):
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
    return Keys().of(run)


class Keys:
    """The keys of many runs: what a component contributes is written once for all runs that share it."""

    def __init__(self) -> None:
        self._written: dict[Component, str] = {}

    def of(self, run: Run) -> str:
        """Return the key of a run that `normalize` has returned."""
        fields = {"schema": SCHEMA_VERSION, **_fields_in_key(run)}
        members = (f'"{name}":{self._text_of(fields[name])}' for name in sorted(fields))
        text = "{" + ",".join(members) + "}"  # as `canonical_json` would write it
        return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]

    def _text_of(self, value: Any) -> str:
        if not isinstance(value, Component):
            return canonical_json(value)
        text = self._written.get(value)
        if text is None:
            text = self._written[value] = canonical_json(_differences(value))
        return text


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Write JSON in one way only: sorted keys, no spaces, floats as the shortest exact decimal."""
    return _ENCODER.encode(value)


def _fields_in_key(component: Component) -> dict[str, Any]:
    """Return the fields that a key contains: variants, and all else that differs from its default.

    A variant that is its field's default is left out too, unless it has been revised: a new field that
    holds a component leaves every key as it was.
    """
    fields = type(component).model_fields
    return {
        name: value
        for name, value in component.__dict__.items()
        if name == "kind" or value != fields[name].default or getattr(value, "revision", 1) > 1
    }


def _differences(component: Component) -> dict[str, Any]:
    """Return the fields that a key contains, components as such again, plus a revision above 1."""
    result = {
        name: _differences(value) if isinstance(value, Component) else value
        for name, value in _fields_in_key(component).items()
    }
    revision = getattr(component, "revision", 1)
    return {**result, "revision": revision} if revision > 1 else result


def _ever_drops(schedule: HoldThenDecaySchedule, num_updates: int) -> bool:
    holds_to_the_end = int(num_updates * schedule.hold_fraction) >= num_updates
    return schedule.num_drops > 0 and schedule.factor != 1 and not holds_to_the_end


# A hundred thousand runs share few of these: they are made once.


@lru_cache(maxsize=4096)
def _update_budget(num_updates: int) -> UpdateBudget:
    return UpdateBudget(num_updates=num_updates)


@lru_cache(maxsize=4096)
def _update_evaluation(every_num_updates: int) -> UpdateEvaluation:
    return UpdateEvaluation(every_num_updates=every_num_updates)


def _with_default(component: C, field_name: str) -> C:
    default = type(component).model_fields[field_name].default
    if getattr(component, field_name) == default:
        return component
    return component.model_copy(update={field_name: default})
