"""Minibatches that are computed in parts: the updates, averages and measurements of whole ones."""

import pytest
import torch
from torch.func import grad, hessian

from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import CnnModel, MlpModel, WideResNetModel
from sgdlab.errors import UsageError
from sgdlab.models.wide_resnet import WideResNet
from sgdlab.training.backends.backend import Following, UpdateRule
from sgdlab.training.backends.memory import counted_bytes
from sgdlab.training.batches import Position
from sgdlab.training.objective import Minibatches, Objective
from sgdlab.training.penalty import update_direction
from sgdlab.training.splitting import halved, refuse_unsplittable
from sgdlab.training.state import State

IMAGES = {"data": DigitsData(num_train=40, num_test=16), "lr": 2**-5}
TANH = MlpModel(hidden_widths=(7, 10), activation="tanh")
CNN = {**IMAGES, "model": CnnModel(channels=(4, 5))}
GHOSTS = {
    **IMAGES,
    "model": WideResNetModel(depth=10, width=1, norm="batch", ghost_size=2),
    "batch_size": 10,
}
DROPOUT = {**IMAGES, "model": WideResNetModel(depth=10, width=1, dropout=0.5), "batch_size": 7}
# Minibatches of 5 where nothing is said. A difference divides the rounding of gradients by its step: hence
# a long one, of 0.1.
PACKS = {
    "plain": ({}, (1, 2, 3, 4)),
    "L2": ({"l2": 0.05}, (2,)),
    "exact": ({"strength": 0.5}, (1, 2, 3, 4)),
    "exact, tanh, L2": ({"strength": 0.5, "model": TANH, "l2": 0.05}, (2,)),
    "forward": ({"strength": 0.5, "model": TANH, "estimator": "forward_difference", "radius": 0.1}, (2,)),
    "central, L2": (
        {"strength": 0.5, "model": TANH, "estimator": "central_difference", "radius": 0.1, "l2": 0.05},
        (2, 3),
    ),
    "momentum, clipped, exact": ({"momentum": 0.9, "clip_norm": 0.3, "strength": 0.5}, (2,)),
    "n-step": ({"inner_steps": 3, "strength": 0.5}, (2,)),
    "augmented": ({"data": DigitsData(num_train=32, num_test=16, crop_padding=1, flip=True)}, (2,)),
    "cnn": ({**CNN, "strength": 0.1}, (2,)),
    "ghosts": (GHOSTS, (2, 4, 6, 8)),
    "ghosts, momentum, exact": ({**GHOSTS, "momentum": 0.9, "strength": 0.1, "l2": 0.01}, (4,)),
    "ghosts, central": (
        {**GHOSTS, "strength": 0.1, "estimator": "central_difference", "radius": 1e-2},
        (4,),
    ),
    "dropout": (DROPOUT, (3,)),
    "dropout, exact": ({**DROPOUT, "strength": 0.1}, (3,)),
}


@pytest.fixture
def pack(make_run):
    """Two runs that differ in seed, rate, λ and L2."""

    def make(options):
        scaled = [
            {name: options[name] * factor for name in ("lr", "strength", "l2") if name in options}
            for factor in (1.0, 0.5)
        ]
        return [make_run(seed=seed, **options | changes) for seed, changes in enumerate(scaled)]

    return make


@pytest.mark.parametrize("name", PACKS)
def test_the_updates_and_averages_are_those_of_whole_minibatches(pack, updated, name):
    options, parts = PACKS[name]
    runs = pack(options)
    for num_updates in (1, 4):
        expected = updated(runs, num_updates)
        for part in parts:
            assert_close(updated(runs, num_updates, examples_per_pass=part), expected, 1e-12)


@pytest.mark.parametrize("backend", ["per-run", "batched-grouped", "batched-unfolded"])
def test_all_ways_of_convolving_can_split(pack, updated, backend):
    runs = pack({**GHOSTS, "strength": 0.1})
    assert_close(updated(runs, 3, backend=backend, examples_per_pass=4), updated(runs, 3), 1e-12)


@pytest.mark.parametrize("name", ["exact", "ghosts, momentum, exact", "dropout, exact"])
def test_one_part_that_holds_a_whole_minibatch_is_it(pack, updated, name):
    """Only the mean is taken otherwise: by a sum and a division."""
    runs = pack(PACKS[name][0])
    assert_close(updated(runs, 4, examples_per_pass=10), updated(runs, 4), 1e-14)


def test_the_penalty_is_that_of_the_whole_minibatch_and_not_of_its_parts(make_run, make_population):
    """Against torch.func's Hessian of the whole; differentiating ‖∇C‖² part by part is far from it."""
    run = make_run(model=MlpModel(hidden_widths=(3,), activation="tanh"), strength=1.0, lr=1.0, batch_size=4)
    population = make_population([run], examples_per_pass=2)
    start = torch.cat([p.detach().flatten() for p in population.stacked])
    batch = population._batches.prepare([Position(run.seed, 0)], 1).batch(0)
    shapes = [p.shape[1:] for p in population.stacked]

    def cost(parameters, rows):
        pieces = parameters.split([shape.numel() for shape in shapes])
        w0, b0, w1, b1 = (piece.view(shape) for piece, shape in zip(pieces, shapes, strict=True))
        logits = torch.tanh(batch.inputs[0, rows] @ w0 + b0) @ w1 + b1
        return torch.nn.functional.cross_entropy(logits, batch.labels[0, rows])

    def penalty(rows):
        return hessian(cost)(start, rows) @ grad(cost)(start, rows) / 2

    whole = slice(0, 4)
    expected = grad(cost)(start, whole) + penalty(whole)
    population._advance()
    step = start - torch.cat([p.detach().flatten() for p in population.stacked])
    assert (step - expected).norm() < 1e-12 * expected.norm()
    naive = (penalty(slice(0, 2)) + penalty(slice(2, 4))) / 2
    assert (naive - penalty(whole)).norm() > 0.3 * penalty(whole).norm()


@pytest.mark.parametrize("name", ["exact", "ghosts, momentum, exact", "central, L2"])
def test_what_is_measured_is_measured_of_whole_minibatches(pack, train, name):
    """C_reg's last minibatch is smaller than the others: 32 = 6·5 + 2, 40 = 6·6 + 4."""
    options = PACKS[name][0]
    batch_size = 6 if "batch_size" in options else 5
    runs = pack({**options, "batch_size": batch_size, "num_updates": 6, "every": 3})
    expected = train(runs, statistics="evaluations").runs
    found = train(runs, statistics="evaluations", examples_per_pass=2).runs
    for ours, theirs in zip(found, expected, strict=True):
        assert {"c_reg.final", "gradient_norm_sq.final"} <= set(ours.summary)
        assert ours.summary == pytest.approx(theirs.summary, rel=1e-9, abs=1e-12)


def test_a_run_goes_on_in_parts_with_the_same_bits(pack, train, checkpoints):
    runs = pack({**GHOSTS, "strength": 0.1, "momentum": 0.9, "precision": "float32", "num_updates": 6})
    whole = train(runs, examples_per_pass=4).runs
    assert train(runs, examples_per_pass=4, stop_after=3, checkpoints=checkpoints) is None
    rest = train(runs, examples_per_pass=4, resume_from=checkpoints.latest).runs
    for ours, theirs in zip(rest, whole, strict=True):
        assert ours.summary == theirs.summary
        assert all(torch.equal(ours.parameters[name], values) for name, values in theirs.parameters.items())


# ---- thousands of examples ---------------------------------------------------------------------------------


def large_update(batch_size, examples_per_pass, strength, make_run):
    """Return a rule of one run, its state and a minibatch of images of 4×4, for a tiny Wide-ResNet."""
    network = WideResNet(10, 1, 1, 10, has_norm=True, ghost_size=64)
    generator = torch.Generator().manual_seed(0)
    parameters, buffers = network.initial_parameters(generator), network.initial_buffers(batch_size)
    like = torch.zeros((), dtype=torch.float32)
    state = State.zeros(parameters, buffers, 1, like, has_momentum=False)
    names = tuple(parameters)
    with torch.no_grad():
        for name, tensor in state.named(names):
            tensor.copy_((parameters | buffers)[name])
    run = make_run(strength=strength)
    rule = UpdateRule.of([run], network, names, like, examples_per_pass=examples_per_pass)
    inputs = torch.randn(1, batch_size, 1, 4, 4, generator=generator)
    labels = torch.randint(10, (1, batch_size), generator=generator)
    return rule, state, Minibatches(inputs, labels)


def examples_and_sums(batch_size, state):
    """The bytes of a minibatch, and of the sums over its parts and the part that is being added."""
    return batch_size * (16 * 4 + 8) + 2 * 4 * sum(p.numel() for p in state.parameters)


@pytest.mark.parametrize("strength", [None, 0.1])
def test_memory_is_that_of_a_part(make_run, strength):
    part = counted_bytes("batched", *large_update(128, None, strength, make_run))
    rule, state, batch = large_update(1024, 128, strength, make_run)
    found = counted_bytes("batched", rule, state, batch)
    assert part <= found <= part + examples_and_sums(1024 - 128, state)
    assert counted_bytes("batched", *large_update(1024, None, strength, make_run)) > 4 * found


@pytest.mark.slow
def test_a_minibatch_of_32768_in_ghosts_of_64_makes_one_update_in_the_memory_of_a_part(make_run):
    part = counted_bytes("batched", *large_update(1024, None, None, make_run))
    rule, state, batch = large_update(32768, 1024, None, make_run)
    found = counted_bytes("batched", rule, state, batch)
    assert found <= part + examples_and_sums(32768 - 1024, state)
    start = [p.detach().clone() for p in state.parameters]
    direction = update_direction(rule.objective, rule.penalties)
    (loss,) = Following(direction, rule)(state, batch, torch.tensor([0.1])).tolist()
    assert 2 < loss < 4  # ln 10 and something
    assert all(torch.isfinite(p).all() for p in state.parameters)
    step = torch.cat([(a - b.detach()).flatten() for a, b in zip(start, state.parameters, strict=True)])
    # ghosts don't know of each other: the mean over 512 is that of the means over 16 times 32 of them
    plain = Objective(rule.objective.network, rule.objective.names, None)
    at_start = tuple(p.requires_grad_() for p in start)
    some = torch.zeros_like(step)
    for first in range(0, 32768, 2048):
        rows = slice(first, first + 2048)
        own = Minibatches(batch.inputs[:, rows], batch.labels[:, rows], buffers=state.buffers)
        some += torch.cat([g.flatten() for g in plain.gradients(at_start, own)[1]]) / 16
    assert (step / 0.1 - some).norm() < 1e-4 * some.norm()
    assert not torch.equal(state.buffers["head_norm_mean"], torch.zeros(1, 64))


# ---- what can't be split -----------------------------------------------------------------------------------

WHOLE_NORM = {**IMAGES, "model": WideResNetModel(depth=10, width=1, norm="batch"), "batch_size": 8}
REFUSED = {
    "a whole normalisation": (
        WHOLE_NORM,
        (2, 4),
        r"launcher\.devices_per_run=2 and launcher\.examples_per_pass=4 would split minibatches, and "
        r"model=wide_resnet takes whole ones; use launcher\.devices_per_run=1 and "
        r"launcher\.examples_per_pass=null or set model\.ghost_size$",
    ),
    "half a ghost": (
        GHOSTS,
        (1, 5),
        r"launcher\.examples_per_pass=5 must be a multiple of the 2 examples that model=wide_resnet takes "
        r"together; use 4 or 6$",
    ),
    "less than a ghost": (GHOSTS, (1, 1), r"launcher\.examples_per_pass=1 must .* together; use 2$"),
    "too few ghosts": (
        GHOSTS,
        (6, None),
        r"launcher\.devices_per_run=6 is more than a minibatch can be split over: the 10 examples are 5 "
        r"times the 2 that model=wide_resnet takes together; use at most 5$",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_belongs_together_is_not_split(make_run, name):
    options, asked_for, message = REFUSED[name]
    with pytest.raises(UsageError, match=message):
        refuse_unsplittable(make_run(**options), *asked_for)


@pytest.mark.parametrize(
    ("options", "asked_for"),
    [
        ({}, (7, 3)),  # more devices than examples: some of them have none
        (WHOLE_NORM, (1, 8)),  # a part holds the whole
        (WHOLE_NORM, (1, None)),
        (GHOSTS, (5, 2)),
        (GHOSTS, (3, 4)),
        (DROPOUT, (2, 1)),
    ],
)
def test_everything_else_is(make_run, options, asked_for):
    assert refuse_unsplittable(make_run(**options), *asked_for) is None


@pytest.mark.parametrize(
    ("options", "num_devices", "sizes"),
    [
        ({"batch_size": 32}, 1, [16, 8, 4, 2, 1]),
        ({"batch_size": 7}, 1, [4, 2, 1]),
        ({"batch_size": 32}, 2, [8, 4, 2, 1]),  # a device computes 16 as it is
        (GHOSTS, 1, [6, 4, 2]),
        (GHOSTS, 2, [4, 2]),  # the largest share is of three ghosts
        (WHOLE_NORM, 1, []),
        ({"batch_size": 1}, 1, []),
    ],
)
def test_parts_are_halved_down_to_a_ghost(make_run, options, num_devices, sizes):
    run, found, part = make_run(**options), [], None
    while (part := halved(run, num_devices, part)) is not None:
        found.append(part)
        refuse_unsplittable(run, num_devices, part)
    assert found == sizes


def assert_close(found, expected, tolerance):
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            assert (ours[name] - values).abs().max() <= tolerance * values.abs().max(), name
