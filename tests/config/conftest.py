"""A composer on the shipped conf/, and small runs."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import settings

from sgdlab.config.compose import Composer, open_composer, validate_run
from sgdlab.config.schema import Run

settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")


@pytest.fixture(scope="module")
def composer() -> Iterator[Composer]:
    with open_composer() as composer:
        yield composer


@pytest.fixture(scope="module")
def run_of(composer) -> Callable[..., Run]:
    """Validate the run that overrides in Hydra's grammar describe."""
    return lambda *overrides: validate_run(composer, composer.parse(overrides))


@pytest.fixture(scope="session")
def default_run() -> Run:
    """Return a run that sets only what it must."""
    return Run.model_validate(
        {
            "data": {"kind": "digits"},
            "model": {"kind": "mlp", "hidden_widths": [32, 32]},
            "loss": {"kind": "cross_entropy"},
            "regularizer": {"kind": "none"},
            "optimizer": {"kind": "sgd", "lr": "2**-6", "batch_size": 8},
            "schedule": {"kind": "constant"},
            "budget": {"kind": "updates", "num_updates": 1000},
            "evaluation": {"kind": "updates", "every_num_updates": 100},
        }
    )
