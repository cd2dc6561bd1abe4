"""Two epochs on quadratics: what ε² multiplies, order by order, and distances by the matrix exponential."""

from itertools import permutations

import numpy as np
import pytest

from sgdlab.theory.orders import forward_then_reverse
from sgdlab.theory.smith2021 import forward_reverse
from sgdlab.theory.smith2021.forward_reverse import furthest_and_spread


def test_furthest_and_spread_are_those_of_updates_written_out(quadratics, monkeypatch):
    monkeypatch.setattr(forward_reverse, "NUM_BATCHES", 3)
    lr, batches = 2.0**-5, quadratics.problem.batches(3).tolist()
    ends = []
    for order in permutations(batches):
        point = quadratics.start
        for batch in (*order, *reversed(order)):
            point = point - lr * quadratics.gradient(batch, point)
        ends.append(point)
    flowed = quadratics.flow(batches, lr / 4, 6 * lr)
    furthest, spread = furthest_and_spread(quadratics.problem, forward_then_reverse(3), lr)
    assert furthest == pytest.approx(max(np.linalg.norm(end - flowed) for end in ends), rel=1e-8)
    variance = np.mean([np.sum((end - np.mean(ends, axis=0)) ** 2) for end in ends])
    assert spread == pytest.approx(variance**0.5, rel=1e-8)


def test_reversing_gives_every_order_one_second_coefficient(quadratics):
    """Σ_{j before k} H_k g_j over both epochs: every pair of batches comes in either order equally often."""
    batches = quadratics.problem.batches(3).tolist()
    corrections = []
    for order in permutations(batches):
        sequence = [*order, *reversed(order)]
        gradients = [quadratics.gradient(batch) for batch in sequence]
        hessians = [quadratics.batch(batch)[0] for batch in sequence]
        corrections.append(sum(hessians[k] @ gradients[j] for k in range(len(sequence)) for j in range(k)))
    np.testing.assert_allclose(corrections, [corrections[0]] * len(corrections), rtol=1e-10)
