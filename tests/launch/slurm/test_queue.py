"""Asking Slurm what waits and runs: seldom, and as a hint."""

import multiprocessing

import pytest

from sgdlab.errors import UserError
from sgdlab.launch.slurm import queue
from sgdlab.launch.slurm.queue import QueuedJob, cancel_jobs, look, look_anew
from sgdlab.launch.slurm.submission import folder_of_submissions


@pytest.fixture
def clock(monkeypatch):
    """A clock that goes on when somebody sleeps, and otherwise by hand."""

    class Clock:
        now = 1e9
        slept = 0.0

        def time(self):
            return self.now

        def sleep(self, seconds):
            self.slept += seconds
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(queue, "time", clock)
    return clock


def lines(submission, *jobs):
    return "\n".join(f"echo '{job.replace('NAME', submission.job_name)}'" for job in jobs)


def test_an_answer_lists_the_jobs_of_this_store(store, programs, make_submission):
    submission = make_submission(job_id="7")
    listing = ("7_0|NAME|RUNNING|None|n1", "7_1|NAME|PENDING|Resources|", "8|others|RUNNING|None|n2", "odd")
    programs.write("squeue", lines(submission, *listing))
    seen = look(store)
    assert seen.error is None
    assert seen.jobs == tuple(seen.jobs_of(submission))
    assert seen.jobs == (
        QueuedJob("7_0", submission.job_name, "RUNNING", "None", "n1"),
        QueuedJob("7_1", submission.job_name, "PENDING", "Resources", ""),
    )
    assert [job.index for job in seen.jobs] == [0, 1]
    assert programs.calls() == ["squeue --me --array --noheader --format=%i|%j|%T|%r|%N"]


def test_slurm_is_asked_once_in_ten_seconds(store, programs, make_submission, clock):
    make_submission(job_id="7")
    programs.write("squeue", "")
    answers = [look(store) for _ in range(3)]
    clock.now += 9.9
    assert look(store) == answers[0] == answers[1] == answers[2]
    assert len(programs.calls()) == 1
    clock.now += 0.2
    assert look(store) != answers[0]
    assert len(programs.calls()) == 2


def test_many_processes_ask_once(store, programs, make_submission):
    make_submission(job_id="7")
    programs.write("squeue", "sleep 0.3")
    context = multiprocessing.get_context("fork")
    looking = [context.Process(target=look, args=(store,)) for _ in range(8)]
    for process in looking:
        process.start()
    for process in looking:
        process.join()
    assert [process.exitcode for process in looking] == [0] * 8
    assert len(programs.calls()) == 1


def test_who_is_killed_while_asking_has_asked(store, programs, make_submission, wait_until, clock):
    make_submission(job_id="7")
    programs.write("squeue", "exec sleep 60")
    asking = multiprocessing.get_context("fork").Process(target=look, args=(store,))
    asking.start()
    wait_until(lambda: programs.calls())
    asking.kill()
    asking.join()
    programs.write("squeue", "")
    assert look(store).answered_at == 0
    assert len(programs.calls()) == 1
    assert look_anew(store).answered_at > 0
    assert clock.slept == pytest.approx(10)
    assert len(programs.calls()) == 2


def test_where_nothing_was_submitted_nobody_is_asked(store, programs):
    programs.write("squeue", "")
    assert look(store).jobs == ()
    assert programs.calls() == []


def test_a_new_answer_is_waited_for(store, programs, make_submission, clock):
    make_submission(job_id="7")
    programs.write("squeue", "")
    waits = []
    look_anew(store, waits.append)
    assert waits == []
    clock.now += 4
    assert look_anew(store, waits.append).asked_at == clock.now
    assert waits == [pytest.approx(6)]
    assert clock.slept == pytest.approx(6)


def test_the_answer_to_somebody_elses_later_question_is_as_good(store, programs, make_submission, clock):
    make_submission(job_id="7")
    programs.write("squeue", "")
    look(store)

    def sleep_while_somebody_else_asks(seconds):
        clock.now += seconds
        look(store)

    clock.sleep = sleep_while_somebody_else_asks
    look_anew(store)
    assert len(programs.calls()) == 2


ERRORS = {
    "echo 'slurm_load_jobs error: Unable to contact slurm controller' >&2; exit 1": (
        "squeue: slurm_load_jobs error: Unable to contact slurm controller"
    ),
    "exit 3": "squeue: exit code 3",
    "exec sleep 60": "squeue gave no answer in 1 s",
    None: "squeue isn't there: launcher=slurm needs a machine of the cluster",
}


@pytest.mark.parametrize(("script", "error"), ERRORS.items())
def test_no_answer_is_one_line_and_the_latest_one_stays(
    store, programs, make_submission, clock, monkeypatch, script, error
):
    submission = make_submission(job_id="7")
    programs.write("squeue", lines(submission, "7_0|NAME|RUNNING|None|n1"))
    before = look(store)
    clock.now += 11
    monkeypatch.setattr(queue, "_TIMEOUT_S", 1.0)
    (programs.folder / "squeue").unlink()
    if script is None:
        monkeypatch.setenv("PATH", str(programs.folder))
    else:
        programs.write("squeue", script)
    after = look(store)
    assert after.error == error
    assert (after.jobs, after.knows, after.answered_at) == (before.jobs, before.knows, before.answered_at)
    num_calls = len(programs.calls())
    assert look(store) == after
    assert len(programs.calls()) == num_calls
    with pytest.raises(UserError) as refused:
        look_anew(store)
    assert str(refused.value) == f"Slurm doesn't answer, and nothing was submitted: {error}"
    programs.write("squeue", "")
    clock.now += 11
    assert look(store).error is None


def test_an_answer_knows_of_the_jobs_that_were_there_when_it_was_asked_for(
    store, programs, make_submission, clock
):
    there, in_between = make_submission(job_id="7"), make_submission()
    programs.write("squeue", "")
    assert look(store).knows == (there.name,)
    in_between.record_job("8")  # sbatch has answered meanwhile
    assert look(store).knows == (there.name,)
    clock.now += 11
    assert look(store).knows == (there.name, in_between.name)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"jobs": 1}', '{"jobs": [], "knows": [], "more": 1}'])
def test_a_damaged_answer_is_asked_for_again(store, programs, make_submission, content):
    make_submission(job_id="7")
    (folder_of_submissions(store) / "queue.json").write_text(content)
    programs.write("squeue", "")
    assert look(store).knows
    assert len(programs.calls()) == 1


def test_somebody_elses_store_is_looked_at_without_asking(store, programs, make_submission, monkeypatch):
    make_submission(job_id="7")
    programs.write("squeue", "")
    seen = look(store)

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(queue.FileLock, "acquire", refuse)
    assert look(store) == seen


def test_jobs_are_cancelled_by_their_names(programs, monkeypatch):
    monkeypatch.setenv("LOGNAME", "ada")
    programs.write("scancel", "")
    cancel_jobs(["sgdlab-1", "sgdlab-2"])
    assert programs.calls() == ["scancel --user=ada --name=sgdlab-1", "scancel --user=ada --name=sgdlab-2"]
    programs.write("scancel", "echo 'scancel: error: no' >&2; exit 1")
    with pytest.raises(UserError, match=r"^scancel: scancel: error: no$"):
        cancel_jobs(["sgdlab-1"])
