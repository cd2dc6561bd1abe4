"""`sgdlab run`: trains what is missing, once; says what came of it; is quick where nothing is missing."""

import json
import re
import resource
import time

import numpy as np
import pytest

from sgdlab.config.compose import open_composer
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.claims import claim
from sgdlab.runs.result import RunResult
from sgdlab.sweeps.expand import expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep


def test_a_run_trains_every_run_once_and_leaves_two_files_each(trained):
    keys = list(trained.results())
    assert len(keys) == 12  # 9 plain ones; of the penalised, λ = 0 is plain too
    assert sorted(trained.events("published")) == sorted(keys)
    assert sorted(trained.events("claimed")) == sorted(keys)
    for key in keys:
        names = {path.name for path in trained.store.run_folder(key).iterdir()}
        assert len(names) == 2
        assert "result.json" in names
    assert list(trained.store.attempts.iterdir()) == []
    assert list(trained.store.trash.iterdir()) == []


def test_progress_ends_at_all_of_it(trained):
    text = (trained.folder / "run.txt").read_text()
    *_, last = [line for line in text.splitlines() if line.startswith("tiny @ laptop:")]
    assert "100% · 12/12 runs done · 0 running · 1 worker" in last
    pace, minutes, seconds = re.search(r"([\d,]+) updates/s · (\d+):(\d\d) gone", last).groups()
    gone_s = 60 * int(minutes) + int(seconds)
    assert int(pace.replace(",", "")) == pytest.approx(12 * 64 / gone_s, rel=0.2, abs=1)


def test_a_second_run_trains_nothing(trained):
    before = {path: path.stat().st_mtime_ns for path in trained.store.root.rglob("*")}
    finished = trained.run("tiny")
    assert finished.returncode == 0
    assert finished.stderr == ""
    assert re.search(r"done +12\n", finished.stdout)
    assert {path: path.stat().st_mtime_ns for path in trained.store.root.rglob("*")} == before


def test_a_read_only_colleague_may_run_what_is_done(trained):
    finished = trained.run("tiny", "--json")
    assert json.loads(finished.stdout)["counts"]["done"] == 12


def test_runs_that_another_sweep_has_trained_are_not_trained_again(trained):
    part = {"rate": {"label": "some of the same", "axes": {"optimizer.lr": ["2**-4", "2**-3"]}}}
    trained.write_sweep("other", part)
    before = trained.results()
    finished = trained.run("other", "tiny")
    assert finished.returncode == 0
    assert re.search(r"done +12\n", finished.stdout)
    assert trained.results() == before
    plan = trained.sgdlab("plan", "other", "tiny", "--json")
    numbers = json.loads(plan.stdout)
    assert (numbers["num_asked"], numbers["num_distinct"], numbers["num_to_train"]) == (6 + 15, 12, 0)


@pytest.fixture
def finished_sweep(terminal):
    """A sweep of 240 runs, all published; nothing was trained."""
    axes = {"optimizer.lr": "pow2(-12, -3)", "loss.l2": [0, 0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.007]}
    terminal.write_sweep("large", {"rate": {"label": "rate", "axes": axes}})
    store = terminal.store
    store.open_for_writing()
    with open_composer() as composer, Attempt.start(store, "session", heartbeat_every_s=60) as attempt:
        sweep = load_sweep(find_sweep(str(terminal.folder / "sweeps" / "large.yaml")), "laptop", composer, {})
        for row in expand(sweep, composer):
            claim(store, row.key, attempt)
            accuracy = 0.5 + 0.01 * row.seed
            summary = {"test_accuracy.best": accuracy, "test_accuracy.honest": accuracy}
            config = row.run.model_dump(mode="json")
            result = RunResult(row.key, "done", config, summary, row.run.num_updates, None, {})
            store.publish(attempt, result, {"updates": np.array([64]), "test_accuracy": np.array([accuracy])})
    return terminal


def test_a_finished_sweep_of_240_runs_takes_under_three_seconds(finished_sweep):
    finished_sweep.run("large")  # makes the index
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.monotonic()
    finished = finished_sweep.run("large")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert finished.returncode == 0
    assert re.search(r"done +240\n", finished.stdout)
    assert after.ru_utime - before.ru_utime < 3, time.monotonic() - started
