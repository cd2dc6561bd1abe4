"""Batch normalisation by ghosts against torch's own module, run by run and ghost by ghost."""

import pytest
import torch
from torch import nn

from sgdlab.models.network import TrainingPass
from sgdlab.models.normalization import batch_norm, moved_average, norm_buffers, norm_parameters

NUM_RUNS, CHANNELS = 3, 4


@pytest.fixture
def layer():
    """Inputs (R, B, C, H, W), and the layer's values of each run, all different."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    values = {"n_weight": normal(NUM_RUNS, CHANNELS), "n_bias": normal(NUM_RUNS, CHANNELS)}
    values |= {"n_mean": normal(NUM_RUNS, CHANNELS), "n_var": normal(NUM_RUNS, CHANNELS).exp()}
    return 2 * normal(NUM_RUNS, 12, CHANNELS, 3, 2) + 1, values


def torch_layer(values, run):
    module = nn.BatchNorm2d(CHANNELS, dtype=torch.float64)
    state = {"weight": "n_weight", "bias": "n_bias", "running_mean": "n_mean", "running_var": "n_var"}
    with torch.no_grad():
        for theirs, ours in state.items():
            getattr(module, theirs).copy_(values[ours][run])
    return module


@pytest.mark.parametrize(
    ("ghost_size", "ghosts"), [(None, [12]), (4, [4, 4, 4]), (5, [5, 5, 2]), (64, [12]), (1, [1] * 12)]
)
def test_each_ghost_is_normalised_by_itself(layer, ghost_size, ghosts):
    inputs, values = layer
    outputs = batch_norm(inputs, values, "n", ghost_size, TrainingPass())
    for run in range(NUM_RUNS):
        pieces = [torch_layer(values, run)(ghost) for ghost in inputs[run].split(ghosts)]
        torch.testing.assert_close(outputs[run], torch.cat(pieces))


@pytest.mark.parametrize(("ghost_size", "ghosts"), [(None, [12]), (4, [4, 4, 4]), (5, [5, 5, 2])])
def test_running_averages_move_once_to_the_mean_over_ghosts(layer, ghost_size, ghosts):
    inputs, values = layer
    training = TrainingPass()
    batch_norm(inputs, values, "n", ghost_size, training)
    batch_norm(inputs + 1, values, "n", ghost_size, training)  # a second pass of the same update
    for run in range(NUM_RUNS):
        modules = [torch_layer(values, run) for _ in ghosts]
        for module, ghost in zip(modules, inputs[run].split(ghosts), strict=True):
            module(ghost)
        for name, theirs in (("n_mean", "running_mean"), ("n_var", "running_var")):
            moved = moved_average(values[name], training.observed[name])[run]
            torch.testing.assert_close(moved, sum(getattr(m, theirs) for m in modules) / len(modules))


def test_in_evaluation_the_running_averages_count(layer):
    inputs, values = layer
    outputs = batch_norm(inputs, values, "n", 4, None)
    for run in range(NUM_RUNS):
        torch.testing.assert_close(outputs[run], torch_layer(values, run).eval()(inputs[run]))
    alone = batch_norm(inputs[:, :1], values, "n", 4, None)
    torch.testing.assert_close(outputs[:, :1], alone)


def test_a_gradient_s_norm_can_be_differentiated(layer):
    inputs, values = layer
    inputs = inputs[:, :6, :2, :2].requires_grad_()
    values = {name: value[:, :2] for name, value in values.items()}

    def gradient(x):
        outputs = batch_norm(x, values, "n", 3, TrainingPass())
        return torch.autograd.grad((outputs**3).sum(), x, create_graph=True)[0]

    assert torch.autograd.gradcheck(gradient, (inputs,))


def test_a_layer_begins_as_torch_s():
    module = nn.BatchNorm2d(CHANNELS, dtype=torch.float64)
    ours = norm_parameters("n", CHANNELS) | norm_buffers("n", CHANNELS)
    theirs = [module.weight, module.bias, module.running_mean, module.running_var]
    for name, values in zip(("n_weight", "n_bias", "n_mean", "n_var"), theirs, strict=True):
        assert torch.equal(ours[name], values)
