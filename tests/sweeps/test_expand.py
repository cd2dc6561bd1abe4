"""From grids to runs: products, seeds, coupled values, shared runs, and what a sweep may not say."""

import itertools

import pytest

from sgdlab.config.identity import key_of
from sgdlab.errors import UsageError
from sgdlab.sweeps.expand import expand


def test_a_grid_is_the_product_of_its_axes_times_the_seeds(load, small, composer):
    small["grids"] = {
        "all": {"label": "all", "axes": {"optimizer.lr": ["2**-4", 0.5], "optimizer.inner_steps": [1, 2, 4]}}
    }
    small["drawing"]["curves"] = [
        {"grid": "all", "metric": "test_accuracy.best", "split_by": "optimizer.inner_steps"}
    ]
    rows = list(expand(load(small), composer))
    expected = list(itertools.product([2**-4, 0.5], [1, 2, 4], range(3)))
    assert [(*row.point.values(), row.seed) for row in rows] == expected
    assert [(row.run.optimizer.lr, row.run.optimizer.inner_steps, row.run.seed) for row in rows] == expected
    assert {(row.panel, row.grid) for row in rows} == {("main", "all")}
    assert [row.key for row in rows] == [key_of(row.run) for row in rows]
    assert len({row.key for row in rows}) == len(rows)


def test_runs_are_normalised_and_a_run_that_two_grids_want_comes_twice(load, small, composer):
    rows = list(expand(load(small), composer))
    plain = {row.key for row in rows if row.grid == "rate" and row.point["optimizer.lr"] == 2**-4}
    zero = {row.key for row in rows if row.grid == "strength" and row.point["regularizer.strength"] == 0}
    assert plain == zero
    assert len(plain) == 3
    assert {row.run.budget.kind for row in rows} == {"updates"}
    assert {row.run.num_updates for row in rows} == {2 * 64 // 8}


def test_an_axis_may_be_a_group_and_its_values_lists(load, small, composer):
    small["grids"] = {
        "all": {
            "label": "all",
            "axes": {"data": ["digits", "mnist1d"], "model.hidden_widths": [[8], [4, 4]]},
        }
    }
    small["drawing"]["x"] = "data"
    drawn = {"grid": "all", "metric": "test_accuracy.best", "split_by": "model.hidden_widths"}
    small["drawing"]["curves"] = [drawn]
    runs = [row.run for row in expand(load(small, "protocol.num_seeds=1", "protocol.keep=1"), composer)]
    assert [(run.data.kind, run.model.hidden_widths) for run in runs] == list(
        itertools.product(["digits", "mnist1d"], [(8,), (4, 4)])
    )


def test_coupled_values_are_computed_at_each_point(load, small, composer):
    small["base"]["budget"] = "updates"
    del small["base"]["budget.num_epochs"]
    small["grids"]["rate"] = {
        "label": "n",
        "axes": {"optimizer.inner_steps": [1, 2, 4], "optimizer.batch_size": ["2**2", 8]},
        "coupled": {
            "budget.num_updates": "2**14 / optimizer.inner_steps",
            "optimizer.lr": "2**-6 * optimizer.batch_size",
            "evaluation.every_num_epochs": "budget.num_updates / 4096",  # of the one coupled above
            "loss.l2": "data.num_test / 10**6",  # a default of the schema
        },
    }
    small["drawing"]["x"] = "optimizer.inner_steps"
    small["drawing"]["curves"][0]["split_by"] = "optimizer.batch_size"
    for row in expand(load(small), composer):
        if row.grid == "rate":
            n, batch_size = row.point["optimizer.inner_steps"], row.point["optimizer.batch_size"]
            assert row.run.num_updates == 2**14 / n
            assert row.run.optimizer.lr == 2**-6 * batch_size
            minibatches = (2**14 / n / 4096) * 64 / batch_size
            assert row.run.evaluate_every_num_updates == minibatches * n
            assert row.run.loss.l2 == 500 / 10**6


COUPLED = {
    "optimizer.lrs * 2": (
        "coupled.loss.l2: 'optimizer.lrs * 2' is not a number or an expression such as 2**-6, 1/32 or "
        "pow2(-9, -3); it may use budget, data, evaluation, landscape, loss, model, optimizer, precision, "
        "regularizer, schedule, seed"
    ),
    "optimizer.lr *": (
        "coupled.loss.l2: 'optimizer.lr *' is not a number or an expression such as 2**-6, 1/32 or "
        "pow2(-9, -3); it may use budget, data, evaluation, landscape, loss, model, optimizer, precision, "
        "regularizer, schedule, seed"
    ),
    "optimizer.lr - 1": "loss.l2=-0.9375: input should be greater than or equal to 0",
    "data.kind": "loss.l2='digits': input should be a number, such as 0.01, 2**-6 or 1/32",
    "data": "loss.l2=DigitsData: input should be a number, such as 0.01, 2**-6 or 1/32",
}


@pytest.mark.parametrize(("expression", "message"), COUPLED.items(), ids=COUPLED)
def test_a_bad_expression_is_refused_with_its_place(load, small, composer, expression, message):
    small["grids"]["rate"]["coupled"] = {"loss.l2": expression}
    with pytest.raises(UsageError) as refused:
        list(expand(load(small), composer))
    assert str(refused.value) == f"made.yaml: scale laptop, grid rate: {message}"


def test_where_the_expression_reads_something_wrong_that_is_what_is_said(load, small, composer):
    small["base"]["optimizer.batch_size"] = "many"
    small["grids"]["rate"]["coupled"] = {"loss.l2": "optimizer.batch_size / 100"}
    with pytest.raises(UsageError, match=r"grid rate: optimizer.batch_size='many': input should be a whole"):
        list(expand(load(small), composer))


FORBIDDEN = {
    "seed": "seed can't be set: protocol.num_seeds runs have seeds 0, 1, …",
    "launcher.pack_size": "launcher.pack_size says how a run is carried out; give it on the command line",
    "tracker": "tracker says how a run is carried out; give it on the command line",
    "folders.store": "folders.store says how a run is carried out; give it on the command line",
    "diagnostics": "diagnostics says how a run is carried out; give it on the command line",
}


@pytest.mark.parametrize("place", ["base", "fixed", "axes", "coupled"])
@pytest.mark.parametrize(("key", "message"), FORBIDDEN.items(), ids=FORBIDDEN)
def test_a_sweep_file_says_what_is_trained_and_nothing_else(load, small, composer, place, key, message):
    if place == "base":
        small["base"][key] = 1
    else:
        small["grids"]["rate"].setdefault(place, {})[key] = {"fixed": 1, "axes": [1], "coupled": "1"}[place]
    with pytest.raises(UsageError) as refused:
        list(expand(load(small), composer))
    assert str(refused.value) == f"made.yaml: scale laptop, grid rate: {message}"


RUNS = {
    "a panel is named": (
        {"scales": {"laptop": {"panels": {"one": {"base": {"optimizer.batch_size": 65}}}}}},
        "scale laptop, panel one, grid rate: optimizer.batch_size=65 is larger than data.num_train=64",
    ),
    "a group written as a mapping": (
        {"base": {"optimizer": {"lr": 1}}},
        "scale laptop, grid rate: optimizer={'lr': 1}: optimizer picks an option by its name; "
        "a value is set as optimizer.NAME",
    ),
    "an option that isn't there": (
        {"base": {"data": "digit"}},
        "scale laptop, grid rate: data=digit: there is no such option (did you mean digits?); "
        "known here: cifar10, cifar100, digits, fashion_mnist, imagenet, mnist, mnist1d, ptb, stl10, "
        "tiny_imagenet",
    ),
    "a key that isn't there": (
        {"base": {"optimizer.lrr": 1}},
        "scale laptop, grid rate: optimizer.lrr is not a key (did you mean optimizer.lr?); "
        "known here: batch_size, clip_norm, inner_steps, kind, lr, momentum, order, remainder",
    ),
}


@pytest.mark.parametrize(("changes", "message"), RUNS.values(), ids=RUNS)
def test_a_run_that_is_refused_names_the_file_and_the_grid(load, small, composer, changes, message):
    with pytest.raises(UsageError) as refused:
        list(expand(load({**small, **changes}), composer))
    assert str(refused.value) == f"made.yaml: {message}"
