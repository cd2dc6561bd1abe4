"""What a job does from its start to its end, on a real Slurm."""

import json


def test_two_workers(desk, finish, wait_until):
    submission = desk.submit("tiny", finish, launcher__num_workers=2, launcher__cpus_per_job=2)
    wait_until(lambda: desk.jobs() == [])
    print(desk.log())
    print(submission.job(0).ended(), sorted(p.name for p in submission.submitit_folder.iterdir()))
    assert len(desk.bits()) == 12
    workers = (submission.job(0).path / "workers.jsonl").read_text().splitlines()
    assert len({json.loads(line)["pid"] for line in workers}) == 2
    job = submission.submitit_folder / "submission.sh"
    print(next(submission.submitit_folder.glob("*.sh")).read_text())
    assert 0
