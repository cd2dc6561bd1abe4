"""Runs go to a loopback stand-in through W&B's own `wandb sync`; it says what it was told."""

import os
import signal
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from sgdlab.config.execution import WandbTracker
from sgdlab.errors import UserError
from sgdlab.tracking import upload as upload_module
from sgdlab.tracking.contexts import SweepContext
from sgdlab.tracking.run_export import export_run
from sgdlab.tracking.upload import Destination, Progress, offline_runs, upload

HISTORY = np.array([0.25, 0.75, 0.5])
OWN = Destination()


@dataclass(frozen=True)
class Result:
    key: str = field(default_factory=lambda: uuid.uuid4().hex)  # one process of W&B writes an id once
    state: str = "done"
    config: dict = field(default_factory=lambda: {"seed": 3, "optimizer": {"kind": "sgd", "lr": 2.0**-6}})
    summary: dict = field(default_factory=lambda: {"test_accuracy.best": 0.75})
    num_updates: int = 30
    diverged_at: int | None = None
    provenance: dict = field(default_factory=dict)


@pytest.fixture
def tracker(tmp_path):
    return WandbTracker(folder=tmp_path / "outputs", project="the-project")


def export(tracker, num_runs):
    """Export so many runs; return their ids."""
    context = SweepContext("smith2021/fig1b", "sgd", "smith2021", "fig1b", "laptop", "lr=2**-6 seed=3")
    curves = {"updates": np.array([10, 20, 30]), "test_accuracy": HISTORY}
    results = [Result() for _ in range(num_runs)]
    for result in results:
        export_run(result, curves, context, tracker)
    return [result.key for result in results]


def upload_all(tracker, destination=OWN):
    return upload(offline_runs(tracker), tracker, destination, 4, str)


def log_of(tracker, key) -> Path:
    (log,) = (tracker.folder / "wandb").glob(f"*-{key}/*.wandb")
    return log


def waiting(tracker):
    return {run.id for run in offline_runs(tracker) if not run.is_uploaded}


def test_every_run_arrives_once_and_whole_and_a_second_upload_asks_nobody(tracker, server):
    keys = export(tracker, 3)
    assert waiting(tracker) == set(keys)
    progress = upload_all(tracker)
    assert (progress.num_uploaded, progress.failed) == (3, {})
    assert waiting(tracker) == set()
    assert set(server.runs) == set(keys)
    for run in server.runs.values():
        assert (run.project, run.group, run.job_type) == ("the-project", "smith2021/fig1b", "sgd")
        assert (run.name, run.tags) == ("lr=2**-6 seed=3", ["smith2021", "fig1b", "laptop"])
        assert run.config["optimizer"] == {"kind": "sgd", "lr": 2.0**-6}
        assert run.config["log2"] == {"optimizer": {"lr": -6}}
        assert [run.history[line]["test_accuracy"] for line in range(3)] == list(HISTORY)
        assert len(run.history) == 3
        assert run.summary["test_accuracy/best"] == 0.75
        assert run.summary["state"] == "done"
        assert run.is_complete
        assert run.num_streams_begun == 1
    asked = server.requests.total()
    assert upload_all(tracker).num_runs == 0
    assert server.requests.total() == asked


def test_runs_go_where_they_are_sent(tracker, server):
    (key,) = export(tracker, 1)
    upload_all(tracker, Destination(project="another", entity="a-team"))
    assert (server.runs[key].project, server.runs[key].entity) == ("another", "a-team")


def test_bad_runs_stop_no_others_and_the_same_command_tries_them_again(tracker, server):
    empty, cut, broken, refused, *good = export(tracker, 5)
    whole = {key: log_of(tracker, key).read_bytes() for key in (empty, cut)}
    log_of(tracker, empty).write_bytes(b"")
    log_of(tracker, cut).write_bytes(whole[cut][:1500])
    server.broken_streams.add(broken)
    server.refused_runs[refused] = "run was previously created and deleted"

    progress = upload_all(tracker)
    assert set(progress.failed) == {empty, cut, broken, refused}
    assert "bad header" in progress.failed[empty]
    assert "incomplete record" in progress.failed[cut]
    assert "Fatal error while uploading" in progress.failed[broken]
    assert "previously created and deleted" in progress.failed[refused]
    assert waiting(tracker) == {empty, cut, broken, refused}
    assert all(server.runs[key].is_complete for key in good)

    for key, content in whole.items():
        log_of(tracker, key).write_bytes(content)
    server.broken_streams.clear()
    server.refused_runs.clear()
    progress = upload_all(tracker)
    assert (progress.num_uploaded, progress.failed, waiting(tracker)) == (4, {}, set())
    assert all(server.runs[key].num_streams_begun == 1 for key in good)
    assert [len(run.history) for run in server.runs.values()] == [3] * 5


def test_a_log_that_is_gone_is_named(tracker, server):
    gone, good = export(tracker, 2)
    log_of(tracker, gone).unlink()
    progress = upload_all(tracker)
    assert progress.failed == {gone: "its log is gone; delete its folder, and `sgdlab run` writes it again"}
    assert server.runs[good].is_complete


def test_where_the_server_refuses_everything_one_message_says_so(tracker, server, monkeypatch):
    monkeypatch.setattr(upload_module, "_BATCH", 2)
    monkeypatch.setattr(upload_module, "_HOPELESS", 2)
    keys = export(tracker, 4)
    server.refused_runs["*"] = "entity nobody not found"
    with pytest.raises(UserError, match="refused the first 2 runs: entity nobody not found"):
        upload_all(tracker)
    assert waiting(tracker) == set(keys)


def test_a_mark_left_by_a_killed_command_is_not_believed_where_wandb_said_that_it_failed(tracker, server):
    (key,) = export(tracker, 1)
    log = log_of(tracker, key)
    log.with_name(f"{log.name}.synced").touch()
    said = tracker.folder / ".wandb-staging" / "upload.log"
    said.write_text(f"wandb: ERROR [the-project/{key}] Fatal error while uploading data.\n")
    assert upload_all(tracker).num_uploaded == 1
    assert server.runs[key].is_complete


UPLOAD = """
import sys
from sgdlab.config.execution import WandbTracker
from sgdlab.tracking import upload as module
module._BATCH = 2
tracker = WandbTracker(folder=sys.argv[1])
module.upload(module.offline_runs(tracker), tracker, module.Destination(), 1, lambda progress: None)
"""


def start_upload(tracker):
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", UPLOAD, str(tracker.folder)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)


def wait_until(happened, limit_s=120):
    end = time.monotonic() + limit_s
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_upload_goes_on_and_two_at_once_are_one(tracker, server):
    keys = export(tracker, 6)
    server.delay_s = 0.2
    process = start_upload(tracker)
    wait_until(lambda: 0 < len(waiting(tracker)) < 6)
    with pytest.raises(UserError, match=r"another `sgdlab sync` uploads what lies in .*nothing was done"):
        upload_all(tracker)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = waiting(tracker)
    assert left
    server.delay_s = 0.0
    uploaded_before = set(keys) - left
    wait_until(lambda: _is_free(tracker))  # W&B's process ends with the one that was killed
    progress = upload_all(tracker)
    assert progress.failed == {}
    assert waiting(tracker) == set()
    assert set(server.runs) == set(keys)
    assert all(run.is_complete and len(run.history) == 3 for run in server.runs.values())
    assert all(server.runs[key].num_streams_begun == 1 for key in uploaded_before)


def _is_free(tracker):
    try:
        with upload_module._alone(tracker):
            return True
    except UserError:
        return False


def test_a_server_that_vanishes_is_noticed(tracker, server, monkeypatch):
    export(tracker, 1)
    monkeypatch.setattr(upload_module, "_STALLED_S", 0.5)
    server.delay_s = 3.0
    asked = []

    def vanish():
        asked.append(len(asked))
        if len(asked) > 1:
            raise UserError("out of reach")

    monkeypatch.setattr(upload_module, "ask_server", vanish)
    with pytest.raises(UserError, match="out of reach"):
        upload_all(tracker)
    assert _is_free(tracker)


def test_what_does_not_move_is_given_up(tracker, server, monkeypatch):
    (key,) = export(tracker, 1)
    monkeypatch.setattr(upload_module, "_GIVEN_UP_S", 1.0)
    monkeypatch.setattr(upload_module, "ask_server", lambda: "there")
    server.delay_s = 60.0
    assert "got no further" in upload_all(tracker).failed[key]


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"WANDB_API_KEY": ""}, "not logged in at http://127.0.0.1:.*`wandb login`, or set WANDB_API_KEY"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, "server http://127.0.0.1:9 is out of reach"),
        ({"WANDB_API_KEY": "short"}, "does not accept the API key"),
    ],
)
def test_without_a_server_or_a_key_one_message_says_so(tracker, server, monkeypatch, environment, message):
    (key,) = export(tracker, 1)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=message):
        upload_all(tracker)
    assert waiting(tracker) == {key}


def test_a_wrong_key_is_named(tracker, server):
    export(tracker, 1)
    server.refused_keys = True
    with pytest.raises(UserError, match=r"does not accept the API key: .*invalid API key"):
        upload_all(tracker)


def test_the_time_left_is_what_the_pace_says():
    assert Progress(10).seconds_left is None
    assert Progress(10, num_uploaded=3, failed={"a": "why"}, elapsed_s=8.0).seconds_left == 12.0
