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
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial, reduce
from typing import Any, TypeVar

from sgdlab.config.components import (
    ConstantSchedule,
    EpochDecaySchedule,
    GradientNoiseRegularizer,
    HoldThenDecaySchedule,
    HoldThenDecayToSchedule,
    NoRegularizer,
    Regularizer,
    UpdateBudget,
    UpdateEvaluation,
)
from sgdlab.config.fields import Component
from sgdlab.config.landscape import MeasuredLandscape
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
    schedule, optimizer = run.schedule, run.optimizer
    changes["regularizer"] = _effective(run.regularizer, optimizer.batch_size)
    if isinstance(run.landscape, MeasuredLandscape):
        changes["landscape"] = _without_unused(run.landscape, run.data.num_train)
    if isinstance(schedule, HoldThenDecayToSchedule):
        schedule = schedule.starting_at(optimizer.lr)
    if isinstance(schedule, HoldThenDecaySchedule) and not _ever_drops(schedule, num_updates):
        changes["schedule"] = ConstantSchedule()
    if isinstance(schedule, EpochDecaySchedule) and not _ever_decays(schedule, run):
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
    return Keys(type(run)).of(run)


class Keys:
    """The keys of many runs: what a component contributes is written once for all runs that share it."""

    def __init__(self, schema: type[Run] = Run) -> None:
        self._text = _Written(("schema", *schema.model_fields), partial(_member_of_key, schema))

    def of(self, run: Run) -> str:
        """Return the key of a run that `normalize` has returned."""
        return _digest(self._text.of({"schema": SCHEMA_VERSION, **run.__dict__}))


class ConfigDigests:
    """The digests of the full configurations of many runs; each component is written once."""

    def __init__(self) -> None:
        self._text = _Written(Run.model_fields, _member_of_config)

    def of(self, run: Run) -> str:
        """Return `config_digest` of ``run.model_dump(mode="json")``."""
        return _digest(self._text.of(run.__dict__))


def config_digest(config: Mapping[str, Any]) -> str:
    """Return a digest of a full configuration: where two are equal, there is no drift to look for."""
    return _digest(canonical_json(config))


_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def canonical_json(value: Any) -> str:
    """Write JSON in one way only: sorted keys, no spaces, floats as the shortest exact decimal."""
    return _ENCODER.encode(value)


class _Written:
    """Objects as `canonical_json` writes them, their members remembered; a member may be left out, as ""."""

    def __init__(self, names: Iterable[str], write: Callable[[str, Any], str]) -> None:
        # By identity, for hashing a component takes longer than writing a run; each is kept, and so its id.
        self._known: list[tuple[str, dict[int, tuple[Any, str]]]] = [(name, {}) for name in sorted(names)]
        self._write = write

    def of(self, values: Mapping[str, Any]) -> str:
        members = []
        for name, known in self._known:
            value = values[name]
            entry = known.get(id(value))
            if entry is None:
                entry = known[id(value)] = (value, self._write(name, value))
            if entry[1]:
                members.append(entry[1])
        return "{" + ",".join(members) + "}"


def _member_of_key(schema: type[Run], name: str, value: Any) -> str:
    if name != "schema" and not _is_in_key(name, value, schema.model_fields[name].default):
        return ""
    return f'"{name}":{canonical_json(_differences(value) if isinstance(value, Component) else value)}'


def _member_of_config(name: str, value: Any) -> str:
    plain = value.model_dump(mode="json") if isinstance(value, Component) else value
    return f'"{name}":{canonical_json(plain)}'


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:KEY_LENGTH]


def _is_in_key(name: str, value: Any, default: Any) -> bool:
    """Whether a key contains a field: a variant, or anything else that differs from its default.

    A variant that is its field's default is left out too, unless it has been revised: a new field that
    holds a component leaves every key as it was.
    """
    return name == "kind" or value != default or getattr(value, "revision", 1) > 1


def _differences(component: Component) -> dict[str, Any]:
    """Return the fields that a key contains, components as such again, plus a revision above 1."""
    fields = type(component).model_fields
    result = {
        name: _differences(value) if isinstance(value, Component) else value
        for name, value in component.__dict__.items()
        if name not in component.not_in_key and _is_in_key(name, value, fields[name].default)
    }
    revision = getattr(component, "revision", 1)
    return {**result, "revision": revision} if revision > 1 else result


def _effective(regularizer: Regularizer, batch_size: int) -> Regularizer:
    """Return what a penalty comes to: none without strength, and no micro-batches where there is but one."""
    if isinstance(regularizer, NoRegularizer):
        return regularizer
    if regularizer.strength == 0:
        return NoRegularizer()
    is_whole = regularizer.micro_batch_size == batch_size
    if isinstance(regularizer, GradientNoiseRegularizer):
        return NoRegularizer() if is_whole else regularizer
    unused = ["micro_batch_size"] if is_whole else []
    unused += ["difference_radius"] if regularizer.estimator == "exact" else []
    return reduce(_with_default, unused, regularizer)


def _ever_drops(schedule: HoldThenDecaySchedule, num_updates: int) -> bool:
    holds_to_the_end = int(num_updates * schedule.hold_fraction) >= num_updates
    return schedule.num_drops > 0 and schedule.factor != 1 and not holds_to_the_end


def _ever_decays(schedule: EpochDecaySchedule, run: Run) -> bool:
    is_longer = run.num_updates > schedule.hold_num_epochs * run.updates_per_epoch
    return schedule.factor != 1 and is_longer


# A hundred thousand runs share few of these: they are made once.


@lru_cache(maxsize=4096)
def _update_budget(num_updates: int) -> UpdateBudget:
    return UpdateBudget(num_updates=num_updates)


@lru_cache(maxsize=4096)
def _update_evaluation(every_num_updates: int) -> UpdateEvaluation:
    return UpdateEvaluation(every_num_updates=every_num_updates)


@lru_cache(maxsize=4096)
def _without_unused(landscape: MeasuredLandscape, num_train: int) -> MeasuredLandscape:
    """Put back to its default what no quantity reads."""
    readers = {
        "tolerance": {"sharpness"},
        "num_passes": {"interaction"},
        "num_batches": {"step", "update"},
    }
    for field_name, quantities in readers.items():
        if not quantities & set(landscape.quantities):
            landscape = _with_default(landscape, field_name)
    return _with_default(landscape, "num_examples") if landscape.num_examples == num_train else landscape


@lru_cache(maxsize=4096)
def _with_default(component: C, field_name: str) -> C:
    default = type(component).model_fields[field_name].default
    if getattr(component, field_name) == default:
        return component
    return component.model_copy(update={field_name: default})
