"""A desk with two sweeps and made-up runs, one of hostile texts, and a dashboard served over them."""

from __future__ import annotations

import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from sgdlab.cli.dashboard import SweepsAsked
from sgdlab.config.compose import open_composer
from sgdlab.dashboard.live import Live
from sgdlab.dashboard.views import Views
from sgdlab.launch.live.reader import LiveReader
from sgdlab.runs.attempts import Attempt
from sgdlab.runs.result import RunResult
from sgdlab.runs.store import Store
from sgdlab.sweeps.expand import WantedRun, expand
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import find_sweep

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
CONTROL = "\x1b[31mred\x07\x00\u202egnp"
RATES = [2.0**k for k in range(-5, 0)]


def _sweep(title: str, label: str, says: str, rates: list[float] = RATES) -> dict[str, Any]:
    return {
        "paper": "own",
        "figure": title,
        "title": title,
        "notes": [title],
        "base": {
            "data": "digits",
            "data.num_train": 64,
            "data.num_test": 100,
            "model.hidden_widths": [8],
            "optimizer.batch_size": 8,
            "budget": "updates",
            "budget.num_updates": 64,
            "evaluation": "updates",
            "evaluation.every_num_updates": 32,
        },
        "protocol": {"num_seeds": 3, "keep": 2},
        "grids": {"rate": {"label": label, "axes": {"optimizer.lr": rates}}},
        "drawing": {
            "x": "optimizer.lr",
            "x_label": "learning rate",
            "y_label": "test accuracy",
            "mark_optimum": True,
            "curves": [{"grid": "rate", "metric": "test_accuracy.best"}],
        },
        "claims": [
            {
                "kind": "gain",
                "says": says,
                "metric": "test_accuracy.best",
                "start": {"grid": "rate", "at": "first"},
                "to": {"grid": "rate", "at": "optimum"},
                "expect": {"above": 0},
            }
        ],
        "scales": {"laptop": {}},
    }


SWEEPS = {
    "first": _sweep("Accuracy against the learning rate", "plain SGD", "A larger learning rate helps."),
    "hostile": _sweep(HOSTILE, f"{HOSTILE} %{{y}}", HOSTILE, [2.0**-7, 2.0**-6]),
}


class Desk:
    """A working folder with sweep files and a store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = Store(folder / "outputs" / "store")

    def write_sweep(self, name: str, content: dict[str, Any]) -> None:
        path = self.folder / "sweeps" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))

    def wanted(self, name: str) -> list[WantedRun]:
        """The runs of a sweep; the current folder must be the desk's."""
        with open_composer() as composer:
            return list(expand(load_sweep(find_sweep(name), "laptop", composer, {}), composer))

    def publish(self, row: WantedRun, state: str = "done") -> None:
        with Attempt.start(self.store, "session", heartbeat_every_s=60) as attempt:
            self.store.publish(attempt, *result_of(row, state))

    def fail(self, row: WantedRun, error: str) -> None:
        with Attempt.start(self.store, "session", heartbeat_every_s=60) as attempt:
            attempt.record_claim(row.key, [])  # so that its log is kept
            attempt.log_path.write_text(f"log of {row.key}\n{error}\n")
            self.store.record_failure(attempt, row.key, error, attempt.log_path)

    def damage(self, row: WantedRun) -> None:
        self.store.result_path(row.key).write_text("{")


def result_of(row: WantedRun, state: str = "done") -> tuple[RunResult, dict[str, np.ndarray]]:
    """A made-up result: better with the learning rate, and different by seed."""
    value = 0.9 + 0.02 * np.log2(row.run.optimizer.lr) + 0.003 * row.seed
    accuracy = np.array([value - 0.1, value])
    result = RunResult(
        key=row.key,
        state=state,
        config=row.run.model_dump(mode="json"),
        summary={"test_accuracy.best": value, "test_accuracy.final": value} if state == "done" else {},
        num_updates=64 if state == "done" else 40,
        diverged_at=None if state == "done" else 40,
        provenance={"attempt": "gone", "sgdlab_version": "0", "device": "cpu", "wall_s": 1.0},
    )
    return result, {
        "updates": np.array([32, 64]),
        "test_accuracy": accuracy,
        "train_loss": 1 - accuracy,
    }


@pytest.fixture(scope="session")
def desk_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The desk of all tests that change nothing; `desk` gives a copy."""
    folder = tmp_path_factory.mktemp("dashboard") / "desk"
    desk = Desk(folder)
    for name, content in SWEEPS.items():
        desk.write_sweep(name, content)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        rows = desk.wanted("first")
        for row in rows[:9]:
            desk.publish(row)
        for row in rows[9:11]:
            desk.publish(row, "diverged")
        desk.fail(rows[11], "ValueError: too few examples")
        desk.fail(rows[12], "ValueError: too few examples")
        desk.publish(rows[13])
        desk.damage(rows[13])
        hostile = desk.wanted("hostile")
        for row in hostile[:5]:
            desk.publish(row)
        desk.fail(hostile[5], f"Error: {HOSTILE} {CONTROL}")
    return folder


@pytest.fixture
def desk(desk_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk of one's own, which is the current folder."""
    shutil.copytree(desk_once, tmp_path / "desk", copy_function=shutil.copy2)
    monkeypatch.chdir(tmp_path / "desk")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Desk(tmp_path / "desk")


@pytest.fixture
def bare_desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a sweep, and no store."""
    desk = Desk(tmp_path / "bare")
    desk.write_sweep("first", SWEEPS["first"])
    monkeypatch.chdir(desk.folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return desk


@contextmanager
def _views_over(*names: str) -> Iterator[Views]:
    catalogue = SweepsAsked(names, "laptop")
    with Live(LiveReader(catalogue.store, catalogue.look)) as live:
        assert live.wait(600) is not None, live.problem
        yield Views(catalogue, live)


@pytest.fixture
def views_over() -> Callable[..., Any]:
    """What the dashboard shows of some sweeps of the current folder, in a `with` block."""
    return _views_over


@pytest.fixture
def views(desk: Desk) -> Iterator[Views]:
    """What the dashboard shows of the desk's sweeps."""
    with _views_over("first", "hostile") as views:
        yield views


def text_of(component: Any) -> str:
    """All text of a component, as a reader would hear it."""
    if component is None:
        return ""
    if isinstance(component, str | int | float):
        return str(component)
    if isinstance(component, list | tuple):
        return " ".join(filter(None, map(text_of, component)))
    return text_of(getattr(component, "children", None))


@pytest.fixture(name="text_of")
def _text_of() -> Callable[[Any], str]:
    """Return all text of components."""
    return text_of


class Served:
    """A dashboard that runs as a command of its own."""

    def __init__(self, terminal: Any, *arguments: str) -> None:
        self.process = terminal.start("dashboard", "--port", "0", *arguments)
        self.address, self.hint = (self.process.stdout.readline().strip() for _ in range(2))

    def end(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what was printed since."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=600)
        return self.process.returncode, out + err


@pytest.fixture(scope="session")
def serve_at() -> Callable[..., Any]:
    """Serve a folder's sweeps, in a `with` block."""

    @contextmanager
    def serve(folder: Path, *arguments: str) -> Iterator[Served]:
        from tests.conftest import Terminal

        served = Served(Terminal(folder), *arguments)
        try:
            yield served
        finally:
            if served.process.poll() is None:
                served.process.kill()
                served.process.communicate()

    return serve


@pytest.fixture(scope="session")
def dashboard(desk_once: Path, serve_at: Callable[..., Any]) -> Iterator[str]:
    """The address of a dashboard over the desk, one for all tests that only look."""
    with serve_at(desk_once, "first", "hostile") as served:
        yield served.address.rstrip("/")


def _wait_for(condition: Callable[[], Any], seconds: float = 600.0) -> Any:
    """Wait until something is true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
    return found


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    """Wait until something is true, and return it."""
    return _wait_for
