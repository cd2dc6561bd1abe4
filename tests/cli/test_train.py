"""`sgdlab train`: Hydra's command line, the planner and launcher of sweeps."""

import json
import re

import pytest
import yaml

SMALL = [
    "data=digits",
    "data.num_train=64",
    "data.num_test=100",
    "model.hidden_widths=[8]",
    "optimizer.batch_size=8",
    "budget=updates",
    "budget.num_updates=64",
    "evaluation=updates",
    "evaluation.every_num_updates=32",
    "tracker=none",
    "launcher.num_workers=1",
    "launcher.device=cpu",
]


def test_a_multirun_is_one_pack_of_the_runs_that_a_sweep_would_train(terminal):
    swept = terminal.sgdlab("train", "-m", "optimizer.lr=pow2(-9,-7)", "seed=0,1", *SMALL)
    assert swept.returncode == 0
    assert "train: 100% · 6/6 runs done" in swept.stderr
    rows = [line.split() for line in swept.stdout.splitlines()[2:]]
    assert [row[:2] for row in rows] == [
        [f"lr=2**{power}", f"seed={seed}"] for power in (-9, -8, -7) for seed in (0, 1)
    ]
    assert max(map(len, swept.stdout.splitlines())) <= 80
    for key, (state, summary, *_) in terminal.results().items():
        (row,) = [row for row in rows if row[2] == key[:12]]
        assert row[3:5] == [state, f"{summary['test_accuracy.best']:.4g}"]
        assert terminal.store.read_result(key).provenance["pack_width"] == 6
    assert {path.name for path in terminal.folder.iterdir()} == {"sweeps", "cache", "tmp", "outputs"}

    # the same runs in a sweep file have the same keys; one of them asked for alone is there already
    axes = {"optimizer.lr": "pow2(-9, -7)"}
    terminal.write_sweep("same", {"rate": {"label": "rate", "axes": axes}})
    plan = json.loads(terminal.sgdlab("plan", "same", "protocol.num_seeds=2", "--json").stdout)
    assert (plan["num_distinct"], plan["num_done"], plan["num_to_train"]) == (6, 6, 0)
    single = terminal.sgdlab("train", "optimizer.lr=2**-9", "seed=1", *SMALL)
    assert (single.returncode, single.stderr) == (0, "")
    assert single.stdout.splitlines()[-1].split()[1] == rows[1][2]


@pytest.mark.slow  # the multirun above takes the same way
def test_a_single_run_is_trained(terminal):
    finished = terminal.sgdlab("train", *SMALL, "optimizer.lr=2**-4")
    assert finished.returncode == 0
    (key,) = terminal.results()
    assert re.search(rf"seed=0 +{key[:12]} +done +0\.\d+", finished.stdout)


def test_an_autoencoder_has_losses_and_no_accuracy(terminal):
    base = {"loss": "bernoulli", "model": "autoencoder", "data.standardize": "none"}
    small = [argument for argument in SMALL if "hidden_widths" not in argument and "tracker" not in argument]
    given = [f"{key}={value}" for key, value in base.items()]
    momentum = ["model.encoder_widths=[9,3]", "optimizer.momentum=0.9", "optimizer.lr=2**-8"]
    trained = terminal.sgdlab("train", *small, *given, *momentum)
    assert trained.returncode == 0, trained.stderr
    ((_, summary, *_),) = terminal.results().values()
    assert not any("accuracy" in name for name in summary)
    assert 0 < summary["test_loss.best"] < 64  # pixels, less than a nat each
    assert f"{summary['test_loss.best']:.4g} " in trained.stdout.splitlines()[-1]
    assert "accuracy" not in trained.stdout
    assert "acc." not in trained.stdout
    again = terminal.sgdlab("train", *small, *given, *momentum)  # trains nothing, and exports what isn't yet
    assert again.returncode == 0, again.stderr
    assert list(terminal.folder.glob("outputs/**/*.wandb")), (trained.stderr, again.stderr)

    path = terminal.folder / "sweeps" / "back.yaml"
    sweep = {
        "paper": "mine",
        "figure": "back",
        "title": "Given back",
        "base": {**dict(argument.split("=", 1) for argument in small[:1] + small[3:7]), **base},
        "protocol": {"num_seeds": 2, "keep": 1},
        "grids": {"lr": {"label": "ε", "axes": {"optimizer.lr": ["2**-9", "2**-8"]}}},
        "drawing": {
            "x": "optimizer.lr",
            "x_label": "ε",
            "y_label": "test loss",
            "mark_optimum": True,
            "curves": [{"grid": "lr", "metric": "test_loss.best"}],
        },
        "scales": {"laptop": {}},
    }
    sweep["base"]["model.encoder_widths"] = [9, 3]
    path.write_text(yaml.safe_dump(sweep))
    refused = terminal.sgdlab("plan", "back")
    assert refused.returncode == 2
    assert "protocol.rank_by speaks of test_accuracy.best, and loss=bernoulli knows no" in refused.stderr
    sweep["protocol"]["rank_by"] = "test_loss.best"
    path.write_text(yaml.safe_dump(sweep))
    for command in ("run", "results", "status", "figure", "report"):
        assert terminal.sgdlab(command, "back").returncode == 0, command


def test_flags_of_hydra_and_own_files_work(terminal):
    (terminal.folder / "conf" / "data").mkdir(parents=True)
    (terminal.folder / "conf" / "data" / "few.yaml").write_text("kind: digits\nnum_train: 77\n")
    shown = terminal.sgdlab("train", "--cfg", "job", "optimizer.lr=2**-3", "data=few")
    assert shown.returncode == 0
    assert "kind: digits\n  num_train: 77\n" in shown.stdout
    assert "lr: 2**-3" in shown.stdout
    described = terminal.sgdlab("train", "--help")
    assert described.stdout.startswith("sgdlab train is powered by Hydra.")
    assert not (terminal.folder / "outputs").exists()
