"""Workspaces and reports go to W&B's server; without one, or without an account, one message says so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sgdlab.errors import UserError
from sgdlab.tracking.server_process import ask_server
from sgdlab.tracking.workspace import Shown, report_of, workspace_of


@dataclass(frozen=True)
class Saved:
    """Where a sweep is to be seen."""

    workspace: str
    report: str


def default_entity() -> str:
    """Return whose projects are meant where nobody is named; raises as `ask_server` does."""
    import wandb

    ask_server()
    with _plainly("who is logged in"):
        return str(wandb.Api().default_entity)


def save(shown: Shown) -> Saved:
    """Save the workspace and the report of a sweep.

    Raises
    ------
    UserError
        If nobody is logged in, the server is out of reach, or there is no such project.
    """
    ask_server()
    with _plainly(f"{shown.entity}/{shown.project}"):
        report = report_of(shown)
        report._to_model()  # asks for the project: nothing is saved where it isn't there
        return Saved(workspace=str(workspace_of(shown).save().url), report=str(report.save().url))


@contextmanager
def _plainly(what: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # W&B's errors have no common base
        raise UserError(
            f"Weights & Biases has made no workspace of {what}: {error}; `sgdlab sync` makes the project, "
            "--project and --entity name another one"
        ) from error
