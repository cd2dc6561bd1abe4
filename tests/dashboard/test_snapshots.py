"""What is computed anew, and when."""

import pytest

from sgdlab.cli.dashboard import SweepsAsked
from sgdlab.dashboard.snapshots import Snapshots, store_mark


class Clock:
    """A clock that is set."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def snapshots(desk, clock):
    return Snapshots(SweepsAsked(["first"], "laptop"), clock)


def test_nothing_is_computed_while_nothing_changes(snapshots, clock, monkeypatch):
    first = snapshots.of("first")
    monkeypatch.setattr("sgdlab.dashboard.snapshots.observe", None)  # whoever looks at the runs fails
    clock.now = 20.0
    assert snapshots.of("first") is first


def test_a_run_that_is_published_is_seen_at_once(desk, snapshots, clock):
    before = snapshots.of("first")
    row = desk.wanted("first")[14]
    assert [run.state for run in before.runs].count("missing") == 1
    desk.publish(row)
    clock.now = 1.0
    after = snapshots.of("first")
    assert after.revision == before.revision + 1
    assert after.section.series.panels[0].series[0].num_done[-1] == 1


def test_what_leaves_no_trace_is_seen_at_the_next_look_at_all_runs(desk, snapshots, clock):
    before = snapshots.of("first")
    desk.damage(desk.wanted("first")[0])
    clock.now = 20.0
    assert snapshots.of("first") is before
    clock.now = 40.0
    after = snapshots.of("first")
    assert [run.state for run in after.runs].count("failed") == 4  # damaged ones count as failed


def test_news_of_other_sweeps_leave_a_snapshot_as_it_is(desk, snapshots, clock):
    before = snapshots.of("first")
    mark = store_mark(desk.store)
    desk.publish(desk.wanted("hostile")[5])
    assert store_mark(desk.store) != mark
    clock.now = 1.0
    assert snapshots.of("first") is before


def test_a_sweep_that_takes_long_is_computed_less_often(desk, clock, monkeypatch):
    snapshots = Snapshots(SweepsAsked(["first"], "laptop"), clock)
    real = snapshots._look

    def slow(*arguments):
        clock.now += 3.0
        return real(*arguments)

    monkeypatch.setattr(snapshots, "_look", slow)
    before = snapshots.of("first")
    desk.publish(desk.wanted("first")[14])
    clock.now += 26.0  # nine times as long as it took: not yet
    assert snapshots.of("first") is before
    clock.now += 2.0
    assert snapshots.of("first") is not before


def test_a_sweep_file_that_is_wrong_is_a_problem_and_mends(desk, snapshots, clock):
    path = desk.folder / "sweeps" / "first.yaml"
    text = path.read_text()
    path.write_text(text.replace("test_accuracy.best", "test_accuracy.bset"))
    broken = snapshots.of("first")
    assert broken.section is None
    assert "test_accuracy.bset" in broken.problem
    path.write_text(text)
    clock.now = 60.0
    assert snapshots.of("first").problem is None
