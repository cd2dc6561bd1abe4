"""What would be sent to W&B is read as JSON; what is sent is what the stand-in of its server got."""

import pytest

from sgdlab.config.compose import open_composer
from sgdlab.errors import UserError
from sgdlab.sweeps.files import describe_sweeps, load_sweep
from sgdlab.sweeps.finding import find_sweep
from sgdlab.tracking.summary_export import summary_id
from sgdlab.tracking.workspace import Shown, specifications
from sgdlab.tracking.workspace_saving import default_entity, save


@pytest.fixture
def shown():
    with open_composer() as composer:
        sweep = load_sweep(find_sweep("smith2020/fig1a"), "laptop", composer, {})
    return Shown(sweep, ["one", "two"], "the-project", "")


def panels_of(specification):
    sections = specification["spec"]["section"]["panelBankConfig"]["sections"]
    return {section["name"]: section["panels"] for section in sections}


def filters_of(runset):
    return [(one["key"]["name"], one["op"], one["value"]) for one in runset["filters"]["filters"]]


def test_accuracy_stands_against_log2_of_the_learning_rate_by_batch_size(shown):
    panels = panels_of(specifications(shown)["workspace"])
    charts = [panel["config"] for panel in panels["Figure and claims"] if panel["viewType"] == "Vega2"]
    drawn = {chart["fieldSettings"]["x"]: chart["fieldSettings"] for chart in charts}
    lr = "log2 optimizer.lr"
    assert drawn[lr] == {"x": lr, "y": "best_mean", "stroke": "optimizer.batch_size"}
    assert drawn["log2 optimizer.batch_size"]["stroke"] == "optimizer.lr"
    assert all(chart["panelDefId"] == "wandb/line/v0" for chart in charts)
    scatter = {panel["config"]["xAxis"]: panel["config"] for panel in panels["Runs"]}
    assert list(scatter) == ["config:log2.value.optimizer.batch_size", "config:log2.value.optimizer.lr"]
    assert {one["yAxis"] for one in scatter.values()} == {"summary:test_accuracy/final"}


def test_curves_are_means_over_seeds_and_parallel_axes_are_what_is_swept(shown):
    panels = panels_of(specifications(shown)["workspace"])
    accuracy, loss = (panel["config"] for panel in panels["Training, mean over seeds"])
    assert (accuracy["xAxis"], accuracy["metrics"]) == ("updates", ["test_accuracy"])
    assert loss["metrics"] == ["train_loss"]
    assert (accuracy["groupBy"], accuracy["groupAgg"]) == ("sweep.value.point", "mean")
    assert accuracy["groupArea"] == "stderr"
    (parallel,) = panels["Hyperparameters"]
    assert [column["accessor"] for column in parallel["config"]["columns"]] == [
        "config:log2.value.optimizer.batch_size",
        "config:log2.value.optimizer.lr",
        "summary:test_accuracy/final",
    ]


def test_the_summary_comes_first(shown):
    first, *_ = panels_of(specifications(shown)["workspace"]).values()
    assert first[0]["config"]["mediaKeys"] == ["figure"]
    tables = [panel for panel in first if panel["viewType"] == "Weave"]
    assert ['"claims"' in str(panel).replace("'", '"') for panel in tables] == [True, False]


def test_runs_are_chosen_by_their_ids_and_those_of_a_large_sweep_by_their_group(shown):
    (runset,) = specifications(shown)["workspace"]["spec"]["section"]["runSets"]
    ids = ["one", "two", summary_id("smith2020/fig1a", "laptop")]
    assert filters_of(runset) == [("name", "IN", ids)]
    large = Shown(shown.sweep, [str(number) for number in range(3000)], "the-project", "")
    (runset,) = specifications(large)["workspace"]["spec"]["section"]["runSets"]
    assert filters_of(runset) == [("group", "=", "smith2020/fig1a"), ("sweep.scale", "=", "laptop")]


def test_the_report_keeps_runs_and_summary_apart(shown):
    report = specifications(shown)["report"]
    assert report["name"] == "smith2020/fig1a @ laptop"
    grids = [block["metadata"] for block in report["spec"]["blocks"] if block["type"] == "panel-grid"]
    chosen = [filters_of(grid["runSets"][0])[1] for grid in grids]
    assert chosen == [("jobType", "=", "summary")] + [("jobType", "!=", "summary")] * 3
    places = [tuple(panel["layout"].values()) for panel in grids[0]["panelBankSectionConfig"]["panels"]]
    assert len(set(places)) == len(places)


def test_every_sweep_has_a_specification():
    with open_composer() as composer:
        for one in describe_sweeps():
            sweep = load_sweep(find_sweep(one.name), one.scales[-1], composer, {})
            specification = specifications(Shown(sweep, ["one"], "the-project", ""))
            assert len(panels_of(specification["workspace"])) == 4


def test_both_are_saved_on_the_server(shown, server):
    server.projects.add("the-project")
    assert default_entity() == "tester"
    saved = save(Shown(shown.sweep, shown.keys, "the-project", "tester"))
    workspace, report = server.views
    assert saved.workspace.startswith(f"{server.url}/tester/the-project?nw=")
    assert saved.report.startswith(f"{server.url}/tester/the-project/reports/")
    expected = specifications(Shown(shown.sweep, shown.keys, "the-project", "tester"))
    assert (workspace["type"], report["type"]) == ("project-view", "runs")
    assert panels_of(workspace).keys() == panels_of(expected["workspace"]).keys()
    assert workspace["displayName"] == report["displayName"] == "smith2020/fig1a @ laptop"


def test_without_a_project_nothing_is_saved_and_one_message_says_so(shown, server):
    with pytest.raises(UserError, match=r"no workspace of tester/the-project: .*not found.*`sgdlab sync`"):
        save(Shown(shown.sweep, shown.keys, "the-project", "tester"))
    assert server.views == []


def test_without_an_account_one_message_says_so(shown, server, monkeypatch):
    monkeypatch.setenv("WANDB_API_KEY", "")
    with pytest.raises(UserError, match="not logged in at"):
        save(shown)
    with pytest.raises(UserError, match="not logged in at"):
        default_entity()
