"""What a submission remembers of its command: the sweeps, as they were."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from sgdlab.config.compose import open_composer
from sgdlab.dashboard import slurm_job
from sgdlab.dashboard.undertaking import Undertaking
from sgdlab.errors import UserError
from sgdlab.launch.slurm.submission import Submission
from sgdlab.runs.store import Store
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep


def test_every_sweep_is_read_as_it_was_written(tmp_path):
    with open_composer() as composer:
        sweeps = tuple(
            load_sweep(find_sweep(one.name), scale, composer, {})
            for one in describe_sweeps()
            for scale in one.scales
        )
    written = Undertaking(("all @ all",), sweeps, frozenset([sweeps[0].name]))
    written.write(tmp_path)
    assert Undertaking.read(tmp_path) == written
    assert [sweep.name for sweep in written.to_extend] == [
        sweep.name for sweep in sweeps if sweep.name == sweeps[0].name
    ]


def test_without_anything_to_extend_nothing_is_written(tmp_path):
    Undertaking(("all @ all",), (), frozenset()).write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert Undertaking.read(tmp_path) is None


def test_a_torn_file_is_one_line_with_the_way_out(tmp_path):
    (tmp_path / "undertaking.json").write_text('{"titles": [')
    with pytest.raises(UserError, match=r"undertaking.json: not readable .*; `sgdlab extend` goes on"):
        Undertaking.read(tmp_path)


@pytest.fixture
def submission(tmp_path):
    """The folder of a submission whose sweep is to be extended."""
    with open_composer() as composer:
        sweep = load_sweep(find_sweep("smith2020/fig1a"), "laptop", composer, {})
    folder = tmp_path / "0123-1"
    folder.mkdir()
    Undertaking(("fig1a @ laptop",), (sweep,), frozenset([sweep.name])).write(folder)
    return Submission(folder)


def test_of_jobs_that_end_together_one_goes_on_and_the_next_one_where_it_fails(
    submission, tmp_path, monkeypatch, capsys
):
    asked = []

    def extend(undertaking, submission, store):
        asked.append(undertaking.titles)
        if len(asked) == 1:
            raise UserError("sbatch refused")

    monkeypatch.setattr(slurm_job, "_extend", extend)
    for _ in range(4):
        slurm_job._go_on(submission, Store(tmp_path / "store"))
    assert asked == [("fig1a @ laptop",)] * 2
    assert capsys.readouterr().out == "sbatch refused\n"


def test_after_a_cancellation_nobody_goes_on(submission, tmp_path, monkeypatch):
    (submission.path / "cancelled").touch()
    monkeypatch.setattr(slurm_job, "_extend", lambda *_: pytest.fail("it was cancelled"))
    slurm_job._go_on(submission, Store(tmp_path / "store"))


def test_what_would_be_other_runs_by_now_is_left_to_a_command(submission, tmp_path, monkeypatch, capsys):
    """The plan's runs are not among those that the sweep asks for, as conf/ has them now."""
    plan = SimpleNamespace(runs={"0" * 32: None}, execution=None)
    monkeypatch.setattr(Submission, "load_plan", lambda self: plan)
    monkeypatch.setattr(slurm_job, "survey_of", lambda *_: (SimpleNamespace(wanted={"1" * 32: None}), {}))
    slurm_job._go_on(submission, Store(tmp_path / "store"))
    assert capsys.readouterr().out == "conf/ has changed since this was submitted: `sgdlab run` goes on\n"
