"""The command that extends grids: `sgdlab extend`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from sgdlab.cli.arguments import Arguments, AsJson, Scale
from sgdlab.cli.output import print_json
from sgdlab.cli.request import Request, open_request, print_left_out
from sgdlab.cli.standing import print_standing
from sgdlab.sweeps.standing import standing_of
from sgdlab.sweeps.survey import survey_runs

if TYPE_CHECKING:
    from sgdlab.sweeps.spec import Sweep

Submit = Annotated[
    bool,
    typer.Option("--submit", help="Train the missing points, round after round, until no edge is touched."),
]
Rounds = Annotated[
    int | None,
    typer.Option(
        min=1, help="At most so many rounds for each curve, in all; default: the sweep's extend.rounds."
    ),
]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine",
        help="Points between, around optima on which an inconclusive claim hangs, instead of beyond.",
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("extend")(extend)


def extend(
    arguments: Arguments,
    scale: Scale = "laptop",
    submit: Submit = False,
    rounds: Rounds = None,
    refine: Refine = False,
    as_json: AsJson = False,
) -> None:
    """Find the curves whose optimum or error bar touches the edge of its grid, and the points they lack.

    Proposes them, with their cost; with --submit they are trained, here or on a cluster, and from then on
    status, results, figures and claims include them.
    """
    has_failed = False
    with open_request(arguments, scale) as request:
        sweeps = [_with_rounds(sweep, rounds) for sweep in request.sweeps_as_written]
        print_left_out(request)
        if submit:
            has_failed = _submit(request, sweeps, refine)
        _show(request, sweeps, refine, as_json)
    if has_failed:
        raise typer.Exit(1)


def _submit(request: Request, sweeps: list[Sweep], refine: bool) -> bool:
    """Train what is missing, and extend; return whether something failed."""
    from sgdlab.orchestration.grid_extension import add_rounds, assess_between
    from sgdlab.orchestration.undertaking import Undertaking, survey_of, undertake

    store, composer = request.store, request.composer
    extended = frozenset(sweep.name for sweep in sweeps)
    if refine:
        add_rounds(sweeps, store, composer, assess_between)
        extended = frozenset()
    undertaking = Undertaking(tuple(request.titles), tuple(sweeps), extended)
    found, contexts = survey_of(undertaking, store, composer)
    found = undertake(undertaking, found, contexts, request.execution, store, composer)
    standing = standing_of(survey_runs(found.wanted, store, found.num_asked), store)
    if standing.failures or standing.damages:
        print_standing(standing)
    return bool(standing.failures or standing.damages)


def _show(request: Request, sweeps: list[Sweep], refine: bool, as_json: bool) -> None:
    """Print what is known of each optimum, and what is proposed."""
    from sgdlab.cli.extend_view import print_proposal, record_of_proposal
    from sgdlab.orchestration.extension_cost import propose
    from sgdlab.orchestration.grid_extension import assess_between, assess_sweep

    store, composer, execution = request.store, request.composer, request.execution
    assess = assess_between if refine else assess_sweep
    proposals = [propose(sweep, assess, execution, store, composer) for sweep in sweeps]
    if as_json:
        print_json([record_of_proposal(proposal) for proposal in proposals])
        return
    for proposal in proposals:
        print_proposal(proposal)


def _with_rounds(sweep: Sweep, rounds: int | None) -> Sweep:
    if rounds is None:
        return sweep
    return sweep.model_copy(update={"extend": sweep.extend.model_copy(update={"rounds": rounds})})
