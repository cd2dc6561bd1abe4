"""The live view: sweeps above; workers, failures, GPUs, jobs and ends below; details behind every row."""

from __future__ import annotations

import asyncio
import platform
import signal
import time
from datetime import datetime
from typing import Any, TypeVar

from textual.app import App, ComposeResult
from textual.binding import Binding
from textual.driver import Driver
from textual.widget import Widget
from textual.widgets import DataTable, Footer, Static, TabbedContent, TabPane

from sgdlab.launch.live.reader import LiveReader
from sgdlab.launch.live.state import LiveState
from sgdlab.launch.slurm.overview import Jobs
from sgdlab.machine.gpu_load import GpuLoads, gpu_loads
from sgdlab.watch.actions import Action, cancelling, retrying
from sgdlab.watch.background import Looking, Problem, attempted, start
from sgdlab.watch.behind import screen_behind
from sgdlab.watch.columns import Table
from sgdlab.watch.help_text import HELP
from sgdlab.watch.messages import Acted, Asked, Seen
from sgdlab.watch.screens import Question, RunsScreen, TextScreen
from sgdlab.watch.table_view import TableView
from sgdlab.watch.tables import (
    ends_table,
    failures_table,
    find_group,
    gpus_table,
    jobs_table,
    sweeps_table,
    workers_table,
)
from sgdlab.watch.words import bar, percent, share_of, shown, shown_lines, standing

_READ_EVERY_S = 2.0
_ASK_EVERY_S = 5.0
_LATE_AFTER_S = 8.0
W = TypeVar("W", bound=Widget)
_TABS = {"workers": "Workers", "failures": "Failures", "gpus": "GPUs", "jobs": "Jobs", "ends": "Ends"}


class WatchApp(App[None]):
    """The view of one reader, in a terminal."""

    CSS_PATH = "watch.tcss"
    TITLE = "sgdlab watch"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS = [
        Binding("r", "retry", "Retry"),
        Binding("c", "cancel", "Cancel jobs"),
        Binding("u", "look", "Look now"),
        *(Binding(str(place), f"tab('{tab}')", show=False) for place, tab in enumerate(_TABS, start=1)),
        Binding("question_mark", "help", "Help", key_display="?"),
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
    ]

    def __init__(self, reader: LiveReader, scale: str, driver_class: type[Driver] | None = None) -> None:
        super().__init__(driver_class=driver_class, ansi_color=True)
        self.theme = "ansi-dark"  # the terminal's own colours, dark or light
        self._reader, self._scale, self._host = reader, scale, platform.node()
        self._live: LiveState | None = None
        self._loads: GpuLoads | None = None
        self._jobs: Jobs | None = None
        self._seen_at = time.monotonic()

    def compose(self) -> ComposeResult:
        """Lay out."""
        yield Static(id="title", classes="title", markup=False)
        yield Static("looking at every run for the first time …", id="together", markup=False)
        yield Static(id="problem", markup=False)
        yield TableView("sweeps")
        with TabbedContent(id="tabs"):
            for tab, title in _TABS.items():
                with TabPane(title, id=tab):
                    yield TableView(f"{tab}-table")
        yield Static(id="word", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Begin to look."""
        loop = asyncio.get_running_loop()
        for end in (signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(end, self.exit)
        self._look = Looking("store", self._reader.read, lambda s: self.post_message(Seen(s)), _READ_EVERY_S)
        self._others: list[Looking[Any]] = [
            Looking("gpus", gpu_loads, lambda s: self.post_message(Asked(s)), _ASK_EVERY_S),
            Looking("slurm", self._reader.jobs, lambda s: self.post_message(Asked(s)), _ASK_EVERY_S),
        ]
        self.query_one("#sweeps", TableView).focus()
        self.set_interval(1.0, self._show_title)
        self._show_title()

    def on_unmount(self) -> None:
        """Look no more."""
        for looking in (self._look, *self._others):
            looking.stop()

    def on_seen(self, seen: Seen) -> None:
        """Show what was seen of the store."""
        if not self._stands:
            return
        self._seen_at = time.monotonic()
        if isinstance(seen.live, Problem):
            self._say_problem(seen.live.text)
            return
        self._say_problem("")
        self._live = live = seen.live
        width = max(8, min(24, self.size.width // 5))
        together = live.together
        line = f"{bar(share_of(together), width)} {percent(together)}  {standing(together)}"
        self._base("#together", Static).update(line)
        self._base("#sweeps", TableView).show(sweeps_table(live))
        self._show("workers", workers_table(live), len(live.workers))
        num_bad = sum(len(group.keys) for group in live.failures) + len(live.damages)
        self._show("failures", failures_table(live), num_bad)
        self._show("ends", ends_table(live), 0)
        self._show_gpus()
        if isinstance(self.screen, RunsScreen):
            self.screen.look_again()
        self._show_title()

    def on_asked(self, asked: Asked) -> None:
        """Show what Slurm or the driver has said."""
        if not self._stands:
            return
        if isinstance(asked.answer, GpuLoads):
            self._loads = asked.answer
            self._show_gpus()
        elif isinstance(asked.answer, Jobs):
            self._jobs = asked.answer
            self._show("jobs", jobs_table(self._jobs), len(self._jobs.submissions))
            if self._jobs.queue.error:
                self._say(f"Slurm doesn't answer: {self._jobs.queue.error}")
        else:
            self._say(asked.answer.text)

    def on_acted(self, acted: Acted) -> None:
        """Say what came of it, and look."""
        if not self._stands:
            return
        self._say(acted.word.text if isinstance(acted.word, Problem) else acted.word)
        self.action_look()

    def on_data_table_row_selected(self, selected: DataTable.RowSelected) -> None:
        """Show what is behind a row."""
        row = selected.row_key.value
        if self._live is None or row is None:
            return
        screen = screen_behind(selected.data_table.id, row, self._live, self._jobs, self._reader)
        if screen is not None:
            self.push_screen(screen)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Hear what is about the view only where nothing lies over it."""
        return len(self.screen_stack) == 1 or action not in ("retry", "cancel", "look", "tab", "help")

    def action_look(self) -> None:
        """Look at everything now."""
        self._reader.look_anew()
        for looking in (self._look, *self._others):
            looking.at_once()

    def action_tab(self, tab: str) -> None:
        """Go to one of the tables below."""
        self.query_one(TabbedContent).active = tab
        self.query_one(f"#{tab}-table", TableView).focus()

    def action_help(self) -> None:
        """Say what the keys do and what the columns mean."""
        self.push_screen(TextScreen("sgdlab watch: keys and columns", lambda: HELP))

    def action_retry(self) -> None:
        """Ask whether the selected failures are to be tried again."""
        if self._live is None:
            return
        tabs, table = self.query_one(TabbedContent), self.query_one("#failures-table", TableView)
        group = find_group(self._live, table.row_id or "")
        if tabs.active != "failures" or group is None:
            self.action_tab("failures")
            self._say("choose a failure, and press r" if self._live.failures else "no run has failed")
            return
        self._ask(retrying(self._reader.store, group))

    def action_cancel(self) -> None:
        """Ask whether jobs are to be cancelled: those of the selected submission, or sweep."""
        if self._live is None:
            return
        jobs, sweeps = self.query_one("#jobs-table", TableView), self.query_one("#sweeps", TableView)
        views = self._jobs.submissions if self._jobs else ()
        titles = {
            title for view in views if view.name == jobs.row_id for wish in view.wanted_by for title in wish
        }
        if not (jobs.has_focus and titles):
            titles = {sweeps.row_id or ""}
        if not any(titles & set(wish) for view in views for wish in view.wanted_by):
            self._say("nothing to cancel: no Slurm job is known of " + ", ".join(sorted(titles)))
            return
        self._ask(cancelling(self._reader.store, titles))

    def _ask(self, action: Action) -> None:
        """Ask whether to do something, and have a thread do it."""

        def act() -> None:
            self.post_message(Acted(attempted(action.act)))

        def answered(answer: bool | None) -> None:
            if answer:
                self._say(action.under_way)
                start("action", act)

        self.push_screen(Question(shown_lines(action.question)), answered)

    def _show_gpus(self) -> None:
        counted = len(self._loads.gpus) if self._loads else 0
        self._show("gpus", gpus_table(self._loads, self._live, self._host), counted)

    def _show(self, tab: str, table: Table, counted: int) -> None:
        """Show one of the tables below, and how much is in it."""
        self._base(f"#{tab}-table", TableView).show(table)
        title = f"{_TABS[tab]} {counted}" if counted else _TABS[tab]
        self._base("#tabs", TabbedContent).get_tab(tab).label = title

    def _show_title(self) -> None:
        if not self._stands:
            return
        late = time.monotonic() - self._seen_at
        note = f"nothing seen for {late:.0f} s" if late > _LATE_AFTER_S else f"{datetime.now():%H:%M:%S}"
        left = f"sgdlab watch  {shown(self._scale)}  {shown(str(self._reader.store.root))}"
        room = self.size.width - len(note) - 4
        left = left if len(left) <= room else f"…{left[len(left) - max(0, room - 1) :]}"
        self._base("#title", Static).update(f"{left:<{max(0, room)}}  {note}")

    def _say_problem(self, text: str) -> None:
        problem = self._base("#problem", Static)
        problem.update(shown_lines(text))
        problem.set_class(bool(text), "there")

    def _say(self, text: str) -> None:
        """Say something below the tables, until there is something else to be said."""
        word = self._base("#word", Static)
        word.update(shown_lines(text))
        word.set_class(bool(text), "there")

    @property
    def _stands(self) -> bool:
        """Whether the view is there still: threads and timers may speak while it is taken down."""
        return bool(self.screen_stack and self.screen_stack[0].query("#word"))

    def _base(self, selector: str, kind: type[W]) -> W:
        """Find a widget of the view, whatever lies over it."""
        return self.screen_stack[0].query_one(selector, kind)
