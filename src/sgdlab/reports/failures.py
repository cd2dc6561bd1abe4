"""Failed runs, those with the same error together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sgdlab.runs.store import Store


@dataclass(frozen=True)
class FailureGroup:
    """Runs that failed with one error."""

    error: str
    keys: tuple[str, ...]
    log: str  # of the first


def failures_of(keys: Iterable[str], store: Store) -> tuple[FailureGroup, ...]:
    """Return what failed among some runs, the commonest error first."""
    groups: dict[str, FailureGroup] = {}
    for key in dict.fromkeys(keys):
        failure = store.read_failure(key)
        if failure is None:
            continue
        before = groups.get(failure.error)
        keys_so_far = before.keys if before else ()
        log = before.log if before else str(failure.log)
        groups[failure.error] = FailureGroup(failure.error, (*keys_so_far, key), log)
    return tuple(sorted(groups.values(), key=lambda group: -len(group.keys)))
