"""`sgdlab run … launcher=slurm` on a real Slurm: it returns, nothing is submitted twice, nothing is lost."""

import random
import signal
import time

HOLD = "launcher.sbatch.hold=true"
RATES = {"rate": {"label": "plain SGD", "axes": {"optimizer.lr": ["2**-5", "2**-4"]}}}
WIDER = {"rate": {"label": "plain SGD", "axes": {"optimizer.lr": ["2**-5", "2**-4", "2**-3"]}}}
SHARING = {"other": {"label": "plain SGD", "axes": {"optimizer.lr": ["2**-4", "2**-2"]}}}

KILLED_BEFORE = "#!/bin/sh\nkill -9 $PPID\n"
KILLED_AFTER = '#!/bin/sh\nanswer=$({real} "$@")\nkill -9 $PPID\necho "$answer"\n'
SLOW = '#!/bin/sh\nsleep 0.4\nanswer=$({real} "$@")\nsleep 0.4\necho "$answer"\n'
KILLED_WHILE_IT_WAITS = '#!/bin/sh\nkill -9 $PPID\nuntil test -e go; do sleep 0.05; done\nexec {real} "$@"\n'


def test_a_command_returns_at_once_and_its_jobs_train_each_run_once(desk, wait_for_jobs, asking_is_rare):
    rates = ["2**-5", "2**-4", "2**-3", 1e30, 1e31]
    desk.terminal.write_sweep("hot", {"rate": {"label": "plain SGD", "axes": {"optimizer.lr": rates}}})
    done = desk.run("hot", 2, "launcher.pack_size=8")
    assert done.returncode == 0, done.stderr
    assert "submitted  2 jobs, 1 worker each" in done.stdout
    assert "15 runs to train" in done.stdout
    assert desk.terminal.results() == {}
    wait_for_jobs(desk)
    assert desk.num_jobs_that_worked() == 2
    assert desk.each_run_was_trained_once(15)
    states = [state for state, *_ in desk.terminal.results().values()]
    assert (states.count("done"), states.count("diverged")) == (9, 6)  # kept, and not tried again:
    assert "nothing to submit: every run has its outcome" in desk.run("hot", 2).stdout
    asking_is_rare(desk)


def test_killed_before_sbatch_is_called_a_command_leaves_nothing_that_counts(desk, asking_is_rare):
    desk.write_program("sbatch", KILLED_BEFORE)
    for _ in range(2):
        assert desk.run("tiny", 2, HOLD).returncode == -signal.SIGKILL
    (desk.programs / "sbatch").unlink()
    assert "submitted  2 jobs" in desk.run("tiny", 2, HOLD).stdout
    assert len(desk.queued()) == 2
    assert [submission.is_void() for submission in desk.submissions()] == [True, True, False]
    assert len(desk.asked_at()) == 2
    asking_is_rare(desk)


def test_killed_before_it_hears_sbatchs_answer_it_finds_its_jobs_again(desk, wait_for_jobs):
    desk.write_program("sbatch", KILLED_AFTER)
    assert desk.run("tiny", 2, HOLD).returncode == -signal.SIGKILL
    again = desk.run("tiny", 2, HOLD)
    assert "nothing submitted: 2 jobs for these runs wait or run already" in again.stdout
    (submission,) = desk.submissions()
    assert {job.job for job in desk.queued()} == {f"{submission.job_id()}_{index}" for index in range(2)}
    desk.release()
    wait_for_jobs(desk)
    assert desk.each_run_was_trained_once(12)
    assert desk.num_jobs_that_worked() == 2


def test_jobs_that_turn_up_after_all_find_that_nobody_counts_on_them(desk, wait_until, wait_for_jobs):
    desk.write_program("sbatch", KILLED_WHILE_IT_WAITS)
    assert desk.start("tiny").wait(60) == -signal.SIGKILL
    (desk.programs / "sbatch").unlink()
    assert "submitted  1 job," in desk.run("tiny").stdout
    (desk.terminal.folder / "go").touch()
    wait_until(lambda: len(desk.queued()) == 2)
    wait_for_jobs(desk)
    late, counted = desk.submissions()
    assert late.is_void()
    assert list(late.jobs()) == []
    assert len(list(counted.jobs())) == 1
    assert desk.each_run_was_trained_once(12)


def test_killed_at_random_instants_it_submits_no_job_too_many(desk, asking_is_rare):
    desk.write_program("sbatch", SLOW)
    instants = random.Random(0)
    for _ in range(4):
        command = desk.start("tiny", 2, HOLD)
        time.sleep(instants.uniform(0.6, 2.4))  # where it plans, freezes, submits, hears the answer
        command.kill()
        command.wait()
    assert desk.run("tiny", 2, HOLD).returncode == 0
    void = {submission.job_name for submission in desk.submissions() if submission.is_void()}
    assert len([job for job in desk.queued() if job.name not in void]) == 2
    asking_is_rare(desk)


def test_a_refusal_is_one_line_in_sbatchs_words_and_leaves_nothing_that_counts(desk):
    refused = desk.run("tiny", 2, "launcher.partition=nowhere")
    assert refused.returncode == 1
    lines = refused.stderr.strip().splitlines()
    assert lines[-1] == (
        "sgdlab: sbatch refused: Batch job submission failed: Invalid partition name specified"
    )
    assert len([line for line in lines if "artition" in line]) == 1
    assert desk.queued() == []
    assert "submitted  2 jobs" in desk.run("tiny", 2, "launcher.partition=main", HOLD).stdout
    assert len(desk.queued()) == 2


def test_of_two_shells_at_the_same_moment_one_submits(desk, finish, asking_is_rare):
    commands = [desk.start("tiny", 2, HOLD) for _ in range(2)]
    ends = [finish(command) for command in commands]
    assert [end.returncode for end in ends] == [0, 0]
    words = sorted(line for end in ends for line in end.stdout.splitlines() if "submitted" in line)
    assert words[0] == "nothing submitted: 2 jobs for these runs wait or run already"
    assert words[1].startswith("submitted  2 jobs")
    assert len(desk.queued()) == 2
    asking_is_rare(desk)


def test_jobs_that_wait_train_what_was_submitted_with_the_code_of_then(desk, package_copy, wait_for_jobs):
    desk.terminal.write_sweep("edited", RATES)
    submitted = desk.run("edited", 1, HOLD)
    assert submitted.returncode == 0, submitted.stderr
    wanted = set(desk.submissions()[0].load_plan().runs)
    desk.terminal.write_sweep("edited", RATES, budget__num_updates=32)
    (package_copy / "shipped/conf/optimizer/sgd.yaml").write_text("nonsense: 1\n")
    for path in package_copy.rglob("*.py"):
        path.write_text("raise SystemExit('edited after it was submitted')\n")
    desk.release()
    wait_for_jobs(desk)
    assert set(desk.terminal.results()) == wanted
    assert {num_updates for _, _, num_updates, _ in desk.terminal.results().values()} == {64}


def test_a_wider_grid_and_a_sweep_that_shares_runs_add_what_is_missing(desk, wait_for_jobs):
    desk.terminal.write_sweep("grid", RATES)
    desk.terminal.write_sweep("sharing", SHARING)
    assert "6 runs to train" in desk.run("grid").stdout
    desk.terminal.write_sweep("grid", WIDER)
    assert desk.run("grid").returncode == 0
    assert desk.run("sharing").returncode == 0
    wait_for_jobs(desk)
    assert desk.each_run_was_trained_once(12)


def test_a_multirun_of_hydra_submits_and_does_not_wait(desk):
    tiny = ("data=digits", "budget=updates", "budget.num_updates=64")
    launcher = ("tracker=none", "launcher=slurm", "launcher.gpus_per_job=0", "launcher.num_workers=2", HOLD)
    done = desk.terminal.sgdlab("train", "-m", "optimizer.lr=2**-5,2**-4,2**-3", *tiny, *launcher)
    assert done.returncode == 0, done.stderr
    assert "submitted  1 job, 1 worker each" in done.stdout
    assert "3 runs to train" in done.stdout
    assert len(desk.queued()) == 1
