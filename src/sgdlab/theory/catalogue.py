"""Every check, by name. To list them nothing is computed and torch isn't imported."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from importlib import import_module

from sgdlab.errors import UsageError
from sgdlab.theory.check import Check, CheckReport


def find_checks(names: Sequence[str]) -> list[Check]:
    """Return the checks of these names, in their order; without a name, all of them.

    Raises
    ------
    UsageError
        If there is no check of a name.
    """
    for name in names:
        if name not in CHECKS:
            nearest = difflib.get_close_matches(name, CHECKS, n=1, cutoff=0)
            raise UsageError(
                f"there is no check {name!r}; did you mean {nearest[0]}? "
                "`sgdlab theory --list` shows all of them"
            )
    return [CHECKS[name] for name in names or CHECKS]


def _of(module: str) -> Callable[[], CheckReport]:
    """Return the function `run` of a module of this room, imported when it is called."""

    def run() -> CheckReport:
        report = import_module(f"sgdlab.theory.{module}").run()
        assert isinstance(report, CheckReport)
        return report

    return run


_SMITH2021 = (
    Check(
        name="smith2021/eq9-11",
        paper="smith2021",
        equations="eq. 9–11",
        title="Gradient descent follows the flow on C + (ε/4)‖∇C‖²",
        run=_of("smith2021.gradient_descent"),
    ),
)

CHECKS: dict[str, Check] = {check.name: check for check in (*_SMITH2021,)}
