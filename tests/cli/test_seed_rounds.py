"""Seeds in rounds from the command line: what is undecided is trained further, and every command says so."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import yaml

ACCURACY = "test_accuracy.final"
NUM_ALL, NUM_FIRST, NUM_ASKED = 20, 15, 17  # 4 + 2 points, one of them shared; 4 seeds, 3 at first
HERE = ("tracker=none", "launcher.num_workers=1", "launcher.device=cpu")
SLURM = (
    *("tracker=none", "launcher=slurm", "launcher.gpus_per_job=0", "launcher.num_workers=1"),
    *("launcher.backend=batched", "launcher.heartbeat_every_s=0.5", "launcher.lease_timeout_s=6"),
)


def gain(grid, **expect):
    ends = {"start": {"grid": grid, "at": "first"}, "to": {"grid": grid, "at": "last"}}
    return {"kind": "gain", "says": "It rises.", "metric": ACCURACY, **ends, "expect": expect}


SWEEP = {
    "paper": "own",
    "figure": "rounds",
    "title": "A plain claim, and one that nothing can decide",
    "base": {
        "data": "digits",
        "data.num_train": 128,
        "model.hidden_widths": [16],
        "budget.num_epochs": 10,
        "evaluation.every_num_epochs": 10,
    },
    "protocol": {"num_seeds": 4, "keep": 3, "rank_by": ACCURACY},
    "grids": {
        "plain": {"label": "plain", "axes": {"optimizer.lr": [2**-12, 2**-11, 2**-10, 2**-3]}},
        "doubtful": {"label": "doubtful", "axes": {"optimizer.lr": [2**-3, 2**-3 * 1.01]}},
    },
    "drawing": {
        "x": "optimizer.lr",
        "x_label": "ε",
        "y_label": "test accuracy",
        "curves": [{"grid": "plain", "metric": ACCURACY}, {"grid": "doubtful", "metric": ACCURACY}],
    },
    "claims": [gain("plain", above=0.05), gain("doubtful", within=[-1e-9, 1e-9])],
    "scales": {"laptop": {}},
}


@pytest.fixture
def desk(terminal):
    """A terminal with a sweep whose seeds are added until claims are decided."""
    sweep = {**SWEEP, "protocol": {**SWEEP["protocol"], "seeds": "claims"}}
    for name, content in (("rounds", sweep), ("whole", SWEEP)):
        (terminal.folder / "sweeps" / f"{name}.yaml").write_text(yaml.safe_dump(content))
    return terminal


def answer(desk, *arguments):
    finished = desk.sgdlab(*arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def done(desk, *arguments):
    counts = answer(desk, "status", *arguments)["counts"]
    return counts["done"], sum(counts.values())


def test_a_run_trains_round_after_round_and_every_command_says_what_was_spared(desk, words):
    assert answer(desk, "plan", "rounds", *HERE)["num_to_train"] == NUM_FIRST
    assert done(desk, "rounds") == (0, NUM_FIRST)
    finished = desk.sgdlab("run", "rounds", *HERE)
    assert finished.returncode == 0, finished.stderr
    assert "next round  2 runs" in finished.stderr
    assert len(desk.results()) == NUM_ASKED == len(desk.events("published"))
    assert done(desk, "rounds") == (NUM_ASKED, NUM_ASKED)
    assert done(desk, "whole") == (NUM_ASKED, NUM_ALL)  # a reproduction asks for all of them
    assert answer(desk, "plan", "rounds", *HERE)["num_to_train"] == 0

    (results,) = answer(desk, "results", "rounds")
    spared = {(p["grid"], p["optimizer.lr"]): p["num_spared"] for p in results["points"]}
    assert sorted(spared.values()) == [0, 0, 1, 1, 1, 1]
    assert {place[0] for place, number in spared.items() if not number} == {"doubtful"}
    plain, doubtful = results["claims"]
    assert (plain["verdict"], plain["num_seeds"]) == ("supported", 3)
    assert (doubtful["verdict"], doubtful["num_seeds"]) == ("inconclusive", 4)
    shown = words(desk.sgdlab("results", "rounds").stdout)
    assert "all of 3 to 4" in shown
    assert "stopped with 3 of 4 seeds at its 2 points" in shown
    assert "Seeds were added one round at a time" in shown
    assert "Points by their number of seeds, of 4: 4 with 3, 2 with 4." in shown
    assert "4 runs spared: the rule protocol.seeds doesn't ask for them" in shown

    for arguments in (
        ("figure", "rounds", "--folder", "store"),
        ("export", "rounds", "--folder", "exported"),
        ("figure", "rounds", "--from", "exported", "--folder", "export"),
    ):
        finished = desk.sgdlab(*arguments)
        assert finished.returncode == 0, finished.stderr
    drawn, again = (desk.folder / folder / "rounds-laptop.svg" for folder in ("store", "export"))
    assert drawn.read_bytes() == again.read_bytes()


def test_the_rule_may_be_given_on_the_command_line(desk):
    assert answer(desk, "plan", "whole", *HERE)["num_to_train"] == NUM_ALL
    assert answer(desk, "plan", "whole", "protocol.seeds=claims", *HERE)["num_to_train"] == NUM_FIRST
    refused = desk.sgdlab("plan", "whole", "protocol.seeds=some")
    assert refused.returncode == 2
    assert "protocol.seeds='some': input should be 'all', 'claims' or 'halving'" in refused.stderr


@pytest.mark.slow
def test_the_last_job_submits_the_next_round(desk, cluster, wait_until):
    desk = replace(desk, environment=cluster.environment)
    submitted = desk.sgdlab("run", "rounds", *SLURM)
    assert submitted.returncode == 0, submitted.stderr
    wait_until(lambda: len(desk.results()) == NUM_ASKED and not cluster.jobs())
    assert sorted(desk.events("published")) == sorted(desk.results())
