"""A small sweep file, a composer, and a store whose index lies beside it."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import settings

from sgdlab.config.compose import Composer, open_composer
from sgdlab.errors import UsageError
from sgdlab.runs.store import Store
from sgdlab.sweeps.files import load_sweep
from sgdlab.sweeps.finding import SweepFile
from sgdlab.sweeps.spec import Sweep

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

SMALL = {
    "paper": "made",
    "figure": "up",
    "title": "Made up",
    "base": {"data": "digits", "data.num_train": 64, "optimizer.batch_size": 8, "budget.num_epochs": 2},
    "protocol": {"num_seeds": 3, "keep": 2},
    "grids": {
        "rate": {"label": "ε", "axes": {"optimizer.lr": "pow2(-4, -2)"}},
        "strength": {
            "label": "λ",
            "fixed": {"regularizer": "gradient_norm", "optimizer.lr": "2**-4"},
            "axes": {"regularizer.strength": [0, "2**-3"]},
        },
    },
    "drawing": {
        "x": "optimizer.lr",
        "x_label": "ε",
        "y_label": "accuracy",
        "curves": [{"grid": "rate", "metric": "test_accuracy.best"}],
    },
    "scales": {"laptop": {}},
}
METRICS = (
    "test_accuracy, train_accuracy, test_loss, train_loss, train_cost, test_perplexity, train_perplexity, "
    "c_reg, gradient_norm_sq, or what landscape=measured adds (docs/diagnostics.md)"
)
SET = "budget.num_epochs, data, data.num_train, optimizer.batch_size, optimizer.lr"


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with open_composer() as composer:
        yield composer


@pytest.fixture
def small() -> dict[str, Any]:
    """Return the content of a small sweep file, to be changed."""
    return copy.deepcopy(SMALL)


@pytest.fixture
def load(composer, tmp_path) -> Callable[..., Sweep]:
    """Write a sweep file, as content or as text, and load it; overrides are in Hydra's grammar."""

    def write_and_load(content: Any, *overrides: str, scale: str = "laptop") -> Sweep:
        path = tmp_path / "made.yaml"
        text = content if isinstance(content, str) else yaml.safe_dump(content, sort_keys=False)
        path.write_text(text)
        return load_sweep(SweepFile("made", path, "made.yaml"), scale, composer, composer.parse(overrides))

    return write_and_load


@pytest.fixture
def refusal_of(load, small) -> Callable[[str, Any], str]:
    """Return refusal_of(path, value): the message, when the small sweep has that value at a path of keys.

    None removes the key. The lists of all metrics, and of all that the sweep sets, are METRICS and SET.
    """

    def change_and_load(path: str, value: Any) -> str:
        *parents, last = path.split("/")
        content = small
        for parent in parents:
            content = content[int(parent) if isinstance(content, list) else parent]
        if value is None:
            del content[last]
        else:
            content[int(last) if isinstance(content, list) else last] = value
        with pytest.raises(UsageError) as refused:
            load(small)
        return str(refused.value).replace(METRICS, "METRICS").replace(SET, "SET")

    return change_and_load


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = Store(tmp_path / "store")
    store.open_for_writing()
    return store
