"""`sgdlab measure` on what a store holds: final weights, a checkpoint, nothing."""

import json
import os
import re
import signal

import pytest
import torch

from sgdlab.runs.claims import latest_checkpoint

SMALL = [
    "data=digits",
    "data.num_train=40",
    "data.num_test=20",
    "model.hidden_widths=[3]",
    "optimizer.lr=2**-3",
    "optimizer.batch_size=8",
    "budget=updates",
    "evaluation=updates",
    "evaluation.every_num_updates=50",
    "tracker=none",
    "precision=float64",
    "launcher.num_workers=1",
    "launcher.device=cpu",
]


def test_a_stored_model_is_measured_drawn_and_told(terminal):
    assert terminal.sgdlab("train", *SMALL, "budget.num_updates=50", "launcher.keep=final").returncode == 0
    (key,) = terminal.results()
    finished = terminal.sgdlab("measure", key[:6], "--pairs", "2", "--json")
    assert (finished.returncode, finished.stderr) == (0, "")
    (record,) = json.loads(finished.stdout)
    stored = terminal.store.read_result(key).summary
    assert record["key"] == key
    assert (record["update"], record["num_examples"]) == (50, 40)
    assert record["cost"] == pytest.approx(stored["train_cost.final"])
    assert record["gradient_norm_sq"] == pytest.approx(stored["gradient_norm_sq.final"])
    assert len(record["hessian"]["eigenvalues"]) == len(record["gradient_covariance"]["eigenvalues"]) == 2
    sizes = {row["batch_size"]: row for row in record["by_batch_size"]}
    assert list(sizes) == [1, 2, 4, 8, 16, 32, 40]
    assert sizes[40]["concentration"] == pytest.approx(1)
    # (eq. 22) the mean over partitions: the fixed partition of training is one of them
    assert sizes[8]["implicit_regularizer"] == pytest.approx(stored["c_reg.final"], rel=0.5)
    for path in record["figures"]:
        assert (terminal.folder / path).stat().st_size > 5000
    assert {path.rsplit(".")[-1] for path in record["figures"]} == {"png", "pdf", "svg"}

    finished = terminal.sgdlab("measure", key, "--pairs", "1", "--examples", "16")
    assert finished.returncode == 0
    assert f"run {key}, update 50 of 50" in finished.stdout
    assert re.search(r"λ_1 of H +[\d.e-]+ +[\d.e-]+ \(residual\)", finished.stdout)
    assert max(map(len, finished.stdout.splitlines())) <= 80


def test_a_run_in_training_is_measured_at_its_latest_checkpoint(terminal, wait_until):
    """The command is killed between two checkpoints."""
    process = terminal.start("train", *SMALL, "budget.num_updates=1000000", "launcher.checkpoint_every_s=0.2")
    wait_until(lambda: [key for key in keys(terminal) if latest_checkpoint(terminal.store, key)])
    process.kill()
    process.communicate()
    for pid in terminal.workers():
        os.kill(pid, signal.SIGKILL)
    (key,) = keys(terminal)
    finished = terminal.sgdlab("measure", key[:8], "--pairs", "1", "--json")
    (record,) = json.loads(finished.stdout)
    path = latest_checkpoint(terminal.store, key).path
    assert record["update"] == torch.load(path, weights_only=True)["members"][key]["update"] > 0
    assert record["num_updates"] == 1_000_000


def keys(terminal):
    return [path.name for path in terminal.store.runs.glob("*/*")]


def test_what_is_no_run_is_refused_before_anything_is_loaded(terminal):
    for arguments, message in (
        ([], "Missing argument"),
        (["folders.store=elsewhere"], "which run? Name one or more by their keys"),
        (["0123", "optimizer.lr=1"], "optimizer.lr: a stored run is what it is"),
    ):
        finished = terminal.sgdlab("measure", *arguments)
        assert finished.returncode == 2
        assert message in finished.stderr
        assert finished.stdout == ""
