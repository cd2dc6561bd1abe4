import numpy as np
import pytest
import torch

from sgdlab.config.components import (
    ConstantSchedule,
    EpochDecaySchedule,
    HoldThenDecaySchedule,
    HoldThenDecayToSchedule,
)
from sgdlab.training.schedules import relative_learning_rates, relative_to


def trace(schedule, num_updates, updates_per_epoch=3.0) -> list[float]:
    rates = relative_learning_rates(schedule, torch.arange(num_updates), num_updates, updates_per_epoch)
    assert rates.dtype == torch.float64
    return rates.tolist()


def test_a_constant_schedule_is_constant() -> None:
    assert trace(ConstantSchedule(), 5) == [1.0] * 5


def test_table_1_of_smith2020_is_constant_for_4882_updates_and_then_halved_every_488() -> None:
    # 9765 = 4882 + 10·488 + 3: the three left over stay at 2⁻¹⁰, there is no eleventh drop
    expected = np.concatenate([np.ones(4882), np.repeat(2.0 ** -np.arange(1, 11), 488), [2.0**-10] * 3])
    assert trace(HoldThenDecaySchedule(), 9765) == expected.tolist()


@pytest.mark.parametrize(
    ("schedule", "num_updates", "expected"),
    [
        (HoldThenDecaySchedule(num_drops=2, factor=10), 8, [1] * 4 + [0.1] * 2 + [0.01] * 2),
        (HoldThenDecaySchedule(num_drops=1, factor=4, hold_fraction=0), 3, [0.25] * 3),
        (HoldThenDecaySchedule(hold_fraction=1), 4, [1] * 4),
        (HoldThenDecaySchedule(num_drops=0), 4, [1] * 4),
        (HoldThenDecaySchedule(num_drops=10), 4, [1, 1, 0.5, 0.25]),  # fewer updates than drops
        (HoldThenDecaySchedule(), 1, [0.5]),
        (HoldThenDecaySchedule(num_drops=1, factor=0.5), 4, [1, 1, 2, 2]),
    ],
)
def test_edges(schedule, num_updates, expected) -> None:
    np.testing.assert_allclose(trace(schedule, num_updates), expected, rtol=1e-15)


@pytest.mark.parametrize("num_updates", [10, 100, 400, 1003, 9765])
def test_five_drops_are_halvings_at_every_remaining_tenth(num_updates) -> None:
    """smith2021, §4: at .5, .6, … .9 of all updates, to the update where ten divides them."""
    hold, interval = num_updates // 2, (num_updates - num_updates // 2) // 5
    rates = trace(HoldThenDecaySchedule(num_drops=5), num_updates)
    drops = [u for u in range(1, num_updates) if rates[u] != rates[u - 1]]
    assert drops == [hold + k * interval for k in range(5)]
    assert [rates[u] for u in drops] == [2.0**-k for k in range(1, 6)]
    assert all(abs(u - (0.5 + k / 10) * num_updates) <= k + 0.5 for k, u in enumerate(drops))
    if num_updates % 10 == 0:
        assert drops == [num_updates * tenth // 10 for tenth in range(5, 10)]


@pytest.mark.parametrize("num_updates", [20, 9765, 1003])
@pytest.mark.parametrize(("lr", "final_lr"), [(2.0**-2, 2.0**-9), (0.3, 0.007), (2.0**-6, 2.0**-3)])
def test_a_decay_to_a_final_rate_is_geometric_and_arrives(num_updates, lr, final_lr) -> None:
    """ε_0·(ε_f/ε_0)^(k/10) after k drops (smith2020, §7.1); upwards too, as both are tuned freely."""
    relative = relative_to(lr, HoldThenDecayToSchedule(final_lr=final_lr))
    rates = [lr * value for value in trace(relative, num_updates)]
    hold, interval = num_updates // 2, (num_updates - num_updates // 2) // 10
    expected = [lr * (final_lr / lr) ** (k / 10) for k in range(11)]
    assert rates[:hold] == [lr] * hold
    for k in range(1, 11):
        start = hold + (k - 1) * interval
        stop = start + interval if k < 10 else num_updates
        np.testing.assert_allclose(rates[start:stop], expected[k], rtol=4e-15)
    assert rates[-1] == pytest.approx(final_lr, rel=4e-15)


def test_a_thousandth_in_ten_drops_is_ten_halvings() -> None:
    towards = HoldThenDecayToSchedule(final_lr=2.0**-12)
    assert trace(relative_to(2.0**-2, towards), 9765) == trace(HoldThenDecaySchedule(), 9765)


def test_its_number_of_drops_and_its_hold_are_free() -> None:
    towards = HoldThenDecayToSchedule(final_lr=0.01, num_drops=2, hold_fraction=0.25)
    rates = trace(relative_to(1.0, towards), 8)
    np.testing.assert_allclose(rates, [1] * 2 + [0.1] * 3 + [0.01] * 3, rtol=1e-15)


def test_a_fraction_that_binary_numbers_miss_is_meant_as_written() -> None:
    assert 0.29 * 100 < 29
    assert trace(HoldThenDecaySchedule(hold_fraction=0.29, num_drops=1), 100).count(1.0) == 29


def test_any_update_is_known_without_the_ones_before() -> None:
    schedule = HoldThenDecaySchedule()
    some = relative_learning_rates(schedule, torch.tensor([[700], [3]]), 1000, 3.0)
    assert some.tolist() == [[trace(schedule, 1000)[700]], [1.0]]


def test_the_small_lstm_has_four_epochs_at_its_first_rate_and_halves_it_in_each_of_nine_more() -> None:
    expected = np.repeat([1.0] * 4 + [2.0**-k for k in range(1, 10)], 2323)
    assert trace(EpochDecaySchedule(), 13 * 2323, 2323.0) == expected.tolist()


def test_an_epoch_may_end_within_an_update() -> None:
    # epochs begin at 0, 2.5, 5 and 7.5: at the updates 0, 3, 5 and 8
    schedule = EpochDecaySchedule(hold_num_epochs=1, factor=10)
    expected = [1, 1, 1, 0.1, 0.1, 0.01, 0.01, 0.01, 0.001, 0.001]
    np.testing.assert_allclose(trace(schedule, 10, 2.5), expected, rtol=1e-15)
    assert trace(EpochDecaySchedule(hold_num_epochs=0), 4, 2.0) == [0.5, 0.5, 0.25, 0.25]
