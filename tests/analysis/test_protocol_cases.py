"""Every odd case of the protocol, best 5 of 7: its value, its counts, and what a person reads of it.

Each case is the seven runs of one point beside a whole one, shown as `sgdlab results` does.
"""

from __future__ import annotations

import contextlib
import io
import math
import statistics
from dataclasses import dataclass, replace

import pytest

from sgdlab.analysis.claims import judge
from sgdlab.analysis.optimum_table import optimum_rows
from sgdlab.analysis.tables import rows
from sgdlab.cli.results_view import print_results
from sgdlab.errors import UsageError

LR, ACCURACY = "optimizer.lr", "test_accuracy.best"
ODD, WHOLE = 2.0**-6, 2.0**-5
VALUES = [0.61, 0.64, 0.60, 0.66, 0.63, 0.59, 0.65]


@dataclass(frozen=True)
class Shown:
    """One case: the row of its point, and the text of all results."""

    summary: object
    row: object
    text: str


@pytest.fixture
def show(make_sweep, make_runs):
    """Return a function that shows seven runs, changed by `change(run)`: another one, or None for none."""

    def build(change, claims=(), **sweep_keys):
        sweep = make_sweep({"sgd": {LR: [ODD, WHOLE]}}, 7, 5, claims, **sweep_keys)
        runs = make_runs(sweep, lambda grid, point, seed: VALUES[seed] - (0.1 if point[LR] == WHOLE else 0))
        changed = [one for run in runs for one in ([change(run)] if run.point[LR] == ODD else [run]) if one]
        found, verdicts = rows(sweep, changed), judge(sweep, changed)
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            print_results(sweep, found, optimum_rows(sweep, changed), verdicts, [])
        text = " ".join(output.getvalue().split())
        return Shown(found[0].summary, found[0], text)

    return build


def counts(summary):
    names = ("asked", "done", "diverged", "failed", "missing", "spared")
    return tuple(getattr(summary, f"num_{name}") for name in names)


def becoming(**states):
    """Return a change of some seeds: s5="diverged"."""
    return lambda run: (
        replace(run, state=states[f"s{run.seed}"], metrics={}) if f"s{run.seed}" in states else run
    )


def line_of(shown, lr="2**-6"):
    """Return what stands in the line of a learning rate."""
    return shown.text.split(f" {lr} ")[1].split(" 2**")[0]


def test_best_five_of_seven_with_one_diverged(show):
    shown = show(becoming(s3="diverged"))
    rest = [value for seed, value in enumerate(VALUES) if seed != 3]
    assert shown.summary.value == pytest.approx(statistics.mean(sorted(rest)[1:]))
    assert shown.summary.unselected.mean == pytest.approx(statistics.mean(rest))
    assert counts(shown.summary) == (7, 6, 1, 0, 0, 0)
    assert "main/sgd optimizer.lr=2**-6 seed 3: diverged" in shown.text
    assert line_of(shown).endswith("6 1")  # done, diverged


def test_best_five_of_seven_with_one_missing(show):
    shown = show(lambda run: None if run.seed == 3 else run)
    rest = [value for seed, value in enumerate(VALUES) if seed != 3]
    assert shown.summary.value == pytest.approx(statistics.mean(sorted(rest)[1:]))
    assert counts(shown.summary) == (7, 6, 0, 0, 1, 0)
    assert "1 run missing: `sgdlab run` trains them" in shown.text


def test_best_five_of_seven_with_one_duplicate(make_sweep, make_runs):
    """A seed that comes twice would count twice: refused, with the point, the seed and both runs."""
    sweep = make_sweep({"sgd": {LR: [ODD]}}, 7, 5)
    runs = make_runs(sweep, lambda grid, point, seed: VALUES[seed])
    again = replace(runs[3], key="another")
    message = (
        r"grid 'sgd' of panel 'main' at optimizer.lr=2\*\*-6 has seed 3 twice, as runs main-sgd-0.015625-3 "
        "and another; each seed counts once"
    )
    for judged in (rows, judge):
        with pytest.raises(UsageError, match=message):
            judged(sweep, [*runs, again])


def test_fewer_than_k_finite_runs(show):
    """Four of seven are there: no value, no optimum, and whoever is finite is said to stand idle."""
    shown = show(becoming(s0="failed", s1="missing", s2="diverged"))
    assert (shown.summary.value, shown.summary.std, shown.summary.kept_seeds) == (None, None, ())
    assert shown.summary.note == "4 finite runs of 7, 5 needed"
    assert counts(shown.summary) == (7, 4, 1, 1, 1, 0)
    assert shown.summary.standing == "unfinished"
    assert not shown.row.is_optimum
    assert line_of(shown).startswith("– ")
    assert "4 runs left out for standing at points with too few finite runs" in shown.text
    assert "1 run failed or damaged: `sgdlab status` says why" in shown.text
    assert "2**-5 * " in shown.text  # the other point is the optimum


def test_all_diverged(show):
    shown = show(becoming(**{f"s{seed}": "diverged" for seed in range(7)}))
    assert (shown.summary.value, shown.summary.unselected, shown.summary.standing) == (None, None, "diverged")
    assert counts(shown.summary) == (7, 0, 7, 0, 0, 0)
    assert "main/sgd optimizer.lr=2**-6 seeds 0, 1, 2, 3, 4, 5, 6: diverged" in shown.text
    assert line_of(shown).startswith("– – 0 7")


def test_too_many_diverged_can_never_have_a_value(show):
    shown = show(becoming(s0="diverged", s1="diverged", s2="diverged"))
    assert shown.summary.standing == "diverged"
    assert shown.summary.note == "4 finite runs of 7, 5 needed"


def test_ties_between_runs_are_kept_by_seed(show):
    shown = show(lambda run: replace(run, metrics={ACCURACY: 0.6}))
    assert shown.summary.kept_seeds == (0, 1, 2, 3, 4)
    assert (shown.summary.value, shown.summary.std) == (pytest.approx(0.6), pytest.approx(0))
    assert line_of(shown).startswith("* 0.6 ± 0 0.6 ")


def test_ties_between_points_are_both_the_optimum(show):
    shown = show(lambda run: replace(run, metrics={ACCURACY: VALUES[run.seed] - 0.1}))
    assert shown.text.count(" * ") >= 2
    assert "2**-6 * 0.538" in shown.text
    assert "2**-5 * 0.538" in shown.text


def test_a_metric_that_some_runs_lack(show):
    """Displayed is the final accuracy, which two runs don't have: the best five are of those that do."""

    def change(run):
        final = {} if run.seed in (3, 6) else {"test_accuracy.final": run.metrics[ACCURACY] - 0.01}
        return replace(run, metrics={**run.metrics, **final})

    curves = [{"grid": "sgd", "metric": "test_accuracy.final"}]
    shown = show(change, x=LR, x_label="x", y_label="y", curves=curves)
    rest = [value - 0.01 for seed, value in enumerate(VALUES) if seed not in (3, 6)]
    assert shown.summary.value == pytest.approx(statistics.mean(rest))
    assert counts(shown.summary) == (7, 7, 0, 0, 0, 0)
    assert "main/sgd optimizer.lr=2**-6 seeds 3, 6: has no test_accuracy.final" in shown.text


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_value_that_is_not_finite(show, value):
    shown = show(lambda run: replace(run, metrics={ACCURACY: value}) if run.seed == 3 else run)
    rest = [one for seed, one in enumerate(VALUES) if seed != 3]
    assert shown.summary.value == pytest.approx(statistics.mean(sorted(rest)[1:]))
    assert counts(shown.summary) == (7, 7, 0, 0, 0, 0)
    assert f"main/sgd optimizer.lr=2**-6 seed 3: test_accuracy.best is {value}" in shown.text


def test_a_claim_names_what_it_lacks(show):
    claim = {
        "kind": "gain",
        "says": "It falls.",
        "metric": ACCURACY,
        "start": {"grid": "sgd", "at": "first"},
        "to": {"grid": "sgd", "at": "last"},
        "expect": {"below": 0},
    }
    shown = show(becoming(s0="missing", s1="missing", s2="missing"), [claim])
    assert "INCONCLUSIVE" in shown.text
    assert "grid 'sgd' is unfinished at optimizer.lr=2**-6" in shown.text
    assert "grid 'sgd': 3 × missing, at optimizer.lr=2**-6" in shown.text
    assert "SUPPORTED It falls." in show(becoming(s3="diverged"), [claim]).text
