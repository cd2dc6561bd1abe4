"""What a worker claims, trains, gives up; in this process, on a plan of one pack."""

import re
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace

import numpy as np
import pytest
import torch

from sgdlab.config.datasets import FashionMnistData, MnistData
from sgdlab.errors import UserError
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.training.conductor import Progress
from sgdlab.training.population import Population


@pytest.fixture
def advance(monkeypatch):
    """Replace the population's chunk of updates by a function that gets the population and the true one."""

    def patch(function):
        true = Population._advance
        monkeypatch.setattr(Population, "_advance", lambda population: function(population, true))

    return patch


@pytest.fixture
def undisturbed(make_plan, make_worker, store, bits_of):
    """Train a plan in full, take the results, and clear the store for the test."""

    def train(plan):
        make_worker(plan).work()
        bits = {key: bits_of(key) for key in plan.runs}
        for key in plan.runs:
            store.result_path(key).unlink()
            for path in store.run_folder(key).iterdir():
                path.unlink()
            store.run_folder(key).rmdir()
        return bits

    return train


def test_all_runs_of_a_plan_are_published_with_where_they_come_from(make_plan, make_worker, store):
    plan = make_plan()
    make_worker(plan).work()
    for key, run in plan.runs.items():
        result = store.read_result(key)
        assert (result.state, result.num_updates, result.diverged_at) == ("done", 96, None)
        assert result.config == run.model_dump(mode="json")
        assert list(store.read_curves(key)["updates"]) == [32, 64, 96]
        assert result.provenance["pack_width"] == 4
        assert result.provenance["torch_version"] == torch.__version__
        assert result.provenance["wall_s"] / result.provenance["seconds_per_update"] == pytest.approx(96)
    assert list(store.attempts.iterdir()) == []


def test_a_diverged_run_is_a_result(make_plan, make_worker, store):
    plan = make_plan(num_runs=1, lr=1e30)
    make_worker(plan).work()
    (key,) = plan.runs
    result = store.read_result(key)
    assert result.state == "diverged"
    assert result.diverged_at == result.num_updates < 96


def test_progress_starts_where_training_starts(make_plan, make_worker, advance):
    plan = make_plan(checkpoint_every_s=1e-9)
    told, stops = [], []
    worker = make_worker(plan, on_progress=told.append, stop_requested=lambda: bool(stops))

    def stop_after_first(population, true):
        true(population)
        stops.append(population.members[0].update)

    advance(stop_after_first)
    worker.work()
    assert [(word.num_running, word.num_updates_of_running, word.num_made) for word in told] == [
        (4, 0, 0),
        (4, 0, 0),
        (4, 4 * stops[0], 4 * stops[0]),
        (0, 0, 0),
    ]
    stopped_at = stops[0]
    told.clear()
    stops.clear()
    advance(lambda population, true: true(population))
    make_worker(plan, on_progress=told.append).work()
    before, first, *_, last, end = told
    assert before.num_updates_of_running == before.num_made == first.num_made == 0
    assert first.num_updates_of_running == 4 * stopped_at
    assert {4 * 32, 4 * 64} <= {word.num_updates_of_running for word in told}
    assert sum(word.num_made for word in told) == 4 * (96 - stopped_at)
    assert (last.num_running, last.num_updates_of_running, len(last.ended)) == (0, 0, 4)
    assert end == Progress()


def test_a_run_that_raises_fails_alone_and_says_why(make_plan, make_worker, store, advance):
    plan = make_plan()
    poison = list(plan.runs)[1]

    def raise_for_one(population, true):
        if any(member.key == poison and member.update >= 32 for member in population.members):
            raise RuntimeError("first line\nsomething about this run")
        true(population)

    advance(raise_for_one)
    make_worker(plan, logging_to=_errors_to).work()
    assert [store.has_result(key) for key in plan.runs] == [key != poison for key in plan.runs]
    failure = store.read_failure(poison)
    assert failure.error == "something about this run"
    assert "RuntimeError: first line" in failure.log.read_text()


def test_out_of_memory_halves_the_pack(make_plan, make_worker, store, advance):
    plan = make_plan(num_runs=5)

    def only_two_fit(population, true):
        if len(population.slots) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        true(population)

    advance(only_two_fit)
    make_worker(plan).work()
    widths = [store.read_result(key).provenance["pack_width"] for key in plan.runs]
    assert widths == [2] * 5  # 5, 3, 2


def test_out_of_memory_of_a_lone_run_is_its_failure(make_plan, make_worker, store, advance):
    plan = make_plan(num_runs=2)

    def nothing_fits(population, true):
        raise torch.OutOfMemoryError("CUDA out of memory")

    advance(nothing_fits)
    make_worker(plan).work()
    assert {store.read_failure(key).error for key in plan.runs} == {"OutOfMemoryError: CUDA out of memory"}


def test_a_lone_run_out_of_memory_computes_half_as_many_examples_at_a_time(
    make_plan, make_worker, store, advance
):
    plan = make_plan(num_runs=2)
    tried = []

    def only_two_examples_fit(population, true):
        part = population.rule.examples_per_pass
        tried.append((len(population.slots), part))
        if len(population.slots) > 1 or part is None or part > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        true(population)

    advance(only_two_examples_fit)
    make_worker(plan).work()
    assert list(dict.fromkeys(tried)) == [(2, None), (1, None), (1, 4), (1, 2)]
    for key in plan.runs:
        assert store.read_result(key).provenance["examples_per_pass"] == 2
        assert store.read_result(key).provenance["pack_width"] == 1


def test_parts_are_halved_even_where_a_checkpoint_was_made_with_whole_minibatches(
    make_plan, make_worker, store, advance
):
    plan = make_plan(num_runs=1, checkpoint_every_s=1e-9)
    (key,) = plan.runs

    def fills_up(population, true):
        is_whole = population.rule.examples_per_pass is None
        if is_whole and population.members[0].update >= 32:
            raise torch.OutOfMemoryError("CUDA out of memory")
        true(population)

    advance(fills_up)
    make_worker(plan).work()
    assert store.read_result(key).provenance["examples_per_pass"] == 4


def test_a_backend_that_was_asked_for_and_can_t_split_is_no_way_out(make_plan, make_worker, store, advance):
    plan = make_plan(num_runs=1, backend="written-out")

    def nothing_fits(population, true):
        raise torch.OutOfMemoryError("CUDA out of memory")

    advance(nothing_fits)
    make_worker(plan).work()
    (key,) = plan.runs
    assert store.read_failure(key).error == "OutOfMemoryError: CUDA out of memory"


def test_a_run_goes_on_in_the_parts_that_it_began_with(
    make_plan, make_worker, store, advance, undisturbed, bits_of
):
    plan = make_plan(num_runs=2, examples_per_pass=3, checkpoint_every_s=1e-9)
    expected = undisturbed(plan)
    stops = []

    def stop_after_first(population, true):
        true(population)
        stops.append(population.members[0].update)

    advance(stop_after_first)
    make_worker(plan, stop_requested=lambda: bool(stops)).work()
    assert stops
    assert not any(store.has_result(key) for key in plan.runs)
    advance(lambda population, true: true(population))
    make_worker(make_plan(num_runs=2)).work()  # asks for whole minibatches
    assert {store.read_result(key).provenance["examples_per_pass"] for key in plan.runs} == {3}
    assert {key: bits_of(key) for key in plan.runs} == expected


def test_parts_as_large_as_a_minibatch_are_whole_ones(make_plan, make_worker, store):
    plan = make_plan(num_runs=1, examples_per_pass=8, backend="written-out")
    make_worker(plan).work()
    (key,) = plan.runs
    assert store.read_result(key).provenance["examples_per_pass"] is None


def test_a_backend_that_needs_whole_minibatches_is_refused(make_plan, make_worker):
    refusal = (
        r"launcher\.backend=written-out can't train model=mlp on cpu 3 examples at a time here; "
        r"use auto, or one of batched$"
    )
    with pytest.raises(UserError, match=refusal):
        make_worker(make_plan(examples_per_pass=3, backend="written-out")).work()


def test_a_third_death_without_a_word_fails_a_lone_run_and_its_log_is_there(
    make_plan, make_worker, store, advance, tmp_path
):
    plan = make_plan(num_runs=3)
    poison = next(iter(plan.runs))
    for number in (1, 2):  # two deaths of the whole pack, and a third one alone
        _die_with(store, plan.runs, f"death {number}")
    _die_with(store, [poison], "death 3")
    make_worker(plan).work()
    assert [store.has_result(key) for key in plan.runs] == [False, True, True]
    failure = store.read_failure(poison)
    assert failure.error == "the worker died 3 times without a word while training this run"
    assert failure.log.read_text() == "death 3"


def test_after_two_deaths_runs_are_trained_one_by_one_to_the_same_bits(
    make_plan, make_worker, store, advance, undisturbed, bits_of
):
    plan = make_plan(num_runs=3)
    expected = undisturbed(plan)
    for number in (1, 2):
        _die_with(store, plan.runs, f"death {number}")
    together = []
    advance(lambda population, true: (together.append(len(population.members)), true(population)))
    make_worker(plan).work()
    assert set(together) == {1}
    assert {key: bits_of(key) for key in plan.runs} == expected
    assert list(store.attempts.iterdir()) == []


def test_a_checkpoint_that_lacks_a_run_is_not_taken_for_it(
    make_plan, make_worker, store, advance, undisturbed, bits_of
):
    # An attempt at one run of a pack leaves a checkpoint with nothing in the other slots.
    plan = make_plan(num_runs=2, checkpoint_every_s=1e-9)
    expected = undisturbed(plan)
    first, second = plan.runs
    other = Attempt.start(store, "elsewhere", heartbeat_every_s=60)
    assert claim(store, second, other)
    stops = []

    def stop_half_way(population, true):
        true(population)
        stops.append(True)

    advance(stop_half_way)
    make_worker(plan, stop_requested=lambda: bool(stops)).work()  # wins the first run alone
    other.end("released")
    advance(lambda population, true: true(population))
    make_worker(plan).work()
    assert {key: bits_of(key) for key in plan.runs} == expected
    made = [_num_updates_made(store, key) for key in (first, second)]
    assert made[0] < made[1] == 96  # the first went on from its checkpoint, the second started


def test_a_pack_that_another_worker_is_claiming_is_left_to_it(make_plan, make_worker, store, monkeypatch):
    plan = make_plan()
    claimed = []

    def lose_the_first(_layout, key, _attempt, _observer):
        claimed.append(key)
        return False

    monkeypatch.setattr("sgdlab.launch.worker.claim", lose_the_first)
    stops = iter([False, False, True])
    make_worker(plan, stop_requested=lambda: next(stops)).work()
    assert claimed == list(plan.packs[0].keys)[:1]


@pytest.fixture
def offline(monkeypatch):
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # nobody listens there


def test_where_data_is_missing_nothing_is_claimed(make_plan, make_worker, store, offline):
    plan = make_plan(data=MnistData())
    with pytest.raises(UserError, match=r"MNIST is not complete: .* and the download failed"):
        make_worker(plan).work()
    assert list(store.runs.iterdir()) == []
    assert list(store.attempts.iterdir()) == []


def test_where_one_data_set_is_missing_the_others_are_trained_first(make_plan, make_worker, store, offline):
    missing, here = make_plan(data=MnistData()), make_plan()
    plan = replace(here, runs={**missing.runs, **here.runs}, packs=[*missing.packs, *here.packs])
    with pytest.raises(UserError, match=r"MNIST is not complete") as refused:
        make_worker(plan).work()
    assert str(refused.value).count("MNIST is not complete") == 1
    assert all(store.has_result(key) for key in here.runs)
    assert not any(store.is_settled(key) for key in missing.runs)
    assert list(store.attempts.iterdir()) == []


def test_every_data_set_that_is_missing_is_named(make_plan, make_worker, offline):
    mnist, fashion = make_plan(data=MnistData()), make_plan(data=FashionMnistData())
    plan = replace(mnist, runs={**mnist.runs, **fashion.runs}, packs=[*mnist.packs, *fashion.packs])
    with pytest.raises(UserError, match=r"(?s)^MNIST is not complete.*\nFashion-MNIST is not complete"):
        make_worker(plan).work()


def test_weights_are_kept_where_that_is_wanted(make_plan, make_worker, store):
    plan = make_plan(num_runs=1, keep="final")
    make_worker(plan).work()
    (key,) = plan.runs
    weights = torch.load(store.weights_path(key), weights_only=True)
    assert sum(values.numel() for values in weights.values()) == 64 * 8 + 8 + 8 * 10 + 10
    assert len(list(store.run_folder(key).iterdir())) == 3


@contextmanager
def _errors_to(path):
    with path.open("a") as file, redirect_stderr(file):
        yield


def _die_with(store, keys, log):
    """Leave what a worker of this session leaves that is killed while it trains these runs."""
    attempt = Attempt.start(store, "session", heartbeat_every_s=60)
    attempt._stop.set()
    attempt._thread.join()
    for key in keys:
        assert claim(store, key, attempt)
    attempt.log_path.write_text(log)
    holder = attempt.holder.to_json().decode()
    gone = re.sub(r'"pid_start": \d+', '"pid_start": 1', holder)  # another process had this number
    for path in [*(store.run_folder(key) for key in keys)]:
        newest = max(path.glob("claim.*"), key=lambda claim: int(claim.suffix[1:]))
        newest.write_text(gone)
    (attempt.folder / "holder.json").write_text(gone)


def _num_updates_made(store, key):
    """How many updates the attempt made that published the run."""
    provenance = store.read_result(key).provenance
    return int(np.rint(provenance["wall_s"] / provenance["seconds_per_update"]))
