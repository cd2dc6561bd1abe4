"""A sweep's summary is read back with W&B's own reader, and held against what analysis says."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sgdlab.analysis.claims import judge
from sgdlab.analysis.collect import observe
from sgdlab.analysis.tables import rows
from sgdlab.config.compose import open_composer
from sgdlab.config.execution import WandbTracker
from sgdlab.sweeps.expand import expand_noting
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.tracking.summary_export import export_summary, state_of, summary_id
from sgdlab.tracking.upload import Destination, offline_runs, upload


@pytest.fixture
def tiny(trained, monkeypatch):
    """The tiny sweep and its runs."""
    monkeypatch.chdir(trained.folder)
    with open_composer() as composer:
        sweep = load_sweep(find_sweep("tiny"), "laptop", composer, {})
        known = SweepKeys(sweep.name)
        list(expand_noting(sweep, composer, known))
    return sweep, observe(sweep, known, trained.store)


@pytest.fixture
def tracker(trained):
    return WandbTracker(folder=trained.folder / "outputs", project="the-project")


def leet(folder):
    command = [Path(sys.executable).parent / "wandb", "leet", "inspect", folder, "--json"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in text.splitlines()]


def summary_in(folder):
    values: dict = {}
    for record in leet(folder):
        values |= record["summary"]["update"] if record["type"] == "summary" else {}
    return values


def table_in(folder, name):
    (path,) = folder.glob(f"files/media/table/{name}_*.table.json")
    table = json.loads(path.read_text())
    return [dict(zip(table["columns"], cells, strict=True)) for cells in table["data"]]


def in_a_process_of_its_own(trained, body):
    """Run Python in the sweep's folder, with a W&B service of its own, as another command has."""
    program = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from sgdlab.analysis.collect import observe
from sgdlab.config.compose import open_composer
from sgdlab.config.execution import WandbTracker
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import expand_noting
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep
from sgdlab.sweeps.remembered import SweepKeys
from sgdlab.tracking import summary_export
with open_composer() as composer:
    sweep = load_sweep(find_sweep("tiny"), "laptop", composer, {{}})
    known = SweepKeys(sweep.name)
    list(expand_noting(sweep, composer, known))
observations = observe(sweep, known, Store(Path("outputs/store")))
tracker = WandbTracker(folder=Path("outputs"), project="the-project")
{body}
"""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=trained.folder,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_the_summary_holds_the_results_the_claims_and_the_figure(tiny, tracker):
    sweep, observations = tiny
    folder = export_summary(sweep, observations, tracker)
    (run,) = [record["run"] for record in leet(folder) if record["type"] == "run"]
    assert run["run_id"] == summary_id("tiny", "laptop")
    assert (run["run_group"], run["job_type"]) == ("tiny", "summary")
    assert run["tags"] == ["own", "tiny", "laptop", "summary"]
    assert run["config"]["update"]["protocol"]["keep"] == 2

    found, drawn = rows(sweep, observations), table_in(folder, "results")
    assert [row["best_mean"] for row in drawn] == [row.summary.best.mean for row in found]
    assert [row["log2 optimizer.lr"] for row in drawn[:3]] == [-5, -4, -3]
    assert [row["num_asked"] for row in drawn] == [3] * len(found)
    (verdict,), (claim,) = judge(sweep, observations), table_in(folder, "claims")
    assert (claim["says"], claim["verdict"]) == (verdict.claim.says, verdict.verdict)
    assert (claim["estimate"], claim["seeds"]) == (verdict.estimate, verdict.num_seeds)

    summary = summary_in(folder)
    assert summary["claims/total"] == 1
    assert summary[f"claims/{verdict.verdict.replace(' ', '_')}"] == 1
    assert (summary["runs/done"], summary["runs/total"]) == (12, 12)
    (picture,) = folder.glob("files/media/images/figure_*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert summary["figure.path"] == str(picture.relative_to(folder / "files"))


def test_the_same_state_is_written_once(tiny, tracker):
    sweep, observations = tiny
    folder = export_summary(sweep, observations, tracker)
    assert export_summary(sweep, observations, tracker) is None
    assert list((tracker.folder / "wandb").glob("*summary*")) == [folder]


def test_what_changes_the_results_changes_the_state(tiny):
    sweep, observations = tiny
    states = {
        state_of(sweep, observations),
        state_of(sweep, observations[:-1]),
        state_of(sweep.model_copy(update={"title": "another"}), observations),
    }
    assert len(states) == 3
    assert state_of(sweep, list(observations)) in states


def test_a_new_state_takes_the_place_of_the_old_one_here_and_on_the_server(tiny, trained, tracker, server):
    sweep, observations = tiny
    first = export_summary(sweep, observations, tracker)
    assert upload(offline_runs(tracker), tracker, Destination(), 2, str).failed == {}
    body = "print(summary_export.export_summary(sweep, observations[:-3], tracker))"
    process = in_a_process_of_its_own(trained, body)
    second = trained.folder / process.communicate()[0].strip()
    assert second.is_dir()
    assert not first.exists() or first == second
    assert [run.folder for run in offline_runs(tracker)] == [second]

    assert upload(offline_runs(tracker), tracker, Destination(), 2, str).num_uploaded == 1
    (run,) = server.runs.values()
    assert run.summary["runs/total"] == 9  # without the three of the last point
    assert len(run.history) == 1
    assert "run-summary" in "".join(server.artifacts)


def test_a_killed_export_leaves_nothing_that_counts(tiny, trained, tracker):
    body = """
import sgdlab.tracking.summary_export as module, time
log = module._log
def slow(*arguments):
    log(*arguments)
    print("half", flush=True)
    time.sleep(60)
module._log = slow
module.export_summary(sweep, observations, tracker)
"""
    process = in_a_process_of_its_own(trained, body)
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert offline_runs(tracker) == []
    sweep, observations = tiny
    folder = export_summary(sweep, observations, tracker)
    assert [run.folder for run in offline_runs(tracker)] == [folder]
    assert list((tracker.folder / ".wandb-staging").iterdir()) == []
