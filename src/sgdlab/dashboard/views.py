"""From addresses to what is shown, and whether what is shown has changed: the callbacks ask here."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sgdlab.dashboard import points_table
from sgdlab.dashboard.addresses import COMPARE, SWEEPS, Place, run_named_by, sweep_named_by, sweeps_named_by
from sgdlab.dashboard.catalogue import Catalogue
from sgdlab.dashboard.figures import Comparing, Plot, caption_of, plots_of
from sgdlab.dashboard.live import Live
from sgdlab.dashboard.pages import compare, point, run, shell, sweep, sweeps
from sgdlab.dashboard.parts import Child
from sgdlab.dashboard.point_detail import point_detail
from sgdlab.dashboard.run_detail import run_detail
from sgdlab.dashboard.runs_feed import RunsFeed, RunsNews
from sgdlab.dashboard.snapshots import Snapshot, Snapshots
from sgdlab.dashboard.tables import Row
from sgdlab.launch.live.state import LiveState, SweepState

_FIRST_LOOK_S = 0.5  # that a page waits for before it comes without the state of all sweeps

Version = dict[
    str, str
]  # which page, which making of it, and what tells its figures and its state from others


@dataclass(frozen=True)
class Page:
    """A page and what tells it from the same page at another time."""

    children: list[Child]
    version: Version


@dataclass(frozen=True)
class News:
    """That a page has changed."""

    version: Version
    figures_changed: bool  # else only how far its runs are
    spoken: str  # for those who hear the page
    shown: str


@dataclass(frozen=True)
class Drawn:
    """All of a sweep's page that follows from the results of its runs."""

    plots: Mapping[str, Plot]  # panel → its plot
    caption: list[Child]
    claims: list[Child]
    points: list[Row]


class Views:
    """What the dashboard shows of a catalogue of sweeps."""

    def __init__(self, catalogue: Catalogue, live: Live) -> None:
        self._catalogue, self._live = catalogue, live
        self._snapshots, self._runs = Snapshots(catalogue), RunsFeed()

    def page(self, path: str, search: str) -> Page:
        """Return the page at an address."""
        version = self._version(path, search, made=secrets.token_hex(4))
        return Page(self._page(path, search), version)

    def news(self, path: str, search: str, rendered: Version | None, latest: Version | None) -> News | None:
        """Say that a page has changed since it was made, or had its latest news; None if it hasn't."""
        known = latest if rendered and latest and latest["made"] == rendered["made"] else rendered
        if known is None or known["page"] != path:
            return None  # another page is on its way
        version = self._version(path, search, known["made"])
        if version == known:
            return None
        figures_changed = version["figures"] != known["figures"]
        at = datetime.now().strftime("%H:%M:%S")
        return News(version, figures_changed, self._spoken(path), f"news at {at}")

    def listing(self, searched: str, shown: str, order: str) -> list[Child]:
        """Return the sweeps that are asked for."""
        return sweeps.listing(self._lines(), self._live.ask(), self._live.problem, searched, shown, order)

    def standing(self, path: str) -> tuple[list[Child], list[Child]] | None:
        """Return how far a sweep is, and its failures; None if the page isn't a sweep's."""
        name = self._named_by(path)
        return None if name is None else (self._standing(name), self._failures(name))

    def drawn(self, path: str) -> Drawn | None:
        """Return what follows from results; None if the page isn't a sweep's, or has nothing to show."""
        name = self._named_by(path)
        section = self._snapshots.of(name).section if name else None
        if section is None:
            return None
        figure = section.series
        return Drawn(
            plots=dict(zip((panel.name for panel in figure.panels), plots_of(figure), strict=True)),
            caption=caption_of(figure),
            claims=sweep.claims_of(section),
            points=list(points_table.rows_of(section.points)),
        )

    def runs_news(self, path: str, taken_in: str | None) -> RunsNews | None:
        """Return the runs of a sweep that changed since a page took them in; None if there are none."""
        name = self._named_by(path)
        if name is None:
            return None
        return self._runs.news(self._snapshots.of(name), self._live.runs_of(self._title(name)), taken_in)

    def point(self, name: str, place: Place) -> list[Child]:
        """Return what stands behind a point."""
        if name not in self._catalogue.names:
            return []
        detail = point_detail(self._snapshots.of(name), place, self._catalogue.store)
        return point.no_such_point() if detail is None else point.point_panel(name, detail)

    def comparison(self, names: Sequence[str], by: Comparing) -> list[Child]:
        """Return several sweeps laid over each other."""
        return compare.comparison(self._known(names), by)

    def _page(self, path: str, search: str) -> list[Child]:
        if path == SWEEPS:
            live = self._live.wait(_FIRST_LOOK_S)
            return sweeps.sweeps_page(self._lines(), live, self._live.problem)
        if path == COMPARE:
            return compare.compare_page(self._catalogue.names, self._known(sweeps_named_by(search)))
        if (name := self._named_by(path)) is not None:
            return sweep.sweep_page(self._snapshots.of(name), self._standing(name), self._failures(name))
        if (key := run_named_by(path)) is not None:
            detail = run_detail(key, self._catalogue.store)
            if detail is not None:
                return run.run_page(detail, self._asking_for(key))
            return shell.nothing_here(f"The store has nothing of a run {key!r}.")
        if (missing := sweep_named_by(path)) is not None:
            return shell.nothing_here(f"There is no sweep {missing!r} on this dashboard.")
        return shell.nothing_here("There is no such page.")

    def _version(self, path: str, search: str, made: str) -> Version:
        """Return what tells a page from the same page at another time."""
        live = self._live.ask()
        own = self._named_by(path)
        names = [own] if own else self._listed(sweeps_named_by(search))
        titles = [self._catalogue.title_of(name) for name in self._catalogue.names]
        told = [titles, _told(live)] if path == SWEEPS else [asdict(s) for s in map(self._state, names) if s]
        return {
            "page": path,
            "made": made,
            "figures": " ".join(str(self._snapshots.of(name).revision) for name in names),
            "state": _digest([told, self._live.problem]),
        }

    def _known(self, names: Sequence[str]) -> list[Snapshot]:
        return [self._snapshots.of(name) for name in self._listed(names)]

    def _listed(self, names: Sequence[str]) -> list[str]:
        return [name for name in names if name in self._catalogue.names]

    def _named_by(self, path: str) -> str | None:
        """Return the sweep whose page a path is, if it is one of this dashboard's."""
        name = sweep_named_by(path)
        return name if name in self._catalogue.names else None

    def _lines(self) -> list[sweeps.Line]:
        return [
            sweeps.Line(name, self._catalogue.title_of(name), self._state(name))
            for name in self._catalogue.names
        ]

    def _state(self, name: str) -> SweepState | None:
        live = self._live.state
        if live is None:
            return None
        title = self._title(name)
        return next((state for state in live.sweeps if state.title == title), None)

    def _standing(self, name: str) -> list[Child]:
        state = self._state(name) or _at_rest(self._snapshots.of(name), self._title(name))
        return [*(sweeps.not_yet(self._live.problem) if self._live.problem else []), *sweeps.standing(state)]

    def _failures(self, name: str) -> list[Child]:
        live, title = self._live.state, self._title(name)
        return sweeps.failures(group for group in (live.failures if live else ()) if title in group.sweeps)

    def _asking_for(self, key: str) -> list[str]:
        """Return the sweeps whose runs have been told already and have this one among them."""
        return [name for name in self._catalogue.names if self._snapshots.has(name, key)]

    def _spoken(self, path: str) -> str:
        name, live = self._named_by(path), self._live.state
        state = self._state(name) if name else live.together if live else None
        if state is None:
            return ""
        ended = state.counts.get("done", 0) + state.counts.get("diverged", 0)
        return f"{ended:,} of {state.num_runs:,} runs have ended"

    def _title(self, name: str) -> str:
        return f"{name} @ {self._catalogue.scale}"


def _at_rest(snapshot: Snapshot, title: str) -> SweepState:
    """Return what a snapshot alone says of a sweep, before all runs were looked at: nothing of workers."""
    states = Counter({run.key: run.state for run in snapshot.runs}.values())
    counts = {state: states[state] for state in ("done", "diverged", "failed")} | {
        "waiting": states["missing"]
    }
    return SweepState(title, counts, updates_done=0, updates_left=0, updates_total=0, updates_per_s=None)


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, default=str).encode()).hexdigest()[:16]


def _told(live: LiveState | None) -> Any:
    if live is None:
        return None
    told = asdict(live)
    return [told[part] for part in ("sweeps", "workers", "failures", "damages")]
