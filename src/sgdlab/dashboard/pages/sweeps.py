"""The first page: every sweep, how far it is, and what goes on now."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dash import dcc, html

from sgdlab.config.durations import describe_duration
from sgdlab.dashboard.addresses import compare_address, run_address, sweep_address
from sgdlab.dashboard.parts import Child, choice, count, hidden, labelled, named, notice, state_badge, table
from sgdlab.launch.live.state import STATES, FailureGroup, LiveState, SweepState, WorkerState

LISTING, SEARCH, SHOWN, ORDER = "listing", "sweep-search", "sweep-states", "sweep-order"

_MOST_KEYS = 20
_SHOWN = {
    "all": "all",
    "active": "in training",
    "unfinished": "unfinished",
    "finished": "finished",
    "troubled": "with failures",
}


@dataclass(frozen=True)
class Line:
    """One sweep of the listing."""

    name: str
    title: str
    state: SweepState | None  # None until its runs were looked at


def sweeps_page(lines: Sequence[Line], live: LiveState | None, problem: str | None) -> list[Child]:
    """Return the page."""
    return [
        html.H1("Sweeps"),
        html.Div(
            [
                html.Div(
                    [
                        html.Label("Search", htmlFor=SEARCH),
                        dcc.Input(id=SEARCH, type="search", debounce=False),
                    ]
                ),
                choice("Show", SHOWN, _SHOWN),
                choice("Order", ORDER, {order: order for order in _ORDERS}),
            ],
            className="choices",
        ),
        html.Div(listing(lines, live, problem, "", "all", next(iter(_ORDERS))), id=LISTING),
    ]


def listing(
    lines: Sequence[Line], live: LiveState | None, problem: str | None, searched: str, shown: str, order: str
) -> list[Child]:
    """Return what goes on, and the sweeps that are asked for, in an order."""
    found = [line for line in lines if _is_meant(line, searched)]
    if live is not None:
        found = sorted(
            (line for line in found if line.state and _is_shown(line.state, shown)), key=_ORDERS[order]
        )
    return [
        *(not_yet(problem) if live is None or problem else []),
        *(_goes_on(live) if live else []),
        html.P(count(len(found), "sweep"), className="quiet", role="status"),
        html.Ul([_line(line) for line in found], className="sweeps"),
    ]


def not_yet(problem: str | None) -> list[Child]:
    """Return what is said where the state of runs isn't known."""
    if problem:
        return [notice(html.P(problem), kind="bad")]
    return [
        html.P("Looking at the runs of all sweeps; the first time this takes a while …", className="quiet")
    ]


def _goes_on(live: LiveState) -> list[Child]:
    return [*_nothing_yet(live), *damages(live.damages), *_workers(live.workers)]


def progress(state: SweepState) -> html.Div:
    """Return a bar of all runs by their state, and updates where something runs."""
    total = max(1, state.num_runs)
    shares = {name: state.counts.get(name, 0) for name in STATES}
    spoken = ", ".join(f"{number:,} {name}" for name, number in shares.items() if number)
    parts = [
        html.Span(className=f"part part-{name}", style={"width": f"{100 * number / total:.3f}%"})
        for name, number in shares.items()
        if number and name != "waiting"
    ]
    return html.Div(parts, className="bar", role="img", **named(spoken or "no runs"))


def standing(state: SweepState) -> list[Child]:
    """Return bar, counts, pace and time left of a sweep."""
    if state.problem:
        return [notice(html.P(state.problem), kind="bad")]
    badges: list[Child] = []
    for name in STATES:
        if number := state.counts.get(name, 0):
            badges += [state_badge(name, number), " "]
    return [progress(state), html.P([*badges, *_pace(state)], className="counts")]


def failures(groups: Iterable[FailureGroup]) -> list[Child]:
    """Return failures by their errors, with the runs that failed so."""
    rows = [
        [
            html.Span(group.error, className="error"),
            f"{len(group.keys):,}",
            html.Details([html.Summary(count(len(group.keys), "run")), *_keys(group)]),
            [html.Code(str(group.example.log)), html.Span(f" at {group.example.at}", className="quiet")],
        ]
        for group in groups
    ]
    if not rows:
        return []
    way_out = "sgdlab retry SWEEP, then sgdlab run SWEEP, trains them again."
    return [
        html.H2("Failures"),
        table("Failures by their error", ["Error", "Runs", "Which", "Log of the latest"], rows),
        html.P(way_out, className="quiet"),
    ]


def damages(texts: Sequence[str]) -> list[Child]:
    """Say how many runs are damaged, and which."""
    if not texts:
        return []
    heading = html.Strong(f"{count(len(texts), 'run')} with damaged files")
    return [
        notice(html.Details([html.Summary(heading), html.Ul([html.Li(text) for text in texts])]), kind="bad")
    ]


def _pace(state: SweepState) -> Iterator[Child]:
    if state.updates_per_s:
        left = "" if state.seconds_left is None else f", {describe_duration(state.seconds_left)} left"
        share = state.updates_done / max(1, state.updates_total)
        yield html.Span(
            f"{share:.0%} of updates, {state.updates_per_s:,.0f} a second{left}", className="pace"
        )
    if state.unknown_since:
        yield html.Span(f" unknown since {state.unknown_since}", className="quiet")


def _line(line: Line) -> html.Li:
    return html.Li(
        [
            html.Div(
                [
                    dcc.Link(line.name, href=sweep_address(line.name)),
                    html.Span(labelled(line.title), className="quiet"),
                ],
                className="name",
            ),
            html.Div(standing(line.state) if line.state else [], className="standing"),
            dcc.Link(
                "compare",
                href=compare_address([line.name]),
                className="quiet",
                title=f"compare {line.name}",
            ),
        ],
        className="active" if _is_active(line) else None,
        key=line.name,
    )


def _workers(workers: Sequence[WorkerState]) -> list[Child]:
    if not workers:
        return []
    rows = [
        [
            html.Code(f"{worker.host} {worker.pid}"),
            worker.device or "–",
            worker.job or "–",
            [html.Span("▶ " if worker.state == "training" else "? ", **hidden()), worker.state],
            f"{len(worker.updates_of):,}",
            "–" if worker.updates_per_s is None else f"{worker.updates_per_s:,.0f}",
            ", ".join(worker.sweeps),
        ]
        for worker in workers
    ]
    headings = ["Worker", "Device", "Job", "State", "Runs", "Updates/s", "Sweeps"]
    return [
        html.Details(
            [html.Summary(count(len(workers), "worker")), table("Workers", headings, rows)], open=True
        )
    ]


def _nothing_yet(live: LiveState) -> list[Child]:
    """Say what to do where nothing has been trained."""
    counts = live.together.counts
    if sum(counts.values()) > counts.get("waiting", 0):
        return []
    return [
        notice(
            html.P(["No run is stored in ", html.Code(live.store), " yet."]),
            html.P(["To train a first figure: ", html.Code("sgdlab run smith2021/fig1b --scale laptop")]),
            html.P("This page shows it as it goes."),
        )
    ]


def _keys(group: FailureGroup) -> Iterator[Child]:
    for key in group.keys[:_MOST_KEYS]:
        yield html.Div(dcc.Link(html.Code(key[:12]), href=run_address(key)))
    if len(group.keys) > _MOST_KEYS:
        yield html.Div(f"and {len(group.keys) - _MOST_KEYS:,} more")


def _is_meant(line: Line, searched: str) -> bool:
    text = f"{line.name} {line.title}".casefold()
    return all(word in text for word in searched.casefold().split())


def _is_shown(state: SweepState, shown: str) -> bool:
    ended = _num_ended(state)
    match shown:
        case "active":
            return state.is_active
        case "unfinished":
            return ended < state.num_runs
        case "finished":
            return 0 < state.num_runs == ended
        case "troubled":
            return state.problem is not None or any(state.counts.get(n, 0) for n in ("failed", "damaged"))
    return True


def _share_done(line: Line) -> float:
    return 0.0 if line.state is None else _num_ended(line.state) / max(1, line.state.num_runs)


def _num_ended(state: SweepState) -> int:
    return state.counts.get("done", 0) + state.counts.get("diverged", 0)


def _num_runs(line: Line) -> int:
    return line.state.num_runs if line.state else 0


def _is_active(line: Line) -> bool:
    return line.state is not None and line.state.is_active


_ORDERS: Mapping[str, Callable[[Line], Any]] = {
    "as listed": lambda _: 0,
    "in training first": lambda line: not _is_active(line),
    "least done first": _share_done,
    "most done first": lambda line: -_share_done(line),
    "most runs first": lambda line: -_num_runs(line),
}
