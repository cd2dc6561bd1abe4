"""A sweep as a W&B workspace and as a W&B report: which panels, of which runs.

Both are built of the sweep file alone: they show whatever runs and whichever summary have been uploaded. Runs
are chosen by their ids, because a run that several sweeps share is in the group of only one of them.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sgdlab.sweeps.spec import Sweep
from sgdlab.tracking.summary_export import SUMMARY_JOB, log2_column, summary_id
from sgdlab.tracking.wandb_run import legal_name

if TYPE_CHECKING:
    from wandb_workspaces.reports.v2 import Report
    from wandb_workspaces.workspaces import Workspace

_MOST_IDS = 2000  # in a filter; a larger sweep is chosen by its group
_MOST_LINES = 100
_WIDTH = 24  # of a report's grid


@dataclass(frozen=True)
class Shown:
    """What a workspace shows, and where it belongs."""

    sweep: Sweep
    keys: Collection[str]  # ids of its runs
    project: str
    entity: str


def workspace_of(shown: Shown) -> Workspace:
    """Build the workspace: the summary's figure and claims, optima, hyperparameters, training curves."""
    import wandb_workspaces.workspaces as ws

    return ws.Workspace(
        entity=shown.entity,
        project=shown.project,
        name=_title(shown.sweep),
        sections=[
            ws.Section(name=name, panels=list(panels), is_open=True)
            for name, panels in _sections(shown.sweep)
        ],
        settings=ws.WorkspaceSettings(x_axis="updates", max_runs=_MOST_LINES),
        runset_settings=ws.RunsetSettings(filters=_all_runs(shown)),
    )


def report_of(shown: Shown) -> Report:
    """Build the report: the same panels below the sweep's title and notes, runs and summary apart."""
    return _report(shown, {"entity": shown.entity, "project": shown.project})


def specifications(shown: Shown) -> dict[str, Any]:
    """Return what would be sent to W&B, as JSON has it: the workspace's view, and the report's.

    But for one thing: the server knows a project by a number, which only it can say.
    """
    workspace = workspace_of(shown)._to_model()  # as `save` does; there is no public way to see it
    report = _report(shown, {})._to_model()
    return {
        "workspace": {
            "entity": workspace.entity,
            "project": workspace.project,
            "name": workspace.display_name,
            "spec": json.loads(workspace.spec.model_dump_json(by_alias=True, exclude_none=True)),
        },
        "report": {
            "entity": report.project.entity_name,
            "project": report.project.name,
            "name": report.display_name,
            "spec": json.loads(report.spec.model_dump_json(by_alias=True, exclude_none=True)),
        },
    }


_SUMMARY_SECTION = "Figure and claims"


def _title(sweep: Sweep) -> str:
    return legal_name(f"{sweep.name} @ {sweep.scale}")


def _report(shown: Shown, place: Mapping[str, str]) -> Report:
    """Build the report; `place` says where its runs are, of which W&B asks the server."""
    import wandb_workspaces.expr as expr
    import wandb_workspaces.reports.v2 as wr

    chosen, job = _all_runs(shown), expr.Metric("JobType")
    runs = wr.Runset(name="runs", filters=[*chosen, job != SUMMARY_JOB], **place)
    summary = wr.Runset(name=SUMMARY_JOB, filters=[*chosen, job == SUMMARY_JOB], **place)
    blocks: list[Any] = [wr.P(shown.sweep.title)]
    blocks += [wr.UnorderedList(items=list(shown.sweep.notes))] if shown.sweep.notes else []
    for name, panels in _sections(shown.sweep):
        runset = summary if name == _SUMMARY_SECTION else runs
        blocks += [wr.H2(name), wr.PanelGrid(runsets=[runset], panels=_laid_out(panels))]
    return wr.Report(
        project=shown.project,
        entity=shown.entity,
        title=_title(shown.sweep),
        description=shown.sweep.title,
        blocks=blocks,
        width="fluid",
    )


def _all_runs(shown: Shown) -> list[Any]:
    """Choose the sweep's runs and its summary."""
    import wandb_workspaces.expr as expr

    if len(shown.keys) > _MOST_IDS:
        return [
            expr.Metric("Group") == legal_name(shown.sweep.name),
            expr.Config("sweep.scale") == shown.sweep.scale,
        ]
    ids = dict.fromkeys([*shown.keys, summary_id(shown.sweep.name, shown.sweep.scale)])
    return [expr.Metric("ID").isin(list(ids))]


def _sections(sweep: Sweep) -> Iterator[tuple[str, list[Any]]]:
    yield _SUMMARY_SECTION, [*_summary_panels(), *_line_charts(sweep)]
    yield "Runs", list(_scatter_plots(sweep))
    yield "Hyperparameters", [_parallel_coordinates(sweep)]
    yield "Training, mean over seeds", list(_training_curves(sweep))


def _summary_panels() -> list[Any]:
    import wandb_workspaces.reports.v2 as wr

    return [
        wr.MediaBrowser(title="figure", media_keys=["figure"], num_columns=1),
        wr.WeavePanelSummaryTable(table_name="claims"),
        wr.WeavePanelSummaryTable(table_name="results"),
    ]


def _scatter_plots(sweep: Sweep) -> Iterator[Any]:
    """Yield, for each swept number, every run's ranking metric against its log2, and the best so far."""
    import wandb_workspaces.reports.v2 as wr

    for axis in _numeric_axes(sweep):
        yield wr.ScatterPlot(
            title=f"{_metric(sweep)} against {log2_column(axis)}",
            x=_log2(axis),
            y=wr.SummaryMetric(_metric(sweep)),
            running_ymax=True,
            legend_template="${run:displayName}",
        )


def _line_charts(sweep: Sweep) -> Iterator[Any]:
    """Yield, for each swept number, the mean of the best k of n against its log2.

    A line for each value of another one: the best test accuracy against log2 ε, by B.
    """
    import wandb_workspaces.reports.v2 as wr

    axes = _numeric_axes(sweep)
    for axis in axes:
        beside = _beside([other for other in axes if other != axis])
        yield wr.CustomChart(
            query={"summaryTable": {"tableKey": "results"}},
            chart_name="wandb/line/v0",
            chart_fields={"x": log2_column(axis), "y": "best_mean", "stroke": beside},
            chart_strings={"title": f"{_protocol(sweep)} against {log2_column(axis)}, by {beside}"},
        )


def _parallel_coordinates(sweep: Sweep) -> Any:
    import wandb_workspaces.reports.v2 as wr

    numeric = _numeric_axes(sweep)
    columns = [
        wr.ParallelCoordinatesPlotColumn(
            metric=_log2(axis) if axis in numeric else wr.Config(axis),
            display_name=log2_column(axis) if axis in numeric else axis,
        )
        for axis in _axes(sweep)
    ]
    best = wr.ParallelCoordinatesPlotColumn(metric=wr.SummaryMetric(_metric(sweep)))
    return wr.ParallelCoordinatesPlot(title="hyperparameters", columns=[*columns, best])


def _training_curves(sweep: Sweep) -> Iterator[Any]:
    """Yield curves over updates, one a point: the mean over its seeds, within one standard error."""
    import wandb_workspaces.reports.v2 as wr

    ranked = sweep.protocol.rank_by.rpartition(".")[0]
    for name in dict.fromkeys([ranked, "train_loss"]):
        yield wr.LinePlot(
            title=f"{name} over updates",
            x="updates",
            y=[name],
            title_x="updates",
            groupby=wr.Config("sweep.point"),
            groupby_aggfunc="mean",
            groupby_rangefunc="stderr",
            max_runs_to_show=_MOST_LINES,
        )


def _laid_out(panels: list[Any]) -> list[Any]:
    """Place panels two in a row; one alone takes the row."""
    import wandb_workspaces.reports.v2 as wr

    width = _WIDTH if len(panels) == 1 else _WIDTH // 2
    for index, panel in enumerate(panels):
        panel.layout = wr.Layout(x=index % 2 * width, y=index // 2 * 8, w=width, h=8)
    return panels


def _metric(sweep: Sweep) -> str:
    """Return the ranking metric under its W&B name."""
    return sweep.protocol.rank_by.replace(".", "/")


def _axes(sweep: Sweep) -> list[str]:
    """Return what is swept, in the order of the file; seeds are no axis."""
    grids = [grid for panel in sweep.panels.values() for grid in panel.grids.values()]
    return list(dict.fromkeys(axis for grid in grids for axis in grid.axes))


def _numeric_axes(sweep: Sweep) -> list[str]:
    """Return the axes of which W&B has the log2: those with positive numbers."""
    points = [
        point for panel in sweep.panels.values() for grid in panel.grids.values() for point in grid.points()
    ]
    numeric = {
        axis
        for point in points
        for axis, value in point.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    }
    return [axis for axis in _axes(sweep) if axis in numeric]


def _beside(axes: list[str]) -> str:
    """Choose what tells lines apart: the batch size where it is swept, and the grid where nothing else is."""
    return "optimizer.batch_size" if "optimizer.batch_size" in axes else [*axes, "grid"][0]


def _protocol(sweep: Sweep) -> str:
    return f"{_metric(sweep)}, best {sweep.protocol.keep} of {sweep.protocol.num_seeds}"


def _log2(axis: str) -> Any:
    import wandb_workspaces.reports.v2 as wr

    return wr.Config(f"log2.{axis}")
