"""Failures by their errors."""

from pathlib import Path
from types import SimpleNamespace

from sgdlab.reports.failures import FailureGroup, failures_of


def test_runs_that_failed_with_one_error_stand_together_the_commonest_first():
    errors = {"a": "out of memory", "b": "no such file", "c": "no such file", "d": None}
    failures = {
        key: error and SimpleNamespace(error=error, log=Path(f"/logs/{key}")) for key, error in errors.items()
    }
    store = SimpleNamespace(read_failure=failures.get)
    assert failures_of(["a", "b", "c", "b", "d"], store) == (
        FailureGroup("no such file", ("b", "c"), "/logs/b"),
        FailureGroup("out of memory", ("a",), "/logs/a"),
    )
