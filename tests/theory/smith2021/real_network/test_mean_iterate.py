"""Mean iterates of random shuffles against all shuffles, and flows against matrix exponentials."""

from itertools import combinations, permutations

import numpy as np
import pytest
import torch

from sgdlab.theory.group_statistics import jackknife
from sgdlab.theory.order_population import Shuffles, follow_orders
from sgdlab.theory.smith2021.real_network.mean_iterate import mean_iterates, tolerance_effect

SHUFFLES = Shuffles(batch_size=2, num_epochs=2, num_groups=12, group_size=10)
LR = 0.02
EVERYONE = torch.arange(SHUFFLES.num_groups)


@pytest.fixture(scope="module")
def measured(quadratics):
    return mean_iterates(quadratics.problem, SHUFFLES, [LR], after=(1, 2))[0]


@pytest.mark.parametrize("num_epochs", [1, 2])
def test_flows_are_matrix_exponentials(quadratics, measured, num_epochs):
    batches = [list(batch) for batch in combinations(range(6), 2)]
    time = num_epochs * 3 * LR
    one = measured[num_epochs]
    np.testing.assert_allclose(one.modified_flow, quadratics.flow(batches, LR / 4, time), rtol=1e-7)
    np.testing.assert_allclose(one.plain_flow, quadratics.flow(batches, 0.0, time), rtol=1e-7)
    assert (one.lr, one.num_epochs) == (LR, num_epochs)


@pytest.mark.parametrize("statistic", ["error", "plain_error", "unexplained"])
def test_errors_are_those_of_all_shuffles_within_three_standard_errors(quadratics, measured, statistic):
    every = torch.tensor(list(permutations(range(6)))).view(720, 1, 3, 2)
    mean = follow_orders(quadratics.problem, every, LR)[0].mean(dim=0)
    one = measured[1]
    modified, plain = (torch.dist(mean, flow).item() for flow in (one.modified_flow, one.plain_flow))
    exact = {"error": modified, "plain_error": plain, "unexplained": modified / plain}[statistic]
    found = jackknife(lambda kept: np.array([getattr(one, statistic)(kept)]), SHUFFLES.num_groups)
    assert abs(found.values[0] - exact) < 3 * found.standard_errors[0]
    assert found.standard_errors[0] < 0.3 * exact  # so that a wrong number would be seen
    start = quadratics.problem.start
    assert one.displacement == pytest.approx(torch.dist(mean, start).item(), rel=1e-3)


def test_pairs_are_corrected_and_single_runs_are_not(measured):
    spreads = [getattr(measured[1], name).std(dim=0).norm() for name in ("single", "pairs", "corrected")]
    assert spreads[0] > 2 * spreads[1] > 4 * spreads[2]


def test_the_tolerance_is_nothing_beside_the_error(quadratics, measured):
    effect = tolerance_effect(quadratics.problem, 2, measured[1])
    assert effect < 1e-4 * measured[1].error(EVERYONE)
