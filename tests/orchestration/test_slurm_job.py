"""Jobs hand what they have trained to the tracker, each run once, whichever job trained it."""

from __future__ import annotations

from dataclasses import replace

from sgdlab.tracking.summary_export import summary_id

SLURM = ("launcher=slurm", "launcher.gpus_per_job=0", "launcher.num_workers=2", "launcher.backend=batched")


def exported(terminal):
    return sorted(path.name.rpartition("-")[2] for path in terminal.folder.rglob("wandb/offline-run-*"))


def test_each_run_becomes_one_wandb_run(terminal, cluster, wait_until):
    desk = replace(terminal, environment=cluster.environment)
    finished = desk.sgdlab("run", "tiny", *SLURM, "tracker=wandb")
    assert finished.returncode == 0, finished.stderr
    wait_until(lambda: len(desk.results()) == 12 and not cluster.jobs())
    wait_until(lambda: len(exported(desk)) == 13)  # the last job sums up
    summed_up = sorted([*desk.results(), summary_id("tiny", "laptop").rpartition("-")[2]])
    assert exported(desk) == summed_up
    again = desk.sgdlab("run", "tiny", *SLURM, "tracker=wandb")
    assert "nothing to submit" in again.stdout
    assert exported(desk) == summed_up


def test_runs_that_were_stored_before_are_exported_by_the_command(trained, cluster):
    desk = replace(trained, environment=cluster.environment)
    finished = desk.sgdlab("run", "tiny", *SLURM, "tracker=wandb")
    assert finished.returncode == 0, finished.stderr
    assert exported(desk) == sorted([*desk.results(), summary_id("tiny", "laptop").rpartition("-")[2]])
