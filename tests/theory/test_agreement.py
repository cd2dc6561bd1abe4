"""Findings on numbers that an equation fixes."""

import numpy as np
import pytest

from sgdlab.sweeps.claims import Expectation
from sgdlab.theory.agreement import agreement_finding, exact_finding, ratio_finding


@pytest.mark.parametrize(("deviation", "verdict"), [(3e-15, "supported"), (1e-6, "not supported")])
def test_rounding_agrees_and_more_does_not(deviation, verdict):
    assert agreement_finding("They are equal.", deviation).verdict == verdict


def test_an_exact_number_has_no_interval():
    finding = exact_finding("It is 2.", 2.0, Expectation(within=(2, 2)))
    assert finding.interval == (2, 2)
    assert finding.verdict == "supported"


def test_a_ratio_has_the_interval_of_its_mean():
    """Mean 2, standard deviation √2 of two: Student's t with one degree of freedom is 12.706."""
    finding = ratio_finding("It is 2.", np.array([1.0, 3.0]), 2.0, tolerance=0.1)
    assert finding.value == 1
    assert finding.interval == pytest.approx((1 - 12.706 / 2, 1 + 12.706 / 2), rel=1e-4)
    assert finding.verdict == "inconclusive"


def test_a_negative_prediction_keeps_the_ends_in_order():
    finding = ratio_finding("It falls.", np.array([-1.01, -0.99, -1.0]), -1.0, tolerance=0.1)
    assert finding.interval[0] < 1 < finding.interval[1]
    assert finding.verdict == "supported"
