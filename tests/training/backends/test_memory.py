"""The memory that a pack takes: counted by hand on a CPU."""

import pytest
import torch

from sgdlab.config.models import MlpModel
from sgdlab.training.backends.memory import counted_bytes
from sgdlab.training.backends.trial import Trial

CPU = torch.device("cpu")
WIDTHS = (40, 7, 10)
PARAMETERS = 40 * 7 + 7 + 7 * 10 + 10  # float64
BATCH = 5


def count(make_run, backend, width=1, **changes):
    trial = Trial((make_run(model=MlpModel(hidden_widths=(7,)), **changes),) * width, CPU)
    state = trial._initial_state()
    return counted_bytes(backend, trial.rule, state, trial._batches(1).batch(0))


def test_the_kernel_needs_its_parameters(make_run):
    assert count(make_run, "native-256") == 8 * PARAMETERS


def test_differentiation_keeps_the_activations_of_a_minibatch(make_run):
    # inputs, hidden layer after the activation, log-probabilities, and one number for each mean over a batch
    activations = BATCH * (40 + 7 + 10)
    labels = BATCH
    found = count(make_run, "batched")
    assert found == pytest.approx(8 * (2 * PARAMETERS + activations + labels), abs=8 * 2 * BATCH)


@pytest.mark.parametrize("backend", ["native-256", "batched"])
def test_runs_add_up(make_run, backend):
    assert count(make_run, backend, width=3) == pytest.approx(3 * count(make_run, backend), rel=0.02)


def test_the_exact_penalty_keeps_the_errors_of_the_hidden_layer_as_well(make_run):
    plain, penalised = count(make_run, "batched"), count(make_run, "batched", strength=0.1)
    assert penalised >= plain + 8 * BATCH * (7 + 10)


def test_a_trial_counts_all_its_runs(make_run, monkeypatch):
    run = make_run(model=MlpModel(hidden_widths=(7,)))
    assert Trial((run,) * 3, CPU).measure("batched").num_bytes == 3 * count(make_run, "batched")
