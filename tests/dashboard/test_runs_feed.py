"""Rows are sent once, and again where they have changed."""

import pytest

from sgdlab.cli.dashboard import SweepsAsked
from sgdlab.dashboard.runs_feed import RunsFeed
from sgdlab.dashboard.snapshots import Snapshots
from sgdlab.launch.live.state import RunState


@pytest.fixture
def snapshot(desk):
    return Snapshots(SweepsAsked(["first"], "laptop")).of("first")


def test_all_rows_come_first_and_then_none(snapshot):
    feed = RunsFeed()
    first = feed.news(snapshot, {}, None)
    assert (first.is_whole, len(first.rows), first.rows[0]["a0"]) == (True, 15, 2.0**-5)
    assert feed.news(snapshot, {}, first.version) is None


def test_a_run_in_training_is_news_and_so_is_each_percent(snapshot):
    feed = RunsFeed()
    key = snapshot.runs[14].key
    version = feed.news(snapshot, {}, None).version
    for made, expected in ((0, (0, "running")), (32, (50, "running")), (32, None), (64, (100, "running"))):
        news = feed.news(snapshot, {key: RunState(key, "running", made, 64, "attempt")}, version)
        found = None if news is None else [(row["made"], row["state"], row["id"]) for row in news.rows]
        assert found == (None if expected is None else [(*expected, "14")])
        version = news.version if news else version
    assert [row["state"] for row in feed.news(snapshot, {}, version).rows] == ["missing"]


def test_a_page_that_missed_some_news_gets_all_it_missed(snapshot):
    feed = RunsFeed()
    first, second = snapshot.runs[0].key, snapshot.runs[3].key
    version = feed.news(snapshot, {}, None).version
    damaged = {first: RunState(first, "damaged", 0, 64, None)}
    feed.news(snapshot, damaged, version)
    assert (
        feed.news(snapshot, {first: RunState(first, "waiting", 0, 64, None)}, version).rows[0]["state"]
        == "done"
    )
    feed.news(snapshot, damaged, version)
    both = damaged | {second: RunState(second, "damaged", 0, 64, None)}
    assert [row["id"] for row in feed.news(snapshot, both, version).rows] == ["0", "3"]


@pytest.mark.parametrize("version", ["", "0.1", "x", "abcdef12.1"])
def test_what_another_server_said_counts_for_nothing(snapshot, version):
    assert RunsFeed().news(snapshot, {}, version).is_whole
