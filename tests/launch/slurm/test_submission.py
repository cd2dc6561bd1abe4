"""The folder of a submission: what was meant, what counts."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from sgdlab.errors import UserError
from sgdlab.launch.slurm.submission import Submission, folder_of_submissions, submissions
from sgdlab.runs.store import Store


def decide(path, verdict, start, answers):
    start.wait()
    answers.put(Submission(path).decide(verdict))


def test_submissions_of_a_plan_are_numbered(store, plan, make_submission):
    made = [make_submission() for _ in range(11)]
    assert [submission.number for submission in made] == list(range(1, 12))
    assert {submission.plan_id for submission in made} == {plan.id}
    assert submissions(store) == submissions(store, plan.id) == made
    assert submissions(store, "0123") == []
    assert len({submission.job_name for submission in made}) == 11


def test_what_was_meant_is_read_again(store, plan, make_submission):
    made = make_submission(3)
    (found,) = submissions(store)
    assert found.intent == made.intent
    assert found.intent.num_jobs == 3
    assert found.load_plan().runs == plan.runs


def test_a_plan_that_is_written_anew_leaves_that_of_a_submission_as_it_was(plan, make_submission):
    submission = make_submission()
    replacement = plan.path.with_name("new")
    replacement.write_bytes(b"another")
    replacement.rename(plan.path)
    assert submission.load_plan().runs == plan.runs


def test_what_killed_commands_and_people_leave_is_no_submission(store, make_submission):
    made = make_submission()
    for name in (".new-0123456789ab", "notes-1", "notes", f"{made.plan_id}-old"):
        (folder_of_submissions(store) / name).mkdir()
    (folder_of_submissions(store) / f"{made.plan_id}-7").touch()
    assert submissions(store) == [made]


def test_an_intent_that_cannot_be_read_is_named(make_submission):
    made = make_submission()
    (made.path / "intent.json").write_text("{")
    with pytest.raises(UserError, match=rf"{made.path}/intent.json: not a readable submission .*; delete "):
        _ = Submission(made.path).intent


@pytest.mark.parametrize("verdict", ["started", "void"])
def test_the_first_verdict_counts(make_submission, verdict):
    submission = make_submission()
    assert not submission.is_void()
    assert submission.decide(verdict) == verdict
    assert submission.decide("void") == submission.decide("started") == verdict
    assert submission.is_void() == (verdict == "void")


def test_of_many_processes_one_decides(make_submission):
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        submission = make_submission()
        start, answers = context.Event(), context.Queue()
        verdicts = ["started", "void"] * 5
        deciding = [
            context.Process(target=decide, args=(submission.path, verdict, start, answers))
            for verdict in verdicts
        ]
        for process in deciding:
            process.start()
        start.set()
        heard = {answers.get(timeout=60) for _ in verdicts}
        for process in deciding:
            process.join()
        assert heard == {(submission.path / "verdict").read_text()}
        assert [path.name for path in submission.path.glob(".verdict*")] == []


def test_the_number_of_an_array_is_kept(make_submission):
    submission = make_submission()
    assert submission.job_id() is None
    submission.record_job("123")
    assert Submission(submission.path).job_id() == "123"
    (submission.path / "job.json").write_text("12")
    assert submission.job_id() is None


def test_it_is_cancelled_when_the_last_who_wanted_it_takes_that_back(make_submission):
    first, second = make_submission(), make_submission()
    first.want(["another", "sweep"])
    first.withdraw(["test"])
    assert not first.is_cancelled()
    first.withdraw(["sweep", "another"])
    first.withdraw(["sweep", "another"])
    assert (first.is_cancelled(), second.is_cancelled()) == (True, False)


def test_its_jobs_have_the_same_names_by_whatever_path_the_store_is_reached(store, make_submission, tmp_path):
    made = make_submission()
    (tmp_path / "link").symlink_to(store.root)
    (found,) = submissions(Store(tmp_path / "link"))
    assert found.job_name == made.job_name
    other = replace(made, path=Path("/elsewhere/submissions") / made.name)
    assert other.job_name != made.job_name
