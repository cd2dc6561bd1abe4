"""The view by Textual's own pilot: what it shows of a moment, and what its keys do."""

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from sgdlab.errors import UserError
from sgdlab.launch.live.state import (
    STATES,
    FailureGroup,
    LiveState,
    RunEnd,
    RunState,
    SweepState,
    WorkerState,
)
from sgdlab.launch.slurm.overview import Jobs, SubmissionView
from sgdlab.launch.slurm.queue import Queue
from sgdlab.machine.gpu_load import GpuLoad, GpuLoads
from sgdlab.runs.store import Failure, Store
from sgdlab.watch.app import WatchApp
from sgdlab.watch.screens import Question, RunsScreen, TextScreen
from sgdlab.watch.table_view import TableView

HOSTILE = "[red]bold[/red] <b>&amp;</b> \x1b[2J\x1b]0;owned\x07 \u202e {} %s"
KEY = "ab" * 16


def sweep(title: str = "own/tiny @ laptop", **counts: int) -> SweepState:
    return SweepState(title, dict.fromkeys(STATES, 0) | counts, 40, 60, 100, 2.0)


def moment(error: str = "ValueError: odd", title: str = "own/tiny @ laptop") -> LiveState:
    states = sweep(title, done=1, running=1, failed=1)
    failure = Failure(KEY, "attempt", error, Path("/nowhere/log.txt"), "2026-01-01T00:00:00+00:00")
    worker = WorkerState(
        attempt="a-1",
        state="training",
        host=error,
        pid=7,
        device="cuda:0",
        gpu="0",
        job="12_3",
        since="2026-01-01T00:00:00+00:00",
        silent_s=1.0,
        updates_of={KEY: 5},
        updates_per_s=2.0,
        sweeps=(title,),
        log=error,
    )
    return LiveState(
        at="2026-01-01T00:00:00+00:00",
        store="store",
        sweeps=(states,),
        together=states,
        workers=(worker,),
        failures=(FailureGroup(error, (KEY,), failure, (title,)),),
        damages=(error + " damaged",),
        ends=(RunEnd(KEY, "failed", "2026-01-01T00:00:00+00:00", (title,), error),),
    )


class Reader:
    """Stands in for `LiveReader`: says what it is told to say."""

    def __init__(self, tmp_path: Path, live: LiveState) -> None:
        self.store = Store(tmp_path / "store")
        self.live = live
        self.problem: Exception | None = None
        self.submissions: tuple[SubmissionView, ...] = ()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.num_anew = 0

    def read(self) -> LiveState:
        self.may_answer.wait()
        if self.problem is not None:
            raise self.problem
        return self.live

    def jobs(self) -> Jobs:
        return Jobs(Queue(), self.submissions)

    def look_anew(self) -> None:
        self.num_anew += 1

    def runs_of(self, title: str) -> list[RunState]:
        return [RunState(KEY, "failed", 0, 100, None), RunState("cd" * 16, "running", 5, 100, "a-1")]


@pytest.fixture
def reader(tmp_path, monkeypatch) -> Reader:
    monkeypatch.setattr("sgdlab.watch.app.gpu_loads", lambda: GpuLoads((), "no GPU: none here"))
    return Reader(tmp_path, moment())


def watch(reader, act, size=(80, 24)):
    """Show the view, and do something with it."""

    async def run() -> None:
        app = WatchApp(reader, "laptop")
        async with app.run_test(size=size) as pilot:
            await act(app, pilot)

    asyncio.run(run())


async def until(pilot, condition) -> None:
    for _ in range(600):
        if condition():
            return
        await pilot.pause(0.05)
    pytest.fail("waited in vain")


def table(app, id: str) -> list[list[str]]:
    """What stands in a table."""
    shown = app.screen_stack[0].query_one(f"#{id}", TableView)
    return [[cell.plain for cell in shown.get_row_at(place)] for place in range(shown.row_count)]


def says(app, id: str) -> str:
    return str(app.screen.query_one(f"#{id}").render())


def tabs(app) -> list[str]:
    return [tab.label_text for tab in app.screen_stack[0].query("Tab")]


def text_of(app) -> str:
    """Everything on the screen, as drawn."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip) for strip in strips)


def test_a_moment_is_shown(reader):
    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        (row,) = table(app, "sweeps")
        assert row[0].startswith("own/tiny")
        assert [cell.strip() for cell in row[1:]] == ["███▏░░░░  40%", "1/3", "1", "1", "2", "30 s"]
        assert says(app, "together").startswith("██████▍░░░░░░░░░ 40%  1 of 3 runs done, 1 running, 1 failed")
        assert table(app, "workers-table")[0][1].strip() == "cuda:0"
        for key, id, words in [
            ("3", "gpus-table", "no GPU: none here"),
            ("4", "jobs-table", "no Slurm jobs of these sweeps"),
        ]:
            await pilot.press(key)
            await until(pilot, lambda id=id, words=words: table(app, id) == [[words]])
        assert tabs(app) == ["Workers 1", "Failures 2", "GPUs", "Jobs", "Ends"]

    watch(reader, act)


def test_hostile_words_are_text_wherever_they_stand(reader):
    reader.live = moment(HOSTILE, f"own/{HOSTILE} @ laptop")

    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        screens = [text_of(app)]
        for key in ("2", "3", "4", "5", "1"):
            await pilot.press(key)
            await pilot.pause()
            screens.append(text_of(app))
        await pilot.press("enter")
        await until(pilot, lambda: "log" in text_of(app))
        screens.append(text_of(app))
        await pilot.press("escape", "2", "enter")
        await until(pilot, lambda: "The end of" in text_of(app))
        screens.append(text_of(app))
        await pilot.press("escape", "r")
        screens.append(text_of(app))
        every = "\n".join(screens)
        assert not {character for character in every if ord(character) < 32 and character != "\n"}
        assert "\x9b" not in every
        assert "\u202e" not in every
        assert "[red]bold[/red] <b>&amp;</b> \\x1b[2J" in every.replace("\n", "")

    watch(reader, act, size=(200, 40))


def test_keys_are_heard_while_the_store_does_not_answer(reader):
    reader.may_answer.clear()

    async def act(app, pilot):
        await pilot.pause()
        assert "for the first time" in says(app, "together")
        await pilot.press("question_mark")
        assert isinstance(app.screen, TextScreen)
        await pilot.press("escape")
        reader.may_answer.set()
        await until(pilot, lambda: table(app, "sweeps"))
        reader.may_answer.clear()
        await pilot.press("q")

    watch(reader, act)
    reader.may_answer.set()


def test_a_store_that_cannot_be_read_is_a_sentence_and_the_last_moment_stays(reader):
    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        for problem, words in [
            (UserError("/store: Input/output error\x1b"), r"/store: Input/output error\x1b"),
            (ZeroDivisionError("odd"), "ZeroDivisionError: odd"),
        ]:
            reader.problem = problem
            await pilot.press("u")
            await until(pilot, lambda words=words: says(app, "problem") == words)
        assert table(app, "sweeps")
        reader.problem = None
        await pilot.press("u")
        await until(pilot, lambda: not app.screen.query_one("#problem").display)

    watch(reader, act)
    assert reader.num_anew == 3


def test_retry_asks_and_clears_the_selected_failures_only(reader, tmp_path):
    store = reader.store
    for key, error in [(KEY, "ValueError: odd"), ("cd" * 16, "ValueError: other")]:
        store.run_folder(key).mkdir(parents=True)
        store.failure_path(key).write_text(
            f'{{"key": "{key}", "attempt": "a", "error": "{error}", "log": "l", "at": ""}}'
        )

    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        await pilot.press("r")
        assert says(app, "word") == "choose a failure, and press r"
        await pilot.press("r")
        assert isinstance(app.screen, Question)
        for refusal in ("n", "enter", "escape"):
            await pilot.press(refusal)
            assert store.has_failed(KEY)
            await pilot.press("r")
        await pilot.press("y")
        await until(pilot, lambda: "1 failed run cleared" in says(app, "word"))
        assert not store.has_failed(KEY)
        assert store.has_failed("cd" * 16)

    watch(reader, act)


def test_retry_in_a_store_that_cannot_be_written_says_so(reader, monkeypatch):
    def refuse(*_, **__):
        raise OSError(30, "Read-only file system")

    reader.store.run_folder(KEY).mkdir(parents=True)
    reader.store.failure_path(KEY).write_text(
        f'{{"key": "{KEY}", "attempt": "a", "error": "ValueError: odd", "log": "l", "at": ""}}'
    )
    monkeypatch.setattr(Path, "unlink", refuse)

    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        await pilot.press("2", "r", "y")
        await until(pilot, lambda: "Read-only file system. Check who may write there" in says(app, "word"))

    watch(reader, act)


def test_cancel_is_for_the_selected_sweep_or_the_selected_jobs(reader, monkeypatch):
    asked = []
    monkeypatch.setattr("sgdlab.watch.actions.cancel", lambda store, titles: asked.append(set(titles)) or [])

    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        await pilot.press("c")
        assert "no Slurm job is known of own/tiny @ laptop" in says(app, "word")
        reader.submissions = (
            SubmissionView(
                name="p-1",
                job="77",
                wanted_by=(("own/tiny @ laptop",), ("own/a @ laptop", "own/b @ laptop")),
                at="2026-01-01T00:00:00+00:00",
                num_jobs=2,
                num_runs=9,
                queued={"RUNNING": 1, "PENDING": 1},
                waits_for=("Priority",),
                broken=(),
                last_words=(),
                log_folder="/logs",
                is_known=True,
                num_dropped=0,
            ),
        )
        await pilot.press("u")
        await until(pilot, lambda: "Jobs 1" in tabs(app))
        await pilot.press("c", "y")
        await until(pilot, lambda: len(asked) == 1)
        await pilot.press("4")
        await until(pilot, lambda: table(app, "jobs-table"))
        assert [cell.strip() for cell in table(app, "jobs-table")[0]][:2] == ["77", "1 pending, 1 running"]
        await pilot.press("c", "y")
        await until(pilot, lambda: len(asked) == 2)
        await pilot.press("enter")
        await until(pilot, lambda: "waiting for: Priority" in text_of(app))

    watch(reader, act)
    assert asked == [{"own/tiny @ laptop"}, {"own/tiny @ laptop", "own/a @ laptop", "own/b @ laptop"}]


def test_behind_a_sweep_are_its_runs(reader):
    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        await pilot.press("enter")
        assert isinstance(app.screen, RunsScreen)
        runs = app.screen.query_one("#runs", TableView)
        await until(pilot, lambda: runs.row_count == 2)
        assert [cell.plain.strip() for cell in runs.get_row_at(1)][:3] == ["cdcdcdcdcdcd", "running", "5/100"]
        await pilot.press("down", "enter")
        await until(pilot, lambda: "process 7 on" in text_of(app))  # its worker
        await pilot.press("escape", "escape")
        assert app.screen is app.screen_stack[0]

    watch(reader, act)


def test_gpus_are_shown_with_their_workers(reader, monkeypatch):
    gpu = GpuLoad("0", "GPU-1", "NVIDIA H100", 50.0, 1024.0, 2048.0, 61.0, None)
    monkeypatch.setattr("sgdlab.watch.app.gpu_loads", lambda: GpuLoads((gpu,)))
    monkeypatch.setattr("platform.node", lambda: "here")
    reader.live = replace(reader.live, workers=(replace(reader.live.workers[0], host="here"),))

    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps") and "GPUs 1" in tabs(app))
        await pilot.press("3")
        await until(pilot, lambda: table(app, "gpus-table"))
        (row,) = table(app, "gpus-table")
        cells = [cell.strip() for cell in row]
        assert cells == ["0", "NVIDIA H100", "████░░░░ 50%", "1.0/2.0 GiB", "1", "61 °C", "-"]

    watch(reader, act, size=(100, 24))


def test_the_cursor_stays_on_its_row_while_rows_come_and_go(reader):
    def live(*names: str) -> LiveState:
        sweeps = tuple(sweep(f"own/{name} @ laptop", done=1) for name in names)
        return replace(reader.live, sweeps=sweeps)

    reader.live = live("b", "c", "d")

    async def act(app, pilot):
        await until(pilot, lambda: len(table(app, "sweeps")) == 3)
        await pilot.press("down")
        view = app.query_one("#sweeps", TableView)
        assert view.row_id == "own/c @ laptop"
        reader.live = live("a", "aa", "b", "c", "d")
        await pilot.press("u")
        await until(pilot, lambda: len(table(app, "sweeps")) == 5)
        assert view.row_id == "own/c @ laptop"
        assert view.cursor_row == 3

    watch(reader, act)


@pytest.mark.parametrize("size", [(200, 60), (80, 24), (40, 12), (20, 6), (5, 2)])
def test_every_size_can_be_drawn(reader, size):
    async def act(app, pilot):
        await until(pilot, lambda: table(app, "sweeps"))
        await pilot.press("2", "enter", "escape", "question_mark", "escape", "tab")
        assert all(len(line) <= max(size[0], 5) for line in text_of(app).split("\n"))

    watch(reader, act, size)
