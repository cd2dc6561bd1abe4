"""What a command has trained, round by round: what is missing, then what an extension of the grids adds.

The sweeps are kept as they were when the command was given. So the last job of a submission goes on with
what was asked for, whatever has become of the sweep files meanwhile.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from filelock import FileLock

from sgdlab.analysis.collect import only_asked_for
from sgdlab.config.compose import Composer, open_composer
from sgdlab.config.execution import Execution, WandbTracker
from sgdlab.config.schema import Run
from sgdlab.errors import UserError
from sgdlab.launch.slurm.submission import Submission
from sgdlab.orchestration.carry_out import carry_out
from sgdlab.orchestration.grid_extension import add_rounds
from sgdlab.orchestration.summarizing import summarize
from sgdlab.runs.files import naming
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand_noting
from sgdlab.sweeps.extension import extend_sweep, read_record
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.sweeps.spec import Sweep
from sgdlab.sweeps.survey import Survey, survey_runs
from sgdlab.tracking.contexts import SweepContext, contexts_of


@dataclass(frozen=True)
class Undertaking:
    """The sweeps of a command, and which of them are extended until no optimum touches an edge.

    Those whose protocol has a rule for seeds are trained round by round, too.
    """

    titles: tuple[str, ...]  # "smith2021/fig1b @ laptop", for people
    sweeps: tuple[Sweep, ...]  # without what extensions have added
    extended: frozenset[str]  # names of sweeps

    @property
    def to_extend(self) -> list[Sweep]:
        """Those of the sweeps that are extended."""
        return [sweep for sweep in self.sweeps if sweep.name in self.extended]

    @property
    def goes_on(self) -> bool:
        """Whether what is trained decides what is trained next."""
        return bool(self.extended) or any(sweep.protocol.seeds != "all" for sweep in self.sweeps)


def undertake(
    undertaking: Undertaking,
    found: Survey,
    contexts: Mapping[str, SweepContext],
    execution: Execution,
    store: Store,
    composer: Composer,
) -> Survey:
    """Have what a survey found missing trained, extend the grids, and so on; return the last survey.

    In the end the tracker gets a summary of each sweep. On a cluster it returns once jobs are submitted: the
    last of them goes on. Raises as `carry_out` and `summarize` do.
    """
    is_tracked = isinstance(execution.tracker, WandbTracker)
    then = partial(go_on, undertaking) if undertaking.goes_on or is_tracked else None
    while True:
        is_trained = carry_out(undertaking.titles, found, contexts, execution, store, then)
        if found.missing and not is_trained:
            return found
        if not undertaking.goes_on:
            break
        found, contexts = _next_round(undertaking, store, composer)
        if not found.missing:
            break
        print(f"next round  {_count(found)}", file=sys.stderr)
    if is_tracked:
        summarize(_expanded(undertaking.sweeps, store, composer), store, execution.tracker)
    return found


def survey_of(
    undertaking: Undertaking, store: Store, composer: Composer
) -> tuple[Survey, dict[str, SweepContext]]:
    """Look up all runs that are asked for by now, those of extensions included; say where each belongs."""
    wanted: dict[str, Run] = {}
    asked = list(_expanded(undertaking.sweeps, store, composer, wanted))
    num_asked = sum(len(known.keys) for _, known in asked)
    found = survey_runs(wanted, store, num_asked)
    if any(sweep.protocol.seeds != "all" for sweep, _ in asked):
        found = only_asked_for(found, asked, store)
    return found, contexts_of(asked)


def go_on(undertaking: Undertaking, submission: Submission, store: Store) -> None:
    """Extend the grids once a submission's runs are trained, and submit the next round.

    Jobs that end together take turns: one does it, and should it be killed the next one does. What goes wrong
    is left to the next `sgdlab run` or `extend`: the runs of this job are published.
    """
    went_on = submission.path / "went_on"
    try:
        with naming(submission.path), FileLock(submission.path / "going_on.lock"):
            if not submission.is_cancelled() and not went_on.exists():
                _extend(undertaking, submission, store)
                went_on.touch()
    except UserError as error:
        print(error, flush=True)


def _extend(undertaking: Undertaking, submission: Submission, store: Store) -> None:
    plan = submission.load_plan()
    with open_composer() as composer:
        found, contexts = survey_of(undertaking, store, composer)
        if not plan.runs.keys() <= found.wanted.keys():
            raise UserError("conf/ has changed since this was submitted: `sgdlab run` goes on")
        undertake(undertaking, found, contexts, plan.execution, store, composer)


def _next_round(
    undertaking: Undertaking, store: Store, composer: Composer
) -> tuple[Survey, dict[str, SweepContext]]:
    """Extend the grids until runs are missing: all that one round adds may be stored already."""
    while True:
        num_added = add_rounds(undertaking.to_extend, store, composer)
        found, contexts = survey_of(undertaking, store, composer)
        if found.missing or not num_added:
            return found, contexts


def _count(found: Survey) -> str:
    return "1 run" if len(found.missing) == 1 else f"{len(found.missing)} runs"


def _expanded(
    sweeps: Iterable[Sweep], store: Store, composer: Composer, wanted: dict[str, Run] | None = None
) -> Iterator[tuple[Sweep, SweepKeys]]:
    """Yield each sweep with what extensions have added, and its keys; note in `wanted` what its runs are."""
    for written in sweeps:
        sweep = extend_sweep(written, read_record(store, written.name, written.scale).points).sweep
        known = SweepKeys(sweep.name)
        for row in expand_noting(sweep, composer, known):
            if wanted is not None:
                wanted.setdefault(row.key, row.run)
        yield sweep, known
