"""Packs: every run once, one shape each, not too wide; and workers that end together."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sgdlab.config.schema import Run
from sgdlab.config.shapes import shape_of
from sgdlab.machine.speeds import TrainingSpeed
from sgdlab.sweeps.cost import StepCosts, Work, work_of
from sgdlab.sweeps.packs import makespan, pack_runs

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


KINDS = {"a": run_with(), "b": sgd(batch_size=4), "c": penalty()}


def some(prefix, run, count):
    return [(f"{prefix}{index}", run.model_copy(update={"seed": index})) for index in range(count)]


def mixture(counts):
    return [
        member for (name, run), n in zip(KINDS.items(), counts, strict=True) for member in some(name, run, n)
    ]


class Measured:
    """A cost model that says what it is told: shape → seconds of one update of one run, by width."""

    def __init__(self, **of_kind):
        self._costs = {
            shape_of(KINDS[name]): StepCosts(
                {w: TrainingSpeed("b", 0, s, 0, 0, 0) for w, s in by_width.items()}
            )
            for name, by_width in of_kind.items()
        }

    def of(self, run):
        return self._costs.get(shape_of(run))

    def seconds(self, packs, runs):
        of = dict(runs)
        return [
            self.of(of[pack.keys[0]]).pack_s(
                sum((work_of(of[k], "end") for k in pack.keys), Work()), len(pack.keys)
            )
            for pack in packs
        ]


counts_of_kinds = st.lists(st.integers(0, 90), min_size=3, max_size=3)


@given(counts_of_kinds, st.one_of(st.just("auto"), st.integers(1, 40)), st.integers(1, 8))
def test_every_run_is_in_one_pack_of_its_shape_that_is_not_too_wide(counts, pack_size, num_workers):
    runs = mixture(counts)
    packs = pack_runs(runs, pack_size, num_workers)
    assert Counter(key for pack in packs for key in pack.keys) == Counter(key for key, _ in runs)
    by_key = dict(runs)
    for pack in packs:
        assert {shape_of(by_key[key]) for key in pack.keys} == {pack.shape}
        assert len(pack.keys) <= (32 if pack_size == "auto" else pack_size)
    assert pack_runs(runs, pack_size, num_workers) == packs


widths_and_times = st.dictionaries(st.sampled_from([1, 8, 32, 128]), st.floats(0.1, 2), min_size=1)


@given(counts_of_kinds, widths_and_times, st.integers(1, 8))
def test_measured_packs_are_no_wider_than_the_best_width_and_the_longest_come_first(counts, times, workers):
    times = dict(sorted(times.items()))
    model = Measured(a=times, b=times, c=times)
    runs = mixture(counts)
    packs = pack_runs(runs, "auto", workers, model)
    assert Counter(key for pack in packs for key in pack.keys) == Counter(key for key, _ in runs)
    for pack in packs:
        best = model.of(dict(runs)[pack.keys[0]]).best_width(
            len([k for k, _ in runs if k[0] == pack.keys[0][0]])
        )
        assert len(pack.keys) <= best
    seconds = model.seconds(packs, runs)
    assert seconds == sorted(seconds, reverse=True)
    assert pack_runs(runs, "auto", workers, model) == packs


@given(counts_of_kinds, st.lists(st.floats(0.1, 2), min_size=3, max_size=3), st.integers(1, 8))
def test_where_all_widths_are_as_good_workers_end_together(counts, times, num_workers):
    model = Measured(**{name: {1: time} for name, time in zip(KINDS, times, strict=True)})
    runs = mixture(counts)
    packs = pack_runs(runs, "auto", num_workers, model)
    seconds = model.seconds(packs, runs)
    # no worker can end before its share, nor may it lack more than one run of the others
    share = sum(seconds) / num_workers
    longest_run = max((100 * time for count, time in zip(counts, times, strict=True) if count), default=0)
    assert makespan(seconds, num_workers) <= max(1.05 * share, share + longest_run) * (1 + 1e-12)


@pytest.mark.parametrize("num_workers", [2, 3, 5, 7])
def test_wide_packs_are_split_until_workers_end_within_five_per_cent(num_workers):
    # a pack of 32 takes 32 units; narrower ones cost a quarter more at the most
    model = Measured(a={1: 1.25, 8: 1.06, 32: 1.0})
    runs = some("a", run_with(), 400)
    packs = pack_runs(runs, "auto", num_workers, model)
    assert max(len(pack.keys) for pack in packs) > 16  # most of the work is done in wide packs
    assert makespan(model.seconds(packs, runs), num_workers) <= 1.05 * 400 * 100 / num_workers


def test_a_long_pack_comes_before_many_short_ones_whatever_its_updates():
    model = Measured(a={1: 1.0}, c={1: 20.0})
    runs = some("a", run_with(), 90) + some("c", penalty(), 4)
    packs = pack_runs(runs, "auto", 2, model)
    assert packs[0].shape == shape_of(penalty())


def test_unmeasured_packs_are_ordered_by_their_arithmetic():
    wide = run_with(model={"kind": "mlp", "hidden_widths": [800]})
    runs = some("a", run_with(), 30) + some("w", wide, 3)
    assert pack_runs(runs, "auto", 1)[0].shape == shape_of(wide)


def test_idle_workers_get_a_share_while_packing_pays():
    sizes = [len(pack.keys) for pack in pack_runs(some("a", run_with(), 24), "auto", 2)]
    assert sizes == [12, 12]
    # below twelve a pack is guessed to take no less: two of seven would cost twice what one of thirteen does
    assert len(pack_runs(some("a", run_with(), 13), "auto", 2)) == 1
    assert len(pack_runs(some("a", run_with(), 24), "auto", 1)) == 1


def test_a_size_that_is_given_stands_above_the_default():
    assert [len(pack.keys) for pack in pack_runs(some("a", run_with(), 64), "auto", 1)] == [32, 32]
    assert [len(pack.keys) for pack in pack_runs(some("a", run_with(), 64), 64, 1)] == [64]


def test_neighbours_stay_together():
    runs = some("a", run_with(), 10)
    first, second = pack_runs(runs, 5, 1)
    assert first.keys + second.keys == tuple(key for key, _ in runs)


def test_nothing_to_train_is_no_pack():
    assert pack_runs([], "auto", 2) == []


def test_the_makespan_by_hand():
    assert makespan([5, 4, 3, 3, 3], 2) == 10  # 5 3, 4 3 and then 3 more on the second: 8 and 10
    assert makespan([5, 4], 3) == 5
    assert makespan([], 2) == 0
