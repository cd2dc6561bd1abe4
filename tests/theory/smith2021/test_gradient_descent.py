"""The measured distances on a quadratic, where both flows are a matrix exponential."""

import numpy as np
import pytest

from sgdlab.theory.smith2021.gradient_descent import error_curves

LRS = tuple(2.0**-k for k in range(5, 10))


@pytest.mark.parametrize(
    ("num_updates", "orders"), [(lambda _: 1, (3, 2)), (lambda lr: round(0.5 / lr), (2, 1))]
)
def test_errors_are_those_of_the_closed_form(quadratics, num_updates, orders):
    whole = range(6)
    curves = error_curves(quadratics.problem, LRS, num_updates, orders, of="GD")
    for curve, share in zip(curves, (0.25, 0.0), strict=True):
        for lr, error in zip(LRS, curve.errors, strict=True):
            point, updates = quadratics.start, num_updates(lr)
            for _ in range(updates):
                point = point - lr * quadratics.gradient(whole, point)
            flowed = quadratics.flow([whole], share * lr, updates * lr)
            assert error == pytest.approx(np.linalg.norm(point - flowed), rel=1e-4)
        assert curve.finding.verdict == "supported", curve.finding


def test_a_wrong_coefficient_is_found_out(quadratics, monkeypatch):
    from sgdlab.theory.smith2021 import gradient_descent

    original = gradient_descent.modified_descent
    monkeypatch.setattr(
        gradient_descent,
        "modified_descent",
        lambda problem, batches, strength: original(problem, batches, 1.1 * strength),
    )
    to_modified, _ = error_curves(quadratics.problem, LRS, lambda _: 1, (3, 2), of="GD")
    assert to_modified.finding.verdict == "not supported"
