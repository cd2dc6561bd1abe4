"""Screens over the view: a text, the runs of a sweep, a question."""

from __future__ import annotations

from collections.abc import Callable

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import Vertical, VerticalScroll
from textual.message import Message
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Static

from sgdlab.launch.live.state import RunState
from sgdlab.watch.background import Problem, attempted, start
from sgdlab.watch.table_view import TableView
from sgdlab.watch.tables import runs_table
from sgdlab.watch.words import shown, shown_lines

_MOST_RUNS = 1000  # in a list that a person reads
_BACK = Binding("escape,q,backspace", "app.pop_screen", "Back", key_display="esc")


class TextScreen(Screen[None]):
    """A text that is made by a thread: it may have to be read from a slow disk."""

    BINDINGS = [_BACK]

    class Ready(Message):
        """The text is there."""

        def __init__(self, text: str) -> None:
            super().__init__()
            self.text = text

    def __init__(self, title: str, make: Callable[[], str]) -> None:
        super().__init__()
        self._title, self._make = title, make

    def compose(self) -> ComposeResult:
        """Lay out."""
        yield Static(shown(self._title), classes="title", markup=False)
        with VerticalScroll():
            yield Static("reading …", id="text", markup=False)
        yield Footer()

    def on_mount(self) -> None:
        """Have the text made."""
        start("details", self._read)

    def on_text_screen_ready(self, ready: Ready) -> None:
        """Show the text."""
        self.query_one("#text", Static).update(ready.text)
        self.query_one(VerticalScroll).focus()

    def _read(self) -> None:
        text = attempted(self._make)
        self.post_message(self.Ready(shown_lines(text.text) if isinstance(text, Problem) else text))


class RunsScreen(Screen[None]):
    """The runs of one sweep."""

    BINDINGS = [_BACK]

    class Ready(Message):
        """The runs are there."""

        def __init__(self, runs: list[RunState]) -> None:
            super().__init__()
            self.runs = runs

    def __init__(
        self, title: str, runs_of: Callable[[], list[RunState]], about: Callable[[RunState], str]
    ) -> None:
        super().__init__()
        self._title, self._runs_of, self._about = title, runs_of, about
        self._runs: dict[str, RunState] = {}

    def compose(self) -> ComposeResult:
        """Lay out."""
        yield Static(shown(self._title), classes="title", markup=False)
        yield Static("reading …", id="standing", markup=False)
        yield TableView("runs")
        yield Footer()

    def on_mount(self) -> None:
        """Have the runs listed."""
        self.look_again()

    def look_again(self) -> None:
        """List them anew."""
        start("runs", self._read)

    def on_runs_screen_ready(self, ready: Ready) -> None:
        """Show the runs."""
        self._runs = {run.key: run for run in ready.runs[:_MOST_RUNS]}
        more = len(ready.runs) - len(self._runs)
        text = f"{len(ready.runs):,} runs" + (f", the last {more:,} of them not listed" if more else "")
        self.query_one("#standing", Static).update(text)
        self.query_one(TableView).show(runs_table(list(self._runs.values())))

    def on_data_table_row_selected(self, selected: DataTable.RowSelected) -> None:
        """Show all of a run."""
        run = self._runs.get(selected.row_key.value or "")
        if run is not None:
            self.app.push_screen(TextScreen(f"run {run.key}", lambda: self._about(run)))

    def _read(self) -> None:
        runs = attempted(self._runs_of)
        if not isinstance(runs, Problem):
            self.post_message(self.Ready(runs))


class Question(ModalScreen[bool]):
    """Asks before something is done: y does it, everything else doesn't."""

    BINDINGS = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape,q,enter,space", "answer(False)", "No", key_display="n"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Lay out."""
        with Vertical():
            yield Static(self._text, markup=False)
            yield Static("y: yes    n: no", markup=False)

    def action_answer(self, answer: bool) -> None:
        """Close with an answer."""
        self.dismiss(answer)
