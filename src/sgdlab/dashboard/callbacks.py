"""What happens when: each callback asks `views` for what is to be shown, and nothing else."""

from __future__ import annotations

from typing import Any

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State, no_update

from sgdlab.dashboard import points_table, runs_table
from sgdlab.dashboard.addresses import point_named_by, search_for, sweep_named_by
from sgdlab.dashboard.figures import FIGURE, GRAPH, PLOT, Comparing
from sgdlab.dashboard.pages import compare, point, shell, sweep, sweeps
from sgdlab.dashboard.tables import SEARCH, TABLE
from sgdlab.dashboard.views import Views


def register(app: Dash, views: Views) -> None:
    """Add all callbacks."""
    _navigate(app, views)
    _look_for_news(app, views)
    _show_sweeps(app, views)
    _show_sweep(app, views)
    _show_point(app, views)
    _compare(app, views)
    _in_the_browser(app)


def _navigate(app: Dash, views: Views) -> None:
    @app.callback(
        Output(shell.CONTENT, "children"),
        Output(shell.RENDERED, "data"),
        Input(shell.ADDRESS, "pathname"),
        State(shell.ADDRESS, "search"),
    )
    def _(path: str | None, search: str | None) -> Any:
        page = views.page(path or "/", search or "")
        return page.children, page.version


def _look_for_news(app: Dash, views: Views) -> None:
    @app.callback(
        Output(shell.LATEST, "data"),
        Output(shell.FIGURES, "data"),
        Output(shell.NEWS, "children"),
        Output(shell.FRESHNESS, "children"),
        Input(shell.TICK, "n_intervals"),
        State(shell.ADDRESS, "pathname"),
        State(shell.ADDRESS, "search"),
        State(shell.RENDERED, "data"),
        State(shell.LATEST, "data"),
        prevent_initial_call=True,
    )
    def _(_: int, path: str | None, search: str | None, rendered: Any, latest: Any) -> Any:
        news = views.news(path or "/", search or "", rendered, latest)
        if news is None:
            return no_update
        figures = news.version["figures"] if news.figures_changed else no_update
        return news.version, figures, news.spoken, news.shown


def _show_sweeps(app: Dash, views: Views) -> None:
    @app.callback(
        Output(sweeps.LISTING, "children"),
        Input(shell.LATEST, "data"),
        Input(sweeps.SEARCH, "value"),
        Input(sweeps.SHOWN, "value"),
        Input(sweeps.ORDER, "value"),
        prevent_initial_call=True,
    )
    def _(_: Any, searched: str | None, state: str, order: str) -> Any:
        return views.listing(searched or "", state, order)


def _show_sweep(app: Dash, views: Views) -> None:
    @app.callback(
        Output(sweep.STANDING, "children"),
        Output(sweep.FAILURES, "children"),
        Input(shell.LATEST, "data"),
        State(shell.ADDRESS, "pathname"),
        prevent_initial_call=True,
    )
    def _(_: Any, path: str) -> Any:
        return views.standing(path) or no_update

    @app.callback(
        Output({"type": PLOT, "of": FIGURE, "index": ALL}, "data"),
        Output(sweep.CAPTION, "children"),
        Output(sweep.CLAIMS, "children"),
        Output({"type": TABLE, "index": points_table.NAME}, "rowData"),
        Input(shell.FIGURES, "data"),
        State(shell.ADDRESS, "pathname"),
        State({"type": PLOT, "of": FIGURE, "index": ALL}, "id"),
    )
    def _(_: Any, path: str, plots: list[dict[str, str]]) -> Any:
        drawn = views.drawn(path)
        if drawn is None:
            return no_update
        news = [drawn.plots.get(each["index"], no_update) for each in plots]
        return news, drawn.caption, drawn.claims, drawn.points

    @app.callback(
        Output({"type": TABLE, "index": runs_table.NAME}, "rowData"),
        Output({"type": TABLE, "index": runs_table.NAME}, "rowTransaction"),
        Output(sweep.TAKEN_IN, "data"),
        Input(shell.LATEST, "data"),
        State(shell.ADDRESS, "pathname"),
        State(sweep.TAKEN_IN, "data"),
    )
    def _(_: Any, path: str, taken_in: str | None) -> Any:
        news = views.runs_news(path, taken_in)
        if news is None:
            return no_update
        if news.is_whole:
            return news.rows, no_update, news.version
        return no_update, {"update": news.rows}, news.version


def _show_point(app: Dash, views: Views) -> None:
    @app.callback(
        Output(sweep.POINT, "children"),
        Input(shell.ADDRESS, "search"),
        Input(sweep.POINT, "id"),  # once the page is there
        State(shell.ADDRESS, "pathname"),
    )
    def _(search: str | None, _: str, path: str) -> Any:
        name, place = sweep_named_by(path), point_named_by(search or "")
        return views.point(name, place) if name and place else []

    @app.callback(
        Output(shell.ADDRESS, "search", allow_duplicate=True),
        Input(point.CLOSE, "n_clicks"),
        prevent_initial_call=True,
    )
    def _(clicks: int | None) -> Any:
        return "" if clicks else no_update


def _compare(app: Dash, views: Views) -> None:
    @app.callback(
        Output(compare.COMPARISON, "children"),
        Input(compare.CHOICE, "value"),
        Input(compare.BY, "value"),
        Input(shell.FIGURES, "data"),
        prevent_initial_call=True,
    )
    def _(chosen: list[str] | None, by: Comparing, _: Any) -> Any:
        return views.comparison(chosen or [], by)

    @app.callback(
        Output(shell.ADDRESS, "search", allow_duplicate=True),
        Input(compare.CHOICE, "value"),
        prevent_initial_call=True,
    )
    def _(chosen: list[str] | None) -> Any:
        return search_for(chosen or [])


def _in_the_browser(app: Any) -> None:  # Dash has no types for these
    """Paint plots, follow clicks, search tables, change colours: without asking the server."""
    app.clientside_callback(
        ClientsideFunction("theme", "choose"),
        Output(shell.MODE, "data"),
        Output(shell.COLOURS, "children"),
        Input(shell.COLOURS, "n_clicks"),
    )
    app.clientside_callback(
        ClientsideFunction("figures", "paint"),
        Output({"type": GRAPH, "of": MATCH, "index": MATCH}, "figure"),
        Input({"type": PLOT, "of": MATCH, "index": MATCH}, "data"),
        Input(shell.MODE, "data"),
    )
    app.clientside_callback(
        ClientsideFunction("figures", "follow"),
        Output(shell.ADDRESS, "search", allow_duplicate=True),
        Input({"type": GRAPH, "of": ALL, "index": ALL}, "clickData"),
        State({"type": GRAPH, "of": ALL, "index": ALL}, "figure"),
        State(shell.ADDRESS, "pathname"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("tables", "search"),
        Output({"type": TABLE, "index": MATCH}, "dashGridOptions"),
        Input({"type": SEARCH, "index": MATCH}, "value"),
        State({"type": TABLE, "index": MATCH}, "dashGridOptions"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("pages", "arrive"),
        Output(shell.CONTENT, "data-path"),
        Input(shell.CONTENT, "children"),
        State(shell.ADDRESS, "pathname"),
        prevent_initial_call=True,
    )
    app.clientside_callback(
        ClientsideFunction("pages", "show"),
        Output(sweep.POINT, "data-shown"),
        Input(sweep.POINT, "children"),
        prevent_initial_call=True,
    )
