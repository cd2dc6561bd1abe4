"""Parameter updates against torch's own modules and optimizer, one run at a time."""

import pytest
import torch
import torch.nn.functional as F

from sgdlab.config.components import (
    GradientNormRegularizer,
    HoldThenDecaySchedule,
    HoldThenDecayToSchedule,
    SquaredErrorLoss,
)
from sgdlab.config.datasets import DigitsData
from sgdlab.config.models import MlpModel
from sgdlab.data.standardize import make_standardize
from sgdlab.training.backends.backend import Following, Stepwise
from sgdlab.training.orders import MinibatchOrder

ROUNDING = {
    "float64": 1e-12,
    "float32": 2e-5,
}  # of the movement: a few hundred roundings, amplified by training


def _squared_error(outputs, labels):
    return F.mse_loss(outputs, F.one_hot(labels, 10).to(outputs), reduction="sum") / 2 / len(labels)


_LOSSES = {"cross_entropy": F.cross_entropy, "squared_error": _squared_error}


@pytest.fixture
def trained_by_torch(make_dataset, make_population, plain_network):
    """Train a run with torch.nn and torch.optim.SGD; return its parameters at the start and the end."""

    def train(run, num_updates):
        start = make_population([run]).parameter_tuple()
        names = [f"{kind}{layer}" for layer in range(len(start) // 2) for kind in ("weight", "bias")]
        start = {name: values[0].detach() for name, values in zip(names, start, strict=True)}
        network = plain_network(run, {name: values.clone() for name, values in start.items()})
        dtype = getattr(torch, run.precision)
        dataset = make_dataset(run.data)
        standardize = make_standardize(run.data, dataset.train_inputs, torch.device("cpu"), dtype)
        inputs = standardize(dataset.train_inputs)
        optimizer = torch.optim.SGD(
            network.parameters(),
            lr=run.optimizer.lr,
            weight_decay=0 if run.optimizer.clip_norm else run.loss.l2,
            momentum=run.optimizer.momentum,
        )
        order = MinibatchOrder(run.seed, run.data.num_train, run.optimizer)
        for update in range(num_updates):
            (examples,) = order.minibatches(update // run.optimizer.inner_steps, 1)
            optimizer.zero_grad()
            loss = _LOSSES[run.loss.kind](network(inputs[examples]), dataset.train_labels[examples])
            if isinstance(run.regularizer, GradientNormRegularizer):
                l2_term = run.loss.l2 / 2 * sum((p**2).sum() for p in network.parameters())
                gradients = torch.autograd.grad(loss + l2_term, network.parameters(), create_graph=True)
                loss = loss + run.regularizer.strength / 4 * sum((g**2).sum() for g in gradients)
            if run.optimizer.clip_norm:  # torch's weight decay would come after the clipping
                loss = loss + run.loss.l2 / 2 * sum((p**2).sum() for p in network.parameters())
            loss.backward()
            if run.optimizer.clip_norm:
                torch.nn.utils.clip_grad_norm_(network.parameters(), run.optimizer.clip_norm)
            optimizer.step()
        end = [p.detach() for p in network.parameters()]
        return start, dict(zip(names, (p.T if p.dim() == 2 else p for p in end), strict=True))

    return train


def assert_close(ours, theirs, start, tolerance):
    """Compare relative to how far each tensor has moved."""
    for name, values in theirs.items():
        movement = (values - start[name]).abs().max().item()
        assert movement > 0
        assert (ours[name] - values).abs().max().item() < tolerance * movement, name


@pytest.mark.parametrize("precision", ROUNDING)
@pytest.mark.parametrize("l2", [0.0, 0.05])
@pytest.mark.parametrize("activation", ["relu", "tanh", "gelu"])
def test_updates_equal_those_of_torch(make_run, updated, trained_by_torch, activation, l2, precision) -> None:
    model = MlpModel(hidden_widths=(7, 10), activation=activation)
    for num_updates in (1, 12):
        run = make_run(model=model, l2=l2, precision=precision, num_updates=num_updates)
        start, end = trained_by_torch(run, num_updates)
        assert_close(updated([run], num_updates)[0], end, start, ROUNDING[precision])


def test_images_are_flattened_row_by_row(make_run, updated, trained_by_torch) -> None:
    run = make_run(data=DigitsData(num_train=20, num_test=10), num_updates=5)
    start, end = trained_by_torch(run, 5)
    assert_close(updated([run], 5)[0], end, start, ROUNDING["float64"])


@pytest.mark.parametrize("l2", [0.0, 0.05])
def test_penalised_updates_follow_the_modified_loss_with_l2_inside(
    make_run, updated, trained_by_torch, l2
) -> None:
    # The oracle differentiates λ/4·‖∇(C_k + l2/2·‖ω‖²)‖² as it stands; l2·ω comes from torch's weight decay.
    run = make_run(strength=0.5, l2=l2, num_updates=12)
    start, end = trained_by_torch(run, 12)
    assert_close(updated([run], 12)[0], end, start, ROUNDING["float64"])


@pytest.mark.parametrize("backend", ["batched", "native-256"])
def test_momentum_is_that_of_torch(make_run, updated, trained_by_torch, backend) -> None:
    run = make_run(momentum=0.9, l2=0.05, num_updates=12)
    start, end = trained_by_torch(run, 12)
    assert_close(updated([run], 12, backend=backend)[0], end, start, ROUNDING["float64"])


def test_a_long_gradient_is_clipped_with_its_penalty_and_l2(make_run, updated, trained_by_torch) -> None:
    lengths = {"all of them": 0.05, "some of them": 1.0}
    for clip_norm in lengths.values():
        run = make_run(momentum=0.5, strength=0.5, clip_norm=clip_norm, num_updates=12)
        start, end = trained_by_torch(run, 12)
        # torch adds 1e-6 to a norm before it divides by it
        assert_close(updated([run], 12)[0], end, start, 1e-4)
    with_l2 = make_run(l2=0.05, clip_norm=0.05, num_updates=12)
    start, end = trained_by_torch(with_l2, 12)
    assert_close(updated([with_l2], 12)[0], end, start, 1e-4)


def test_the_squared_error_is_half_of_the_squared_distance(make_run, updated, trained_by_torch) -> None:
    run = make_run(loss=SquaredErrorLoss(), strength=0.1, num_updates=12)
    start, end = trained_by_torch(run, 12)
    assert_close(updated([run], 12)[0], end, start, ROUNDING["float64"])


@pytest.mark.parametrize(
    "num_updates", [10, 40]
)  # 40 updates cross a chunk of 32 in the middle of a minibatch
def test_n_step_sgd_makes_n_updates_on_each_minibatch(
    make_run, updated, trained_by_torch, num_updates
) -> None:
    # 10 = 3·3 + 1 and 40 = 13·3 + 1: the last minibatch is cut after one update
    run = make_run(inner_steps=3, num_updates=num_updates)
    start, end = trained_by_torch(run, num_updates)
    assert_close(updated([run], num_updates)[0], end, start, 1e-11)


def test_runs_of_one_schedule_and_several_rates_arrive_at_one(make_run, make_population) -> None:
    schedule = HoldThenDecayToSchedule(final_lr=2**-9, num_drops=2)
    runs = [make_run(schedule=schedule, num_updates=8, lr=lr) for lr in (2**-3, 2**-5, 2**-9, 2**-11)]
    population = make_population(runs)
    rates = population._learning_rates(population._live(), 8)
    expected = [[-3] * 4 + [-6] * 2 + [-9] * 2, [-5] * 4 + [-7] * 2 + [-9] * 2]
    expected += [[-9] * 8, [-11] * 4 + [-10] * 2 + [-9] * 2]
    assert rates.log2().T.tolist() == expected


def test_the_rate_follows_the_schedule(make_run, make_population) -> None:
    """With its gradient replaced by ones, a run moves by the sum of its learning rates."""
    schedule = HoldThenDecaySchedule(num_drops=2, factor=4)
    runs = [make_run(lr=lr, schedule=schedule, num_updates=8) for lr in (0.5, 0.125)]
    population = make_population(runs)
    start = [p.detach().clone() for p in population.stacked]
    ones = tuple(torch.ones_like(p) for p in start)
    population.backend = Stepwise(Following(lambda *_: (torch.zeros(2), ones), population.rule))
    while population.members[0].update < 8:
        population._advance()
    total = 4 * 1 + 2 / 4 + 2 / 16
    for before, after in zip(start, population.stacked, strict=True):
        for run, lr in enumerate([0.5, 0.125]):
            torch.testing.assert_close(before[run] - after[run], torch.full_like(before[run], lr * total))


@pytest.mark.parametrize("estimator", ["exact", "forward_difference", "central_difference"])
def test_a_penalty_of_zero_is_plain_sgd_to_the_bit(make_run, updated, estimator) -> None:
    plain = [make_run(seed=seed, num_updates=33) for seed in range(3)]
    zero = [
        make_run(seed=seed, num_updates=33, strength=s, estimator=estimator)
        for seed, s in enumerate([0, 0.5, 0])
    ]
    plain, zero = updated(plain, 33), updated(zero, 33)
    for slot, equal in enumerate([True, False, True]):
        assert all(torch.equal(plain[slot][n], zero[slot][n]) for n in plain[slot]) == equal


def test_a_vanishing_penalty_meets_plain_sgd_linearly(make_run, updated) -> None:
    strengths = [0.0, 1e-8, 1e-7, 1e-6]
    ends = updated([make_run(num_updates=20, strength=strength) for strength in strengths], 20)
    distances = [torch.cat([(end[n] - ends[0][n]).flatten() for n in end]).norm() for end in ends]
    assert distances[1] > 0
    assert abs(distances[2] / distances[1] - 10) < 1e-3
    assert abs(distances[3] / distances[2] - 10) < 1e-3
