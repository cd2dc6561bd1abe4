"""SGD as this package makes it follows the modified flows of smith2021, on a smooth network in float64.

The runs of a pack are all m! orders of m fixed minibatches, updated by the package's own objective and
optimizer. The flows are written anew on one flat vector, and integrated by scipy to 1e-12.
"""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.integrate import solve_ivp

from sgdlab.config.components import SgdOptimizer
from sgdlab.models.mlp import Mlp
from sgdlab.training.descent import PLAIN
from sgdlab.training.objective import Minibatches, Objective
from sgdlab.training.orders import MinibatchOrder
from sgdlab.training.state import State

NUM_BATCHES, BATCH_SIZE = 4, 2
RATES = 2.0 ** -np.arange(7, 12)  # small enough for the leading order, large enough for 1e-13 to be nothing
WIDTHS = (2, 3, 3)


def slope(errors) -> float:
    return np.polyfit(np.log(RATES), np.log(errors), 1)[0]


@pytest.fixture(scope="module")
def problem():
    """Inputs (m, B, 2), labels (m, B) and a starting point that is nowhere near a minimum."""
    generator = torch.Generator().manual_seed(4)
    inputs = torch.randn(NUM_BATCHES, BATCH_SIZE, 2, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, 3, (NUM_BATCHES, BATCH_SIZE), generator=generator)
    shapes = [(2, 3), (3,), (3, 3), (3,)]
    start = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes]
    return inputs, labels, start


def sgd(problem, orders, rate, inner_steps=1):
    """Follow each order of minibatches in a slot of its own; return all final points (orders, P)."""
    inputs, labels, start = problem
    num_runs = len(orders)
    stacked = [torch.nn.Parameter(values.expand(num_runs, *values.shape).clone()) for values in start]
    objective = Objective(Mlp(WIDTHS, "tanh"), ("weight0", "bias0", "weight1", "bias1"), None)
    state = State(tuple(stacked))
    rates = torch.full((num_runs,), rate, dtype=torch.float64)
    for minibatch in torch.tensor(orders).T:
        batch = Minibatches(inputs[minibatch], labels[minibatch])
        for _ in range(inner_steps):
            PLAIN(state, objective.gradients(state.parameters, batch)[1], rates)
    return torch.cat([p.detach().flatten(1) for p in stacked], dim=1).numpy()


def flow(problem, strength, time):
    """Integrate the gradient flow on C + strength·Σ‖∇C_k‖²/(4m)."""
    inputs, labels, start = problem

    def velocity(_, point):
        flat = torch.tensor(point, requires_grad=True)
        weight0, bias0, weight1, bias1 = flat.split([6, 3, 9, 3])
        costs = [
            F.cross_entropy(torch.tanh(x @ weight0.view(2, 3) + bias0) @ weight1.view(3, 3) + bias1, y)
            for x, y in zip(inputs, labels, strict=True)
        ]
        loss = sum(costs) / NUM_BATCHES
        if strength:
            norms = [(torch.autograd.grad(c, flat, create_graph=True)[0] ** 2).sum() for c in costs]
            loss = loss + strength * sum(norms) / (4 * NUM_BATCHES)
        return -torch.autograd.grad(loss, flat)[0].numpy()

    initial = torch.cat([values.flatten() for values in start]).numpy()
    solution = solve_ivp(velocity, (0, time), initial, method="DOP853", rtol=1e-12, atol=1e-13)
    return solution.y[:, -1]


ALL_ORDERS = list(itertools.permutations(range(NUM_BATCHES)))


def test_the_mean_over_all_orders_follows_the_modified_flow_to_third_order(problem) -> None:
    """Equation 20: E ω_m = ω(mε) + O(ε³) on C + ε·C_reg, and O(ε²) on C alone."""
    modified, original = [], []
    for rate in RATES:
        mean = sgd(problem, ALL_ORDERS, rate).mean(axis=0)
        modified.append(np.linalg.norm(mean - flow(problem, rate, NUM_BATCHES * rate)))
        original.append(np.linalg.norm(mean - flow(problem, 0.0, NUM_BATCHES * rate)))
    assert abs(slope(modified) - 3) < 0.1
    assert abs(slope(original) - 2) < 0.1


def test_the_mean_of_n_step_sgd_follows_a_flow_of_strength_alpha(problem) -> None:
    """Equation 39: the strength is the bare rate α = ε/n. With ε instead, the error is O(ε²)."""
    inner_steps = 3
    right, wrong = [], []
    for rate in RATES:
        mean = sgd(problem, ALL_ORDERS, rate / inner_steps, inner_steps).mean(axis=0)
        right.append(np.linalg.norm(mean - flow(problem, rate / inner_steps, NUM_BATCHES * rate)))
        wrong.append(np.linalg.norm(mean - flow(problem, rate, NUM_BATCHES * rate)))
    assert abs(slope(right) - 3) < 0.1
    assert abs(slope(wrong) - 2) < 0.1


def test_forward_then_reverse_follows_the_flow_without_averaging(problem) -> None:
    """Remarks of §2.2: the O(m²ε²) deviation of each single run vanishes; in two equal epochs it does not."""
    orders = ALL_ORDERS[::5]
    there_and_back = [order + order[::-1] for order in orders]
    twice_forward = [order + order for order in orders]
    errors, spreads = {"back": [], "twice": []}, {"back": [], "twice": []}
    for rate in RATES:
        target = flow(problem, rate, 2 * NUM_BATCHES * rate)
        for name, sequences in [("back", there_and_back), ("twice", twice_forward)]:
            ends = sgd(problem, sequences, rate)
            errors[name].append(np.linalg.norm(ends - target, axis=1))
            spreads[name].append(ends.std(axis=0).max())
    for run in range(len(orders)):
        assert abs(slope(np.array(errors["back"])[:, run]) - 3) < 0.1
        assert abs(slope(np.array(errors["twice"])[:, run]) - 2) < 0.1
    assert abs(slope(spreads["back"]) - 3) < 0.1
    assert abs(slope(spreads["twice"]) - 2) < 0.1


def test_the_order_forward_reverse_is_that_sequence() -> None:
    optimizer = SgdOptimizer(lr=0.1, batch_size=BATCH_SIZE, order="forward_reverse")
    batches = MinibatchOrder(0, NUM_BATCHES * BATCH_SIZE, optimizer).minibatches(0, 2 * NUM_BATCHES)
    assert torch.equal(batches, batches.flip(0))
    assert sorted(batches[:NUM_BATCHES].flatten().tolist()) == list(range(NUM_BATCHES * BATCH_SIZE))
