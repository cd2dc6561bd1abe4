"""Per-example norms and projections against closed forms, a plain loop, and two libraries."""

import pytest
import torch
from torch import nn

from sgdlab.diagnostics.modules import risk_of_module
from sgdlab.diagnostics.noise.per_example import projections, squared_norms
from sgdlab.diagnostics.risk import EmpiricalRisk, NotFiniteError
from sgdlab.errors import UserError
from sgdlab.models.cnn import Cnn
from sgdlab.models.layers import convolve_grouped, convolve_unfolded
from sgdlab.models.mlp import Mlp
from sgdlab.models.wide_resnet import WideResNet

CROSS_ENTROPY = nn.CrossEntropyLoss(reduction="none")


def rows(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_linear_regression_has_the_residual_times_the_input():
    model, inputs, targets = nn.Linear(3, 1, bias=False).double(), rows(9, 3), rows(9, seed=1)
    risk = risk_of_module(model, lambda z, t: (z.squeeze(1) - t).square() / 2, inputs, targets)
    residuals = (inputs @ model.weight.detach().T).squeeze(1) - targets
    torch.testing.assert_close(squared_norms(risk)[0], residuals.square() * inputs.square().sum(dim=1))
    vector = rows(1, 3, seed=2)
    torch.testing.assert_close(projections(risk, vector)[0], residuals * (inputs @ vector[0]))


def test_logistic_regression_has_the_probability_less_the_label_times_the_input():
    model, inputs, labels = nn.Linear(3, 1).double(), rows(9, 3), (torch.arange(9) % 2).double()

    def loss(z, t):
        return nn.functional.binary_cross_entropy_with_logits(z.squeeze(1), t, reduction="none")

    errors = torch.sigmoid(model(inputs).detach().squeeze(1)) - labels
    with_ones = torch.cat([inputs, torch.ones(9, 1).double()], dim=1)
    found = squared_norms(risk_of_module(model, loss, inputs, labels))
    torch.testing.assert_close(found[0], errors.square() * with_ones.square().sum(dim=1))


@pytest.mark.parametrize("at_once", [None, 1, 2, 5, 100])
@pytest.mark.parametrize("chunk_size", [1, 7, 100])
def test_norms_are_those_of_gradients_taken_one_by_one(small, example_gradients, chunk_size, at_once):
    found = squared_norms(small.risk(chunk_size=chunk_size), gradients_at_once=at_once)
    torch.testing.assert_close(found[0], example_gradients.square().sum(dim=1))


@pytest.mark.parametrize("chunk_size", [1, 7, 100])
def test_projections_are_those_of_gradients_taken_one_by_one(small, example_gradients, chunk_size):
    vector = rows(1, 35)
    found = projections(small.risk(chunk_size=chunk_size), vector)
    torch.testing.assert_close(found[0], example_gradients @ vector[0])


@pytest.mark.parametrize("at_once", [1, 4])
def test_a_pack_is_as_its_runs_alone_each_with_its_own_l2(pack, alone_run, at_once):
    centre, vectors = rows(3, pack.num_parameters), rows(3, pack.num_parameters, seed=1)
    norms = squared_norms(pack, gradients_at_once=at_once)
    around = squared_norms(pack, centre=centre, gradients_at_once=at_once)
    along = projections(pack, vectors)
    for run in range(3):
        one = alone_run(run)
        gradients = torch.cat([one.on(one.examples[i : i + 1]).gradient() for i in range(11)])
        torch.testing.assert_close(norms[run], gradients.square().sum(dim=1))
        torch.testing.assert_close(around[run], (gradients - centre[run]).square().sum(dim=1))
        torch.testing.assert_close(along[run], gradients @ vectors[run])


def test_equal_examples_lie_at_distance_0_from_their_mean():
    """In float32, where ‖g_i‖² − ‖ḡ‖² would be rounding errors of 10⁻⁷·‖g_i‖²."""
    model = nn.Linear(3, 1)
    risk = risk_of_module(model, lambda z, t: (z - t).square().squeeze(1), torch.ones(4, 3), torch.ones(4, 1))
    assert squared_norms(risk, centre=risk.gradient()).max() < 1e-12 * squared_norms(risk).max()


NETWORKS = {
    "mlp": (Mlp((12, 5, 4)), (12,)),
    "cnn": (Cnn((2, 4), 1, 3, 4, convolve=convolve_grouped), (3, 6, 6)),
    "wide_resnet": (WideResNet(10, 1, 3, 4, convolve=convolve_unfolded), (3, 6, 6)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_packs_of_sgdlabs_networks_go_by_vmap(name):
    """Convolutions can't choose their layout under vmap, as `convolve_each` does; the other two go."""
    network, sample_shape = NETWORKS[name]
    generator = torch.Generator().manual_seed(5)
    runs = [network.initial_parameters(generator) for _ in range(2)]
    names, inputs, labels = list(runs[0]), rows(4, *sample_shape), torch.arange(4)

    def outputs(parameters, examples):
        batch = inputs[examples].expand(2, -1, *sample_shape)
        return network.logits(dict(zip(names, parameters, strict=True)), batch)

    def losses(logits, examples):
        return torch.stack([CROSS_ENTROPY(run, labels[examples]) for run in logits.unbind(0)])

    stacked = tuple(torch.stack([run[name] for run in runs]) for name in names)
    risk = EmpiricalRisk(outputs, losses, stacked, torch.arange(4), chunk_size=4)
    torch.testing.assert_close(squared_norms(risk), squared_norms(risk, gradients_at_once=1))


@pytest.fixture
def convolutional():
    torch.manual_seed(3)
    layers = (nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(27, 4))
    return nn.Sequential(*layers).double(), rows(6, 2, 6, 6), torch.arange(6) % 4


def test_norms_are_those_of_opacus(convolutional):
    opacus = pytest.importorskip("opacus", reason="Opacus is not installed")
    model, inputs, labels = convolutional
    found = squared_norms(risk_of_module(model, CROSS_ENTROPY, inputs, labels))
    peer = opacus.GradSampleModule(model, loss_reduction="sum")
    CROSS_ENTROPY(peer(inputs), labels).sum().backward()
    expected = sum(p.grad_sample.flatten(1).square().sum(dim=1) for p in peer.parameters())
    torch.testing.assert_close(found[0], expected)


def test_norms_are_those_of_backpack(convolutional):
    backpack = pytest.importorskip("backpack", reason="BackPACK is not installed")
    model, inputs, labels = convolutional
    found = squared_norms(risk_of_module(model, CROSS_ENTROPY, inputs, labels))
    peer, loss = backpack.extend(model), backpack.extend(nn.CrossEntropyLoss(reduction="sum"))
    with backpack.backpack(backpack.extensions.BatchL2Grad()):
        loss(peer(inputs), labels).backward()
    torch.testing.assert_close(found[0], sum(p.batch_l2 for p in peer.parameters()))


@pytest.fixture
def normalised():
    """A network with batch normalisation and dropout, and its data."""
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(0.5), nn.Linear(6, 3))
    return model.double(), rows(24, 4), torch.arange(24) % 3


def test_a_ghost_batch_is_one_example(normalised):
    model, inputs, labels = normalised
    model[3] = nn.Identity()
    risk = risk_of_module(
        model, CROSS_ENTROPY, inputs, labels, mode="train", ghost_batch_size=8, chunk_size=2
    )
    model.train()
    gradients = []
    for x, y in zip(inputs.split(8), labels.split(8), strict=True):
        parts = torch.autograd.grad(CROSS_ENTROPY(model(x), y).mean(), list(model.parameters()))
        gradients.append(torch.cat([part.flatten() for part in parts]))
    expected, vector = torch.stack(gradients), rows(1, risk.num_parameters)
    torch.testing.assert_close(squared_norms(risk)[0], expected.square().sum(dim=1))
    torch.testing.assert_close(projections(risk, vector)[0], expected @ vector[0])


def test_running_statistics_leave_examples_independent(normalised):
    model, inputs, labels = normalised
    risk = risk_of_module(model, CROSS_ENTROPY, inputs, labels)
    torch.testing.assert_close(squared_norms(risk), squared_norms(risk, gradients_at_once=1))
    assert squared_norms(risk).shape == (1, 24)


def test_ghost_batches_of_one_keep_their_dropout_masks(normalised):
    model, inputs, labels = normalised
    model[1] = nn.Identity()
    risk = risk_of_module(model, CROSS_ENTROPY, inputs, labels, mode="train", ghost_batch_size=1)
    vector, mean = rows(1, risk.num_parameters), risk.gradient()
    assert projections(risk, vector).mean().item() == pytest.approx((vector * mean).sum().item())
    distances = squared_norms(risk, centre=mean).mean()
    assert distances.item() == pytest.approx((squared_norms(risk).mean() - mean.square().sum()).item())


class LessTheMean(nn.Module):
    def forward(self, inputs):
        return inputs - inputs.mean(dim=0)


@pytest.mark.parametrize("at_once", [1, 8])
@pytest.mark.parametrize("layer", [LessTheMean(), nn.Dropout(0.5)])
def test_examples_that_a_layer_mixes_have_no_gradients_of_their_own(layer, at_once):
    model = nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 3)).double()
    risk = risk_of_module(model, CROSS_ENTROPY, rows(12, 4), torch.arange(12) % 3, mode="train")
    with pytest.raises(UserError, match=r"change with the other examples of its chunk.*ghost_batch_size"):
        squared_norms(risk, gradients_at_once=at_once)


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(4, 3).double()

    def forward(self, inputs):
        return self.linear(inputs) * (2.0 if inputs.sum().item() < 1e9 else 1.0)


def test_what_vmap_cannot_take_is_named_and_goes_one_by_one():
    risk = risk_of_module(Branching(), CROSS_ENTROPY, rows(5, 4), torch.arange(5) % 3)
    with pytest.raises(
        UserError, match=r"vmap can't .* \(test_per_example.py:\d+, .*item\(\) < 1e9.*one by one"
    ):
        squared_norms(risk)
    assert squared_norms(risk, gradients_at_once=1).isfinite().all()


class Square(torch.autograd.Function):
    """Has a derivative, but not by forward mode."""

    @staticmethod
    def forward(x):
        return x * x

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, gradient):
        return 2 * ctx.saved_tensors[0] * gradient


class Squaring(nn.Linear):
    def forward(self, inputs):
        return Square.apply(super().forward(inputs))


def test_what_forward_mode_cannot_take_is_named():
    risk = risk_of_module(Squaring(4, 3).double(), CROSS_ENTROPY, rows(5, 4), torch.arange(5) % 3)
    with pytest.raises(UserError, match=r"forward mode .* \(test_per_example.py:\d+, .*Square.apply"):
        projections(risk, rows(1, 15))


def test_infinite_gradients_are_refused():
    def loss(z, t):
        return (1e30 * (z - t)).square().squeeze(1)

    risk = risk_of_module(nn.Linear(1, 1), loss, torch.ones(2, 1), 3 * torch.ones(2, 1))
    with pytest.raises(NotFiniteError, match="an example's gradient isn't finite"):
        squared_norms(risk)
    with pytest.raises(NotFiniteError, match="a projection of an example's gradient isn't finite"):
        projections(risk, torch.ones(1, 2))


def test_numbers_and_shapes_out_of_range_are_refused(small):
    with pytest.raises(UserError, match="gradients_at_once=0 must be at least 1"):
        squared_norms(small.risk(), gradients_at_once=0)
    with pytest.raises(UserError, match=r"vectors of \(1, 34\) for gradients of \(1, 35\)"):
        projections(small.risk(), torch.ones(1, 34))
