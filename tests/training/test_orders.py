import itertools
from collections import Counter

import pytest
import torch
from scipy.stats import chisquare

from sgdlab.config.components import SgdOptimizer
from sgdlab.training.orders import MinibatchOrder

ORDERS = ["shuffled", "independent", "with_replacement", "fixed", "forward_reverse"]


def order_of(order, num_examples, batch_size, seed=0, remainder="drop") -> MinibatchOrder:
    optimizer = SgdOptimizer(lr=0.1, batch_size=batch_size, order=order, remainder=remainder)
    return MinibatchOrder(seed, num_examples, optimizer)


def drawn(order, num_examples, batch_size, count, **options) -> torch.Tensor:
    return order_of(order, num_examples, batch_size, **options).minibatches(0, count)


@pytest.mark.parametrize("order", ["shuffled", "fixed"])
def test_an_epoch_shows_each_example_once(order) -> None:
    epochs = drawn(order, 12, 4, 9).view(3, 12)
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs.tolist())
    assert torch.equal(epochs[0], epochs[1]) == (order == "fixed")
    assert torch.equal(epochs[1], epochs[2]) == (order == "fixed")


def test_forward_reverse_goes_back_and_then_starts_afresh() -> None:
    batches = drawn("forward_reverse", 12, 4, 12)
    for pair in batches.view(2, 6, 4):
        assert sorted(pair[:3].flatten().tolist()) == list(range(12))
        assert torch.equal(pair[3:], pair[:3].flip(0))
    assert not torch.equal(batches[:6], batches[6:])


@pytest.mark.parametrize("order", ["shuffled", "fixed", "forward_reverse"])
def test_dropped_examples_are_left_out_of_one_epoch_only(order) -> None:
    batches = drawn(order, 11, 4, 40)
    for epoch in batches.view(-1, 8).tolist():
        assert len(set(epoch)) == 8
    assert len(set(batches.flatten().tolist())) == (8 if order == "fixed" else 11)


@pytest.mark.parametrize(("num_examples", "batch_size"), [(10, 4), (7, 5), (9, 6), (5, 5)])
def test_carried_examples_are_seen_equally_often(num_examples, batch_size) -> None:
    order = order_of("shuffled", num_examples, batch_size, remainder="carry")
    stream = order.minibatches(0, 3 * order.batches_per_block).flatten()
    epochs = stream.view(-1, num_examples).tolist()
    assert all(sorted(epoch) == list(range(num_examples)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == len(epochs)  # each is shuffled anew
    assert set(Counter(stream[: order.batches_per_block * batch_size].tolist()).values()) == {
        order.batches_per_block * batch_size // num_examples
    }


def test_carrying_changes_nothing_where_nothing_is_left_over() -> None:
    carried = drawn("shuffled", 12, 4, 20, remainder="carry")
    assert torch.equal(carried, drawn("shuffled", 12, 4, 20))


@pytest.mark.parametrize(("num_examples", "batch_size"), [(5, 5), (5, 3), (300, 40), (7, 1)])
def test_independent_batches_hold_no_example_twice(num_examples, batch_size) -> None:
    batches = drawn("independent", num_examples, batch_size, 130)
    assert all(len(set(batch)) == batch_size for batch in batches.tolist())
    assert batches.min() >= 0
    assert batches.max() < num_examples


def test_a_sequential_order_reads_streams_of_equal_length_side_by_side() -> None:
    order = order_of("sequential", 11, 4)  # four streams of two: 8, 9 and 10 are in none
    assert order.minibatches(0, 5).tolist() == [[0, 2, 4, 6], [1, 3, 5, 7]] * 2 + [[0, 2, 4, 6]]
    assert order.starts(1, 4).tolist() == [False, True, False, True]
    assert order_of("shuffled", 11, 4).starts(0, 3) is None
    assert torch.equal(order.minibatches(7, 130), drawn("sequential", 11, 4, 137)[7:])


def assert_uniform(outcomes, kinds) -> None:
    counts = Counter(outcomes)
    assert set(counts) <= set(kinds)
    assert (
        chisquare([counts[kind] for kind in kinds]).pvalue > 0.001
    )  # seeds are fixed: it passes or it doesn't


def test_independent_batches_are_uniform_over_all_subsets() -> None:
    # Floyd's algorithm draws sets: all C(6, 3) = 20 of them, 200 times each on average
    batches = drawn("independent", 6, 3, 4000)
    assert_uniform([tuple(sorted(b)) for b in batches.tolist()], list(itertools.combinations(range(6), 3)))


def test_batches_with_replacement_are_uniform_over_all_tuples() -> None:
    batches = drawn("with_replacement", 5, 2, 5000)
    assert_uniform(map(tuple, batches.tolist()), list(itertools.product(range(5), repeat=2)))


def test_shuffles_are_uniform_over_all_permutations() -> None:
    epochs = drawn("shuffled", 4, 2, 4800).view(-1, 4)
    assert_uniform(map(tuple, epochs.tolist()), list(itertools.permutations(range(4))))


@pytest.mark.parametrize(
    ("order", "remainder"), [*((order, "drop") for order in ORDERS), ("shuffled", "carry")]
)
def test_any_minibatch_is_known_without_the_ones_before(order, remainder) -> None:
    whole = drawn(order, 11, 4, 300, remainder=remainder)
    jumping = order_of(order, 11, 4, remainder=remainder)
    for first, count in [(0, 1), (63, 2), (250, 50), (0, 300), (10, 1), (64, 64), (1, 130), (299, 1)]:
        assert torch.equal(jumping.minibatches(first, count), whole[first : first + count])


@pytest.mark.parametrize("order", ORDERS)
def test_a_seed_is_an_order_of_its_own(order) -> None:
    sequences = [drawn(order, 40, 4, 20, seed=seed) for seed in range(4)]
    assert all(not torch.equal(a, b) for a, b in itertools.combinations(sequences, 2))
    assert torch.equal(sequences[1], drawn(order, 40, 4, 20, seed=1))


GOLDEN = {
    "shuffled": [[3, 0, 2], [7, 4, 6], [2, 1, 3]],
    "independent": [[3, 6, 7], [4, 2, 7], [0, 4, 3]],
    "with_replacement": [[3, 0, 4], [4, 4, 3], [5, 3, 2]],
    "fixed": [[3, 0, 2], [7, 4, 6], [3, 0, 2]],
    "forward_reverse": [[3, 0, 2], [7, 4, 6], [7, 4, 6]],
}


@pytest.mark.parametrize("order", ORDERS)
def test_orders_are_what_they_were(order) -> None:
    """If one changes on purpose, raise `revision` of `SgdOptimizer`: stored results are of the old order."""
    assert drawn(order, 8, 3, 3, seed=5).tolist() == GOLDEN[order]
