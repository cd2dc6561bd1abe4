"""Packs: every run once, one shape each, nearly equal sizes, the costliest first."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgdlab.config.schema import Run
from sgdlab.config.shapes import shape_of
from sgdlab.sweeps.packs import pack_runs, relative_cost

BASE = {
    "data": {"kind": "digits"},
    "model": {"kind": "mlp", "hidden_widths": [8]},
    "loss": {"kind": "cross_entropy"},
    "regularizer": {"kind": "none"},
    "optimizer": {"kind": "sgd", "lr": 0.5, "batch_size": 8},
    "schedule": {"kind": "constant"},
    "budget": {"kind": "updates", "num_updates": 100},
    "evaluation": {"kind": "updates", "every_num_updates": 50},
}


def run_with(**changes) -> Run:
    return Run.model_validate({**BASE, **changes})


def sgd(**changes) -> Run:
    return run_with(optimizer={**BASE["optimizer"], **changes})


def penalty(**changes) -> Run:
    return run_with(regularizer={"kind": "gradient_norm", "strength": 1, **changes})


# ---- shapes ---------------------------------------------------------------------------------------------

SAME_SHAPE = {
    "seed": run_with(seed=3),
    "learning rate": sgd(lr=0.25),
    "l2": run_with(loss={"kind": "cross_entropy", "l2": 1e-3}),
    "schedule": run_with(schedule={"kind": "hold_then_decay"}),
    "budget": run_with(budget={"kind": "updates", "num_updates": 101}),
    "evaluation": run_with(evaluation={"kind": "updates", "every_num_updates": 51}),
}
OTHER_SHAPE = {
    "precision": run_with(precision="float64"),
    "data": run_with(data={"kind": "digits", "num_train": 64}),
    "model": run_with(model={"kind": "mlp", "hidden_widths": [9]}),
    "batch size": sgd(batch_size=16),
    "inner steps": sgd(inner_steps=2),
    "order": sgd(order="fixed"),
    "remainder": sgd(remainder="carry"),
    "penalty": penalty(),
    "forward": penalty(estimator="forward_difference"),
    "central": penalty(estimator="central_difference"),
}


@pytest.mark.parametrize("run", SAME_SHAPE.values(), ids=SAME_SHAPE)
def test_what_is_a_vector_over_runs_changes_no_shape(run):
    assert shape_of(run) == shape_of(run_with())


def test_everything_else_does():
    assert len({shape_of(run) for run in [run_with(), *OTHER_SHAPE.values()]}) == 1 + len(OTHER_SHAPE)


def test_the_strength_and_the_radius_of_a_penalty_change_no_shape():
    central = {"estimator": "central_difference"}
    assert shape_of(penalty(strength=2)) == shape_of(penalty())
    assert shape_of(penalty(**central, difference_radius=0.5)) == shape_of(penalty(**central))


# ---- packs ----------------------------------------------------------------------------------------------


def some(prefix, run, count):
    return [(f"{prefix}{index}", run.model_copy(update={"seed": index})) for index in range(count)]


@given(
    st.lists(st.integers(0, 90), min_size=3, max_size=3),
    st.integers(1, 40),
    st.integers(1, 8),
)
def test_every_run_is_in_one_pack_of_its_shape_and_packs_are_even(counts, pack_size, num_workers):
    kinds = {"a": run_with(), "b": sgd(batch_size=4), "c": penalty()}
    runs = [
        member for (name, run), n in zip(kinds.items(), counts, strict=True) for member in some(name, run, n)
    ]
    packs = pack_runs(runs, pack_size, num_workers)
    packed = Counter(key for pack in packs for key in pack.keys)
    assert packed == Counter(key for key, _ in runs)
    by_key = dict(runs)
    for pack in packs:
        assert {shape_of(by_key[key]) for key in pack.keys} == {pack.shape}
    for run, count in zip(kinds.values(), counts, strict=True):
        sizes = [len(pack.keys) for pack in packs if pack.shape == shape_of(run)]
        if count == 0:
            assert not sizes
            continue
        assert max(sizes) <= pack_size
        assert max(sizes) - min(sizes) <= 1
        fewest = -(-count // pack_size)
        assert len(sizes) >= fewest
        assert len(sizes) <= max(fewest, num_workers)
        if len(sizes) > fewest:  # split for a second worker's sake, but not into crumbs
            assert min(sizes) >= 12
    costs = [len(pack.keys) * relative_cost(by_key[pack.keys[0]]) for pack in packs]
    assert costs == sorted(costs, reverse=True)


def test_idle_workers_get_a_share_while_packing_pays():
    sizes = [len(pack.keys) for pack in pack_runs(some("a", run_with(), 24), 32, 2)]
    assert sizes == [12, 12]
    assert len(pack_runs(some("a", run_with(), 23), 32, 2)) == 1
    assert len(pack_runs(some("a", run_with(), 24), 32, 1)) == 1


def test_neighbours_stay_together_and_the_order_is_repeatable():
    runs = some("a", run_with(), 10)
    first, second = pack_runs(runs, 5, 1)
    assert first.keys + second.keys == tuple(key for key, _ in runs)
    assert pack_runs(runs, 5, 1) == [first, second]


def test_a_penalty_costs_its_gradients():
    assert relative_cost(run_with()) == 100
    assert relative_cost(penalty()) == 300
    assert relative_cost(penalty(estimator="forward_difference")) == 200
    assert relative_cost(penalty(estimator="central_difference")) == 300


def test_nothing_to_train_is_no_pack():
    assert pack_runs([], 32, 2) == []
