"""Penalties on micro-batches against closed forms on quadratics, differences of the penalty itself, and SGD.

The oracles know nothing of packs: they take each micro-batch's gradient by itself, from logits alone.
"""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sgdlab.config.components import GradientNoiseRegularizer, GradientNormRegularizer
from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import MlpModel, WideResNetModel
from sgdlab.errors import UsageError
from sgdlab.models.mlp import Mlp
from sgdlab.models.wide_resnet import WideResNet
from sgdlab.training.objective import Minibatches, Objective
from sgdlab.training.penalty import Penalties, update_direction
from sgdlab.training.splitting import halved, refuse_unsplittable

STRENGTHS = [0.0, 0.5, 3.0]
KINDS = {"gradient_norm": GradientNormRegularizer, "gradient_noise": GradientNoiseRegularizer}
IMAGES = {"data": DigitsData(num_train=40, num_test=16), "lr": 2**-5}


class Quadratic:
    """A network whose cross-entropy on label 0 is 1 + ½wᵀAw: its inputs are the matrices A."""

    def logits(self, parameters, inputs, _training=None):
        cost = 1 + torch.einsum("ri,rbij,rj->rb", parameters["w"], inputs, parameters["w"]) / 2
        return torch.stack([-torch.log(torch.expm1(cost)), torch.zeros_like(cost)], dim=2)


def direction_of(kind, network, names, like, l2, strengths, size):
    objective = Objective(network, names, like.new_tensor(l2) if any(l2) else None)
    regularizers = [KINDS[kind](strength=strength, micro_batch_size=size) for strength in strengths]
    return update_direction(objective, Penalties.of(regularizers, like))


@pytest.mark.parametrize("l2", [[0.0, 0.0, 0.0], [0.0, 0.1, 0.7]])
@pytest.mark.parametrize("kind", KINDS)
def test_on_quadratics_the_penalty_is_that_of_each_micro_batch(kind, l2) -> None:
    """C_j = ½wᵀH_j w: ∇(λ/4)‖H_j w‖² = (λ/2)H_j² w, and the noise leaves out (λ/2)H² w of the mean."""
    generator = torch.Generator().manual_seed(3)
    factors = torch.randn(3, 6, 5, 5, generator=generator, dtype=torch.float64)
    matrices = factors @ factors.mT / 5
    w = torch.randn(3, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    batch = Minibatches(matrices, torch.zeros(3, 6, dtype=torch.int64))
    direction = direction_of(kind, Quadratic(), ("w",), w.detach(), l2, STRENGTHS, 2)
    losses, (gradient,) = direction((w,), batch)
    for run in range(3):
        point, of_run = w[run].detach().numpy(), matrices[run].numpy()
        hessians = [of_run[j : j + 2].mean(axis=0) + l2[run] * np.eye(5) for j in (0, 2, 4)]
        whole = sum(hessians) / 3
        squares = sum(hessian @ hessian for hessian in hessians) / 3
        squares -= whole @ whole if kind == "gradient_noise" else 0
        expected = whole @ point + STRENGTHS[run] / 2 * squares @ point
        np.testing.assert_allclose(gradient[run].numpy(), expected, rtol=1e-11)
        cost = 1 + point @ of_run.mean(axis=0) @ point / 2
        np.testing.assert_allclose(losses[run].item(), cost, rtol=1e-14)  # without the L2 term


def gradient_of(network, names, parameters, batch, run, examples, l2):
    """∇C of some of a run's examples, flat."""
    own = [p[run : run + 1].detach().requires_grad_() for p in parameters]
    logits = network.logits(dict(zip(names, own, strict=True)), batch.inputs[run : run + 1, examples])[0]
    cost = F.cross_entropy(logits, batch.labels[run, examples]) + l2 / 2 * sum((p**2).sum() for p in own)
    return torch.cat([g.flatten() for g in torch.autograd.grad(cost, own)])


def penalty(kind, strength, network, names, parameters, batch, run, l2):
    """(λ/4) of the mean square over two halves; of the noise as the paper has it: (λ/16)‖g_B − g_C‖²."""
    middle = batch.labels.shape[1] // 2
    first, second = (
        gradient_of(network, names, parameters, batch, run, half, l2)
        for half in (slice(0, middle), slice(middle, None))
    )
    if kind == "gradient_noise":
        return strength / 16 * (first - second).square().sum().item()
    return strength / 4 * ((first.square().sum() + second.square().sum()) / 2).item()


# Steps as in test_penalty: along a way of length about 12, 1e-5 is wrong by (12e-5)² of the slope at least.
NETWORKS = {
    "tanh": (Mlp((6, 7, 5, 10), "tanh"), (6,), 1e-5),
    "relu": (Mlp((6, 7, 5, 10), "relu"), (6,), 1e-6),
    "wide_resnet": (WideResNet(10, 1, 2, 10), (2, 5, 5), 1e-6),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", NETWORKS)
def test_the_direction_is_the_slope_of_the_modified_loss(packed, kind, name) -> None:
    network, sample_shape, step = NETWORKS[name]
    names, parameters, batch = packed(network, 2, 4, sample_shape)
    strengths, l2 = [1.5, 4.0], [0.0, 0.3]
    direction = direction_of(kind, network, names, parameters[0].detach(), l2, strengths, 2)
    _, modified = direction(parameters, batch)
    generator = torch.Generator().manual_seed(5)
    for run in range(2):
        ways = [torch.randn(p.shape, generator=generator, dtype=torch.float64) for p in parameters]
        values = [
            penalty(kind, strengths[run], network, names, moved, batch, run, l2[run])
            for sign in (1, -1)
            for moved in [[p.detach() + sign * step * way for p, way in zip(parameters, ways, strict=True)]]
        ]
        along = torch.cat([way[run].flatten() for way in ways])
        plain = gradient_of(network, names, parameters, batch, run, slice(None), l2[run])
        found = torch.cat([g[run].flatten() for g in modified]) - plain
        expected = (values[0] - values[1]) / (2 * step)
        assert abs(expected) > 1e-3 * abs(plain @ along)
        np.testing.assert_allclose((found @ along).item(), expected, rtol=1e-6)


@pytest.mark.parametrize("penalised", [True, False])
def test_two_updates_with_the_noise_penalty_are_those_on_halves_up_to_the_third_order(
    packed, penalised
) -> None:
    """Roberts' §3 for one split: the mean over both orders of the halves, λ = η; without it O(η²)."""
    network = Mlp((6, 5, 10), "tanh")
    names, start, batch = packed(network, 1, 6, (6,))
    objective = Objective(network, names, None)
    halves = [
        Minibatches(batch.inputs[:, half], batch.labels[:, half]) for half in (slice(0, 3), slice(3, 6))
    ]

    def end(lr, direction, batches):
        point = start
        for one in batches:
            gradients = direction(point, one)[1]
            point = tuple(
                (p - lr * g).detach().requires_grad_() for p, g in zip(point, gradients, strict=True)
            )
        return torch.cat([p.detach().flatten() for p in point])

    lrs, distances = 2.0 ** -np.arange(5, 12), []
    for lr in lrs:
        of_sgd = sum(end(lr, objective.gradients, order) for order in itertools.permutations(halves)) / 2
        strength = lr if penalised else 0.0
        direction = direction_of("gradient_noise", network, names, start[0].detach(), [0], [strength], 3)
        distances.append((end(lr, direction, [batch, batch]) - of_sgd).norm().item())
    slope = np.polyfit(np.log(lrs), np.log(distances), 1)[0]
    assert abs(slope - (3 if penalised else 2)) < 0.1


# ---- in training ---------------------------------------------------------------------------------------

TANH = MlpModel(hidden_widths=(7, 10), activation="tanh")
GHOSTS = {**IMAGES, "model": WideResNetModel(depth=10, width=1, norm="batch", ghost_size=2), "batch_size": 8}
DROPOUT = {**IMAGES, "model": WideResNetModel(depth=10, width=1, dropout=0.5), "batch_size": 8}
PACKS = {
    "plain": {"batch_size": 8},
    "L2, tanh": {"batch_size": 8, "l2": 0.05, "model": TANH},
    "momentum, clipped": {"batch_size": 8, "momentum": 0.9, "clip_norm": 0.3},
    "n-step": {"batch_size": 8, "inner_steps": 3},
    "ghosts": GHOSTS,
    "dropout": DROPOUT,
}


def pack(make_run, options, **changes):
    return [make_run(seed=seed, **options | changes | {"strength": 0.1 * (1 + seed)}) for seed in range(3)]


@pytest.mark.parametrize("name", PACKS)
def test_one_micro_batch_is_the_minibatch(make_run, updated, name) -> None:
    whole = pack(make_run, PACKS[name])
    as_one = pack(make_run, PACKS[name], micro_batch_size=8)
    assert_close(updated(as_one, 6), updated(whole, 6))
    noiseless = pack(make_run, PACKS[name], penalty="gradient_noise", micro_batch_size=8)
    plain = [run.model_copy(update={"regularizer": make_run().regularizer}) for run in whole]
    assert_close(updated(noiseless, 6), updated(plain, 6))


@pytest.mark.parametrize("name", PACKS)
def test_the_noise_is_what_the_micro_batches_have_beside_their_mean(make_run, updated, name) -> None:
    """One update is linear in the penalty's gradient: norm of micro-batches = norm of the whole + noise.

    Clipping isn't, and n-step SGD makes several updates; both are left out by making one that isn't cut.
    """
    options = {key: value for key, value in PACKS[name].items() if key != "clip_norm"}
    ends = [
        updated(pack(make_run, options, **changes), 1)
        for changes in (
            {"micro_batch_size": 4},
            {"penalty": "gradient_noise", "micro_batch_size": 4},
            {},
        )
    ]
    plain = [
        run.model_copy(update={"regularizer": make_run().regularizer}) for run in pack(make_run, options)
    ]
    for of_norms, of_noise, of_whole, without in zip(*ends, updated(plain, 1), strict=True):
        for parameter, values in of_norms.items():
            expected = of_noise[parameter] + of_whole[parameter] - without[parameter]
            torch.testing.assert_close(values, expected, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("name", ["plain", "L2, tanh", "ghosts"])
def test_a_run_s_bits_are_its_own(make_run, updated, kind, precision, name) -> None:
    runs = pack(make_run, PACKS[name], penalty=kind, micro_batch_size=4, precision=precision)
    together, turned = updated(runs, 10), updated(runs[::-1], 10)[::-1]
    for slot, run in enumerate(runs):
        (alone,) = updated([run], 10)
        for parameter, values in together[slot].items():
            assert torch.equal(values, alone[parameter])
            assert torch.equal(values, turned[slot][parameter])


def test_minibatches_of_penalised_micro_batches_are_not_computed_in_parts(make_run) -> None:
    run = make_run(batch_size=8, strength=0.1, micro_batch_size=4)
    assert halved(run, 1, None) is None
    with pytest.raises(UsageError, match=r"examples_per_pass=2 can't cut .*micro_batch_size=4; use .*=null"):
        refuse_unsplittable(run, 1, 2)
    refuse_unsplittable(run, 2, None)
    ghosts = make_run(**GHOSTS, strength=0.1, micro_batch_size=4)
    with pytest.raises(
        UsageError, match="devices_per_run=3 is more than a minibatch can be split over: the 4"
    ):
        refuse_unsplittable(ghosts, 3, None)


def assert_close(ours, theirs) -> None:
    for mine, other in zip(ours, theirs, strict=True):
        for name, values in other.items():
            torch.testing.assert_close(mine[name], values, rtol=1e-11, atol=1e-13)
