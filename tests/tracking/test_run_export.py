"""The export is read back with W&B's own reader, `wandb leet inspect`, which shares no code with it."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest

from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UserError
from sgdlab.tracking import run_export
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.run_export import export_run


def new_key() -> str:
    """A key of its own for each test: one process of W&B writes an id once."""
    return uuid.uuid4().hex


@dataclass(frozen=True)
class Result:
    key: str = field(default_factory=new_key)
    state: str = "done"
    config: dict = field(
        default_factory=lambda: {
            "seed": 3,
            "precision": "float32",
            "data": {"kind": "digits", "num_train": 256, "flip": False},
            "loss": {"kind": "cross_entropy", "l2": 0.0},
            "model": {"kind": "mlp", "hidden_widths": [64, 64]},
            "optimizer": {"kind": "sgd", "lr": 2.0**-6, "batch_size": 8},
        }
    )
    summary: dict = field(default_factory=lambda: {"test_accuracy.best": 0.75, "c_reg.final": None})
    num_updates: int = 40
    diverged_at: int | None = None
    provenance: dict = field(default_factory=lambda: {"commit": "abc1234"})


CURVES = {
    "updates": np.array([10, 20, 30, 40]),
    "test_accuracy": np.array([0.25, 0.75, 0.5, 0.625], dtype=np.float32),
    "test_loss": np.array([2.0, 1.0, 1.5, np.nan]),
    "c_reg": np.array([4.0, 3.0, 2.0, 1.0]),
}
CONTEXT = SweepContext(
    sweep="smith2021/fig1b",
    grid="sgd",
    paper="smith2021",
    figure="fig1b",
    scale="laptop",
    name="lr=2**-6 seed=3",
)


@pytest.fixture
def tracker(tmp_path):
    return WandbTracker(folder=tmp_path / "outputs", project="test-project")


def leet(path: Path) -> list[dict]:
    """All records of a run's transaction log."""
    command = [Path(sys.executable).parent / "wandb", "leet", "inspect", path, "--json"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def of_type(records: list[dict], kind: str) -> list[dict]:
    return [record[kind] for record in records if record["type"] == kind]


def test_wandbs_own_reader_finds_everything(tracker, capfd):
    result = Result()
    folder = export_run(result, CURVES, CONTEXT, tracker)

    assert folder is not None
    assert folder.parent == tracker.folder / "wandb"
    assert folder.name.startswith("offline-run-")
    assert folder.name.endswith(result.key)
    assert capfd.readouterr() == ("", "")
    records = leet(folder)
    (run,) = of_type(records, "run")
    assert run["run_id"] == result.key
    assert run["project"] == "test-project"
    assert (run["run_group"], run["job_type"]) == ("smith2021/fig1b", "sgd")
    assert run["display_name"] == "lr=2**-6 seed=3"
    assert run["tags"] == ["smith2021", "fig1b", "laptop"]
    config = run["config"]["update"]
    assert {name: config[name] for name in Result().config} == Result().config
    assert config["log2"] == {"data": {"num_train": 8}, "optimizer": {"lr": -6, "batch_size": 3}}
    assert config["provenance"] == {"commit": "abc1234"}
    assert config["sweep"]["figure"] == "fig1b"

    history = [entry["item"] for entry in of_type(records, "history")]
    assert [row["updates"] for row in history] == [10, 20, 30, 40]
    assert [row["test_accuracy"] for row in history] == [0.25, 0.75, 0.5, 0.625]
    assert [row.get("test_loss") for row in history] == [2.0, 1.0, 1.5, None]
    metrics = {metric["name"]: metric for metric in of_type(records, "metric")}
    assert metrics["test_accuracy"]["step_metric"] == "updates"
    assert metrics["test_accuracy"]["summary"] == {"max": True}
    assert metrics["test_loss"]["summary"] == {"min": True}
    summary: dict = {}
    for entry in of_type(records, "summary"):
        summary |= entry["update"]
    assert summary["test_accuracy/best"] == 0.75
    assert summary["test_accuracy"] == {"max": 0.75}
    assert summary["test_loss"] == {"min": 1.0}
    assert summary["state"] == "done"
    assert "c_reg/final" not in summary
    assert [record["exit_code"] for record in of_type(records, "exit")] == [0]  # a slow one has its runtime


def test_a_diverged_run_is_a_result_and_not_a_crash(tracker):
    diverged = replace(Result(), state="diverged", diverged_at=31)
    records = leet(export_run(diverged, CURVES, CONTEXT, tracker))
    (run,) = of_type(records, "run")
    assert run["tags"] == ["smith2021", "fig1b", "laptop", "diverged"]
    assert [record["exit_code"] for record in of_type(records, "exit")] == [0]  # a slow one has its runtime
    assert any(entry["update"].get("diverged_at") == 31 for entry in of_type(records, "summary"))


def test_a_second_export_writes_nothing(tracker):
    result = Result()
    first = export_run(result, CURVES, CONTEXT, tracker)
    before = _tree(tracker.folder / "wandb")
    assert export_run(result, CURVES, CONTEXT, tracker) is None
    assert _tree(tracker.folder / "wandb") == before
    assert [path.name for path in (tracker.folder / "wandb").iterdir()] == [first.name]
    assert sorted(path.name for path in first.iterdir()) == ["files", f"run-{result.key}.wandb"]


def test_the_service_of_the_program_that_started_this_one_is_left_alone(tracker, tmp_path):
    """It has written a run of this id, and would write no second one."""
    result = Result()
    export_run(result, CURVES, CONTEXT, tracker)
    assert "WANDB_SERVICE" in os.environ  # which the other process inherits
    process = start_slow_export(tmp_path / "elsewhere", result.key, pause_s=0)
    process.communicate()
    assert process.returncode == 0
    assert len(list((tmp_path / "elsewhere" / "wandb").glob(f"*/run-{result.key}.wandb"))) == 1


HALF_WAY = """
import sys, time, numpy, requests
from test_run_export import CONTEXT, CURVES, Result
from sgdlab.config.execution import WandbTracker
from sgdlab.tracking.run_export import export_run

requests.Session.request = lambda *_, **__: print("network", flush=True)  # W&B's telemetry, as it exits

class Slow(numpy.ndarray):
    def __iter__(self):
        yield 10
        print("half", flush=True)
        time.sleep(float(sys.argv[3]))
        yield from (20, 30, 40)

curves = CURVES | {"updates": CURVES["updates"].view(Slow)}
export_run(Result(key=sys.argv[2]), curves, CONTEXT, WandbTracker(folder=sys.argv[1]))
"""


def start_slow_export(folder: Path, key: str, pause_s: float) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(Path(__file__).parent)])}
    command = [sys.executable, "-c", HALF_WAY, str(folder), key, str(pause_s)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def test_a_killed_export_leaves_nothing_that_counts(tracker):
    result = Result()
    process = start_slow_export(tracker.folder, result.key, pause_s=60)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()

    assert list((tracker.folder / "wandb").iterdir()) == []
    assert (tracker.folder / ".wandb-staging" / result.key).exists()
    folder = export_run(result, CURVES, CONTEXT, tracker)
    assert [path.name for path in (tracker.folder / "wandb").iterdir()] == [folder.name]
    assert len(of_type(leet(folder), "history")) == 4
    assert list((tracker.folder / ".wandb-staging").iterdir()) == []


def test_two_processes_at_once_write_one_run_and_ask_nothing_of_the_network(tracker):
    key = new_key()
    processes = [start_slow_export(tracker.folder, key, pause_s=0.2) for _ in range(2)]
    outputs = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(outputs) == ["", "half\n"]
    assert len(list((tracker.folder / "wandb").iterdir())) == 1


def test_many_runs_are_fast(tracker):
    export_run(Result(), CURVES, CONTEXT, tracker)  # starts W&B's service
    started = time.perf_counter()
    for _ in range(5):
        export_run(Result(), CURVES, CONTEXT, tracker)
    assert (time.perf_counter() - started) / 5 < 0.5  # about 20 ms on an idle core


def _tree(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_a_refusal_of_wandb_is_one_clear_message(tracker, monkeypatch):
    import wandb

    def refuse(**_):
        raise wandb.errors.UsageError("No API key configured.")

    result = Result()
    with monkeypatch.context() as patch:
        patch.setattr(wandb, "init", refuse)
        with pytest.raises(UserError, match=rf"run {result.key} .* \(offline\): No API key configured"):
            export_run(result, CURVES, CONTEXT, tracker)
    assert export_run(result, CURVES, CONTEXT, tracker) is not None


def lose_logs(monkeypatch, times):
    """Make W&B's log vanish so many times, as it did on a busy machine: the folder is there, and empty."""
    open_run, lost = run_export.open_run, []

    @contextmanager
    def open_and_lose(identity, config, tracker, workplace):
        with open_run(identity, config, tracker, workplace) as run:
            yield run
        if len(lost) < times:
            (log,) = (workplace / "wandb").glob("*/*.wandb")
            log.unlink()
            lost.append(log)

    monkeypatch.setattr(run_export, "open_run", open_and_lose)
    return lost


def test_a_log_that_wandb_lost_is_written_again(tracker, monkeypatch):
    lost = lose_logs(monkeypatch, times=1)
    result = Result()
    folder = export_run(result, CURVES, CONTEXT, tracker)
    assert len(lost) == 1
    (log,) = folder.glob("*.wandb")
    assert any("history" in record for record in leet(log))
    assert export_run(result, CURVES, CONTEXT, tracker) is None


def test_a_log_that_wandb_never_writes_is_one_clear_message_and_no_export(tracker, monkeypatch):
    lose_logs(monkeypatch, times=99)
    with pytest.raises(UserError, match="it wrote no log of it, 3 times; `sgdlab run` tries again"):
        export_run(Result(), CURVES, CONTEXT, tracker)
    assert list((tracker.folder / "wandb").iterdir()) == []
