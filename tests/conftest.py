"""A person with a terminal: the `sgdlab` command as a process of its own, in a folder of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from filelock import FileLock

from sgdlab.analysis.observations import Observation
from sgdlab.runs.store import Store
from sgdlab.sweeps.spec import Sweep
from slurm_cluster import Cluster, ClusterOptions, why_not

# The arithmetic of a worker process (see launch/local.py), for tests too: set before anything multiplies.
os.environ.setdefault("MKL_CBWR", "AVX2")

ROOT = Path(__file__).parents[1]

ACCURACY = "test_accuracy.best"
PATIENCE_S = 600.0  # at most, for a process: machines are busy, and waiting for less is no proof
TINY = {
    "paper": "own",
    "figure": "tiny",
    "title": "Test accuracy against learning rate",
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
    "grids": {
        "rate": {"label": "plain SGD", "axes": {"optimizer.lr": "pow2(-5, -3)"}},
        "strength": {
            "label": "penalised",
            "fixed": {"regularizer": "gradient_norm", "optimizer.lr": "2**-5"},
            "axes": {"regularizer.strength": [0, "2**-3"]},
        },
    },
    "drawing": {
        "x": "optimizer.lr",
        "x_label": "learning rate",
        "y_label": "test accuracy",
        "curves": [
            {"grid": "rate", "metric": "test_accuracy.best"},
            {"grid": "strength", "metric": "test_accuracy.best", "x": "regularizer.strength"},
        ],
    },
    "claims": [
        {
            "kind": "gain",
            "says": "A larger learning rate helps.",
            "metric": "test_accuracy.best",
            "start": {"grid": "rate", "at": "first"},
            "to": {"grid": "rate", "at": "last"},
            "expect": {"above": 0},
        }
    ],
    "scales": {"laptop": {}},
}
SHARED = ClusterOptions(num_nodes=3, num_gpus=2)
CAREFUL = ("tracker=none", "launcher.num_workers=1", "launcher.device=cpu")


def _hear_ctrl_c() -> None:
    """Undo what a shell does to commands in the background, should the tests be one."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def living(program: str, folder: Path) -> list[int]:
    """Return the processes of a program in launch/ whose commands name a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = path.read_bytes().decode(errors="replace")
        except OSError:
            continue
        if f"sgdlab.launch.{program}" in command and str(folder) in command:
            found.append(int(path.parent.name))
    return found


@dataclass
class Terminal:
    """A working folder, and commands given in it."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("sweeps", "cache", "tmp"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)

    @property
    def store(self) -> Store:
        return Store(self.folder / "outputs" / "store")

    def write_sweep(self, name: str, grids: Mapping[str, Any] | None = None, **base: Any) -> None:
        """Write the tiny sweep under a name; keyword arguments change its base, ``__`` standing for a dot."""
        changes = {key.replace("__", "."): value for key, value in base.items()}
        sweep = {**TINY, "figure": name, "base": {**TINY["base"], **changes}}
        if grids is not None:
            first = next(iter(grids))
            x, *tuned = grids[first]["axes"]
            curves = [{"grid": first, "metric": "test_accuracy.best", "x": x}]
            drawing = {**TINY["drawing"], "curves": curves}
            drawing |= {"kind": "optima", "tuned": tuned} if tuned else {}
            sweep |= {"grids": dict(grids), "claims": [], "drawing": drawing}
        (self.folder / "sweeps" / f"{name}.yaml").write_text(yaml.safe_dump(sweep))

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        inherited = {key: value for key, value in os.environ.items() if key not in ("SGDLAB_DATA", "COLUMNS")}
        own = {
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "TMPDIR": str(self.folder / "tmp"),
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "80",
        }
        return subprocess.Popen(
            [sys.executable, "-c", "from sgdlab.cli import main; main()", *arguments],
            cwd=self.folder,
            env=inherited | own | self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=_hear_ctrl_c,
        )

    def sgdlab(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Give a command and wait for its end."""
        return finish(self.start(*arguments, **environment))

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`sgdlab run` with one worker on the CPU and no tracker."""
        return self.sgdlab("run", *arguments, *CAREFUL, **environment)

    def workers(self) -> list[int]:
        """The worker processes of this folder's store, whoever started them."""
        return living("worker_process", self.store.root)

    def results(self) -> dict[str, tuple[Any, ...]]:
        """Key → how the run ended, its summary, the bits of its curves."""
        found = {}
        for path in self.store.runs.glob("*/*/result.json"):
            result = json.loads(path.read_bytes())
            with np.load(path.parent / result["curves_file"]) as curves:
                bits = {name: values.tobytes() for name, values in curves.items()}
            found[result["key"]] = (result["state"], result["summary"], result["num_updates"], bits)
        return found

    def events(self, kind: str) -> list[str]:
        """The keys of all events of a kind, from the journals."""
        lines = [line for path in self.store.journals.glob("*") for line in path.read_text().splitlines()]
        return [event["key"] for event in map(json.loads, lines) if event["kind"] == kind]


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    out, err = process.communicate(timeout=PATIENCE_S)
    assert "Traceback" not in out + err, out + err
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


@pytest.fixture(scope="session")
def data_folder() -> Path | None:
    """The folder with the original files of data sets, where there is one."""
    beside = ROOT.parent / "shared" / "data"
    folder = Path(os.environ.get("SGDLAB_TEST_DATA", beside))
    return folder if folder.is_dir() else None


@pytest.fixture(scope="session")
def real_data(data_folder: Path | None) -> Path:
    """The same, for tests that need it."""
    if data_folder is None:
        pytest.skip("no real data: SGDLAB_TEST_DATA names no folder")
    return data_folder


@pytest.fixture(scope="session")
def real_ptb(real_data: Path) -> Path:
    """The same, where it holds Penn Treebank."""
    if not list(real_data.glob("ptb/ptb.train.txt*")):
        pytest.skip(f"no Penn Treebank in {real_data}/ptb")
    return real_data


@pytest.fixture(name="finish", scope="session")
def _finish() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Wait for a started command; a traceback is a failure."""
    return finish


@pytest.fixture(name="living", scope="session")
def _living() -> Callable[[str, Path], list[int]]:
    """Find the living processes of a program whose commands name a folder."""
    return living


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    """Wait until a condition holds."""

    def wait(condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)

    return wait


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    """A new folder with the tiny sweep; workers that a failing test leaves behind are killed."""
    terminal = Terminal(tmp_path / "desk")
    terminal.write_sweep("tiny")
    yield terminal
    for pid in terminal.workers():
        os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny sweep was trained, by the first who needs it; `trained` gives a copy."""
    common = tmp_path_factory.getbasetemp()
    common = common.parent if os.environ.get("PYTEST_XDIST_WORKER") else common
    folder = common / "trained"
    with FileLock(common / "trained.lock"):
        if not (folder / "run.txt").exists():
            terminal = Terminal(folder)
            terminal.write_sweep("tiny")
            finished = terminal.run("tiny")
            assert finished.returncode == 0, finished.stderr
            (folder / "run.txt").write_text(finished.stdout + finished.stderr)
    return folder


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Terminal:
    """A folder of its own in which the tiny sweep, 9 plain and 3 penalised runs, has been trained."""
    shutil.copytree(trained_once, tmp_path / "desk", copy_function=shutil.copy2)
    return Terminal(tmp_path / "desk")


@pytest.fixture(scope="session")
def words() -> Callable[[str], str]:
    """Text with its line breaks and repeated spaces gone, to look for sentences in."""
    return lambda text: re.sub(r"\s+", " ", text)


@pytest.fixture(scope="session")
def needs_slurm() -> None:
    """Skip where no Slurm can be started."""
    if reason := why_not():
        pytest.skip(reason)


@pytest.fixture(scope="session")
def _cluster(needs_slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("slurm"), SHARED) as cluster:
        yield cluster


@pytest.fixture
def cluster(_cluster: Cluster) -> Iterator[Cluster]:
    """A Slurm of three nodes without accounting, one for all tests of this process; no job is left in it."""
    yield _cluster
    _cluster.clean()


@pytest.fixture(scope="session")
def _accounted_cluster(needs_slurm: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("slurm"), replace(SHARED, accounting=True)) as cluster:
        yield cluster


@pytest.fixture
def accounted_cluster(_accounted_cluster: Cluster) -> Iterator[Cluster]:
    """As `cluster`, with accounting; earlier tests' jobs stay in its records."""
    yield _accounted_cluster
    _accounted_cluster.clean()


@pytest.fixture
def make_cluster(
    needs_slurm: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Cluster]]:
    """Start a Slurm of one's own, for faults that others would feel; arguments as ClusterOptions."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(
            Cluster(tmp_path_factory.mktemp("slurm"), ClusterOptions(**options))
        )


@pytest.fixture
def make_sweep() -> Callable[..., Sweep]:
    """Return a function that builds a sweep from its grids' axes."""

    def build(
        grids: Mapping[str, Mapping[str, Sequence[Any]]],
        num_seeds: int = 3,
        keep: int | None = None,
        claims: Sequence[Mapping[str, Any]] = (),
        panels: Sequence[str] = ("main",),
        **drawing: Any,
    ) -> Sweep:
        first = next(iter(grids))
        x, *others = grids[first]
        defaults = {"x": x, "x_label": "x", "y_label": "y", "curves": [{"grid": first, "metric": ACCURACY}]}
        if others and not drawing:
            defaults |= {"kind": "optima", "tuned": others}
        grid_specs = {name: {"label": name, "axes": dict(axes)} for name, axes in grids.items()}
        return Sweep.model_validate(
            {
                "name": "made/up",
                "paper": "made",
                "figure": "up",
                "title": "Made up",
                "scale": "laptop",
                "protocol": {"num_seeds": num_seeds, "keep": keep or num_seeds},
                "panels": {name: {"title": name, "grids": grid_specs} for name in panels},
                "drawing": {**defaults, **drawing},
                "claims": list(claims),
            }
        )

    return build


@pytest.fixture
def make_runs() -> Callable[..., list[Observation]]:
    """Return a function that builds the runs of a sweep from value(grid, point, seed): None is diverged."""

    def build(
        sweep: Sweep,
        value: Callable[[str, Mapping[str, Any], int], float | None],
        metric: str = ACCURACY,
    ) -> list[Observation]:
        runs = []
        for panel_name, panel in sweep.panels.items():
            for grid_name, grid in panel.grids.items():
                for point in grid.points():
                    values = point.values()
                    for seed in range(sweep.protocol.num_seeds):
                        y = value(grid_name, point, seed)
                        key = f"{panel_name}-{grid_name}-{'-'.join(map(str, values))}-{seed}"
                        state = "done" if y is not None else "diverged"
                        metrics = {} if y is None else {ACCURACY: y, metric: y}
                        runs.append(Observation(panel_name, grid_name, point, seed, key, state, metrics))
        return runs

    return build


CHROMIUM_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """A real Chromium, which notes what it logs and what it asks the network for."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium isn't installed")
    programs = [shutil.which("chromium") or shutil.which("google-chrome"), shutil.which("chromedriver")]
    if None in programs:
        pytest.skip("pages are tested in Chromium: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location, driver_path = programs
    for flag in (*CHROMIUM_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_path))
    yield driver
    driver.quit()
