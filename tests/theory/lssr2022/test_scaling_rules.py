"""Figure 5 left, at points that can be computed by hand."""

import pytest

from sgdlab.theory.lssr2022.scaling_rules import BATCH_SIZES, local_slopes, run


def test_a_power_law_has_its_exponent_as_slope():
    assert local_slopes([x**1.5 for x in (1, 2, 4, 8)]) == pytest.approx([1.5] * 3)


def test_the_curves_start_together_and_end_apart():
    report = run()
    (panel,) = report.figure.panels
    ends = [(series.mean[0], series.mean[-1]) for series in panel.series]
    assert [start for start, _ in ends] == pytest.approx([2**-7] * 3)
    assert [end for _, end in ends] == pytest.approx([1, 64, 2**-0.5])
    assert all(finding.verdict == "supported" for finding in report.findings)


def test_one_point_by_hand():
    """n = 8192, b = 128: γ/b = 8064/8191/128, and 1/ρ = 128."""
    (panel,) = run().figure.panels
    expected = 1 / (8064 / 8191 + 1 - 8064 / 8191 / 128)
    assert panel.series[0].mean[BATCH_SIZES.index(128)] == pytest.approx(expected, rel=1e-12)
