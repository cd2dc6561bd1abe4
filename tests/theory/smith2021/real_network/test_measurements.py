"""Which iterates are measured, at times that cost little and with few shuffles."""

from dataclasses import replace

import pytest

from sgdlab.theory.order_population import Shuffles
from sgdlab.theory.smith2021.real_network import measurements


@pytest.fixture
def measured(setting, monkeypatch):
    for name, value in list(vars(measurements).items()):
        if isinstance(value, Shuffles):
            monkeypatch.setattr(measurements, name, replace(value, num_groups=2, group_size=1))
    monkeypatch.setattr(measurements, "ONE_EPOCH_TIMES", (0.05, 0.4))
    monkeypatch.setattr(measurements, "FOUR_EPOCHS_TIMES", (0.1, 0.2))
    monkeypatch.setattr(measurements, "SMALL_BATCHES_TIMES", (0.2,))
    return measurements.measure(setting)


def test_the_fixed_time_is_the_same_for_all(measured, setting):
    found = list(measured.fixed_time.items())
    assert [one.num_epochs for _, one in found] == [8, 4, 2, 1]
    for time, one in found:
        assert one.num_epochs * 8 * one.lr * setting.top_eigenvalue == pytest.approx(0.4)
        assert one.num_epochs * time == pytest.approx(0.4)


def test_iterates_are_by_the_time_of_an_epoch(measured, setting):
    for iterates, num_epochs, num_batches in (
        (measured.one_epoch, 1, 8),
        (measured.four_epochs, 4, 8),
        (measured.small_batches, 1, 32),
    ):
        assert list(iterates) == sorted(iterates)
        for time, one in iterates.items():
            assert one.num_epochs == num_epochs
            assert num_batches * one.lr * setting.top_eigenvalue == pytest.approx(time)


def test_what_is_fitted_is_measured():
    assert set(measurements.SMALL_TIMES) < set(measurements.ONE_EPOCH_TIMES)
