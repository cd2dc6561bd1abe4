"""Jobs whose time is up before their work is done."""

import pytest

SEEDS = {"rate": {"label": "rate", "axes": {"optimizer.lr": ["2**-4"]}}}
LONGER = {"budget__num_updates": 200_000, "evaluation__every_num_updates": 10_000}  # than half a minute


@pytest.mark.slow
def test_one_task_of_an_array_is_asked_to_stop_and_goes_on(desk, finish, wait_until):
    submission = desk.submit("long", finish, launcher__num_workers=2, launcher__pack_size=2)
    wait_until(lambda: desk.num_safe_updates() > 0)
    array = submission.job_id()
    desk.cluster.answer("scancel", "--signal=USR2", f"{array}_1")
    wait_until(lambda: submission.job(1).ended() is not None)
    assert submission.job(1).ended().reason == "requeued"
    assert submission.job(0).ended() is None
    wait_until(lambda: desk.jobs() == [])
    restarts = [desk.cluster.answer("scontrol", "show", "job", f"{array}_{index}") for index in range(2)]
    assert ["Restarts=0" in restarts[0], "Restarts=1" in restarts[1]] == [True, True]
    assert [submission.job(index).ended().reason for index in range(2)] == ["finished", "finished"]
    assert len(desk.bits()) == 3


@pytest.mark.slow
def test_a_job_ends_before_its_wall_time_and_goes_on(desk, finish, wait_until):
    desk.terminal.write_sweep("longer", SEEDS, **LONGER)
    submission = desk.submit("longer", finish, launcher__wall_time_min=2, launcher__stop_before_end_s=90)
    wait_until(lambda: desk.jobs() == [])
    assert "Restarts=0" not in desk.cluster.answer("scontrol", "show", "job", submission.job_id())
    assert submission.job(0).ended().reason == "finished"
    assert len(desk.bits()) == 3
    assert len(desk.submissions()) == 1


@pytest.mark.slow
def test_a_job_that_may_not_be_requeued_has_a_successor(desk, finish, wait_until):
    desk.terminal.write_sweep("longer", SEEDS, **LONGER)
    desk.submit(
        "longer",
        finish,
        launcher__wall_time_min=2,
        launcher__stop_before_end_s=90,
        launcher__sbatch="{requeue:false,no-requeue:true}",
    )
    wait_until(lambda: desk.jobs() == [])
    reasons = [submission.job(0).ended().reason for submission in desk.submissions()]
    assert reasons[-1] == "finished"
    assert set(reasons[:-1]) == {"succeeded"}
    assert len(desk.bits()) == 3
