"""What is shown of a point that was chosen: its runs, their curves, and the next points."""

from __future__ import annotations

from collections.abc import Iterator

from dash import dcc, html

from sgdlab.analysis.explain import Explanation, RunBehind
from sgdlab.analysis.labels import label_of_point
from sgdlab.config.numbers import format_number
from sgdlab.dashboard.addresses import run_address, sweep_address
from sgdlab.dashboard.figures import Plot, curves_plot, graph
from sgdlab.dashboard.parts import (
    Child,
    count,
    definitions,
    labelled,
    notice,
    number,
    number_cell,
    state_badge,
    table,
)
from sgdlab.dashboard.point_detail import Neighbour, PointDetail

CLOSE = "close-point"
_DRAWN = ("test_accuracy", "train_loss", "test_loss", "train_accuracy")
_MOST_PLOTS = 2


def point_panel(sweep: str, detail: PointDetail) -> list[Child]:
    """Return the panel; its heading takes the focus."""
    place = detail.place
    return [
        html.Div(
            [
                html.H2(
                    labelled(label_of_point(place.point, list(place.point))), id="point-heading", tabIndex=-1
                ),
                html.Button("Close", id=CLOSE, type="button", className="plain"),
            ],
            className="point-head",
        ),
        html.P(f"panel {place.panel}, grid {place.grid}", className="quiet"),
        *[notice(html.P(text), kind="bad") for text in detail.unreadable],
        *[child for each in detail.explanations for child in _explained(each)],
        html.Div(list(_curves(detail)), className="panels"),
        *_neighbours(sweep, detail),
    ]


def no_such_point() -> list[Child]:
    """Return what is said of a point that the sweep doesn't have."""
    return [notice(html.P("The address names a point that this sweep doesn't have."))]


def curve_plots(curves: dict[str, dict[str, list[float]]]) -> dict[str, Plot]:
    """Return a plot for each usual metric; `curves` are run → metric → values, "updates" among them."""
    plots = {}
    for metric in _DRAWN:
        lines = {
            name: (each["updates"], each[metric])
            for name, each in curves.items()
            if metric in each and len(each[metric]) == len(each.get("updates", ()))
        }
        if lines:
            plots[metric] = curves_plot(lines, metric.replace("_", " "))
    return plots


def _explained(explanation: Explanation) -> Iterator[Child]:
    summary = explanation.summary
    value = number(summary.value) + (f" ± {number(summary.std)}" if summary.std is not None else "")
    yield html.H3([html.Code(summary.metric), f": {value}"])
    if summary.note:
        yield html.P(summary.note)
    if summary.unselected is not None:
        text = f"Over all finite runs {number(summary.unselected.mean)}"
        if summary.unselected_interval is not None:
            low, high = summary.unselected_interval
            text += f", 95 % interval [{number(low)}, {number(high)}]"
        yield html.P(f"{text}.", className="quiet")
    headings = ["Run", "State", "Kept", "Ranked by", summary.metric, "Why"]
    rows = [_run(run) for run in explanation.runs]
    yield table(f"{count(len(rows), 'run')} behind this point, by {summary.metric}", headings, rows)


def _run(run: RunBehind) -> list[Child]:
    name = f"seed {run.seed}"
    return [
        dcc.Link(name, href=run_address(run.key)) if run.key and run.state != "missing" else name,
        state_badge(run.state),
        "kept" if run.kept else "left out",
        number_cell(number(run.rank_value)),
        number_cell(number(run.value)),
        run.why,
    ]


def _curves(detail: PointDetail) -> Iterator[Child]:
    curves = {
        f"seed {seed}": {name: values.tolist() for name, values in each.items() if values.ndim == 1}
        for seed, each in detail.curves.items()
    }
    for metric, plot in list(curve_plots(curves).items())[:_MOST_PLOTS]:
        description = f"{metric} over training, of {count(len(curves), 'run')}"
        yield html.Figure(
            [
                html.Figcaption(html.Strong(metric.replace("_", " "))),
                graph("point", metric, plot, description),
            ]
        )


def _neighbours(sweep: str, detail: PointDetail) -> Iterator[Child]:
    if not detail.neighbours:
        return
    yield html.H3("Next to it, and what differs in the configuration")
    yield definitions(
        (f"along {neighbour.axis}", [_link(sweep, neighbour), ": ", *_differences(neighbour)])
        for neighbour in detail.neighbours
    )


def _link(sweep: str, neighbour: Neighbour) -> Child:
    text = label_of_point(neighbour.place.point, [neighbour.axis])
    return dcc.Link(labelled(text), href=sweep_address(sweep, neighbour.place))


def _differences(neighbour: Neighbour) -> Iterator[Child]:
    for position, (key, here, there) in enumerate(neighbour.differences):
        yield ", " if position else ""
        yield html.Code(f"{key} {_written(here)} → {_written(there)}")


def _written(value: object) -> str:
    return "not set" if value is None else format_number(value)
