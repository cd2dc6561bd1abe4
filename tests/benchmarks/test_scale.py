"""The benchmark at a hundred thousand runs, at two thousand: it builds what it says, and times it."""

import json

import pytest

from bench_scale import (
    Bench,
    Timing,
    build,
    sweep_of,
    table,
    time_plan,
    time_rebuild,
    time_results,
    time_status,
)
from sgdlab.cli import main


@pytest.fixture
def bench(tmp_path):
    bench = Bench(tmp_path / "bench", 2000)
    build(bench, num_seeds=2)
    return bench


def test_the_store_holds_most_runs_and_some_of_every_kind(bench, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.folder / "cache"))
    command = ["status", str(bench.sweep), "--scale", "bench", "--json", f"folders.store={bench.store.root}"]
    monkeypatch.setattr("sys.argv", ["sgdlab", *command])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    counts = json.loads(capsys.readouterr().out)["counts"]
    expected = {"done": 1958, "diverged": 20, "failed": 2, "waiting": 20}
    assert {state: number for state, number in counts.items() if number} == expected


def test_every_command_is_timed_in_a_process_of_its_own(bench):
    timings = [time_plan(bench), time_status(bench), time_results(bench), time_rebuild(bench)]
    assert [timing.command for timing in timings] == ["plan", "status", "results", "rebuild"]
    for timing in timings:
        assert timing.num_runs == 2000
        assert timing.cpu_seconds > 0
        assert 10 < timing.peak_mb < 200
    assert len(table(timings).splitlines()) == 5
    assert any((bench.store.journals).iterdir())


def test_targets_are_on_time_and_memory():
    def timing(seconds, peak_mb):
        return Timing("plan", 1, seconds, 1.0, peak_mb, target_seconds=2.0, target_peak_mb=100.0)

    assert timing(2.0, 100.0).is_within_targets
    assert not timing(2.1, 100.0).is_within_targets
    assert not timing(2.0, 101.0).is_within_targets


def test_a_number_of_runs_that_is_no_product_is_refused():
    with pytest.raises(SystemExit, match="a multiple of 200"):
        sweep_of(1001, num_seeds=2)
