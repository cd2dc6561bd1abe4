"""A grid that is too narrow for some of its batch sizes: only the missing points are trained.

The sweep is figure 1 of smith2020 made tiny: test accuracy at the best learning rate against the batch size.
"""

from __future__ import annotations

import json
import signal
from dataclasses import replace

import pytest
import yaml

SHARED = {
    "paper": "own",
    "figure": "fig1",
    "title": "Test accuracy at the best learning rate",
    "base": {
        "data": "digits",
        "data.num_train": 256,
        "model.hidden_widths": [16],
        "optimizer.order": "independent",
        "budget.num_epochs": 20,
        "evaluation.every_num_epochs": 10,
    },
    "protocol": {"num_seeds": 3, "keep": 3, "rank_by": "test_accuracy.final"},
    "drawing": {
        "kind": "optima",
        "x": "optimizer.batch_size",
        "x_label": "batch size B",
        "y_label": "test accuracy",
        "tuned": ["optimizer.lr"],
        "curves": [{"grid": "sgd", "metric": "test_accuracy.final"}],
    },
    "scales": {"laptop": {}},
}
NUM_NARROW = 2 * 4 * 3
SLURM = ("launcher=slurm", "launcher.gpus_per_job=0", "launcher.num_workers=1", "launcher.backend=batched")
QUICK = ("launcher.heartbeat_every_s=0.5", "launcher.lease_timeout_s=6")
HERE = ("tracker=none", "launcher.num_workers=1", "launcher.device=cpu")


@pytest.fixture
def desk(terminal):
    """A terminal with a grid that is too narrow for B = 128, and one that is wide enough."""
    write(terminal, "narrow", "pow2(-4, -1)")
    write(terminal, "wide", "pow2(-4, 1)")
    return terminal


def write(terminal, name, rates, **changes):
    axes = {"optimizer.batch_size": [8, 128], "optimizer.lr": rates}
    sweep = {**SHARED, "grids": {"sgd": {"label": "SGD", "axes": axes}}, **changes}
    (terminal.folder / "sweeps" / f"{name}.yaml").write_text(yaml.safe_dump(sweep))


def answer(desk, *arguments):
    finished = desk.sgdlab(*arguments, "--json")
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout)


def curves(desk, *arguments):
    """Return what `extend` says of each batch size."""
    (sweep,) = answer(desk, "extend", *arguments)
    return {curve["at"]["optimizer.batch_size"]: curve for curve in sweep["curves"]}


def optima(desk, name):
    (sweep,) = answer(desk, "results", name)
    fields = ("value_mean", "value_std", "optimum")
    return {row["optimizer.batch_size"]: [row[field] for field in fields] for row in sweep["optima"]}


def rounds(desk):
    return sorted((desk.store.root / "extensions").glob("narrow@laptop/*.json"))


def test_only_the_missing_points_are_trained_and_the_result_is_that_of_the_wide_grid(desk, words):
    write(desk, "narrow", "pow2(-4, -1)", extend={"points": 2})
    assert desk.run("narrow").returncode == 0
    found = curves(desk, "narrow", *HERE)
    assert (found[8]["standing"], found[8]["additions"]) == ("interior", [])
    (addition,) = found[128]["additions"]
    assert (addition["side"], addition["values"], addition["num_to_train"]) == ("high", [1, 2], 6)
    assert addition["num_updates"] == 6 * 20 * 256 // 128
    assert rounds(desk) == []  # proposing writes nothing
    shown = words(desk.sgdlab("extend", "narrow").stdout)
    assert "batch_size=128" in shown
    assert "lr high: 1, 2 " in shown
    assert "2 optima: 1 interior, 1 open" in shown

    done = desk.sgdlab("extend", "narrow", "--submit", *HERE)
    assert done.returncode == 0, done.stderr
    assert "interior (extended 1×)" in done.stdout
    assert "2 optima: 2 interior" in done.stdout
    assert len(desk.results()) == NUM_NARROW + 6 == len(desk.events("published"))
    assert answer(desk, "status", "narrow")["counts"]["done"] == NUM_NARROW + 6
    (results,) = answer(desk, "results", "narrow")
    assert [row["optimizer.lr"] for row in results["points"]] == [
        *(2**-4, 2**-3, 2**-2, 2**-1),
        *(2**-4, 2**-3, 2**-2, 2**-1, 1, 2),
    ]
    drawn = desk.sgdlab("figure", "narrow")
    assert drawn.returncode == 0, drawn.stderr

    assert desk.run("wide").returncode == 0
    assert len(desk.results()) == 2 * 6 * 3
    assert optima(desk, "narrow") == optima(desk, "wide")


def test_extend_auto_goes_on_after_a_kill_and_in_two_shells_at_once(desk, finish, wait_until):
    write(desk, "narrow", "pow2(-4, -1)", extend="auto")
    killed = desk.start("run", "narrow", *HERE)
    wait_until(lambda: rounds(desk))
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    both = [desk.start("run", "narrow", *HERE) for _ in range(2)]
    for one in both:
        assert finish(one).returncode == 0
    assert len(desk.results()) == NUM_NARROW + 6
    assert sorted(desk.events("published")) == sorted(desk.results())
    assert len(rounds(desk)) == 2
    assert {one["standing"] for one in curves(desk, "narrow").values()} == {"interior"}


def test_after_an_edit_the_extension_is_kept_or_left_out_and_said(desk):
    """No training: a round is recorded by hand, as the command would."""
    from sgdlab.sweeps.extension import AddedPoint, add_round, recording, settings_of
    from sgdlab.sweeps.grids import Grid, Panel

    axes = {"optimizer.batch_size": [8, 128], "optimizer.lr": "pow2(-4, -1)"}
    grid = Grid.model_validate({"label": "SGD", "axes": axes})
    settings = settings_of(Panel(title="", base=SHARED["base"], grids={"sgd": grid}), grid)
    covered = {"optimizer.lr": (2**-4, 2**-1)}
    point = {"optimizer.batch_size": 128, "optimizer.lr": 1.0}
    with recording(desk.store, "narrow", "laptop") as record:
        add_round(record, [AddedPoint("main", "sgd", point, covered, settings, 1, "edge")])
    assert answer(desk, "plan", "narrow")["num_distinct"] == NUM_NARROW + 3
    assert answer(desk, "plan", "narrow", "optimizer.batch_size=128")["num_distinct"] == 4 * 3 + 3
    write(desk, "narrow", "pow2(-5, -1)")
    assert answer(desk, "plan", "narrow")["num_distinct"] == 2 * 5 * 3 + 3
    write(desk, "narrow", "pow2(-4, -2)")
    left_out = "1 point of an earlier extension of narrow left out: grid sgd covers less of optimizer.lr here"
    for command in ("plan", "extend"):
        finished = desk.sgdlab(command, "narrow")
        assert left_out in finished.stderr
    assert answer(desk, "plan", "narrow")["num_distinct"] == 2 * 3 * 3
    write(desk, "narrow", "pow2(-4, -1)", base={**SHARED["base"], "data.num_train": 128})
    assert "grid sgd has other settings here" in desk.sgdlab("plan", "narrow").stderr


def test_the_last_job_submits_the_next_round(desk, cluster, wait_until):
    """With `extend: auto`, one command on a cluster, which returns at once; jobs do the rest."""
    write(desk, "narrow", "pow2(-4, -1)", extend={"when": "auto", "points": 2})
    desk = replace(desk, environment=cluster.environment)
    submitted = desk.sgdlab("run", "narrow", "tracker=none", *SLURM, *QUICK)
    assert submitted.returncode == 0, submitted.stderr
    wait_until(lambda: len(desk.results()) == NUM_NARROW + 6 and not cluster.jobs())
    assert sorted(desk.events("published")) == sorted(desk.results())
    assert len(rounds(desk)) == 1
    assert {one["standing"] for one in curves(desk, "narrow").values()} == {"interior"}
    again = desk.sgdlab("extend", "narrow", "--submit", "tracker=none", *SLURM, *QUICK)
    assert again.returncode == 0, again.stderr
    assert "nothing to submit" in again.stdout
    assert cluster.jobs() == []
