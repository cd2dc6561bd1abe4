"""Sets of draws against a plain enumeration of ordered draws."""

from collections import Counter
from itertools import combinations, product

import pytest
import torch

from sgdlab.theory.draws import Sets, draws_with_replacement, draws_without_replacement, independent


@pytest.mark.parametrize(("num_examples", "num_draws"), [(3, 1), (3, 4), (4, 2)])
def test_with_replacement_every_ordered_draw_is_equally_likely(num_examples, num_draws):
    ordered = Counter(tuple(sorted(draw)) for draw in product(range(num_examples), repeat=num_draws))
    sets = draws_with_replacement(num_examples, num_draws)
    found = dict(zip(map(tuple, sets.examples.tolist()), sets.probabilities.tolist(), strict=True))
    assert found == pytest.approx({row: n / num_examples**num_draws for row, n in ordered.items()})


def test_no_draw_is_one_empty_set():
    sets = draws_with_replacement(5, 0)
    assert sets.examples.shape == (1, 0)
    assert sets.probabilities.tolist() == [1]


def test_without_replacement_every_subset_is_equally_likely():
    sets = draws_without_replacement(5, 3)
    assert sorted(map(tuple, sets.examples.tolist())) == list(combinations(range(5), 3))
    assert sets.probabilities.tolist() == pytest.approx([0.1] * 10)


def test_the_mean_weighs_by_probability():
    sets = Sets(torch.tensor([[0], [1]]), torch.tensor([0.25, 0.75], dtype=torch.float64))
    values = torch.tensor([[0.0, 4.0], [4.0, 0.0]], dtype=torch.float64)
    assert sets.mean(values).tolist() == [3, 1]


def test_independent_sets_are_all_pairs_and_their_probabilities_multiply():
    one, two = draws_with_replacement(2, 2), draws_without_replacement(3, 1)
    first, second = independent(one, two)
    assert len(first.examples) == len(second.examples) == 3 * 3
    assert torch.equal(first.probabilities, second.probabilities)
    assert float(first.probabilities.sum()) == pytest.approx(1)
    mean_of_product = first.mean(first.examples.double().mean(dim=1) * second.examples.double()[:, 0])
    assert float(mean_of_product) == pytest.approx(0.5 * 1.0)
