"""n-step SGD on quadratics: two updates on a batch are eq. 35 exactly, an epoch's flow an exponential."""

from itertools import permutations

import numpy as np
import pytest

from sgdlab.theory.smith2021.n_step import epoch_error, one_batch_error, relative_strength


@pytest.mark.parametrize("inner", [1, 2])
def test_eq35_is_exact_for_up_to_two_updates(quadratics, inner):
    assert one_batch_error(quadratics.problem, inner, 0.1) < 1e-14


def test_with_three_updates_it_lacks_the_third_order(quadratics):
    lr = 0.1
    hessian, _ = quadratics.batch([0, 1])
    left_out = (lr / 3) ** 3 * hessian @ hessian @ quadratics.gradient([0, 1])  # one triple of updates
    assert one_batch_error(quadratics.problem, 3, lr) == pytest.approx(np.linalg.norm(left_out), rel=1e-10)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.0625])
def test_the_mean_epoch_against_a_flow_of_any_strength(quadratics, share):
    lr, batches = 2.0**-5, quadratics.problem.batches(3).tolist()
    ends = []
    for order in permutations(batches):
        point = quadratics.start
        for batch in (one for one in order for _ in range(4)):
            point = point - lr / 4 * quadratics.gradient(batch, point)
        ends.append(point)
    flowed = quadratics.flow(batches, share * lr, 3 * lr)
    expected = np.linalg.norm(np.mean(ends, axis=0) - flowed)
    assert epoch_error(quadratics.problem, 4, lr, strength=share * lr) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("inner", [1, 2, 8])
def test_the_strength_that_is_seen_is_alpha(quadratics, inner):
    # the next order is relative ε·|H|·m, here about 1e-3
    assert relative_strength(quadratics.problem, inner, 2.0**-14) == pytest.approx(1 / inner, rel=1e-2)
