"""A real command, its workers, and a reader beside them that sees what `sgdlab status` sees."""

import json
import signal

import pytest

from sgdlab.cli.arguments import arguments_or_all
from sgdlab.cli.live import live_reader
from sgdlab.errors import UsageError

LONG = 10**7


@pytest.fixture
def desk(terminal, monkeypatch):
    """The terminal's folder, as this process sees it; its sweep takes hours."""
    terminal.write_sweep(
        "long",
        grids={"rate": {"label": "plain SGD", "axes": {"optimizer.lr": [0.125]}}},
        budget__num_updates=LONG,
    )
    monkeypatch.chdir(terminal.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(terminal.folder / "cache"))
    return terminal


def test_it_sees_what_goes_on_and_what_is_left_of_it(desk, wait_until, finish):
    command = desk.start(
        "run", "long", "tracker=none", "launcher.num_workers=1", "launcher.device=cpu",
        "launcher.heartbeat_every_s=0.1",
    )  # fmt: skip
    with live_reader(["long"], "laptop") as reader:
        wait_until(lambda: (worker := reader.read().workers) and worker[0].updates_per_s)
        live = reader.read()
        (worker,), (sweep,) = live.workers, live.sweeps
        assert worker.pid in desk.workers()
        assert (worker.state, worker.device, worker.job) == ("training", "cpu", None)
        assert sweep.title == "long @ laptop"
        assert sweep.counts == status(desk)["counts"]
        assert sweep.counts["running"] == len(worker.updates_of) == 3
        assert sweep.updates_total == 3 * LONG
        assert 0 < sweep.updates_done == sum(worker.updates_of.values()) < 3 * LONG
        assert [run.state for run in reader.runs_of("long @ laptop")] == ["running"] * 3
        assert sweep.updates_per_s == pytest.approx(worker.updates_per_s)
        wait_until(lambda: reader.read().together.updates_done > sweep.updates_done)

        command.send_signal(signal.SIGINT)
        finish(command)
        wait_until(lambda: not reader.read().workers)
        left = reader.read().together
        assert left.counts == status(desk)["counts"]
        assert left.counts["interrupted"] == 3
        (checkpoint,) = desk.store.attempts.glob("*/progress.json")
        assert left.updates_done == sum(json.loads(checkpoint.read_bytes()).values())


def test_without_a_name_all_sweeps_of_a_scale_are_meant(desk):
    assert {"long", "tiny", "smith2021/fig1b"} <= set(arguments_or_all(None, "laptop"))
    assert arguments_or_all(["folders.store=here"], "paper")[-1] == "folders.store=here"
    assert "long" not in arguments_or_all(None, "paper")
    assert arguments_or_all(["long", "seed=1"], "laptop") == ["long", "seed=1"]


def test_a_name_that_means_nothing_is_refused_at_once(desk):
    with pytest.raises(UsageError, match="nowhere"):
        live_reader(["nowhere"], "laptop")


def status(desk):
    return json.loads(desk.sgdlab("status", "long", "--json").stdout)
