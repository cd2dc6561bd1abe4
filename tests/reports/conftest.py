"""Sweeps with made-up runs, one whose every text is hostile; and a reader, who opens pages in a browser."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sgdlab.analysis.observations import Observation
from sgdlab.analysis.seed_rounds import spare
from sgdlab.analysis.timing import Timing
from sgdlab.reports.failures import FailureGroup
from sgdlab.reports.section import SweepSection, section_of
from sgdlab.sweeps.spec import Sweep

HOSTILE = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">"
HOSTILE_LABEL = "<b>bold</b> & %{y} <img src=x onerror=alert(1)>"
NUM_SEEDS = 5
TIMING = Timing("mlp 64-64 · mnist1d · B=16", 63, 1_000_000, expected_s=20.0, actual_s=25.0)

EPSILON = {2.0**-9: 0.540, 2.0**-7: 0.590, 2.0**-5: 0.619, 2.0**-3: 0.667, 2.0**-2: 0.656, 2.0**-1: None}
LAMBDA = {0.0: 0.590, 2.0**-5: 0.628, 2.0**-3: 0.652, 2.0**-2: 0.662, 2.0**-1: 0.663, 1.0: 0.609}


def runs(panel: str, grid: str, axis: str, values: dict[float, float | None]) -> list[Observation]:
    """The runs of a grid of one axis: a spread that depends on the seed; None diverges."""
    made = []
    for x, mean in values.items():
        for seed in range(NUM_SEEDS):
            key = f"{panel}{grid}{x}{seed}"
            if mean is None:
                made.append(Observation(panel, grid, {axis: x}, seed, key, "diverged"))
                continue
            value = mean + 0.01 * np.cos(2.0 * seed + 40.0 * x)
            metrics = {"test_accuracy.best": value, "test_accuracy.honest": value - 0.005}
            updates = np.arange(250, 15_001, 250)
            curves = {"updates": updates, "test_accuracy": value - 0.5 * 0.9 ** (updates / 250)}
            made.append(Observation(panel, grid, {axis: x}, seed, key, "done", metrics, curves))
    return made


def sweep(**changes) -> Sweep:
    values = {
        "name": "smith2021/fig1b",
        "paper": "smith2021",
        "figure": "Figure 1b",
        "title": "Large learning rates regularise, and so does their gradient norm",
        "scale": "laptop",
        "notes": ["MNIST-1D (synthetic) instead of CIFAR-10.", "The ε of the second curve is 2⁻⁷."],
        "protocol": {"num_seeds": NUM_SEEDS, "keep": 3},
        "panels": {
            "main": {
                "title": "Without decay",
                "base": {"optimizer.batch_size": 16, "model": "mlp"},
                "grids": {"sgd": {"label": "SGD", "axes": {"optimizer.lr": list(EPSILON)}}},
            },
            "weak": {
                "title": "ε = 2^{-7}",
                "grids": {"sgd": {"label": "SGD", "axes": {"optimizer.lr": list(EPSILON)[:4]}}},
            },
        },
        "drawing": {
            "x": "optimizer.lr",
            "x_label": "ε",
            "y_label": "test accuracy",
            "curves": [{"grid": "sgd", "metric": "test_accuracy.best"}],
            "mark_optimum": True,
            "reference": {"grid": "sgd", "metric": "test_accuracy.best", "label": "SGD at ε = 2^{-9}"},
        },
        "claims": [
            gain("Test accuracy rises with the learning rate, up to an optimum.", {"above": 0}),
            gain("Large learning rates gain a third.", {"within": (0.3, 0.4)}),
            gain("Large learning rates gain an eighth.", {"above": 0.1273}),
        ],
    }
    return Sweep.model_validate(values | changes)


def gain(says: str, expect: dict) -> dict:
    ends = {"start": {"grid": "sgd", "at": "first"}, "to": {"grid": "sgd", "at": "optimum"}}
    return {
        "kind": "gain",
        "says": says,
        "metric": "test_accuracy.best",
        "panels": ["main"],
        **ends,
        "expect": expect,
    }


@pytest.fixture(scope="session")
def curves_section() -> SweepSection:
    some = {x: EPSILON[x] for x in list(EPSILON)[:3]}  # the fourth point of the second panel is missing
    observations = runs("main", "sgd", "optimizer.lr", EPSILON) + runs("weak", "sgd", "optimizer.lr", some)
    provenance = {"commit": "abc1234", "runs": "63", "training time": "1 h 12 min"}
    return section_of(sweep(), observations, provenance, [TIMING])


@pytest.fixture(scope="session")
def halved_section() -> SweepSection:
    """Successive halving has given points that can hardly be the best no more seeds."""
    halved = sweep(protocol={"num_seeds": NUM_SEEDS, "keep": 3, "seeds": "halving"}, claims=[])
    some = {x: EPSILON[x] for x in list(EPSILON)[:4]}
    made = runs("main", "sgd", "optimizer.lr", EPSILON) + runs("weak", "sgd", "optimizer.lr", some)
    return section_of(halved, spare(halved, made), {})


@pytest.fixture(scope="session")
def trajectories_section() -> SweepSection:
    panel = {
        "title": "Training",
        "grids": {"reg": {"label": "λ", "axes": {"regularizer.strength": list(LAMBDA)}}},
    }
    drawing = {
        "kind": "trajectories",
        "x": "updates",
        "x_label": "updates",
        "y_label": "test accuracy",
        "curves": [{"grid": "reg", "metric": "test_accuracy.curve"}],
    }
    made = sweep(
        name="smith2021/fig2", title="Over training", panels={"main": panel}, drawing=drawing, claims=[]
    )
    return section_of(made, runs("main", "reg", "regularizer.strength", LAMBDA), {})


@pytest.fixture(scope="session")
def hostile_section() -> SweepSection:
    """Every text that a sweep file or a run can bring in."""
    grids = {
        "reg": {
            "label": HOSTILE_LABEL,
            "fixed": {HOSTILE: HOSTILE},
            "axes": {"regularizer.strength": list(LAMBDA)},
        }
    }
    made = sweep(
        name=HOSTILE,
        paper=HOSTILE,
        figure=HOSTILE,
        title=HOSTILE,
        scale=HOSTILE,
        notes=[HOSTILE],
        panels={"main": {"title": HOSTILE, "base": {HOSTILE: HOSTILE}, "grids": grids}},
        drawing={
            "x": "regularizer.strength",
            "x_label": HOSTILE,
            "y_label": HOSTILE_LABEL,
            "curves": [{"grid": "reg", "metric": "test_accuracy.best"}],
            "mark_optimum": True,
        },
        claims=[
            {
                "kind": "trend",
                "says": HOSTILE,
                "grid": "reg",
                "metric": "test_accuracy.best",
                "expect": {"above": 0},
            }
        ],
    )
    return section_of(made, runs("main", "reg", "regularizer.strength", LAMBDA), {HOSTILE: HOSTILE})


class Reader:
    """Somebody with a real browser."""

    def __init__(self, browser: Any) -> None:
        self.browser = browser

    def show(self, page: Path, width: int = 1280, scheme: str = "light") -> None:
        """Open a page in a window of this width, and wait for its figures."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.set_scheme(scheme)
        self.browser.get(page.as_uri())
        self.wait_for("return document.documentElement.dataset.drawn")

    def set_scheme(self, scheme: str) -> None:
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)

    def wait_for(self, script: str) -> Any:
        from selenium.webdriver.support.wait import WebDriverWait

        return WebDriverWait(self.browser, 60).until(lambda browser: browser.execute_script(script))

    def run(self, script: str, *arguments: Any) -> Any:
        return self.browser.execute_script(script, *arguments)

    def texts(self, selector: str) -> list[str]:
        script = "return [...document.querySelectorAll(arguments[0])].map(e => e.textContent)"
        return self.run(script, selector)

    def requests(self) -> set[str]:
        """The schemes of everything that was asked for since the last time."""
        messages = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        return {
            m["params"]["request"]["url"].partition(":")[0]
            for m in messages
            if m["method"] == "Network.requestWillBeSent"
        }


@pytest.fixture
def reader(browser) -> Reader:
    return Reader(browser)


@pytest.fixture
def many_runs_section(curves_section) -> SweepSection:
    """10,000 runs of 2,000 points in 60 evaluations each; one point in ten has a run that failed."""
    rates = [0.001 * (i + 1) for i in range(2000)]
    grids = {"sgd": {"label": "SGD", "axes": {"optimizer.lr": rates}}}
    made = sweep(name="many/runs", panels={"main": {"title": "Many", "grids": grids}}, claims=[])
    updates = np.arange(1, 61) * 250
    generator = np.random.default_rng(0)
    observations = []
    for index, rate in enumerate(rates):
        for seed in range(NUM_SEEDS):
            key = hashlib.sha256(f"{rate} {seed}".encode()).hexdigest()
            if seed == 0 and index % 10 == 0:
                observations.append(Observation("main", "sgd", {"optimizer.lr": rate}, seed, key, "failed"))
                continue
            values = generator.random(60)
            metrics = {"test_accuracy.best": values.max(), "test_accuracy.honest": values[-1]}
            curves = {"updates": updates, "test_accuracy": values}
            point = {"optimizer.lr": rate}
            observations.append(Observation("main", "sgd", point, seed, key, "done", metrics, curves))
    groups = [FailureGroup("out of memory", tuple(o.key for o in observations if o.state == "failed"), "log")]
    return section_of(made, observations, {}, [], groups)
