"""The view beside a real Slurm: its jobs, the workers in them, and the key that cancels."""

import re

LONG = 3_000_000  # updates: no test waits for their end


def test_jobs_are_shown_and_cancelled(terminal, cluster, watching, wait_until):
    terminal.environment = cluster.environment
    terminal.write_sweep("tiny", budget__num_updates=LONG)
    submitted = terminal.sgdlab(
        "run", "tiny", "launcher=slurm", "launcher.gpus_per_job=0", "launcher.num_workers=2",
        "launcher.backend=batched", "launcher.heartbeat_every_s=0.5",
    )  # fmt: skip
    assert submitted.returncode == 0, submitted.stderr
    (job,) = {row.job.partition("_")[0] for row in cluster.jobs()}
    screen = watching("tiny", columns=110, **cluster.environment)
    screen.wait_for("Jobs 1", "Workers 2")
    screen.wait_for(f"{job}_0", f"{job}_1", "updates/s")  # workers tell their jobs
    screen.press("4")
    assert re.search(rf" {job} +2 running +12 ", screen.wait_for("submitted", "  2 running"))
    screen.press("\r")
    screen.wait_for(f"job {job}", "wanted by: tiny @ laptop")
    screen.press("\x1b")
    screen.wait_for("Workers")
    screen.press("c")
    assert "tiny @ laptop" in screen.wait_for("Cancel the Slurm jobs", "y: yes")
    screen.press("y")
    screen.wait_for(f"cancelled {job}")
    wait_until(lambda: not cluster.jobs())
    screen.press("q")
    assert screen.wait_for_end() == 0
