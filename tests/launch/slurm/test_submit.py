"""How many jobs are submitted, given what is there already."""

import time

import pytest

from sgdlab.errors import UserError
from sgdlab.launch.slurm.submission import submissions
from sgdlab.launch.slurm.submit import num_useful_jobs, submit, submit_successor, taking_turns


@pytest.fixture
def slurm(programs):
    """A Slurm that takes every array, and remembers it until it is told to forget."""

    class Slurm:
        def accept(self):
            programs.write("srun", "exit 99")
            programs.write(
                "sbatch",
                f"""cd {programs.folder}; echo x >> arrays; number=$(wc -l < arrays)
name=$(sed -n 's/#SBATCH --job-name=//p' "$1")
last=$(sed -n 's/#SBATCH --array=0-\\([0-9]*\\)%.*/\\1/p' "$1")
for i in $(seq 0 ${{last:-0}}); do echo "${{number}}_$i|$name|RUNNING|None|n1" >> queue; done
echo Submitted batch job $number""",
            )
            programs.write("squeue", f"cat {programs.folder}/queue 2>/dev/null || true")

        def forget(self, job):
            queue = programs.folder / "queue"
            kept = [line for line in queue.read_text().splitlines() if not line.startswith(f"{job}|")]
            queue.write_text("".join(f"{line}\n" for line in kept))

        def refuse(self):
            programs.write("sbatch", "echo 'sbatch: error: no' >&2; exit 1")

        def num_queued(self):
            queue = programs.folder / "queue"
            return len(queue.read_text().splitlines()) if queue.exists() else 0

    slurm = Slurm()
    slurm.accept()
    return slurm


@pytest.fixture
def give(store, plan, monkeypatch):
    """Give the command, by default long after the one before; returns how many jobs it adds and finds."""

    def give(num_jobs=3, later=True):
        if later:
            now = time.time()
            give.later += 11
            monkeypatch.setattr("sgdlab.launch.slurm.queue.time.time", lambda: now + give.later)
        submitted = submit(plan, store, num_jobs, lambda submission: print)
        return submitted.num_jobs, submitted.num_jobs_before

    give.later = 0.0
    return give


@pytest.mark.parametrize("later", [True, False])
def test_who_comes_second_finds_the_jobs(store, slurm, give, later):
    assert give() == (3, 0)
    assert give(later=later) == (0, 3)
    assert give(later=later) == (0, 3)
    assert slurm.num_queued() == 3
    assert len(submissions(store)) == 1


def test_more_workers_add_jobs(slurm, give):
    give(2)
    assert give(5) == (3, 2)
    assert give(4) == (0, 5)
    assert slurm.num_queued() == 5


def test_jobs_that_are_gone_are_replaced(slurm, give):
    give(3)
    slurm.forget("1_1")
    assert give(3) == (1, 2)


@pytest.mark.parametrize(
    ("reason", "num_more"),
    [("broken", 1), ("idle", 1), ("succeeded", 1), ("finished", 1), ("requeued", 0), ("stopped", 0)],
)
@pytest.mark.parametrize("later", [True, False])
def test_a_job_that_said_that_it_ends_counts_no_more_unless_it_comes_back(
    store, slurm, give, later, reason, num_more
):
    """Slurm's answer may be ten seconds old, and shows a job while it completes."""
    give(3)
    job = submissions(store)[0].job(1)
    job.begin(store)
    job.end(reason)
    assert give(3, later=later) == (num_more, 3 - num_more)


def test_cancelled_jobs_count_no_more(store, plan, slurm, give):
    give(2)
    submissions(store)[0].withdraw(plan.sweeps)
    assert give(2) == (2, 0)


def test_a_submission_that_was_refused_counts_for_nothing(store, slurm, give):
    slurm.refuse()
    with pytest.raises(UserError, match=r"^sbatch refused: no$"):
        give()
    assert submissions(store)[0].is_void()
    slurm.accept()
    assert give(later=False) == (3, 0)


def test_an_intent_without_an_answer_is_looked_for_in_the_queue(store, slurm, give):
    give(3)
    (submission,) = submissions(store)
    (submission.path / "job.json").unlink()
    assert give(3) == (0, 3)
    assert submission.job_id() == "1"


def test_one_that_slurm_does_not_know_is_void(store, slurm, give, make_submission):
    lost = make_submission()
    assert give(3) == (3, 0)
    assert lost.is_void()


def test_one_whose_jobs_have_come_and_gone_is_not(store, slurm, give, make_submission):
    seen = make_submission()
    seen.decide("started")
    assert give(3) == (3, 0)
    assert not seen.is_void()


@pytest.mark.parametrize("is_answered", [True, False])
def test_where_slurm_does_not_answer_nothing_is_submitted(
    store, slurm, programs, give, make_submission, monkeypatch, is_answered
):
    make_submission(job_id="1" if is_answered else None)
    programs.write("squeue", "echo 'slurm_load_jobs error: down' >&2; exit 1")
    monkeypatch.setattr("sgdlab.launch.slurm.queue.ASK_EVERY_S", 0.1)
    with pytest.raises(UserError, match=r"^Slurm doesn't answer, and nothing was submitted: squeue: .*down$"):
        give()
    assert len(submissions(store)) == 1
    assert not submissions(store)[0].is_void()


def test_a_job_has_one_submitted_in_its_place(store, plan, slurm, give):
    give(3)
    successor = submit_successor(plan, store, lambda submission: print)
    assert (successor.number, successor.job_id(), successor.intent.num_jobs) == (2, "2", 1)
    assert slurm.num_queued() == 4


def test_no_more_jobs_are_of_use_than_there_are_packs(store, plan):
    assert len(plan.packs) == 2
    assert num_useful_jobs(plan, store) == 2
    for key in plan.packs[0].keys:
        store.result_path(key).parent.mkdir(parents=True)
        store.result_path(key).touch()
    assert num_useful_jobs(plan, store) == 1


def test_a_store_that_cannot_be_written_is_named(store, plan, slurm, monkeypatch):
    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("sgdlab.launch.slurm.submit.FileLock.acquire", refuse)
    words = rf"^{store.root}: Permission denied\. Check who may write there"
    with pytest.raises(UserError, match=words), taking_turns(store):
        pass
