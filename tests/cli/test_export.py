"""Tables for other tools, and the same figure from them; the runs behind a point; all claims."""

import csv
import json

import numpy as np
import polars as pl
import pytest
import yaml

KINDS = ("csv", "parquet", "json")


@pytest.fixture(scope="module")
def exported(trained_once, tmp_path_factory):
    """Return the folder of the tiny sweep, with a figure over training too, exported in each format."""
    import shutil

    from tests.conftest import Terminal

    folder = tmp_path_factory.mktemp("export") / "desk"
    shutil.copytree(trained_once, folder, copy_function=shutil.copy2)
    terminal = Terminal(folder)
    tiny = yaml.safe_load((folder / "sweeps/tiny.yaml").read_text())
    curve = {"grid": "rate", "metric": "test_accuracy.curve"}
    over_time = {
        "kind": "trajectories",
        "x": "updates",
        "x_label": "updates",
        "y_label": "y",
        "curves": [curve],
    }
    (folder / "sweeps/over_time.yaml").write_text(yaml.safe_dump({**tiny, "drawing": over_time}))
    for kind in KINDS:
        finished = terminal.sgdlab("export", "tiny", "over_time", "--format", kind, "--folder", f"out/{kind}")
        assert finished.returncode == 0, finished.stderr
    assert terminal.sgdlab("figure", "tiny", "over_time", "--folder", "of_store").returncode == 0
    return terminal


@pytest.mark.parametrize("kind", KINDS)
def test_a_figure_from_an_export_is_the_same_to_the_byte(exported, kind):
    drawn = exported.sgdlab("figure", "tiny", "over_time", "--from", f"out/{kind}", "--folder", f"of_{kind}")
    assert drawn.returncode == 0, drawn.stderr
    of_store = sorted((exported.folder / "of_store").iterdir())
    assert len(of_store) == 6
    for path in of_store:
        assert path.read_bytes() == (exported.folder / f"of_{kind}" / path.name).read_bytes(), path.name


def test_an_export_is_enough_without_the_store(exported, tmp_path):
    drawn = exported.sgdlab(
        "figure", "tiny", "--from", "out/csv", "--folder", "alone", f"folders.store={tmp_path / 'nothing'}"
    )
    assert drawn.returncode == 0, drawn.stderr
    name = "tiny-laptop.png"
    assert (exported.folder / "alone" / name).read_bytes() == (
        exported.folder / "of_store" / name
    ).read_bytes()


def test_runs_are_rows_with_keys_metrics_and_units(exported):
    folder = exported.folder / "out/csv"
    rows = list(csv.DictReader((folder / "runs.csv").open()))
    assert len(rows) == 30  # of each of two sweeps 15 places, three of them shared by its grids
    assert len({row["key"] for row in rows}) == 12
    row = rows[0]
    stored = exported.store.read_result(row["key"])
    assert float(row["test_accuracy.best"]) == stored.summary["test_accuracy.best"]
    assert (row["sweep"], row["grid"], float(row["optimizer.lr"])) == ("tiny", "rate", 2**-5)
    described = json.loads((folder / "datapackage.json").read_text())
    resources = {resource["name"]: resource for resource in described["resources"]}
    assert {
        name: (folder / resource["path"]).exists() for name, resource in resources.items()
    } == dict.fromkeys(("runs", "curves", "points", "claims"), True)
    fields = {field["name"]: field for field in resources["runs"]["schema"]["fields"]}
    assert list(fields) == list(row)
    assert fields["test_loss.best"] == {"name": "test_loss.best", "type": "number", "unit": "loss"}
    assert fields["seed"] == {"name": "seed", "type": "integer"}


@pytest.mark.parametrize("kind", KINDS)
def test_curves_are_stored_to_the_bit(exported, kind):
    path = exported.folder / f"out/{kind}/curves.{kind}"
    read = {"csv": pl.read_csv, "parquet": pl.read_parquet, "json": pl.read_json}[kind]
    table = read(path)
    key = table["key"][0]
    of_run = table.filter(pl.col("key") == key)
    stored = exported.store.read_curves(key)
    assert np.array_equal(of_run["updates"].to_numpy(), stored["updates"])
    assert np.array_equal(of_run["test_loss"].to_numpy(), stored["test_loss"])


def test_points_and_claims_are_what_results_say(exported):
    folder = exported.folder / "out/json"
    (said,) = json.loads(exported.sgdlab("results", "tiny", "--json").stdout)
    points = [row for row in json.loads((folder / "points.json").read_text()) if row["sweep"] == "tiny"]
    assert [row["best_mean"] for row in points] == [point["best_mean"] for point in said["points"]]
    claims = [row for row in json.loads((folder / "claims.json").read_text()) if row["sweep"] == "tiny"]
    assert [row["verdict"] for row in claims] == [claim["verdict"] for claim in said["claims"]]


def test_a_folder_without_an_export_is_refused(exported):
    refused = exported.sgdlab("figure", "tiny", "--from", "sweeps")
    assert refused.returncode != 0
    assert "sweeps holds no export: runs.csv, .parquet or .json isn't there" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_damaged_export_is_refused(exported, tmp_path):
    (tmp_path / "runs.parquet").write_bytes(b"no table")
    refused = exported.sgdlab("figure", "tiny", "--from", str(tmp_path))
    assert refused.returncode != 0
    assert f"{tmp_path}/runs.parquet can't be read" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_all_claims_are_one_table(exported):
    listed = exported.sgdlab("claims", "tiny", "over_time")
    assert listed.returncode == 0
    assert listed.stdout.count("A larger learning rate helps.") == 2
    assert listed.stdout.splitlines()[-1].startswith("claims: ")
    assert max(map(len, listed.stdout.splitlines())) <= 80
    of_sweeps = json.loads(exported.sgdlab("claims", "tiny", "over_time", "--json").stdout)
    assert [one["sweep"] for one in of_sweeps] == ["tiny @ laptop", "over_time @ laptop"]
    assert of_sweeps[0]["claims"][0]["claim"]["says"] == "A larger learning rate helps."


def test_the_runs_behind_a_point(exported):
    explained = exported.sgdlab("results", "tiny", "--explain", "lr=2**-5, grid=rate")
    assert explained.returncode == 0
    assert "main/rate at optimizer.lr=2**-5 · test_accuracy.best" in explained.stdout
    assert explained.stdout.count("kept: ranks") == 2
    assert "ranks 3 of 3" in explained.stdout
    (of_sweep,) = json.loads(exported.sgdlab("results", "tiny", "--explain", "lr=2**-5", "--json").stdout)
    (point,) = of_sweep["points"]
    values = {run["key"]: run["value"] for run in point["runs"]}
    assert values == {key: exported.store.read_result(key).summary["test_accuracy.best"] for key in values}
    refused = exported.sgdlab("results", "tiny", "--explain", "lr=2**-9")
    assert refused.returncode == 2
    assert "there is grid=rate, optimizer.lr=2**-5 or 2**-4 or 2**-3" in refused.stderr


def test_intervals_over_test_images_contain_those_over_seeds(exported):
    (seeds,) = json.loads(exported.sgdlab("results", "tiny", "--json").stdout)
    (images,) = json.loads(exported.sgdlab("results", "tiny", "--json", "--test-images").stdout)
    for one, other in zip(seeds["points"], images["points"], strict=True):
        assert "unselected_low_over_images" not in one
        assert other["unselected_low_over_images"] < one["unselected_low"]
        assert other["unselected_high_over_images"] > one["unselected_high"]
    table = exported.sgdlab("results", "tiny", "--test-images").stdout
    assert "all 3, images too [95 %]" in table
