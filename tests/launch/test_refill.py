"""Slots are filled again as runs end: with whose runs, how many of them, and from where they go on."""

import numpy as np
import pytest

from sgdlab.launch.waiting import WaitingRuns
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.observer import Observer
from sgdlab.training.population import Population


@pytest.fixture
def chunks(monkeypatch):
    """Call a function with the population before each chunk of updates."""

    def watch(look):
        true = Population._advance
        monkeypatch.setattr(Population, "_advance", lambda population: (look(population), true(population)))

    return watch


@pytest.fixture
def elsewhere(store):
    """An attempt of another worker, which lives."""
    attempt = Attempt.start(store, "elsewhere", heartbeat_every_s=60)
    yield attempt
    attempt.end("released")


def attempts_of(store, plan) -> set[str]:
    return {store.read_result(key).provenance["attempt"] for key in plan.runs}


def updates_made(store, key) -> int:
    """How many updates the attempt made that published the run."""
    provenance = store.read_result(key).provenance
    return int(np.rint(provenance["wall_s"] / provenance["seconds_per_update"]))


def test_a_result_is_published_as_its_run_ends(make_plan, make_worker, store, chunks):
    plan = make_plan(budgets=[32, 96, 64])
    short, long, middle = plan.runs
    published = {}

    def look(population):
        (of_long,) = [member for member in population.members if member.key == long]
        published[of_long.update] = [store.has_result(key) for key in (short, middle)]

    chunks(look)
    make_worker(plan).work()
    assert [published[update] for update in (0, 32, 64)] == [[False, False], [True, False], [True, True]]
    assert store.has_result(long)


def test_one_attempt_trains_all_packs_of_a_shape_by_filling_slots(
    make_plan, make_worker, store, chunks, bits_of
):
    plan = make_plan(budgets=[96, 32, 64, 160, 33, 32, 32], pack_size=3)
    assert sorted(len(pack.keys) for pack in plan.packs) == [2, 2, 3]
    beside = {key: set() for key in plan.runs}

    def look(population):
        for member in population.members:
            beside[member.key] |= {other.key for other in population.members}
            assert len(population.slots) == 3

    chunks(look)
    make_worker(plan).work()
    assert len(attempts_of(store, plan)) == 1
    assert all(len(others) >= 3 for others in beside.values())
    for key, run in plan.runs.items():
        result = store.read_result(key)
        assert (result.state, result.num_updates) == ("done", run.num_updates)
        assert result.provenance["pack_width"] == 3
        assert updates_made(store, key) == run.num_updates
        assert list(store.read_curves(key)["updates"]) == [
            *range(32, run.num_updates, 32),
            run.num_updates,
        ]


def test_the_slot_of_a_diverged_run_is_filled_too(make_plan, make_worker, store):
    plan = make_plan(num_runs=5, num_updates=3200, lr=1e30, pack_size=2)
    make_worker(plan).work()
    assert {store.read_result(key).state for key in plan.runs} == {"diverged"}
    assert len(attempts_of(store, plan)) == 1


def test_what_others_hold_or_have_done_is_not_taken(make_plan, make_worker, store, elsewhere):
    plan = make_plan(num_runs=6, pack_size=2)
    held = plan.packs[1].keys[0]
    assert claim(store, held, elsewhere)
    stops = []
    worker = make_worker(plan, stop_requested=lambda: bool(stops))
    trained = worker._trainer.train

    def train_once(*arguments):
        try:
            return trained(*arguments)
        finally:
            stops.append(True)

    worker._trainer.train = train_once
    worker.work()
    assert [key for key in plan.runs if not store.has_result(key)] == [held]


def test_a_run_that_is_to_be_alone_fills_no_slot(make_plan, make_worker, store, chunks):
    plan = make_plan(num_runs=6, pack_size=2)
    alone = plan.packs[2].keys[1]
    worker = make_worker(plan)
    worker._alone.add(alone)
    companies = []
    chunks(lambda population: companies.append({member.key for member in population.members}))
    worker.work()
    assert all(store.has_result(key) for key in plan.runs)
    assert all(company == {alone} for company in companies if alone in company)


def test_runs_are_taken_up_from_several_checkpoints_each_where_it_was(
    make_plan, make_worker, store, chunks, bits_of
):
    """Two workers were interrupted at different points; a third goes on with the runs of both."""
    plan = make_plan(budgets=[96, 128, 160, 192], pack_size=4, num_workers=3)
    first, second, third, fourth = plan.runs
    for keys, stop_at in (([first, third], 32), ([second], 64)):
        rest = Attempt.start(store, "elsewhere", heartbeat_every_s=60)
        for key in set(plan.runs) - set(keys):
            if WaitingRuns(plan, store, Observer(store, 60), 1).is_free(key):
                assert claim(store, key, rest)
        stops = []
        look = lambda population, at=stop_at, stops=stops: stops.extend(  # noqa: E731
            m for m in population.members if m.update >= at
        )
        with pytest.MonkeyPatch.context() as patch:
            true = Population._advance
            patch.setattr(Population, "_advance", lambda p, look=look, true=true: (true(p), look(p)))
            make_worker(plan, stop_requested=lambda stops=stops: bool(stops)).work()
        rest.end("released")
    make_worker(plan).work()
    made = {key: updates_made(store, key) for key in plan.runs}
    assert made[first] == 96 - (160 - made[third])  # of one checkpoint, so at one update
    assert 0 < 160 - made[third] < 128 - made[second] + 33
    assert made[second] <= 64
    assert made[fourth] == 192
    bits = {key: bits_of(key) for key in plan.runs}

    for key in plan.runs:
        for path in store.run_folder(key).iterdir():
            path.unlink()
    make_worker(plan).work()
    assert {key: bits_of(key) for key in plan.runs} == bits


class TestShare:
    """Equal parts of what is free, while that leaves everybody an equal part of what is left in all."""

    @pytest.fixture
    def waiting(self, make_plan, store, elsewhere):
        """27 runs, of which another worker holds some and some are published."""

        def make(num_workers: int, num_held: int = 0, num_failed: int = 0):
            plan = make_plan(budgets=[32 * (1 + seed % 3) for seed in range(27)])
            keys = list(plan.runs)
            for key in keys[:num_held]:
                assert claim(store, key, elsewhere)
            for key in keys[num_held : num_held + num_failed]:
                store.record_failure(elsewhere, key, "error", elsewhere.log_path)
            return plan, WaitingRuns(plan, store, Observer(store, 60), num_workers)

        return make

    @pytest.mark.parametrize(
        ("num_workers", "num_held", "num_failed", "num_running", "expected"),
        [
            (1, 0, 0, 0, 27),
            (2, 0, 0, 0, 14),
            (4, 0, 0, 0, 7),
            (2, 7, 0, 7, 7),  # 20 are free: half of them, but no more than makes 14
            (2, 13, 0, 0, 7),
            (2, 20, 0, 13, 1),
            (2, 20, 0, 14, 0),  # it has its part: the rest is the others'
            (3, 0, 20, 0, 3),
            (2, 0, 27, 0, 0),
            (40, 0, 0, 0, 1),
        ],
    )
    def test_it_is_fair(self, waiting, num_workers, num_held, num_failed, num_running, expected):
        plan, runs = waiting(num_workers, num_held, num_failed)
        share = runs.share(plan.packs[0].shape, num_running)
        assert share.num_runs == expected
        assert len(share.free) == 27 - num_held - num_failed

    def test_the_longest_come_first(self, waiting):
        plan, runs = waiting(1)
        lengths = [plan.runs[key].num_updates for key in runs.share(plan.packs[0].shape, 0).free]
        assert lengths == [96] * 9 + [64] * 9 + [32] * 9
