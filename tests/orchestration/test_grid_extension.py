"""From the store to the next round: what the schema refuses, what it costs, where claims are undecided."""

from __future__ import annotations

import math

import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.config.compose import open_composer, validate_execution
from sgdlab.orchestration import grid_extension
from sgdlab.orchestration.extension_cost import propose
from sgdlab.orchestration.grid_extension import add_rounds, assess_between, assess_sweep
from sgdlab.runs.store import Store
from sgdlab.sweeps.extension import read_record
from sgdlab.sweeps.places import places
from sgdlab.sweeps.spec import Sweep

BATCH, LR, MOMENTUM = "optimizer.batch_size", "optimizer.lr", "optimizer.momentum"
METRIC = "test_accuracy.best"
CURVES = [{"grid": "sgd", "metric": METRIC}]
RATIO = {
    "kind": "optimum_ratio",
    "says": "The optimum of a large batch is larger.",
    "of": {"grid": "sgd", "metric": METRIC, "where": {BATCH: "last"}},
    "over": {"grid": "sgd", "metric": METRIC, "where": {BATCH: "first"}},
    "expect": {"above": 0.5},
}


@pytest.fixture(scope="module")
def composer():
    with open_composer() as composer:
        yield composer


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = Store(tmp_path / "store")
    store.open_for_writing()
    return store


@pytest.fixture
def see(monkeypatch):
    """Have runs seen, in place of the store's, that have these values: value(point, seed)."""

    def pretend(value):
        def observe(sweep, known, store):
            rows = zip(places(sweep), known.keys, strict=True)
            return [
                Observation(
                    at.panel, at.grid, at.point, at.seed, key, "done", {METRIC: value(at.point, at.seed)}
                )
                for at, key in rows
            ]

        monkeypatch.setattr(grid_extension, "observe", observe)

    return pretend


def make_sweep(axes, claims=(), **drawing):
    grid = {"label": "SGD", "axes": axes}
    base = {"data": "digits", "data.num_train": 64, "budget": "updates", "budget.num_updates": 32}
    return Sweep.model_validate(
        {
            "name": "made/up", "paper": "made", "figure": "up", "title": "Made up", "scale": "laptop",
            "protocol": {"num_seeds": 3, "keep": 3},
            "panels": {"main": {"title": "", "base": base, "grids": {"sgd": grid}}},
            "drawing": {"x_label": "x", "y_label": "y", "curves": CURVES, **drawing},
            "claims": list(claims),
        }
    )  # fmt: skip


def rates(low, high):
    return [2.0**exponent for exponent in range(low, high + 1)]


OPTIMA = {"kind": "optima", "x": BATCH, "tuned": [LR]}


def test_what_the_schema_refuses_stops_a_curve_with_its_words(composer, store, see):
    see(lambda point, seed: point[MOMENTUM] + 0.001 * seed)
    sweep = make_sweep({MOMENTUM: [0.25, 0.5]}, x=MOMENTUM, mark_optimum=True)
    (found,) = assess_sweep(sweep, read_record(store, "made/up", "laptop"), store, composer).assessments
    assert (found.standing, found.additions) == ("stopped", ())
    assert "optimizer.momentum" in found.why


def test_the_next_round_is_priced_curve_by_curve(composer, store, see):
    see(lambda point, seed: 0.9 - 0.02 * abs(math.log2(point[LR] * 8 / point[BATCH]) + 2) + 0.001 * seed)
    sweep = make_sweep({BATCH: [8, 64], LR: rates(-4, -1)}, **OPTIMA)
    execution = validate_execution(composer, {"folders.store": str(store.root)})
    proposal = propose(sweep, assess_sweep, execution, store, composer)
    small, large = proposal.curves
    assert (small.assessment.standing, small.additions) == ("interior", ())
    (priced,) = large.additions
    assert (priced.num_runs, priced.expected.num_to_train, priced.expected.num_updates) == (3, 3, 96)
    assert proposal.expected.num_to_train == 3
    assert read_record(store, "made/up", "laptop").points == ()


def test_rounds_go_on_until_nothing_is_open(composer, store, see):
    see(lambda point, seed: 0.9 - 0.02 * abs(math.log2(point[LR] * 8 / point[BATCH]) + 2) + 0.001 * seed)
    sweep = make_sweep({BATCH: [8, 64], LR: rates(-4, -1)}, **OPTIMA)
    added = [add_rounds([sweep], store, composer) for _ in range(4)]
    assert added == [1, 1, 1, 0]  # the optimum of the large batch is at 2, and 4 is beyond it
    assert sorted(point.round for point in read_record(store, "made/up", "laptop").points) == [1, 2, 3]


def test_points_between_are_proposed_only_where_a_claim_is_undecided(composer, store, see):
    """Of the same three seeds one says that the optima are a factor of 2 apart, two that they are not."""

    def value(point, seed):
        best = -3 + (point[BATCH] == 64 and seed == 0)
        return 0.9 - 0.02 * abs(math.log2(point[LR]) - best)

    see(value)
    record = read_record(store, "made/up", "laptop")
    sweep = make_sweep({BATCH: [8, 64], LR: rates(-6, 0)}, [RATIO], **OPTIMA)
    assessed = assess_between(sweep, record, store, composer)
    assert [one.standing for one in assessed.assessments] == ["interior"] * 2
    assert {point.reason for point in assessed.next_points} == {"between"}
    assert sorted({round(math.log2(point.point[LR]), 9) for point in assessed.next_points}) == [-3.5, -2.5]
    assert all("claims[0] undecided" in one.why for one in assessed.assessments)

    certain = {**RATIO, "expect": {"above": -3}}
    decided = make_sweep({BATCH: [8, 64], LR: rates(-6, 0)}, [certain], **OPTIMA)
    assert assess_between(decided, record, store, composer).next_points == []
