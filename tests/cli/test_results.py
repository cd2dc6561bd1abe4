"""What `results`, `figure` and `report` print and write of trained runs."""

import csv
import html
import io
import json
import re

import numpy as np
import pytest
import yaml


def test_results_are_a_table_for_each_curve_in_80_columns(trained):
    finished = trained.sgdlab("results", "tiny")
    assert finished.returncode == 0
    assert finished.stderr == ""
    lines = finished.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    start = lines.index("main/rate: plain SGD · test_accuracy.best")
    columns = "lr best 2 of 3 all 3 [95 %] honest epoch done"
    assert lines[start + 1].split() == columns.split()
    rows = [line.split() for line in lines[start + 2 : start + 5]]
    assert [row[0] for row in rows] == ["2**-5", "2**-4", "2**-3"]
    assert [row[-1] for row in rows] == ["3", "3", "3"]
    assert sum("*" in row for row in rows) >= 1
    assert "main/strength: penalised · test_accuracy.best" in lines

    best = _accuracies(trained, 2**-5)[1:]  # by hand, from the run folders
    decimals = len(rows[0][1].partition(".")[2])
    assert rows[0][1:4] == [f"{np.mean(best):.{decimals}f}", "±", f"{np.std(best, ddof=1):.{decimals}f}"]


def test_json_and_csv_hold_the_same_numbers(trained):
    (content,) = json.loads(trained.sgdlab("results", "tiny", "--json").stdout)
    assert content["sweep"] == "tiny @ laptop"
    assert content["claims"][0]["verdict"] in ("supported", "not supported", "inconclusive")
    point = content["points"][0]
    assert (point["optimizer.lr"], point["num_done"]) == (2**-5, 3)
    assert point["best_mean"] == pytest.approx(np.mean(_accuracies(trained, 2**-5)[1:]))
    rows = list(csv.DictReader(io.StringIO(trained.sgdlab("results", "tiny", "--csv").stdout)))
    assert len(rows) == len(content["points"]) == 5
    assert [float(row["best_mean"]) for row in rows] == [point["best_mean"] for point in content["points"]]


def test_a_sweep_without_runs_says_what_would_train_them(terminal):
    finished = terminal.sgdlab("results", "tiny")
    assert finished.returncode == 0
    assert "INCONCLUSIVE  A larger learning rate helps." in finished.stdout
    assert finished.stdout.endswith("12 runs missing: `sgdlab run` trains them\n")


def test_figure_and_report_write_files(trained):
    figure = trained.sgdlab("figure", "tiny")
    assert figure.returncode == 0
    for suffix in ("png", "pdf", "svg"):
        assert f"outputs/figures/tiny-laptop.{suffix}" in figure.stdout
        assert (trained.folder / f"outputs/figures/tiny-laptop.{suffix}").stat().st_size > 1000
    report = trained.sgdlab("report", "tiny")
    assert (report.returncode, report.stdout) == (0, "report: outputs/report.html\n")
    assert "A larger learning rate helps." in (trained.folder / "outputs/report.html").read_text()
    assert trained.sgdlab("report", "tiny", "--out", "outputs/results.md").returncode == 0
    assert "A larger learning rate helps." in (trained.folder / "outputs/results.md").read_text()
    assert "At the papers' own scale" not in (trained.folder / "outputs/results.md").read_text()
    refused = trained.sgdlab("report", "tiny", "--out", "outputs/results.txt")
    assert refused.returncode == 2
    assert "--out=outputs/results.txt: a report is an .html page or an .md page" in refused.stderr


def test_a_markdown_report_tells_what_the_papers_scale_takes(trained):
    path = trained.folder / "sweeps" / "tiny.yaml"
    content = yaml.safe_load(path.read_text())
    content["scales"]["paper"] = {"protocol": {"num_seeds": 5}, "base": {"budget.num_updates": 1000}}
    path.write_text(yaml.safe_dump(content))
    written = trained.sgdlab("report", "tiny", "--out", "outputs/results.md", "launcher.device=cpu")
    assert written.returncode == 0, written.stderr
    text = (trained.folder / "outputs/results.md").read_text()
    # three rates and two strengths, of which λ = 0 is plain SGD at the first rate
    # what an update takes is known from the finished runs
    assert re.search(r"^\| tiny \| 20 \| 20,000 \| [\d.e-]+ core-hours \|$", text, re.MULTILINE)
    assert re.search(r"^\| \*\*together\*\* \| 20 \| 20,000 \| [\d.e-]+ core-hours \|$", text, re.MULTILINE)
    assert "| [tiny](#tiny) | laptop | 12 |" in text


EDGE = {
    "grids": {
        "gd": {
            "label": "GD",
            "fixed": {"landscape.quantities": ["sharpness"]},
            "axes": {"optimizer.lr": [0.25]},
        }
    },
    "drawing": {
        "kind": "phase",
        "x": "relative_sharpness.curve",
        "x_label": "‖H‖ · η/2",
        "y_label": "‖H‖_{S} · η/2",
        "lines": [{"slope": 1}, {"y": 1, "label": "edge of stability"}],
        "curves": [{"grid": "gd", "metric": "relative_gradient_sharpness.curve"}],
    },
    "claims": [
        {
            "kind": "level",
            "says": "The gradient's cosine with the top eigenvector is one.",
            "grid": "gd",
            "metric": "alignment.curve",
            "during": {"part": [0.25, 1]},
            "expect": {"within": [-1, 2]},
        }
    ],
}


def test_the_landscape_of_trained_runs_is_judged_and_drawn(terminal):
    sweeps = terminal.folder / "sweeps"
    tiny = yaml.safe_load((sweeps / "tiny.yaml").read_text())
    sweep = {**tiny, **EDGE, "base": {**tiny["base"], "landscape": "measured"}}
    (sweeps / "edge.yaml").write_text(yaml.safe_dump(sweep))
    assert terminal.run("edge").returncode == 0
    (content,) = json.loads(terminal.sgdlab("results", "edge", "--json").stdout)
    (claim,) = content["claims"]
    assert (claim["verdict"], claim["num_seeds"]) == ("supported", 3)
    cosines = []
    for path in terminal.store.runs.glob("*/*/result.json"):
        curves = terminal.store.read_curves(json.loads(path.read_bytes())["key"])
        cosines.append(curves["alignment"][curves["updates"] >= 16].mean())
    assert claim["estimate"] == pytest.approx(np.mean(cosines))
    figure = terminal.sgdlab("figure", "edge")
    assert "outputs/figures/edge-laptop.png" in figure.stdout
    assert "SUPPORTED" in figure.stdout
    assert terminal.sgdlab("report", "edge").returncode == 0
    page = (terminal.folder / "outputs/report.html").read_text()
    assert "edge of stability" in page
    assert "one standard deviation." not in page.partition("<h3>Claims")[0]  # a point is no mean


def test_finite_differences_with_relu_are_cautioned_against_from_plan_to_report(terminal, words):
    grids = {"strength": {"label": "penalised", "axes": {"regularizer.strength": [0.5]}}}
    estimator = {"regularizer__estimator": "forward_difference", "regularizer__difference_radius": 1.0}
    terminal.write_sweep("kinks", grids, regularizer="gradient_norm", **estimator)
    planned = terminal.sgdlab("plan", "kinks").stdout.splitlines()
    assert planned[-1] == "caution     3 runs: finite differences with ReLU are unreliable (docs/penalty.md)"
    assert json.loads(terminal.sgdlab("plan", "kinks", "--json").stdout)["num_doubtful_penalties"] == 3

    said = terminal.run("kinks").stdout.splitlines()[-3:]
    assert said[0].startswith("Penalty by finite differences in 3 runs: relative error of H·g")
    assert said[0].endswith("; above 0.1 in 3.")  # so long a step crosses kinks whatever the batch
    assert said[2].startswith("3 runs take finite differences with ReLU: unreliable")
    assert json.loads(terminal.run("kinks", "--json").stdout)["cautions"] == said
    assert terminal.sgdlab("results", "kinks").stdout.splitlines()[-3:] == said
    (content,) = json.loads(terminal.sgdlab("results", "kinks", "--json").stdout)
    assert content["cautions"] == said
    terminal.sgdlab("figure", "kinks")
    drawn = (terminal.folder / "outputs/figures/kinks-laptop.svg").read_text()
    assert "finite differences with ReLU" in drawn
    terminal.sgdlab("report", "kinks")
    report = words(html.unescape((terminal.folder / "outputs/report.html").read_text()))
    assert all(line in report for line in said)


def _accuracies(terminal, lr):
    """The best test accuracies of the plain runs at a learning rate, in ascending order."""
    results = [terminal.store.read_result(key) for key in terminal.results()]
    at_point = [
        result
        for result in results
        if result.config["optimizer"]["lr"] == lr and result.config["regularizer"]["kind"] == "none"
    ]
    return sorted(result.summary["test_accuracy.best"] for result in at_point)


def test_optima_over_tuned_axes_are_a_table_with_flags(trained):
    """Whichever rate is best: its row says what the rows of the points say."""
    rate = {"label": "plain SGD", "axes": {"optimizer.inner_steps": [1], "optimizer.lr": "pow2(-5, -3)"}}
    content = yaml.safe_load((trained.folder / "sweeps/tiny.yaml").read_text())
    drawn = {"grid": "rate", "metric": "test_accuracy.best", "optimum": "optimizer.lr / (1 - 0.9)"}
    content |= {"grids": {"rate": rate}, "claims": []}
    content["drawing"] |= {"kind": "optima", "x": "optimizer.inner_steps", "tuned": ["optimizer.lr"]}
    content["drawing"]["curves"] = [drawn]
    (trained.folder / "sweeps/tuned.yaml").write_text(yaml.safe_dump(content))

    lines = trained.sgdlab("results", "tuned").stdout.splitlines()
    start = lines.index("main/rate: plain SGD · optima of test_accuracy.best")
    assert lines[start + 1].split() == ["inner_steps", "value", "lr", *drawn["optimum"].split(), "flags"]
    assert lines[start + 2].split()[0] == "1"
    (found,) = json.loads(trained.sgdlab("results", "tuned", "--json").stdout)
    (optimum,) = found["optima"]
    best = max(found["points"], key=lambda point: point["best_mean"])
    assert optimum["value_mean"] == best["best_mean"]
    assert optimum["optimum"]["optimizer.lr"]["best"] == best["optimizer.lr"]
    assert optimum["edges"] == best["edges"]
    assert ("edge: " in lines[start + 2]) == bool(optimum["edges"])
