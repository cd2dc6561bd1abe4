"""`sgdlab run` leaves offline runs and a summary, `sgdlab sync` uploads, `sgdlab workspace` shows them."""

import json
import re
import shutil
from dataclasses import replace

import pytest

from sgdlab.tracking.summary_export import summary_id
from wandb_stand_in import StandIn

TRACKED = ("launcher.num_workers=1", "launcher.device=cpu", "tracker.project=the-project")
SUMMARY = summary_id("tiny", "laptop")


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in
        assert stand_in.unknown == []


@pytest.fixture
def desk(trained, server):
    """A folder with the tiny sweep, trained and exported, and a server."""
    own = {"NETRC": str(trained.folder / "netrc"), "WANDB_CONFIG_DIR": str(trained.folder / "wandb-config")}
    trained = replace(trained, environment=server.environment | own)
    finished = trained.sgdlab("run", "tiny", *TRACKED)
    assert finished.returncode == 0, finished.stderr
    return trained


def folders(desk):
    return sorted((desk.folder / "outputs" / "wandb").glob("offline-run-*"))


def test_from_a_trained_sweep_to_the_server_and_a_workspace(desk, server):
    assert len(folders(desk)) == 13
    again = desk.sgdlab("run", "tiny", *TRACKED)
    assert again.returncode == 0, again.stderr
    assert len(folders(desk)) == 13

    listed = json.loads(desk.sgdlab("sync", "--dry-run", "--json").stdout)
    keys = {*desk.results(), SUMMARY}
    assert {one["run"] for one in listed["waiting"]} == keys
    assert server.requests.total() == 0

    finished = desk.sgdlab("sync", "tiny", "--parallel", "4")
    assert (finished.returncode, finished.stdout) == (0, "13 runs uploaded, 0 before\n"), finished.stderr
    assert set(server.runs) == keys
    assert {run.job_type for run in server.runs.values()} == {"rate", "strength", "summary"}
    assert {run.group for run in server.runs.values()} == {"tiny"}
    points = {run.config["sweep"]["point"] for run in server.runs.values() if run.job_type == "rate"}
    assert points == {f"main/rate lr=2**{exponent}" for exponent in (-5, -4, -3)}

    assert json.loads(desk.sgdlab("sync", "tiny", "--json").stdout)["num_uploaded_before"] == 13
    made = desk.sgdlab("workspace", "tiny", "tracker.project=the-project")
    assert made.returncode == 0, made.stderr
    place = f"{re.escape(server.url)}/tester/the-project"
    assert re.search(rf"workspace {place}\?nw=\w+\n +report +{place}/reports/", made.stdout)
    assert len(server.views) == 2
    shown = json.loads(desk.sgdlab("workspace", "tiny", "--json").stdout)
    assert shown["tiny @ laptop"]["report"]["name"] == "tiny @ laptop"


def test_a_summary_that_is_missing_is_written_first(desk, server):
    (summary,) = (desk.folder / "outputs" / "wandb").glob("*summary*")
    shutil.rmtree(summary)
    finished = desk.sgdlab("sync", "tiny")
    assert finished.stdout == "13 runs uploaded, 0 before\n", finished.stderr
    assert SUMMARY in server.runs


def test_what_the_server_refuses_is_named_and_ends_with_1(desk, server):
    first, second, *_ = desk.results()
    server.refused_runs |= {first: "run was deleted", second: "run was deleted"}
    finished = desk.sgdlab("sync", "tiny")
    assert finished.returncode == 1
    assert finished.stdout == "11 runs uploaded, 0 before\n"
    said, message = finished.stderr.splitlines()[-2:]
    assert said.endswith(": run was deleted")
    assert {first[:12], second[:12]} == set(said.partition(":")[0].split(", "))
    assert message == "sgdlab: 2 of 13 runs could not be uploaded; the same command tries them again"


def test_without_a_tracker_there_is_nothing_to_upload(trained):
    finished = trained.sgdlab("sync", "tiny", "tracker=none")
    assert finished.returncode == 2
    assert "tracker=none keeps no runs" in finished.stderr
    finished = trained.sgdlab("workspace", "tiny", "tracker=none")
    assert finished.returncode == 2


def test_where_nothing_was_exported_nobody_is_asked(trained):
    finished = trained.sgdlab("sync", "tiny", WANDB_BASE_URL="http://127.0.0.1:9")
    assert (finished.returncode, finished.stdout) == (0, "0 runs uploaded, 0 before\n"), finished.stderr
