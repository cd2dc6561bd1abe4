"""What goes on once a submission's runs are trained: the sweeps, as they were."""

from __future__ import annotations

import pickle
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from sgdlab.config.compose import open_composer
from sgdlab.config.execution import Execution, NoTracker
from sgdlab.errors import UserError
from sgdlab.launch.slurm.submission import Submission
from sgdlab.orchestration import undertaking as module
from sgdlab.orchestration.slurm_job import SlurmJob
from sgdlab.orchestration.undertaking import Undertaking, go_on, undertake
from sgdlab.runs.store import Store
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep


def test_a_job_carries_every_sweep_as_it_was(tmp_path):
    with open_composer() as composer:
        sweeps = tuple(
            load_sweep(find_sweep(one.name), scale, composer, {})
            for one in describe_sweeps()
            for scale in one.scales
        )
    undertaking = Undertaking(("all @ all",), sweeps, frozenset([sweeps[0].name]))
    job = SlurmJob(Path("submission"), tmp_path, None, partial(go_on, undertaking))
    (carried,) = pickle.loads(pickle.dumps(job)).then.args
    assert carried == undertaking
    assert {sweep.name for sweep in undertaking.to_extend} == {sweeps[0].name}
    another = job.in_place_of_this(Submission(tmp_path / "next"))
    assert another.then.args == (undertaking,)


@pytest.fixture
def undertaking():
    """A sweep that is to be extended."""
    with open_composer() as composer:
        sweep = load_sweep(find_sweep("smith2020/fig1a"), "laptop", composer, {})
    return Undertaking(("fig1a @ laptop",), (sweep,), frozenset([sweep.name]))


@pytest.fixture
def submission(tmp_path):
    """The folder of its submission."""
    folder = tmp_path / "0123-1"
    folder.mkdir()
    return Submission(folder)


def test_a_round_that_other_sweeps_have_trained_is_followed_by_the_next_one(
    undertaking, tmp_path, monkeypatch
):
    """Of three rounds the second finds all of its runs in the store; the fourth adds nothing."""
    points, trained = iter([3, 3, 3, 0]), []
    missing = iter([{"a": None}, {}, {"c": None}, {}])
    monkeypatch.setattr(module, "add_rounds", lambda *_: next(points))
    monkeypatch.setattr(module, "_count", lambda found: "")
    monkeypatch.setattr(module, "survey_of", lambda *_: (SimpleNamespace(missing=next(missing)), {}))
    monkeypatch.setattr(module, "carry_out", lambda _, found, *__: trained.append([*found.missing]) or True)
    untracked = Execution(tracker=NoTracker())
    undertake(undertaking, SimpleNamespace(missing={"0": None}), {}, untracked, Store(tmp_path), None)
    assert trained == [["0"], ["a"], ["c"]]


def test_of_jobs_that_end_together_one_goes_on_and_the_next_one_where_it_fails(
    undertaking, submission, tmp_path, monkeypatch, capsys
):
    asked = []

    def extend(undertaking, submission, store):
        asked.append(undertaking.titles)
        if len(asked) == 1:
            raise UserError("sbatch refused")

    monkeypatch.setattr(module, "_extend", extend)
    for _ in range(4):
        go_on(undertaking, submission, Store(tmp_path / "store"))
    assert asked == [("fig1a @ laptop",)] * 2
    assert capsys.readouterr().out == "sbatch refused\n"


def test_after_a_cancellation_nobody_goes_on(undertaking, submission, tmp_path, monkeypatch):
    (submission.path / "cancelled").touch()
    monkeypatch.setattr(module, "_extend", lambda *_: pytest.fail("it was cancelled"))
    go_on(undertaking, submission, Store(tmp_path / "store"))
    assert not (submission.path / "went_on").exists()


def test_what_would_be_other_runs_by_now_is_left_to_a_command(
    undertaking, submission, tmp_path, monkeypatch, capsys
):
    """The plan's runs are not among those that the sweep asks for, as conf/ has them now."""
    plan = SimpleNamespace(runs={"0" * 32: None}, execution=None)
    monkeypatch.setattr(Submission, "load_plan", lambda self: plan)
    monkeypatch.setattr(module, "survey_of", lambda *_: (SimpleNamespace(wanted={"1" * 32: None}), {}))
    go_on(undertaking, submission, Store(tmp_path / "store"))
    assert capsys.readouterr().out == "conf/ has changed since this was submitted: `sgdlab run` goes on\n"
