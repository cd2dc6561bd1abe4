"""Units of columns."""

import pytest

from sgdlab.analysis.units import unit_of


@pytest.mark.parametrize(
    ("column", "unit"),
    [
        ("test_accuracy.best", "share of examples"),
        ("train_loss.final", "loss"),
        ("test_loss", "loss"),
        ("c_reg.final", "loss²"),
        ("mean_gradient_sq", "loss²"),
        ("optimizer.lr", "1/loss"),
        ("schedule.final_lr", "1/loss"),
        ("optimizer.batch_size", "examples"),
        ("budget.num_epochs", "epochs"),
        ("relative_sharpness.curve", None),
        ("relative_loss_change", None),
        ("seed", None),
        ("best_mean", None),
    ],
)
def test_unit(column, unit):
    assert unit_of(column) == unit
