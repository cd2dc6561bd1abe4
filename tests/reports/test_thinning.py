"""Thinned curves against what they are made of, decoded by struct."""

import base64
import struct

import numpy as np
import pytest

from sgdlab.reports.thinning import thin


def decode(thinned, key):
    place, text = thinned.curves[key]
    numbers = [number for (number,) in struct.iter_unpack("<H", base64.b64decode(text))]
    span = thinned.high - thinned.low
    values = [None if n == 65_535 else thinned.low + span * n / 65_534 for n in numbers]
    return list(thinned.updates[place]), values


def test_what_fits_is_whole_to_a_part_of_the_range():
    updates, values = np.arange(1, 51) * 10, np.random.default_rng(0).normal(size=50)
    thinned = thin("m", {"a": (updates, values)}, 10_000)
    x, y = decode(thinned, "a")
    assert x == updates.tolist()
    assert y == pytest.approx(values, abs=np.ptp(values) / 65_534)
    assert (thinned.num_kept, thinned.num_evaluations) == (50, 50)


def test_what_doesn_t_fit_keeps_its_ends_and_is_evenly_spread():
    updates, values = np.arange(1000), np.arange(1000.0)
    many = {f"{i}": (updates, values) for i in range(100)}
    thinned = thin("m", many, 100 * 40)  # 15 values each
    x, y = decode(thinned, "3")
    assert len(x) == thinned.num_kept == 15
    assert (x[0], x[-1]) == (0, 999)
    assert np.ptp(np.diff(x)) <= 1
    assert y == pytest.approx(x, abs=1000 / 65_534)
    assert len(thinned.updates) == 1  # shared
    assert sum(len(text) for _, text in thinned.curves.values()) <= 100 * 40


def test_eight_evaluations_stay_whatever_the_budget():
    assert len(decode(thin("m", {"a": (np.arange(99), np.arange(99.0))}, 0), "a")[0]) == 8


def test_what_isn_t_finite_has_no_value_and_no_part_in_the_range():
    thinned = thin("m", {"a": (np.arange(4), np.array([0.5, np.nan, np.inf, 0.75]))}, 1000)
    assert (thinned.low, thinned.high) == (0.5, 0.75)
    assert decode(thinned, "a")[1] == [0.5, None, None, 0.75]


def test_a_level_curve_and_no_curve_at_all():
    assert decode(thin("m", {"a": (np.arange(3), np.full(3, 0.5))}, 1000), "a")[1] == [0.5] * 3
    assert thin("m", {}, 1000).to_dict({})["curves"] == {}
